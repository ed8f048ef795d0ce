//! Every statement, prepared on both databases: its syntax, tables and columns are right before any of it runs.

use sqlx::{Executor as _, SqlSafeStr as _};

use super::Bed;
use crate::store::sql::Sql;
use crate::store::{
    Store, audit, bootstrap, clients, credentials, diagnostics, outages, retention, revocation_events, roles,
    schema, scopes, sealed, sessions, signing_keys, skeletons, subjects, tokens, transaction, users,
};

pub(super) async fn every_statement_can_be_prepared(bed: &Bed) {
    bed.store.migrate().await.unwrap();

    let mut wrong = Vec::new();
    for (name, statement) in statements() {
        let prepared = match &bed.store {
            Store::Postgres(server) => {
                let text = statement.postgres.into_sql_str();
                let mut connection = server.pool.acquire().await.unwrap();
                (&mut *connection).prepare(text).await.map(drop)
            }
            Store::Sqlite(pools) => {
                let text = statement.sqlite.into_sql_str();
                let mut connection = pools.writer().acquire().await.unwrap();
                (&mut *connection).prepare(text).await.map(drop)
            }
        };
        wrong.extend(prepared.err().map(|error| format!("{name}: {error}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn statements() -> impl Iterator<Item = &'static (&'static str, Sql)> {
    let modules = [
        audit::STATEMENTS,
        bootstrap::STATEMENTS,
        clients::STATEMENTS,
        credentials::STATEMENTS,
        diagnostics::STATEMENTS,
        outages::STATEMENTS,
        retention::STATEMENTS,
        revocation_events::STATEMENTS,
        roles::STATEMENTS,
        schema::STATEMENTS,
        scopes::STATEMENTS,
        sealed::STATEMENTS,
        sessions::STATEMENTS,
        sessions::login::STATEMENTS,
        sessions::refresh::STATEMENTS,
        signing_keys::STATEMENTS,
        skeletons::STATEMENTS,
        subjects::STATEMENTS,
        tokens::STATEMENTS,
        transaction::STATEMENTS,
        users::STATEMENTS,
    ];
    modules.into_iter().flatten()
}

/// A module that declares statements is in the list above.
#[test]
fn the_list_of_statements_is_complete() {
    let store = concat!(env!("CARGO_MANIFEST_DIR"), "/src/store");
    let listed = include_str!("statements.rs");
    for directory in [store.to_owned(), format!("{store}/sessions")] {
        for file in std::fs::read_dir(directory).unwrap() {
            let path = file.unwrap().path();
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            let name = path.file_stem().unwrap().to_str().unwrap();
            if text.contains("\nstatements! {") {
                assert!(listed.contains(&format!("{name}::STATEMENTS")), "{name}");
            }
        }
    }
}
