//! The file itself: does it take changes, which schema has it, what time is it.

use sqlx::SqliteConnection;
use sqlx::migrate::{AppliedMigration, Migrate, Migrator};
use time::OffsetDateTime;

use super::clock;
use super::pool::Pools;
use crate::store::{Result, migrations};

pub(in crate::store) static MIGRATIONS: Migrator = sqlx::migrate!("../migrations/sqlite");

const PROBE: &str = "
    UPDATE write_probe
    SET at = $1";

/// A lock that another process holds, a full disk and a file that is read only all show here.
pub(super) async fn probe_write(pools: &Pools) -> Result<()> {
    let mut transaction = pools.write().await?;
    let now = clock::now(&mut transaction).await?;
    sqlx::query(PROBE).bind(now).execute(&mut *transaction).await?;
    Ok(transaction.commit().await?)
}

pub(super) async fn now(pools: &Pools) -> Result<OffsetDateTime> {
    clock::moment(clock::now(&mut *pools.reader().acquire().await?).await?)
}

const HAS_MIGRATIONS: &str = "
    SELECT count(*) > 0
    FROM sqlite_schema
    WHERE type = 'table'
        AND name = $1";

pub(super) async fn pending(pools: &Pools) -> Result<Vec<String>> {
    migrations::pending(&MIGRATIONS, &applied(&mut *pools.reader().acquire().await?).await?)
}

pub(super) async fn has_schema(pools: &Pools) -> Result<bool> {
    Ok(!applied(&mut *pools.reader().acquire().await?).await?.is_empty())
}

pub(super) async fn unknown(pools: &Pools) -> Result<Vec<i64>> {
    Ok(migrations::unknown(&MIGRATIONS, &applied(&mut *pools.reader().acquire().await?).await?))
}

async fn applied(connection: &mut SqliteConnection) -> Result<Vec<AppliedMigration>> {
    let was_migrated: bool =
        sqlx::query_scalar(HAS_MIGRATIONS).bind(migrations::TABLE).fetch_one(&mut *connection).await?;

    Ok(match was_migrated {
        true => connection.list_applied_migrations(migrations::TABLE).await?,
        false => Vec::new(),
    })
}

pub(super) async fn migrate(pools: &Pools) -> Result<()> {
    if pending(pools).await?.is_empty() && unknown(pools).await?.is_empty() {
        return Ok(());
    }
    // One transaction for all of them: another process that starts at the same time waits for it, and finds them done.
    let mut transaction = pools.write().await?;
    MIGRATIONS.run_direct(None, &mut *transaction, false).await?;
    Ok(transaction.commit().await?)
}
