//! The database itself: whether it takes changes, which schema it has, what time it is.

use sqlx::migrate::AppliedMigration;
use time::OffsetDateTime;

use super::columns::Timestamp;
use super::queries::{Autocommit, Queries as _};
use super::sql::statements;
use super::transaction::ANSWER_TIMEOUT;
use super::{Result, Store, migrations, postgres, sqlite};

statements! {
    PROBE = { "
        UPDATE write_probe
        SET at = " [now] }

    NOW = { "SELECT " [now] }
}

impl Store {
    /// Commits a change that means nothing, as every login has to commit one. A lock that another process holds, a full disk and
    /// a file that is read only all show here.
    pub async fn probe_write(&self) -> Result<()> {
        Autocommit(self.clone()).execute(PROBE, ()).await.map(drop)
    }

    /// Returns the database's clock.
    pub async fn now(&self) -> Result<OffsetDateTime> {
        Ok(Autocommit(self.clone()).value::<Timestamp>(NOW, ()).await?.into())
    }

    /// Returns descriptions of the migrations that this program has and the database has not.
    pub async fn pending_migrations(&self) -> Result<Vec<String>> {
        migrations::pending(self.migrator(), &self.applied_migrations().await?)
    }

    /// Returns the numbers of migrations that the database has and this program has not: a newer program was here.
    pub async fn unknown_migrations(&self) -> Result<Vec<i64>> {
        Ok(migrations::unknown(self.migrator(), &self.applied_migrations().await?))
    }

    /// Returns whether any migration was ever applied.
    pub async fn has_schema(&self) -> Result<bool> {
        Ok(!self.applied_migrations().await?.is_empty())
    }

    /// Brings the schema to this program's.
    pub async fn migrate(&self) -> Result<()> {
        let store = self.clone();
        let migrate = async move {
            match &store {
                Self::Postgres(server) => {
                    postgres::schema::migrate(&server.pool, &postgres::schema::MIGRATIONS).await
                }
                Self::Sqlite(pools) => sqlite::schema::migrate(pools).await,
            }
        };
        self.in_task(migrate, None).await
    }

    fn migrator(&self) -> &'static sqlx::migrate::Migrator {
        match self {
            Self::Postgres(_) => &postgres::schema::MIGRATIONS,
            Self::Sqlite(_) => &sqlite::schema::MIGRATIONS,
        }
    }

    async fn applied_migrations(&self) -> Result<Vec<AppliedMigration>> {
        let store = self.clone();
        let applied = async move {
            match &store {
                Self::Postgres(server) => postgres::schema::applied(&server.pool).await,
                Self::Sqlite(pools) => sqlite::schema::applied(&mut *pools.reader().acquire().await?).await,
            }
        };
        self.in_task(applied, Some(ANSWER_TIMEOUT)).await
    }
}
