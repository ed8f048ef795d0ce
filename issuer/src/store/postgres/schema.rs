//! The database itself: is it there, which schema has it, what time is it.

use sqlx::migrate::{Migrate, Migrator};
use sqlx::{Connection, PgPool};
use time::OffsetDateTime;

use crate::store::{Result, migrations};

pub(in crate::store) static MIGRATIONS: Migrator = sqlx::migrate!("../migrations/postgres");

const PING: &str = "SELECT 1";

pub(super) async fn ping(pool: &PgPool) -> Result<()> {
    sqlx::query(PING).execute(pool).await?;
    Ok(())
}

const NOW: &str = "SELECT now()";

pub(super) async fn now(pool: &PgPool) -> Result<OffsetDateTime> {
    Ok(sqlx::query_scalar(NOW).fetch_one(pool).await?)
}

const HAS_MIGRATIONS: &str = "SELECT to_regclass($1) IS NOT NULL";

pub(super) async fn pending(pool: &PgPool) -> Result<Vec<String>> {
    let mut connection = pool.acquire().await?;
    let was_migrated: bool =
        sqlx::query_scalar(HAS_MIGRATIONS).bind(migrations::TABLE).fetch_one(&mut *connection).await?;

    let applied = match was_migrated {
        true => connection.list_applied_migrations(migrations::TABLE).await?,
        false => Vec::new(),
    };
    migrations::pending(&MIGRATIONS, &applied)
}

/// On a connection of its own: a migration that fails leaves its lock behind, and takes it along when it closes.
pub(super) async fn migrate(pool: &PgPool) -> Result<()> {
    let mut connection = pool.acquire().await?.detach();
    let outcome = MIGRATIONS.run_direct(None, &mut connection, false).await;
    connection.close().await?;
    Ok(outcome?)
}
