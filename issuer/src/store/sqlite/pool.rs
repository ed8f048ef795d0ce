//! Two pools on one file: SQLite has one writer at a time, so waiting for it happens here, in order, not in its busy loop.

use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection as _, SqliteConnection, SqlitePool};
use tokio::time::Instant;

use super::file::DatabaseFile;
use crate::store::{Result, StoreError};

/// The connections to a file.
#[derive(Clone, Debug)]
pub struct Pools {
    reader: SqlitePool,
    writer: SqlitePool,
    faults: Arc<Faults>,
    file: Arc<DatabaseFile>,
    pub(in crate::store) client_revision: Arc<AtomicU64>,
}

impl Pools {
    pub(in crate::store) fn open(path: &Path) -> Result<Self> {
        create(path).map_err(|error| {
            StoreError::Configuration(format!("cannot create the database file {}: {error}", path.display()))
        })?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .foreign_keys(true)
            // Another process (`keystone bootstrap` beside `keystone serve`) may be writing.
            .busy_timeout(WAIT);
        let writer = options
            .clone()
            .journal_mode(SqliteJournalMode::Wal)
            // Every commit reaches the disk: a power cut must not bring a revoked session back.
            .synchronous(SqliteSynchronous::Full);
        let reader = options.pragma("query_only", "ON");

        let faults = Arc::new(Faults::new());
        Ok(Self {
            // All of them at once: opening them is what a first flood of logins would wait for.
            reader: looked_after(&faults)
                .min_connections(READERS)
                .max_connections(READERS)
                .connect_lazy_with(reader),
            writer: looked_after(&faults).max_connections(1).connect_lazy_with(writer),
            faults,
            file: Arc::new(DatabaseFile::new(path)),
            client_revision: Arc::default(),
        })
    }

    pub(in crate::store) fn check_file(&self) -> Result<()> {
        self.file.check().map_err(|error| StoreError::Unavailable(sqlx::Error::Io(error)))
    }

    /// The last connection that closes moves the write-ahead log into the file. That is the writer, unless another process
    /// has the file open.
    pub(in crate::store) async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }

    pub(in crate::store) fn learn_from(&self, error: &StoreError) {
        if error.is_sqlite_fault() {
            self.faults.learn();
        }
    }

    pub(in crate::store) fn reader(&self) -> &SqlitePool {
        &self.reader
    }

    pub(in crate::store) fn writer(&self) -> &SqlitePool {
        &self.writer
    }
}

/// A pool that closes a connection which cannot be used any more.
///
/// SQLite rolls back by itself when the disk is full, when reading or writing fails, and when memory runs out. sqlx does
/// not learn of it, and refuses every further transaction on that connection. One that was opened on a file system that
/// was read only stays read only.
fn looked_after(faults: &Arc<Faults>) -> SqlitePoolOptions {
    let faults = Arc::clone(faults);
    SqlitePoolOptions::new()
        .acquire_timeout(WAIT)
        .idle_timeout(None)
        .max_lifetime(None)
        .before_acquire(move |_, metadata| {
            let is_usable = faults.are_before(metadata.age);
            Box::pin(async move { Ok(is_usable) })
        })
        .after_release(|connection, _| Box::pin(is_outside_transaction(connection)))
}

async fn is_outside_transaction(connection: &mut SqliteConnection) -> sqlx::Result<bool> {
    if connection.is_in_transaction() {
        // A rollback may be on its way to the connection's thread.
        connection.ping().await?;
    }
    Ok(!connection.is_in_transaction())
}

/// When the file last failed.
#[derive(Debug)]
struct Faults {
    base: Instant,
    /// In microseconds after `base`; 0 is never.
    last: AtomicU64,
}

impl Faults {
    fn new() -> Self {
        Self { base: Instant::now(), last: AtomicU64::new(0) }
    }

    /// At most once a second: while the cause lasts, opening connections anew helps nobody.
    fn learn(&self) {
        let (now, last) = (self.base.elapsed(), self.last.load(Ordering::Relaxed));
        if last == 0 || micros(now).saturating_sub(last) > micros(PAUSE) {
            self.last.store(micros(now), Ordering::Relaxed);
        }
    }

    /// Whether a connection of this age was opened after the last of them.
    fn are_before(&self, age: Duration) -> bool {
        let opened = self.base.elapsed().saturating_sub(age);
        micros(opened) >= self.last.load(Ordering::Relaxed)
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// SQLite's own files beside it (`-wal`, `-shm`) take over its permissions.
///
/// An existing file is left alone: closing it here would drop the locks that this process holds on it (POSIX).
fn create(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

const WAIT: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_secs(1);
const READERS: u32 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_path_that_cannot_be_opened_is_named() {
        let error = Pools::open(Path::new("/nowhere/at/all.sqlite3")).err().unwrap().to_string();

        assert!(error.starts_with("cannot create the database file /nowhere/at/all.sqlite3: "), "{error}");
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_new_file_is_for_its_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keystone.sqlite3");

        let pools = Pools::open(&path).unwrap();
        sqlx::query("CREATE TABLE t (x)").execute(pools.writer()).await.unwrap();

        for entry in std::fs::read_dir(directory.path()).unwrap() {
            assert_eq!(entry.unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    async fn insert(pools: &Pools) -> Result<()> {
        let mut transaction = pools.writer().begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query("INSERT INTO t VALUES (zeroblob(100000))").execute(&mut *transaction).await?;
        Ok(transaction.commit().await?)
    }

    /// SQLite gives the same error, and rolls back in the same way, when the disk is full.
    #[tokio::test]
    async fn a_full_file_ends_a_connection_and_not_the_pool() {
        let directory = tempfile::tempdir().unwrap();
        let pools = Pools::open(&directory.path().join("keystone.sqlite3")).unwrap();
        sqlx::query("CREATE TABLE t (x)").execute(pools.writer()).await.unwrap();
        sqlx::query("PRAGMA max_page_count = 2").execute(pools.writer()).await.unwrap();

        let full = insert(&pools).await.unwrap_err();

        assert!(full.to_string().contains("full"), "{full}");
        insert(&pools).await.unwrap();
    }

    #[tokio::test]
    async fn a_connection_from_before_a_fault_is_not_used_again() {
        let directory = tempfile::tempdir().unwrap();
        let pools = Pools::open(&directory.path().join("keystone.sqlite3")).unwrap();
        sqlx::query("CREATE TEMP TABLE mine (x)").execute(pools.writer()).await.unwrap();
        sqlx::query("SELECT * FROM mine").execute(pools.writer()).await.unwrap();

        pools.faults.learn();

        assert!(sqlx::query("SELECT * FROM mine").execute(pools.writer()).await.is_err());
    }

    #[tokio::test]
    async fn a_connection_in_a_transaction_is_not_used_again() {
        let directory = tempfile::tempdir().unwrap();
        let pools = Pools::open(&directory.path().join("keystone.sqlite3")).unwrap();
        sqlx::query("CREATE TABLE t (x)").execute(pools.writer()).await.unwrap();
        let mut connection = pools.writer().acquire().await.unwrap();
        let mut transaction = connection.begin().await.unwrap();
        sqlx::query("INSERT INTO t VALUES (1)").execute(&mut *transaction).await.unwrap();

        std::mem::forget(transaction);
        drop(connection);

        insert(&pools).await.unwrap();
        let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM t").fetch_one(pools.reader()).await.unwrap();
        assert_eq!(rows, 1);
    }

    #[tokio::test]
    async fn closing_leaves_one_file() {
        let directory = tempfile::tempdir().unwrap();
        let pools = Pools::open(&directory.path().join("keystone.sqlite3")).unwrap();
        sqlx::query("CREATE TABLE t (x)").execute(pools.writer()).await.unwrap();
        assert!(std::fs::read_dir(directory.path()).unwrap().count() > 1);

        pools.close().await;

        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
