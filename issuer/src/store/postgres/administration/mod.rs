//! Carries out administration: a transaction, and the statements that a change is made of.

mod audit;
mod clients;
mod roles;
mod sessions;
mod users;

pub(super) use self::clients::put_client;

use std::collections::BTreeSet;

use async_trait::async_trait;
use sqlx::{PgConnection, Postgres as Database, Transaction};
use time::OffsetDateTime;
use tokio::sync::OwnedSemaphorePermit;
use uuid::Uuid;

use super::pool::PATIENT;
use super::{Postgres, ledger, subject};
use crate::store::administration::desk::{Answer, Desk, Open};
use crate::store::ledger::{Entry, Event};
use crate::store::{Actor, Result};

#[derive(Debug)]
pub(in crate::store) struct PostgresDesk {
    transaction: Transaction<'static, Database>,
    now: OffsetDateTime,
    /// Dropped after the transaction.
    _place: OwnedSemaphorePermit,
}

const ALONE: &str = "
    LOCK TABLE scopes, roles, role_scopes, service_clients, client_grants, client_scopes, client_origins,
        user_roles
    IN SHARE ROW EXCLUSIVE MODE";

pub(super) async fn alone(connection: &mut PgConnection) -> Result<()> {
    sqlx::query(ALONE).execute(connection).await?;
    Ok(())
}

const NOW: &str = "
    SELECT now()";

/// The row, so that two changes of one user are one after the other.
const ONE_USER: &str = "
    SELECT
    FROM users
    WHERE id = $1
    FOR UPDATE";

impl Postgres {
    async fn desk(&self) -> Result<PostgresDesk> {
        let place = self.place().await?;
        let mut transaction = self.pool.begin().await?;
        let now = sqlx::query_scalar(NOW).fetch_one(&mut *transaction).await?;
        Ok(PostgresDesk { transaction, now, _place: place })
    }
}

#[async_trait]
impl Open for Postgres {
    type Desk = PostgresDesk;

    async fn alone(&self) -> Result<PostgresDesk> {
        let mut desk = self.desk().await?;
        alone(&mut desk.transaction).await?;
        Ok(desk)
    }

    async fn alone_patiently(&self) -> Result<PostgresDesk> {
        let mut desk = self.desk().await?;
        sqlx::raw_sql(PATIENT).execute(&mut *desk.transaction).await?;
        alone(&mut desk.transaction).await?;
        Ok(desk)
    }

    async fn one_user(&self, id: Uuid) -> Result<PostgresDesk> {
        let mut desk = self.desk().await?;
        sqlx::query(ONE_USER).bind(id).execute(&mut *desk.transaction).await?;
        Ok(desk)
    }

    async fn snapshot(&self) -> Result<PostgresDesk> {
        self.desk().await
    }

    fn bounded<'a, T: Send + 'a>(&self, answer: Answer<'a, T>) -> Answer<'a, T> {
        Box::pin(self.bounded(answer))
    }
}

#[async_trait]
impl Desk for PostgresDesk {
    async fn held(&mut self, actor: &Actor) -> Result<BTreeSet<String>> {
        subject::held(&mut self.transaction, actor).await
    }

    async fn record(&mut self, entries: &[Entry]) -> Result<()> {
        ledger::record(&mut self.transaction, entries).await
    }

    async fn publish(&mut self, events: &[Event]) -> Result<()> {
        ledger::publish(&mut self.transaction, events).await
    }

    async fn commit(self) -> Result<()> {
        Ok(self.transaction.commit().await?)
    }
}

fn moment(at: OffsetDateTime) -> Result<OffsetDateTime> {
    Ok(at)
}

fn instant(at: OffsetDateTime) -> OffsetDateTime {
    at
}
