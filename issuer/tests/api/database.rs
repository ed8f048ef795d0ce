//! The database of one test: a SQLite file, or with `KEYTEST_STORE=postgres` one on a real PostgreSQL. Whichever it is,
//! the list of tests is the same.

use std::path::Path;

use keystone_issuer::store::Store;

use crate::cluster;

/// Migrated, and nobody else's. `directory`: where a file may be.
pub(crate) async fn fresh(directory: &Path) -> Store {
    let store: Store = match wanted().as_deref() {
        None | Some("sqlite") => Store::sqlite(&directory.join("test.sqlite3")).unwrap(),
        Some("postgres") => Store::postgres(&cluster::fresh_database().await, 4).unwrap(),
        Some(other) => panic!("KEYTEST_STORE takes sqlite or postgres, not {other}"),
    };
    store.migrate().await.unwrap();
    store
}

#[expect(clippy::disallowed_methods, reason = "the test runner says which store to test")]
fn wanted() -> Option<String> {
    std::env::var("KEYTEST_STORE").ok()
}
