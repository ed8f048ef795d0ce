//! Connections: how many, how long, and how soon a dead database is called dead.

use std::future::Future;
use std::io;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgConnection, PgPool};
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::store::{Result, StoreError};
use crate::telemetry::STEP;

/// `distrust`: told of what `bounded` sees.
pub(super) fn lazy(url: &str, max_connections: u32, distrust: Arc<Distrust>) -> Result<PgPool> {
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(StoreError::Configuration(
            "the database URL must start with postgres:// or postgresql://".to_owned(),
        ));
    }
    // The parser's errors name a part of the URL, never its text.
    let options = PgConnectOptions::from_str(url)
        .map_err(|error| StoreError::Configuration(format!("the database URL: {}", plain(&error))))?;
    let options = match options.get_application_name() {
        Some(_) => options,
        None => options.application_name("keystone"),
    };

    Ok(PgPoolOptions::new()
        .max_connections(max_connections.max(1))
        .acquire_timeout(ACQUIRE)
        .idle_timeout(IDLE)
        .max_lifetime(RECYCLE)
        // Asking before every use costs a round trip; a connection that was just used is well.
        .test_before_acquire(false)
        .before_acquire(move |connection, metadata| {
            let is_trusted = metadata.idle_for < TRUSTED && !distrust.is_fresh();
            Box::pin(async move { Ok(is_trusted || can_write(connection).await?) })
        })
        .connect_lazy_with(options))
}

/// Whether the server answers, and is a primary: where another took its place, a connection to the old one may go on
/// reading for as long as it is kept.
async fn can_write(connection: &mut PgConnection) -> sqlx::Result<bool> {
    let read_only: String = sqlx::query_scalar("SHOW transaction_read_only").fetch_one(connection).await?;
    Ok(read_only == "off")
}

/// Since a server refused to write, every connection is looked at before it is used. One that is not used for a while is
/// looked at anyway, so a while is enough.
#[derive(Debug)]
pub(super) struct Distrust {
    base: Instant,
    /// In microseconds after `base`.
    ends: AtomicU64,
}

impl Distrust {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { base: Instant::now(), ends: AtomicU64::new(0) })
    }

    fn is_fresh(&self) -> bool {
        micros(self.base.elapsed()) < self.ends.load(Ordering::Relaxed)
    }

    fn learn<T>(&self, answer: &Result<T>) {
        if answer.as_ref().is_err_and(StoreError::is_read_only) {
            self.ends.store(micros(self.base.elapsed() + TRUSTED), Ordering::Relaxed);
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Gives up on a database that has accepted the question and is silent: a caller would rather hear 503 and try again.
///
/// A change whose answer is lost this way may still happen; each method can be asked again.
pub(super) async fn bounded<T>(
    distrust: Arc<Distrust>,
    answer: impl Future<Output = Result<T>> + Send,
) -> Result<T> {
    let step = tracing::info_span!(target: STEP, "database");
    let answer = tokio::time::timeout(ANSWER, answer).instrument(step).await;
    let answer = answer.unwrap_or_else(|_| {
        Err(StoreError::Unavailable(sqlx::Error::Io(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("no answer within {} ms", ANSWER.as_millis()),
        ))))
    });
    distrust.learn(&answer);
    answer
}

/// What is wrong, without sqlx's wrappings.
fn plain(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Configuration(cause) => {
            cause.downcast_ref::<sqlx::Error>().map_or_else(|| cause.to_string(), plain)
        }
        other => other.to_string(),
    }
}

/// The whole of one method, waiting for a connection included.
const ANSWER: Duration = Duration::from_secs(2);
const ACQUIRE: Duration = Duration::from_millis(1500);
const TRUSTED: Duration = Duration::from_secs(5);
const IDLE: Duration = Duration::from_secs(10 * 60);
const RECYCLE: Duration = Duration::from_secs(30 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_url_that_names_no_database_is_refused_without_its_text() {
        for (url, why) in [
            ("mysql://keystone:hunter2@db/keystone", "must start with postgres://"),
            ("postgres://keystone:hunter2@db:port/keystone", "invalid port number"),
            (
                "postgres://keystone:hunter2@db/keystone?sslmode=maybe",
                "unknown value \"maybe\" for `ssl_mode`",
            ),
        ] {
            let error = lazy(url, 4, Distrust::new()).unwrap_err().to_string();

            assert!(error.contains(why), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
