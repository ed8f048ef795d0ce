//! Transactions, and single statements outside one.
//!
//! A future of sqlx must not be dropped between a statement and its answer: a `BEGIN` that was sent and never waited for
//! leaves its connection in a transaction, and the next caller's changes are lost with it. HTTP drops a request's future
//! when its client hangs up. Therefore every statement runs inside a task, to its end; only the caller's wait for the
//! answer is dropped.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::PgArguments;
use sqlx::sqlite::SqliteArguments;
use sqlx::{PgConnection, Postgres, Sqlite, SqliteConnection};
use time::OffsetDateTime;
use tokio::sync::OwnedSemaphorePermit;
use tracing::Instrument as _;
use uuid::Uuid;

use super::columns::Timestamp;
use super::sql::{Args, Column, Row, Sql, statements};
use super::{Result, Store, StoreError};
use crate::telemetry::STEP;

/// The answer of a statement. It is boxed so that its type does not name the arguments, which may be borrowed: the compiler
/// cannot prove a future `Send` that holds such types.
type Answer<'s, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 's>>;

/// Runs statements.
pub(super) trait Queries: Send {
    fn store(&self) -> &Store;
    fn fetch<R: Row>(&mut self, query: Query) -> impl Future<Output = Result<Vec<R>>> + Send;
    fn run(&mut self, query: Query) -> impl Future<Output = Result<u64>> + Send;

    fn is_postgres(&self) -> bool {
        matches!(self.store(), Store::Postgres(_))
    }

    /// Returns the number of rows that were changed.
    fn execute<'q>(&mut self, sql: Sql, args: impl Args<'q>) -> Answer<'_, u64> {
        let query = Query::new(self.store(), sql, args);
        Box::pin(async move { self.run(query?).await })
    }

    /// Returns every row.
    fn all<'q, R: Row>(&mut self, sql: Sql, args: impl Args<'q>) -> Answer<'_, Vec<R>> {
        let query = Query::new(self.store(), sql, args);
        Box::pin(async move { self.fetch(query?).await })
    }

    /// Returns the first row.
    fn optional<'q, R: Row>(&mut self, sql: Sql, args: impl Args<'q>) -> Answer<'_, Option<R>> {
        let query = Query::new(self.store(), sql, args);
        Box::pin(async move { Ok(self.fetch(query?).await?.into_iter().next()) })
    }

    /// Returns the only row.
    fn one<'q, R: Row>(&mut self, sql: Sql, args: impl Args<'q>) -> Answer<'_, R> {
        let row = self.optional(sql, args);
        Box::pin(async { Ok(row.await?.ok_or(sqlx::Error::RowNotFound)?) })
    }

    /// Returns the only column of every row.
    fn values<'q, T: Column>(&mut self, sql: Sql, args: impl Args<'q>) -> Answer<'_, Vec<T>>
    where
        (T,): Row,
    {
        let rows = self.all::<(T,)>(sql, args);
        Box::pin(async { Ok(rows.await?.into_iter().map(|(value,)| value).collect()) })
    }

    /// Returns the only column of the first row.
    fn optional_value<'q, T: Column>(&mut self, sql: Sql, args: impl Args<'q>) -> Answer<'_, Option<T>>
    where
        (T,): Row,
    {
        let row = self.optional::<(T,)>(sql, args);
        Box::pin(async { Ok(row.await?.map(|(value,)| value)) })
    }

    /// Returns the only column of the only row.
    fn value<'q, T: Column>(&mut self, sql: Sql, args: impl Args<'q>) -> Answer<'_, T>
    where
        (T,): Row,
    {
        let row = self.one::<(T,)>(sql, args);
        Box::pin(async { Ok(row.await?.0) })
    }
}

/// A statement with its arguments, as one database takes it.
pub(super) enum Query {
    Postgres(&'static str, PgArguments),
    Sqlite(&'static str, SqliteArguments),
}

impl Query {
    fn new<'q>(store: &Store, sql: Sql, args: impl Args<'q>) -> Result<Self> {
        let query = match store {
            Store::Postgres(_) => args.postgres().map(|arguments| Self::Postgres(sql.postgres, arguments)),
            Store::Sqlite(_) => args.sqlite().map(|arguments| Self::Sqlite(sql.sqlite, arguments)),
        };
        query.map_err(|error| StoreError::Unavailable(sqlx::Error::Encode(error)))
    }
}

enum Connection<'c> {
    Postgres(&'c mut PgConnection),
    Sqlite(&'c mut SqliteConnection),
}

impl Connection<'_> {
    async fn fetch<R: Row>(self, query: Query) -> Result<Vec<R>> {
        Ok(match (self, query) {
            (Self::Postgres(connection), Query::Postgres(text, arguments)) => {
                sqlx::query_as_with(text, arguments).fetch_all(connection).await?
            }
            (Self::Sqlite(connection), Query::Sqlite(text, arguments)) => {
                sqlx::query_as_with(text, arguments).fetch_all(connection).await?
            }
            _ => return Err(other_database()),
        })
    }

    async fn run(self, query: Query) -> Result<u64> {
        Ok(match (self, query) {
            (Self::Postgres(connection), Query::Postgres(text, arguments)) => {
                sqlx::query_with(text, arguments).execute(connection).await?.rows_affected()
            }
            (Self::Sqlite(connection), Query::Sqlite(text, arguments)) => {
                sqlx::query_with(text, arguments).execute(connection).await?.rows_affected()
            }
            _ => return Err(other_database()),
        })
    }
}

fn other_database() -> StoreError {
    StoreError::Inconsistent("a statement for the other database".to_owned())
}

/// Runs each statement as a transaction of its own, in a task of its own. On SQLite, rows are read by those connections
/// that cannot write.
pub(super) struct Autocommit(pub(super) Store);

impl Queries for Autocommit {
    fn store(&self) -> &Store {
        &self.0
    }

    async fn fetch<R: Row>(&mut self, query: Query) -> Result<Vec<R>> {
        let store = self.0.clone();
        let answer = async move { store.lease(Access::Read).await?.fetch(query).await };
        self.0.in_task(answer, Some(ANSWER_TIMEOUT)).await
    }

    async fn run(&mut self, query: Query) -> Result<u64> {
        let store = self.0.clone();
        let answer = async move { store.lease(Access::Write).await?.run(query).await };
        self.0.in_task(answer, Some(ANSWER_TIMEOUT)).await
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// A connection from the pool, outside a transaction.
pub(super) struct Lease {
    leased: Leased,
    store: Store,
}

enum Leased {
    /// With its place in the part of the pool that it belongs to, which is given back after it.
    Postgres(
        PoolConnection<Postgres>,
        #[expect(dead_code, reason = "it is given back when it is dropped")] Option<OwnedSemaphorePermit>,
    ),
    Sqlite(PoolConnection<Sqlite>),
}

impl Lease {
    fn connection(&mut self) -> Connection<'_> {
        match &mut self.leased {
            Leased::Postgres(connection, _) => Connection::Postgres(connection),
            Leased::Sqlite(connection) => Connection::Sqlite(connection),
        }
    }
}

impl Queries for Lease {
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

    pub(super) async fn lease(&self, access: Access) -> Result<Lease> {
        let leased = match (self, access) {
            (Self::Postgres(postgres), _) => {
                let permit = postgres.permit().await?;
                postgres.pool.acquire().await.map(|connection| Leased::Postgres(connection, permit))
            }
            (Self::Sqlite(pools), Access::Read) => pools.reader().acquire().await.map(Leased::Sqlite),
            (Self::Sqlite(pools), Access::Write) => pools.writer().acquire().await.map(Leased::Sqlite),
        };
        let leased = leased.map_err(StoreError::from).inspect_err(|error| self.learn_from(error))?;
        Ok(Lease { leased, store: self.clone() })
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
