//! Statements: how they run, on a connection or in a transaction.

use std::pin::Pin;

use sqlx::pool::PoolConnection;
use sqlx::postgres::PgArguments;
use sqlx::sqlite::SqliteArguments;
use sqlx::{PgConnection, Postgres, Sqlite, SqliteConnection};
use tokio::sync::OwnedSemaphorePermit;

use super::sql::{Args, Column, Row, Sql};
use super::transaction::ANSWER_TIMEOUT;
use super::{Result, Store, StoreError};

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

pub(super) enum Connection<'c> {
    Postgres(&'c mut PgConnection),
    Sqlite(&'c mut SqliteConnection),
}

impl Connection<'_> {
    pub(super) async fn fetch<R: Row>(self, query: Query) -> Result<Vec<R>> {
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

    pub(super) async fn run(self, query: Query) -> Result<u64> {
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

impl Store {
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
}
