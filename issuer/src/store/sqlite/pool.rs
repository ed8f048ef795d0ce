//! Two pools on one file: SQLite has one writer at a time, so waiting for it happens here, in order, not in its busy loop.

use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{SqlitePool, Transaction};

use crate::store::{Result, StoreError};

#[derive(Clone)]
pub(super) struct Pools {
    reader: SqlitePool,
    writer: SqlitePool,
}

impl Pools {
    pub(super) fn open(path: &Path) -> Result<Self> {
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

        let pool = || SqlitePoolOptions::new().acquire_timeout(WAIT).idle_timeout(None).max_lifetime(None);
        Ok(Self {
            // All of them at once: opening them is what a first flood of logins would wait for.
            reader: pool().min_connections(READERS).max_connections(READERS).connect_lazy_with(reader),
            writer: pool().max_connections(1).connect_lazy_with(writer),
        })
    }

    pub(super) fn reader(&self) -> &SqlitePool {
        &self.reader
    }

    pub(super) fn writer(&self) -> &SqlitePool {
        &self.writer
    }

    /// One snapshot for several questions.
    pub(super) async fn read(&self) -> Result<Transaction<'static, sqlx::Sqlite>> {
        Ok(self.reader.begin().await?)
    }

    /// Takes the write lock at once: a transaction that reads first and writes later could find itself outdated.
    pub(super) async fn write(&self) -> Result<Transaction<'static, sqlx::Sqlite>> {
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }
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
}
