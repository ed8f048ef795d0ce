//! The file itself: is it there, which schema has it, what time is it.

use sqlx::SqliteConnection;
use sqlx::migrate::{AppliedMigration, Migrate, Migrator};
use time::OffsetDateTime;

use super::clock;
use super::pool::Pools;
use crate::store::{Result, migrations};

pub(in crate::store) static MIGRATIONS: Migrator = sqlx::migrate!("../migrations/sqlite");

const PING: &str = "SELECT 1";

pub(super) async fn ping(pools: &Pools) -> Result<()> {
    sqlx::query(PING).execute(pools.reader()).await?;
    Ok(())
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
    Ok(MIGRATIONS.run(pools.writer()).await?)
}
