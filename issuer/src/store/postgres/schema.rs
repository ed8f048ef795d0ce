//! The schema on PostgreSQL.

use std::time::Duration;

use sqlx::migrate::{AppliedMigration, Migrate, MigrateError, Migrator};
use sqlx::pool::PoolConnection;
use sqlx::{Connection, PgConnection, PgPool, Postgres, Row as _};

use crate::store::{Result, StoreError, migrations};

pub(in crate::store) static MIGRATIONS: Migrator = sqlx::migrate!("../migrations/postgres");

const HAS_MIGRATIONS: &str = "SELECT to_regclass($1) IS NOT NULL";

/// Returns a connection to a database that Keystone can work with.
async fn checked(pool: &PgPool) -> Result<PoolConnection<Postgres>> {
    let mut connection = pool.acquire().await?;
    // First, without a prepared statement: it may be prepared on one server connection and used on another.
    check_pooler(pool, &mut connection).await?;
    check_encoding(&mut connection).await?;
    Ok(connection)
}

/// Fails if a connection pooler gives each transaction another connection: a server process then serves two connections, or one
/// connection is served by two processes. Prepared statements, settings and the lock of migrations belong to a process.
async fn check_pooler(pool: &PgPool, connection: &mut PgConnection) -> Result<()> {
    let mut other = PgConnection::connect_with(&pool.connect_options()).await?;
    let process = server_process(connection).await?;
    for _ in 0..POOLER_CHECKS {
        if server_process(&mut other).await? == process || server_process(connection).await? != process {
            return Err(StoreError::Configuration(POOLER.to_owned()));
        }
    }
    other.close().await?;
    Ok(())
}

async fn server_process(connection: &mut PgConnection) -> Result<i32> {
    Ok(sqlx::raw_sql("SELECT pg_backend_pid()").fetch_one(connection).await?.try_get(0)?)
}

const POOLER: &str = "the connection pooler before the database gives each transaction another connection, and Keystone needs \
    the same one for as long as it is connected: set the pooler to session mode (PgBouncer: `pool_mode = session`), or connect to \
    PostgreSQL itself";
/// Others who use the pooler at the same time may hide it from one check.
const POOLER_CHECKS: usize = 4;

const ENCODING: &str = "SHOW server_encoding";

/// In another encoding some names cannot be stored at all, and SQL_ASCII stores what is no text.
async fn check_encoding(connection: &mut PgConnection) -> Result<()> {
    let encoding: String = sqlx::query_scalar(ENCODING).fetch_one(connection).await?;
    if encoding == "UTF8" {
        return Ok(());
    }
    Err(StoreError::Configuration(format!(
        "the database has the encoding {encoding}, and must have UTF8: create one with `createdb --encoding=UTF8 --template=template0`"
    )))
}

pub(in crate::store) async fn applied(pool: &PgPool) -> Result<Vec<AppliedMigration>> {
    let mut connection = checked(pool).await?;
    let was_migrated: bool =
        sqlx::query_scalar(HAS_MIGRATIONS).bind(migrations::TABLE).fetch_one(&mut *connection).await?;

    Ok(match was_migrated {
        true => connection.list_applied_migrations(migrations::TABLE).await?,
        false => Vec::new(),
    })
}

/// On a connection of its own, which takes its locks along when it closes, however this ends.
pub(in crate::store) async fn migrate(pool: &PgPool, migrator: &Migrator) -> Result<()> {
    let mut connection = checked(pool).await?.detach();
    let outcome = step_by_step(&mut connection, migrator).await;
    connection.close().await?;
    outcome
}

async fn step_by_step(connection: &mut PgConnection, migrator: &Migrator) -> Result<()> {
    take_turn(connection).await?;
    sqlx::query(NO_STATEMENT_TIMEOUT).execute(&mut *connection).await?;
    for step in migrator.iter() {
        // What waits for a lock makes everyone wait who asks after it. An index that is built beside its writers waits
        // for them, and nobody waits for it.
        let longest = if step.no_tx { "0" } else { LONGEST_WAIT };
        sqlx::query(SET_LOCK_TIMEOUT).bind(longest).execute(&mut *connection).await?;
        migrator.run_direct(Some(step.version), connection, false).await.map_err(postponed)?;
    }
    Ok(())
}

const TAKE_TURN: &str = "SELECT pg_try_advisory_lock($1)";

/// Asked again and again instead of waited for: a question that waits would in turn hold up the other's index.
async fn take_turn(connection: &mut PgConnection) -> Result<()> {
    let turn = async {
        while !sqlx::query_scalar::<_, bool>(TAKE_TURN).bind(TURN).fetch_one(&mut *connection).await? {
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    };
    tokio::time::timeout(PATIENCE, turn).await.unwrap_or(Err(StoreError::Migrating))
}

fn postponed(error: MigrateError) -> StoreError {
    match error {
        MigrateError::ExecuteMigration(sqlx::Error::Database(refusal), version)
            if refusal.code().as_deref() == Some(LOCK_NOT_AVAILABLE) =>
        {
            StoreError::Locked(version)
        }
        error => error.into(),
    }
}

/// An index of a large table takes its time.
const NO_STATEMENT_TIMEOUT: &str = "SET statement_timeout = 0";
const SET_LOCK_TIMEOUT: &str = "SELECT set_config('lock_timeout', $1, false)";
/// Less than what the store grants an answer: whoever has to wait behind the migration still gets one.
const LONGEST_WAIT: &str = "1s";
const LOCK_NOT_AVAILABLE: &str = "55P03";
/// Any number, as long as nobody else uses it.
const TURN: i64 = 7_738_429_002;
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(100);
