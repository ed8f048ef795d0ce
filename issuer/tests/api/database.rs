//! The database of one test: a SQLite file, or with `KEYTEST_STORE=postgres` one on a real PostgreSQL. Whichever it is,
//! the list of tests is the same.

use std::path::Path;
use std::sync::Arc;

use keystone_issuer::store::Store;
use keystone_issuer::store::postgres::Postgres;
use keystone_issuer::store::sqlite::Sqlite;

use crate::cluster;

/// Migrated, and nobody else's. `directory`: where a file may be.
pub(crate) async fn fresh(directory: &Path) -> Arc<dyn Store> {
    let store: Arc<dyn Store> = match wanted().as_deref() {
        None | Some("sqlite") => Arc::new(Sqlite::open(&directory.join("test.sqlite3")).unwrap()),
        Some("postgres") => Arc::new(Postgres::connect(&cluster::fresh_database().await, 4).unwrap()),
        Some(other) => panic!("KEYTEST_STORE takes sqlite or postgres, not {other}"),
    };
    store.migrate().await.unwrap();
    store
}

#[expect(clippy::disallowed_methods, reason = "the test runner says which store to test")]
fn wanted() -> Option<String> {
    std::env::var("KEYTEST_STORE").ok()
}
