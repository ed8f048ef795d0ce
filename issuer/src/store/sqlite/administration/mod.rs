//! Carries out administration: a transaction, and the statements that a change is made of.

mod audit;
mod clients;
mod roles;
mod sessions;
mod users;

pub(super) use self::clients::put_client;

use std::collections::BTreeSet;

use async_trait::async_trait;
use sqlx::{Sqlite as Database, Transaction};
use uuid::Uuid;

use super::clock::{self, millis, moment};
use super::{Sqlite, ledger, subject};
use crate::store::administration::desk::{Answer, Desk, Open};
use crate::store::ledger::{Entry, Event};
use crate::store::{Actor, Result};

#[derive(Debug)]
pub(in crate::store) struct SqliteDesk {
    transaction: Transaction<'static, Database>,
    now: i64,
}

impl SqliteDesk {
    async fn around(mut transaction: Transaction<'static, Database>) -> Result<Self> {
        let now = clock::now(&mut transaction).await?;
        Ok(Self { transaction, now })
    }
}

#[async_trait]
impl Open for Sqlite {
    type Desk = SqliteDesk;

    /// There is one writer at a time.
    async fn alone(&self) -> Result<SqliteDesk> {
        SqliteDesk::around(self.pools.write().await?).await
    }

    async fn alone_patiently(&self) -> Result<SqliteDesk> {
        self.alone().await
    }

    async fn one_user(&self, _: Uuid) -> Result<SqliteDesk> {
        self.alone().await
    }

    async fn snapshot(&self) -> Result<SqliteDesk> {
        SqliteDesk::around(self.pools.read().await?).await
    }

    fn bounded<'a, T: Send + 'a>(&self, answer: Answer<'a, T>) -> Answer<'a, T> {
        answer
    }
}

#[async_trait]
impl Desk for SqliteDesk {
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
