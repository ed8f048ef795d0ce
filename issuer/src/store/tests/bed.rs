//! A database of a test's own, and hands to move its rows: tests do not wait for time to pass.

use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions as _, PgPool, SqlitePool};
use tempfile::TempDir;

use super::cluster;
use crate::store::{Result, Store, StoreError};

pub(super) struct Bed {
    pub(super) store: Store,
    /// Another replica, or another process, on the same data.
    pub(super) other: Store,
    raw: Raw,
}

enum Raw {
    Sqlite { pool: SqlitePool, _directory: TempDir },
    Postgres(PgPool),
}

impl Bed {
    pub(super) fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keystone.sqlite3");
        let store = Store::sqlite(&path).unwrap();
        let other = Store::sqlite(&path).unwrap();
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_lazy_with(SqliteConnectOptions::new().filename(&path).foreign_keys(true));
        Self { store, other, raw: Raw::Sqlite { pool, _directory: directory } }
    }

    pub(super) async fn postgres() -> Self {
        let url = cluster::fresh_database().await;
        Self {
            store: Store::postgres(&url, 16).unwrap(),
            other: Store::postgres(&url, 4).unwrap(),
            raw: Raw::Postgres(PgPool::connect_lazy(&url).unwrap()),
        }
    }

    /// Turns by turns, so that both replicas are in it.
    pub(super) fn replica(&self, turn: usize) -> Store {
        if turn.is_multiple_of(2) { self.store.clone() } else { self.other.clone() }
    }

    /// PostgreSQL's.
    pub(super) fn url(&self) -> String {
        match &self.raw {
            Raw::Sqlite { .. } => panic!("a file has no URL"),
            Raw::Postgres(pool) => pool.connect_options().to_url_lossy().to_string(),
        }
    }

    /// SQL that both databases understand.
    pub(super) async fn run(&self, sql: &str) -> Result<()> {
        let sql = AssertSqlSafe(sql.to_owned());
        match &self.raw {
            Raw::Sqlite { pool, .. } => sqlx::raw_sql(sql).execute(pool).await.map(|_| ())?,
            Raw::Postgres(pool) => sqlx::raw_sql(sql).execute(pool).await.map(|_| ())?,
        }
        Ok(())
    }

    pub(super) async fn text(&self, sql: &str) -> Vec<String> {
        let sql = AssertSqlSafe(sql.to_owned());
        match &self.raw {
            Raw::Sqlite { pool, .. } => sqlx::query_scalar(sql).fetch_all(pool).await.unwrap(),
            Raw::Postgres(pool) => sqlx::query_scalar(sql).fetch_all(pool).await.unwrap(),
        }
    }

    /// As text, so that one question fits both databases' integers.
    pub(super) async fn count(&self, from: &str) -> usize {
        let counts = self.text(&format!("SELECT CAST(count(*) AS text) FROM {from}")).await;
        counts[0].parse().unwrap()
    }

    /// Moves everything that happened back, so that it is `by` later now.
    pub(super) async fn pass(&self, by: Duration) {
        let seconds = by.as_secs();
        for (table, columns) in TIMES {
            let earlier = columns.iter().map(|column| match &self.raw {
                Raw::Sqlite { .. } => format!("{column} = {column} - {seconds} * 1000"),
                Raw::Postgres(_) => format!("{column} = {column} - make_interval(secs => {seconds})"),
            });
            self.run(&format!("UPDATE {table} SET {}", earlier.collect::<Vec<_>>().join(", ")))
                .await
                .unwrap();
        }
    }

    /// An expression for a time, `seconds` from now.
    pub(super) fn at(&self, seconds: i64) -> String {
        match &self.raw {
            Raw::Sqlite { .. } => {
                format!("(CAST(round(unixepoch('subsec') * 1000) AS INTEGER) + {seconds} * 1000)")
            }
            Raw::Postgres(_) => format!("(now() + make_interval(secs => {seconds}))"),
        }
    }

    /// An expression for a span of time.
    pub(super) fn span(&self, seconds: i64) -> String {
        match &self.raw {
            Raw::Sqlite { .. } => format!("{seconds} * 1000"),
            Raw::Postgres(_) => format!("make_interval(secs => {seconds})"),
        }
    }

    /// An expression for 32 bytes.
    pub(super) fn bytes(&self) -> String {
        match &self.raw {
            Raw::Sqlite { .. } => format!("x'{}'", "07".repeat(32)),
            Raw::Postgres(_) => format!("'\\x{}'::bytea", "07".repeat(32)),
        }
    }

    /// As a database is whose revocations are older than their rules.
    pub(super) async fn allow_any_revocation(&self) {
        match &self.raw {
            Raw::Sqlite { .. } => self.run("DROP TRIGGER revocation_events_published").await.unwrap(),
            Raw::Postgres(_) => {
                let drop =
                    "ALTER TABLE revocation_events DROP CONSTRAINT revocation_events_kind_is_published";
                self.run(drop).await.unwrap();
            }
        }
    }

    /// The statement fails, and says which rule it broke.
    pub(super) async fn refuses(&self, sql: &str, rule: &str) {
        match self.run(sql).await {
            Ok(()) => panic!("was accepted: {sql}"),
            Err(StoreError::Constraint { message, .. }) => {
                assert!(message.contains(rule), "{sql}\n{message}")
            }
            // SQLite has no kind for what a trigger refuses.
            Err(error) => assert!(error.to_string().contains(rule), "{sql}\n{error}"),
        }
    }

    /// `table.column`, sorted.
    pub(super) async fn columns(&self) -> Vec<String> {
        match &self.raw {
            Raw::Sqlite { .. } => {
                self.text(
                    "SELECT t.name || '.' || c.name
                     FROM sqlite_schema AS t, pragma_table_info(t.name) AS c
                     WHERE t.type = 'table' AND t.name NOT LIKE '\\_%' ESCAPE '\\' AND t.name NOT LIKE 'sqlite%'
                     ORDER BY 1",
                )
                .await
            }
            Raw::Postgres(_) => {
                self.text(
                    "SELECT table_name || '.' || column_name
                     FROM information_schema.columns
                     JOIN information_schema.tables USING (table_schema, table_name)
                     WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND table_name NOT LIKE '\\_%'
                     ORDER BY (table_name || '.' || column_name) COLLATE \"C\"",
                )
                .await
            }
        }
    }

    /// `table.column` of every column that refers to another table, by constraint.
    pub(super) async fn references(&self) -> Vec<String> {
        match &self.raw {
            Raw::Sqlite { .. } => {
                self.text(
                    "SELECT t.name || '.' || f.\"from\"
                     FROM sqlite_schema AS t, pragma_foreign_key_list(t.name) AS f
                     WHERE t.type = 'table'",
                )
                .await
            }
            Raw::Postgres(_) => {
                self.text(
                    "SELECT c.conrelid::regclass || '.' || a.attname
                     FROM pg_constraint AS c
                     JOIN pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey)
                     WHERE c.contype = 'f'",
                )
                .await
            }
        }
    }
}

const TIMES: [(&str, &[&str]); 5] = [
    ("liveness", &["reported_at", "due_at"]),
    ("outages", &["started_at", "ended_at"]),
    ("refresh_tokens", &["auth_time", "rotated_at", "last_used_at", "expires_at", "ended_at"]),
    ("revocation_events", &["at", "drop_after"]),
    ("users", &["one_time_until"]),
];
