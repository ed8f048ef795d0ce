//! Carries out administration: a transaction, and the statements that a change is made of.

mod audit;
mod clients;
mod roles;
mod sessions;
mod users;

pub(super) use self::clients::put_client;

use std::collections::BTreeSet;

use async_trait::async_trait;
use sqlx::{PgConnection, PgPool, Postgres as Database, Transaction};
use time::OffsetDateTime;

use super::{Postgres, ledger, subject};
use crate::store::administration::desk::{Answer, Desk, Open};
use crate::store::ledger::{Entry, Event};
use crate::store::{Actor, Result};

#[derive(Debug)]
pub(in crate::store) struct PostgresDesk {
    transaction: Transaction<'static, Database>,
    now: OffsetDateTime,
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

impl PostgresDesk {
    async fn begin(pool: &PgPool) -> Result<Self> {
        let mut transaction = pool.begin().await?;
        let now = sqlx::query_scalar(NOW).fetch_one(&mut *transaction).await?;
        Ok(Self { transaction, now })
    }
}

#[async_trait]
impl Open for Postgres {
    type Desk = PostgresDesk;

    async fn alone(&self) -> Result<PostgresDesk> {
        let mut desk = PostgresDesk::begin(&self.pool).await?;
        alone(&mut desk.transaction).await?;
        Ok(desk)
    }

    async fn snapshot(&self) -> Result<PostgresDesk> {
        PostgresDesk::begin(&self.pool).await
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
