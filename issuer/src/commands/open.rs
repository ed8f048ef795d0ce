//! Opens what the commands work on: the database, and the key that opens its secrets.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Failure, unreachable};
use crate::clock::World;
use crate::config::{Config, Mode};
use crate::keys::KeyEncryptionKey;
use crate::secret::Secret;
use crate::store::{self, Store};

/// What to do about a schema that is not this program's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Schema {
    Migrate,
    /// Refuse on PostgreSQL, where other replicas may run; SQLite is ours alone and is always brought up to date.
    Check,
    /// Nothing is made and nothing is changed, not even a file.
    Untouched,
}

/// The database as it is.
pub(super) fn connect(config: &Config) -> Result<Store, Failure> {
    Ok(match &config.database.url {
        Some(url) => Store::postgres(url.expose(), config.database.max_connections).map_err(failed)?,
        None => {
            data_directory(&config.data_dir)?;
            Store::sqlite(&config.data_dir.join(SQLITE_FILE)).map_err(failed)?
        }
    })
}

/// The same where there is one; none is made.
pub(super) fn existing(config: &Config) -> Result<Store, Failure> {
    let file = config.data_dir.join(SQLITE_FILE);
    if config.database.url.is_none() && !file.exists() {
        let file = file.display();
        return Err(Failure::new(format!("no database yet: {file}; `keystone serve` creates it")));
    }
    connect(config)
}

/// The database with the schema that this program was built for.
pub(super) async fn store(config: &Config, schema: Schema) -> Result<Store, Failure> {
    let store = if schema == Schema::Untouched { existing(config)? } else { to_change(config).await? };
    if schema == Schema::Migrate || (schema == Schema::Check && config.database.url.is_none()) {
        answered(store.migrate().await, config).await?;
    }
    let pending = answered(store.pending_migrations().await, config).await?;
    if pending.is_empty() {
        return Ok(store);
    }
    let (count, names) = (pending.len(), pending.join(", "));
    Err(Failure::new(format!(
        "the database lacks {count} migrations ({names}); run `keystone migrate`, or `keystone serve --migrate`"
    )))
}

/// The database, to bring its schema up to date.
///
/// An empty SQLite file beside a key that sealed data is a copy without its write-ahead log, or took the place of what was
/// deleted: a new start would make new keys and a new administrator.
pub(super) async fn to_change(config: &Config) -> Result<Store, Failure> {
    if config.database.url.is_some() {
        return connect(config);
    }
    // Before the file itself is looked at: who starts at the same time makes the file first, and the tables before the key.
    let key = development_key_file(config);
    let log = config.data_dir.join(SQLITE_LOG_FILE);
    let (has_key, has_log) = (key.exists(), size(&log) > 0);
    let is_missing = size(&config.data_dir.join(SQLITE_FILE)) == 0;
    if is_missing && (has_key || has_log) {
        return Err(lost(if has_log { &log } else { &key }));
    }
    let store = connect(config)?;
    if has_key && !answered(store.has_schema().await, config).await? {
        close(&store).await;
        return Err(lost(&key));
    }
    Ok(store)
}

fn lost(trace: &Path) -> Failure {
    let trace = trace.display();
    Failure::new(format!(
        "{trace} says that there was data, and {SQLITE_FILE} beside it holds none: restore {SQLITE_FILE} and \
         {SQLITE_LOG_FILE} together, or move {trace} away to start anew"
    ))
}

/// 0 where there is no file.
fn size(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |file| file.len())
}

/// Lets the last calls end. What SQLite wrote is in one file then.
pub(super) async fn close(store: &Store) {
    if tokio::time::timeout(CLOSE, store.close()).await.is_err() {
        tracing::warn!("database was not closed cleanly; committed data is intact");
    }
}

const CLOSE: Duration = Duration::from_secs(8);

/// What the database said. Where it said nothing, the failure tells why.
pub(super) async fn answered<T>(answer: store::Result<T>, config: &Config) -> Result<T, Failure> {
    match answer {
        Ok(answer) => Ok(answer),
        Err(error) => Err(failed(unreachable::why(&error, config).await)),
    }
}

/// One sentence, without line breaks.
pub(super) fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::new(error.to_string().split_whitespace().collect::<Vec<_>>().join(" "))
}

/// The configured key, or the one in `data_dir`, made at the first start (development only: `Config` sees to that).
pub(super) fn key_encryption_key(config: &Config, world: &World) -> Result<KeyEncryptionKey, Failure> {
    if let Some(key) = &config.key_encryption_key {
        return Ok(key.clone());
    }
    if config.mode == Mode::Production {
        return Err(Failure::new("`key_encryption_key` is required in production"));
    }
    data_directory(&config.data_dir)?;
    let path = development_key_file(config);
    let fresh = KeyEncryptionKey::generate_development(world);
    let text = read_or_create(&path, &fresh)
        .map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
    tracing::warn!(
        file = %path.display(),
        "`key_encryption_key` is not set; a development key encrypts the signing keys, which production refuses"
    );
    development_key(&path, &text)
}

/// The same, and `None` where one would have to be made.
pub(super) fn existing_key(config: &Config) -> Result<Option<KeyEncryptionKey>, Failure> {
    let path = development_key_file(config);
    match &config.key_encryption_key {
        Some(key) => Ok(Some(key.clone())),
        None if !path.exists() => Ok(None),
        None => match std::fs::read_to_string(&path) {
            Ok(text) => development_key(&path, &text).map(Some),
            Err(error) => Err(Failure::new(format!("{}: {error}", path.display()))),
        },
    }
}

fn development_key(path: &Path, text: &str) -> Result<KeyEncryptionKey, Failure> {
    KeyEncryptionKey::parse(text.trim())
        .ok_or_else(|| Failure::new(format!("{} must hold a key-encryption key", path.display())))
}

pub(super) fn development_key_file(config: &Config) -> PathBuf {
    config.data_dir.join(DEVELOPMENT_KEY_FILE)
}

/// Of several processes that start at once, all get what the first one wrote.
fn read_or_create(path: &Path, fresh: &Secret) -> io::Result<String> {
    if path.exists() {
        return std::fs::read_to_string(path);
    }
    // Written whole under a name of its own first, so that nobody reads half a key.
    let draft = path.with_extension(format!("key.{}", std::process::id()));
    // Of a process that was ended while it wrote, or a link that somebody laid there.
    drop(std::fs::remove_file(&draft));
    write_private(&draft, fresh.expose())?;
    let linked = std::fs::hard_link(&draft, path);
    std::fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => std::fs::read_to_string(path),
    }
}

/// Writes a new file that only its owner reads. A file that is there is kept, a symbolic link is not followed.
pub(super) fn write_private(path: &Path, text: &str) -> io::Result<()> {
    use std::io::Write as _;

    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    writeln!(file, "{text}")?;
    file.sync_all()
}

/// Makes a directory that only its owner reads, where there is none.
pub(super) fn private_directory(path: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

fn data_directory(path: &Path) -> Result<(), Failure> {
    private_directory(path).map_err(|error| Failure::new(format!("`data_dir` {}: {error}", path.display())))
}

/// The files of SQLite's database that are there.
pub(super) fn sqlite_files(config: &Config) -> Vec<PathBuf> {
    let names = ["", "-wal", "-shm"].map(|ending| format!("{SQLITE_FILE}{ending}"));
    let files = names.map(|name| config.data_dir.join(name)).into_iter();
    files.filter(|file| config.database.url.is_none() && file.exists()).collect()
}

/// Says in the log that what the database is told may cross the network unencrypted.
pub(super) fn warn_of_plain_database(config: &Config) {
    if is_database_plain(config) {
        tracing::warn!("{PLAIN_DATABASE}");
    }
}

pub(super) fn is_database_plain(config: &Config) -> bool {
    let url = config.database.url.as_ref().filter(|_| config.mode == Mode::Production);
    url.is_some_and(|url| store::may_be_plain(url.expose()))
}

pub(super) const PLAIN_DATABASE: &str = "the database connection may not use TLS: add sslmode=verify-full to the database URL, and sslrootcert for a private CA";

/// Says in the log whose modes let others on this machine at the data. The log's reader may not know that it matters.
pub(super) fn warn_of_modes(config: &Config) {
    let development = Some(development_key_file(config)).filter(|_| config.key_encryption_key.is_none());
    let files = config.secret_files.iter().cloned().chain(development).chain(sqlite_files(config));
    let is_used = config.database.url.is_none() || config.key_encryption_key.is_none();
    let directory = Some((config.data_dir.clone(), "700")).filter(|_| is_used);
    for (path, mode) in files.map(|file| (file, "600")).chain(directory) {
        if let Some(others) = others_may(&path) {
            let path = path.display();
            tracing::warn!(%path, "other users of this machine may {others} a private file: chmod {mode}");
        }
    }
}

/// Returns what the modes of a file let others do with it. `None`: nothing. A group may read: that is how Kubernetes and systemd
/// hand secrets to a service.
#[cfg(unix)]
pub(super) fn others_may(path: &Path) -> Option<&'static str> {
    use std::os::unix::fs::PermissionsExt as _;

    let mode = std::fs::metadata(path).ok()?.permissions().mode();
    match (mode & 0o022, mode & 0o004) {
        (0, 0) => None,
        (0, _) => Some("read"),
        _ => Some("change"),
    }
}

#[cfg(not(unix))]
pub(super) const fn others_may(_: &Path) -> Option<&'static str> {
    None
}

const SQLITE_FILE: &str = "keystone.sqlite3";
const SQLITE_LOG_FILE: &str = "keystone.sqlite3-wal";
const DEVELOPMENT_KEY_FILE: &str = "development.key";

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::{Document, Source};

    #[test]
    fn the_first_key_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("development.key");

        let first = read_or_create(&path, &Secret::new("one")).unwrap();
        let second = read_or_create(&path, &Secret::new("two")).unwrap();

        assert_eq!((first.trim(), second.trim()), ("one", "one"));
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn no_link_is_followed_to_write_the_key() {
        let directory = tempfile::tempdir().unwrap();
        let (path, elsewhere) =
            (directory.path().join("development.key"), directory.path().join("elsewhere"));
        let draft = directory.path().join(format!("development.key.{}", std::process::id()));
        std::fs::write(&elsewhere, "kept").unwrap();
        std::os::unix::fs::symlink(&elsewhere, &draft).unwrap();

        let key = read_or_create(&path, &Secret::new("one")).unwrap();

        assert_eq!((key.trim(), std::fs::read_to_string(&elsewhere).unwrap().as_str()), ("one", "kept"));
    }

    fn config(directory: &tempfile::TempDir) -> Config {
        let text = format!("data_dir = '{}'", directory.path().display());
        let document = Some(Document { name: "keystone.toml".to_owned(), text });
        let read = |path: &Path| std::fs::read_to_string(path);
        Config::load(&Source { document, environment: BTreeMap::new(), read }).unwrap()
    }

    #[tokio::test]
    async fn an_empty_database_beside_a_trace_of_data_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let config = config(&directory);
        let refused = async |trace: &str| {
            let Err(Failure(says)) = store(&config, Schema::Check).await else { panic!("was opened") };
            assert!(says.contains(trace) && says.contains("restore keystone.sqlite3"), "{says}");
        };
        let first = store(&config, Schema::Check).await.unwrap();
        close(&first).await;
        let file = directory.path().join(SQLITE_FILE);

        std::fs::write(development_key_file(&config), "key").unwrap();
        close(&store(&config, Schema::Check).await.unwrap()).await;
        std::fs::rename(&file, directory.path().join("elsewhere")).unwrap();
        refused("development.key").await;
        close(&connect(&config).unwrap()).await;
        refused("development.key").await;

        std::fs::remove_file(&file).unwrap();
        std::fs::remove_file(development_key_file(&config)).unwrap();
        std::fs::write(directory.path().join(SQLITE_LOG_FILE), "frames").unwrap();
        refused("keystone.sqlite3-wal").await;
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_reads_the_key() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("development.key");

        read_or_create(&path, &Secret::new("one")).unwrap();

        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
