//! Connections: how many, how long, and how soon a dead database is called dead.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::postgres::PgPoolOptions;
use sqlx::{PgConnection, PgPool, Row as _};
use tokio::time::Instant;

use super::url;
use crate::store::Result;

/// `distrust`: told of what `bounded` sees.
pub(in crate::store) fn lazy(url: &str, max_connections: u32, distrust: Arc<Distrust>) -> Result<PgPool> {
    // PgBouncer refuses this start-up parameter. It sets how numbers are written as text, and sqlx reads their bytes.
    let options = url::options(url)?.extra_float_digits(None);
    let options = match options.get_application_name() {
        Some(_) => options,
        None => options.application_name("keystone"),
    };

    let before_use = Arc::clone(&distrust);
    Ok(PgPoolOptions::new()
        .max_connections(max_connections.max(1))
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(IDLE)
        .max_lifetime(RECYCLE)
        .after_connect(|connection, _| Box::pin(set_up(connection)))
        // Asking before every use costs a round trip; a connection that was just used is well.
        .test_before_acquire(false)
        .before_acquire(move |connection, metadata| {
            let is_trusted = metadata.idle_for < TRUSTED && !before_use.is_fresh();
            Box::pin(async move { Ok(is_trusted || in_time(can_write(connection)).await?) })
        })
        .after_release(move |connection, _| {
            let is_trusted = !distrust.is_fresh();
            Box::pin(async move { Ok(is_trusted || in_time(is_outside_transaction(connection)).await?) })
        })
        .connect_lazy_with(options))
}

/// How many connections administration and self-service share, so that logins and refreshes always have the others.
pub(in crate::store) fn administration_share(max_connections: u32) -> usize {
    usize::try_from(max_connections / 4).unwrap_or(1).max(1)
}

/// Ends what the server would otherwise go on with after its caller got 503. The parameters are set here and not in the
/// start-up message, which a connection pooler may refuse.
async fn set_up(connection: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::raw_sql(TIMEOUTS).execute(connection).await?;
    Ok(())
}

const TIMEOUTS: &str = "
    SET statement_timeout = '2s';
    SET lock_timeout = '1500ms';
    SET idle_in_transaction_session_timeout = '5s'";

/// Whether the server answers, and is a primary: where another took its place, a connection to the old one may go on
/// reading for as long as it is kept.
async fn can_write(connection: &mut PgConnection) -> sqlx::Result<bool> {
    let read_only: String = sqlx::query_scalar("SHOW transaction_read_only").fetch_one(connection).await?;
    Ok(read_only == "off")
}

/// Whether no transaction is open. sqlx does not know it of a connection whose `BEGIN` was sent and never waited for.
async fn is_outside_transaction(connection: &mut PgConnection) -> sqlx::Result<bool> {
    // In one message, so that without a transaction both times are the message's. An aborted transaction refuses it.
    let row = sqlx::raw_sql("SELECT now() = statement_timestamp()").fetch_one(connection).await?;
    row.try_get(0)
}

/// A server that is silent must not keep the place of its connection in the pool.
async fn in_time(answer: impl Future<Output = sqlx::Result<bool>>) -> sqlx::Result<bool> {
    let answer = tokio::time::timeout(LOOK, answer).await;
    answer.unwrap_or_else(|_| Err(sqlx::Error::Io(io::ErrorKind::TimedOut.into())))
}

/// Since a server refused to write, or a call was given up, every connection is looked at before and after its use. One
/// that is not used for a while is looked at anyway, so a while is enough.
#[derive(Debug)]
pub(in crate::store) struct Distrust {
    base: Instant,
    /// In microseconds after `base`.
    ends: AtomicU64,
}

impl Distrust {
    pub(in crate::store) fn new() -> Arc<Self> {
        Arc::new(Self { base: Instant::now(), ends: AtomicU64::new(0) })
    }

    fn is_fresh(&self) -> bool {
        micros(self.base.elapsed()) < self.ends.load(Ordering::Relaxed)
    }

    pub(in crate::store) fn begin(&self) {
        self.ends.store(micros(self.base.elapsed() + TRUSTED), Ordering::Relaxed);
    }
}

/// Begins distrust when it is dropped before the call it watches has ended.
struct Watched {
    distrust: Arc<Distrust>,
    has_ended: bool,
}

impl Drop for Watched {
    fn drop(&mut self) {
        if !self.has_ended {
            self.distrust.begin();
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Waits for `answer` until `timeout` has passed; `None` then. Connections are looked at from then on, the answer's first.
pub(in crate::store) async fn watched<T>(
    distrust: Arc<Distrust>,
    timeout: Duration,
    answer: impl Future<Output = T> + Send,
) -> Option<T> {
    let mut answer = pin!(answer);
    // Dropped before `answer`, so that the connection that `answer` returns to the pool is looked at.
    let mut watched = Watched { distrust, has_ended: false };
    let answered = tokio::time::timeout(timeout, answer.as_mut()).await.ok();
    watched.has_ended = answered.is_some();
    answered
}

/// One look at a connection.
const LOOK: Duration = Duration::from_millis(500);
pub(in crate::store) const ACQUIRE_TIMEOUT: Duration = Duration::from_millis(1500);
const TRUSTED: Duration = Duration::from_secs(5);
const IDLE: Duration = Duration::from_secs(10 * 60);
const RECYCLE: Duration = Duration::from_secs(30 * 60);

#[cfg(test)]
mod tests {
    use std::future::pending;

    use sqlx::AssertSqlSafe;
    use tokio::sync::oneshot;

    use super::*;
    use crate::store::tests::cluster;

    async fn process(pool: &PgPool) -> i32 {
        sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(pool).await.unwrap()
    }

    /// A call that does this, and is given up after that.
    async fn given_up(pool: &PgPool, distrust: &Arc<Distrust>, sql: &'static str) {
        let (done, is_done) = oneshot::channel();
        let call = watched(Arc::clone(distrust), Duration::MAX, async {
            let mut connection = pool.acquire().await?;
            let _ = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *connection).await;
            done.send(()).unwrap();
            pending::<sqlx::Result<()>>().await
        });
        tokio::select! {
            _ = call => panic!("it ended"),
            _ = is_done => {}
        }
    }

    #[ignore = "needs KEYTEST_POSTGRES, a directory with initdb and postgres"]
    #[tokio::test]
    async fn a_connection_in_a_transaction_is_not_used_again() {
        let distrust = Distrust::new();
        let pool = lazy(&cluster::fresh_database().await, 1, Arc::clone(&distrust)).unwrap();
        sqlx::query("CREATE TABLE t (x int)").execute(&pool).await.unwrap();
        let before = process(&pool).await;

        given_up(&pool, &distrust, "SELECT 1").await;
        assert_eq!(process(&pool).await, before, "it is outside any transaction");

        for sql in ["BEGIN; INSERT INTO t VALUES (1)", "BEGIN; INSERT INTO t VALUES (1); SELECT 1 / 0"] {
            let before = process(&pool).await;
            given_up(&pool, &distrust, sql).await;
            assert_ne!(process(&pool).await, before, "{sql}");
        }
        let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM t").fetch_one(&pool).await.unwrap();
        assert_eq!(rows, 0);
    }
}
