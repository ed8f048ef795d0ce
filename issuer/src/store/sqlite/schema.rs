//! The schema on SQLite.

use sqlx::SqliteConnection;
use sqlx::migrate::{AppliedMigration, Migrate, Migrator};

use super::pool::Pools;
use crate::store::{Result, migrations};

pub(in crate::store) static MIGRATIONS: Migrator = sqlx::migrate!("../migrations/sqlite");

const HAS_MIGRATIONS: &str = "
    SELECT count(*) > 0
    FROM sqlite_schema
    WHERE type = 'table'
        AND name = $1";

pub(in crate::store) async fn applied(connection: &mut SqliteConnection) -> Result<Vec<AppliedMigration>> {
    let was_migrated: bool =
        sqlx::query_scalar(HAS_MIGRATIONS).bind(migrations::TABLE).fetch_one(&mut *connection).await?;

    Ok(match was_migrated {
        true => connection.list_applied_migrations(migrations::TABLE).await?,
        false => Vec::new(),
    })
}

pub(in crate::store) async fn migrate(pools: &Pools) -> Result<()> {
    let applied = applied(&mut *pools.reader().acquire().await?).await?;
    if migrations::pending(&MIGRATIONS, &applied)?.is_empty()
        && migrations::unknown(&MIGRATIONS, &applied).is_empty()
    {
        return Ok(());
    }
    // One transaction for all of them: another process that starts at the same time waits for it, and finds them done.
    let mut transaction = pools.writer().begin_with("BEGIN IMMEDIATE").await?;
    MIGRATIONS.run_direct(None, &mut *transaction, false).await?;
    Ok(transaction.commit().await?)
}
