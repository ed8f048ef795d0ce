//! Transactions.
//!
//! A future of sqlx must not be dropped between a statement and its answer. A `BEGIN` without an answer leaves its
//! connection in a transaction, and the next caller's changes are lost with it. HTTP drops a request's future when its
//! client hangs up. Therefore a transaction runs to its end in a task of its own; only the caller's wait is dropped.

use std::fmt;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sqlx::{Postgres, Sqlite};
use time::OffsetDateTime;
use tokio::sync::OwnedSemaphorePermit;
use tracing::Instrument as _;
use uuid::Uuid;

use super::columns::Timestamp;
use super::queries::{Access, Connection, Queries, Query};
use super::sql::{Row, statements};
use super::{Result, Store, StoreError};
use crate::telemetry::STEP;

/// A transaction. Nothing has happened if it is dropped without [`commit`](Self::commit).
pub struct Transaction {
    begun: Begun,
    store: Store,
    _revision: Option<ClientRevision>,
}

/// Counts a change of clients or scopes when its transaction has ended, whatever came of it.
struct ClientRevision(Store);

impl Drop for ClientRevision {
    fn drop(&mut self) {
        self.0.revision().fetch_add(1, Ordering::SeqCst);
    }
}

enum Begun {
    Postgres(sqlx::Transaction<'static, Postgres>, Option<OwnedSemaphorePermit>),
    Sqlite(sqlx::Transaction<'static, Sqlite>),
}

impl Transaction {
    fn connection(&mut self) -> Connection<'_> {
        match &mut self.begun {
            Begun::Postgres(transaction, _) => Connection::Postgres(transaction),
            Begun::Sqlite(transaction) => Connection::Sqlite(transaction),
        }
    }

    /// Returns the time that `[now]` is in this transaction. SQLite reads its clock for each statement.
    pub async fn now(&mut self) -> Result<OffsetDateTime> {
        Ok(self.value::<Timestamp>(NOW, ()).await?.0)
    }

    /// Says that this transaction changes clients or scopes.
    pub(super) fn changes_clients(&mut self) {
        self._revision.get_or_insert_with(|| ClientRevision(self.store.clone()));
    }

    pub async fn commit(self) -> Result<()> {
        // `self` is dropped, and with it the rest, when this has ended.
        let committed = match self.begun {
            Begun::Postgres(transaction, _permit) => transaction.commit().await,
            Begun::Sqlite(transaction) => transaction.commit().await,
        };
        committed.map_err(StoreError::from).inspect_err(|error| self.store.learn_from(error))
    }
}

impl Queries for Transaction {
    fn store(&self) -> &Store {
        &self.store
    }

    async fn fetch<R: Row>(&mut self, query: Query) -> Result<Vec<R>> {
        let answer = self.connection().fetch(query).await;
        answer.inspect_err(|error| self.store.learn_from(error))
    }

    async fn run(&mut self, query: Query) -> Result<u64> {
        let answer = self.connection().run(query).await;
        answer.inspect_err(|error| self.store.learn_from(error))
    }
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").finish_non_exhaustive()
    }
}

statements! {
    NOW = { "SELECT " [now] }

    /// Lets the statements of one transaction wait and run for longer.
    PATIENT = {
        postgres: "SELECT set_config('lock_timeout', '10s', true), set_config('statement_timeout', '60s', true)",
    }

    LOCK_RIGHTS = {
        postgres: "
            LOCK TABLE scopes, roles, role_scopes, service_clients, client_grants, client_scopes, client_origins,
                user_roles
            IN SHARE ROW EXCLUSIVE MODE",
    }

    LOCK_USER = {
        postgres: "SELECT FROM users WHERE id = $1 FOR UPDATE",
    }
}

/// Transactions. Each runs in a task of its own, to its end; `work` must end it by a commit.
///
/// The caller waits two seconds for the answer at most, unless the transaction is a patient one.
impl Store {
    /// Runs a transaction that reads one snapshot.
    pub async fn read<T, E, F>(&self, work: impl FnOnce(Transaction) -> F + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: Future<Output = Result<T, E>> + Send,
    {
        let store = self.clone();
        let answer = async move { work(store.begin(Access::Read).await?).await };
        self.in_task(answer, Some(ANSWER_TIMEOUT)).await
    }

    /// Runs a transaction that writes. SQLite has one of them at a time.
    pub async fn write<T, E, F>(&self, work: impl FnOnce(Transaction) -> F + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: Future<Output = Result<T, E>> + Send,
    {
        let store = self.clone();
        let answer = async move { work(store.begin(Access::Write).await?).await };
        self.in_task(answer, Some(ANSWER_TIMEOUT)).await
    }

    /// Runs a transaction that writes, may wait and take longer than a request may, and is waited for to its end.
    pub async fn write_patiently<T, E, F>(
        &self,
        work: impl FnOnce(Transaction) -> F + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: Future<Output = Result<T, E>> + Send,
    {
        let store = self.clone();
        let answer = async move {
            let mut transaction = store.begin(Access::Write).await?;
            transaction.be_patient().await?;
            work(transaction).await
        };
        self.in_task(answer, None).await
    }

    /// Runs a transaction that reads one snapshot, may take longer than a request may, and is waited for to its end.
    pub async fn read_patiently<T, E, F>(
        &self,
        work: impl FnOnce(Transaction) -> F + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: Future<Output = Result<T, E>> + Send,
    {
        let store = self.clone();
        let answer = async move {
            let mut transaction = store.begin(Access::Read).await?;
            transaction.be_patient().await?;
            work(transaction).await
        };
        self.in_task(answer, None).await
    }

    /// Begins a transaction, with a place in the part of the pool that this handle of the store belongs to.
    pub(super) async fn begin(&self, access: Access) -> Result<Transaction> {
        let begun = match (self, access) {
            (Self::Postgres(postgres), _) => {
                let permit = postgres.permit().await?;
                postgres.pool.begin().await.map(|transaction| Begun::Postgres(transaction, permit))
            }
            (Self::Sqlite(pools), Access::Read) => pools.reader().begin().await.map(Begun::Sqlite),
            // Takes the write lock at once: a transaction that reads first and writes later could find itself outdated.
            (Self::Sqlite(pools), Access::Write) => {
                pools.writer().begin_with("BEGIN IMMEDIATE").await.map(Begun::Sqlite)
            }
        };
        let begun = begun.map_err(StoreError::from).inspect_err(|error| self.learn_from(error))?;
        Ok(Transaction { begun, store: self.clone(), _revision: None })
    }

    /// Runs `answer` to its end in a task of its own, and waits for it until `timeout` has passed.
    pub(super) async fn in_task<T, E>(
        &self,
        answer: impl Future<Output = Result<T, E>> + Send + 'static,
        timeout: Option<Duration>,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let store = self.clone();
        let answer = async move {
            store.check_file()?;
            let answer = answer.await?;
            store.check_file()?;
            Ok(answer)
        };
        let ended = |_| Err(StoreError::Inconsistent("the call ended without an answer".to_owned()).into());
        let step = tracing::info_span!(target: STEP, "database");
        let Some(timeout) = timeout else {
            return tokio::spawn(answer.instrument(step)).await.unwrap_or_else(ended);
        };
        let task = tokio::spawn(self.clone().give_up_late(answer).instrument(step));
        let late = |_| Ok(Err(StoreError::late(timeout).into()));
        tokio::time::timeout(timeout, task).await.unwrap_or_else(late).unwrap_or_else(ended)
    }
}

impl Transaction {
    async fn be_patient(&mut self) -> Result<()> {
        match self.store {
            Store::Postgres(_) => self.execute(PATIENT, ()).await.map(drop),
            Store::Sqlite(_) => Ok(()),
        }
    }

    /// Makes other changes of rights wait until this transaction ends; logins and refreshes go on.
    pub async fn lock_rights(&mut self) -> Result<()> {
        match self.store {
            Store::Postgres(_) => self.execute(LOCK_RIGHTS, ()).await.map(drop),
            // It is the only one that writes.
            Store::Sqlite(_) => Ok(()),
        }
    }

    /// Makes other changes of this user wait until this transaction ends.
    pub async fn lock_user(&mut self, id: Uuid) -> Result<()> {
        match self.store {
            Store::Postgres(_) => self.execute(LOCK_USER, (id,)).await.map(drop),
            Store::Sqlite(_) => Ok(()),
        }
    }
}

/// The caller's wait for a whole call, with the wait for a connection. A client would rather get 503 and retry than wait
/// longer.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
