//! What only a file can do: move away, make room for another, be too large for the memory that is left.

use std::fs;
use std::path::{Path, PathBuf};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, SqliteConnection};
use tempfile::TempDir;

use crate::store::{Result, Store, StoreError};

/// A migrated database in `data`, in a directory of the test.
struct File {
    directory: TempDir,
    store: Store,
}

impl File {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("data")).unwrap();
        let store = Store::sqlite(&path(directory.path())).unwrap();
        store.migrate().await.unwrap();
        Self { directory, store }
    }

    async fn connection(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(path(self.directory.path()));
        SqliteConnection::connect_with(&options).await.unwrap()
    }

    /// Renames a directory or file in the directory of the test.
    fn rename(&self, from: &str, to: &str) {
        let directory = self.directory.path();
        fs::rename(directory.join(from), directory.join(to)).unwrap();
    }
}

fn path(directory: &Path) -> PathBuf {
    directory.join("data/keystone.sqlite3")
}

fn refused_with(part: &str, answer: Result<Vec<u8>>) {
    match answer {
        Err(error @ StoreError::Unavailable(_)) => assert!(error.to_string().contains(part), "{error}"),
        answer => panic!("{answer:?}"),
    }
}

#[tokio::test]
async fn a_file_that_is_away_takes_no_change() {
    let file = File::new().await;

    file.rename("data", "away");
    refused_with("was moved or deleted", file.store.server_secret("a", b"lost").await);
    file.rename("away", "data");

    assert_eq!(file.store.server_secret("a", b"kept").await.unwrap(), b"kept");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_to_a_file_that_moves_meanwhile_is_not_confirmed() {
    let file = &File::new().await;
    let mut other = file.connection().await;
    let lock = other.begin_with("BEGIN IMMEDIATE").await.unwrap();

    let writes = |connections| async move {
        while file.store.pools()[1].in_use != connections {
            tokio::task::yield_now().await;
        }
    };
    writes(0).await;
    let change = file.store.server_secret("a", b"sealed");
    let move_away = async {
        writes(1).await;
        file.rename("data", "away");
        lock.rollback().await.unwrap();
    };

    refused_with("was moved or deleted", tokio::join!(change, move_away).0);
}

#[tokio::test]
async fn a_file_that_took_the_place_of_another_is_not_used() {
    let file = File::new().await;
    file.rename("data", "first");
    let second = file.directory.path().join("data");
    fs::create_dir(&second).unwrap();
    fs::copy(file.directory.path().join("first/keystone.sqlite3"), path(file.directory.path())).unwrap();

    refused_with("another file took the place of", file.store.server_secret("a", b"lost").await);

    fs::remove_dir_all(second).unwrap();
    file.rename("first", "data");
    assert_eq!(file.store.server_secret("a", b"kept").await.unwrap(), b"kept");
}

/// The limit holds for every database of the process, and is more than other tests need.
#[tokio::test]
async fn a_change_that_memory_is_too_small_for_ends_no_other() {
    let file = File::new().await;
    let mut connection = file.connection().await;
    sqlx::query("PRAGMA hard_heap_limit = 134217728").execute(&mut connection).await.unwrap();

    // It is bound, and its row is not made.
    refused_with("out of memory", file.store.server_secret("large", &vec![1; 80 << 20]).await);

    assert_eq!(file.store.server_secret("small", b"sealed").await.unwrap(), b"sealed");
}
