//! Connections: how many, how long, and how soon a dead database is called dead.

use std::future::Future;
use std::io;
use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgPool};

use crate::store::{Result, StoreError};

pub(super) fn lazy(url: &str, max_connections: u32) -> Result<PgPool> {
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
        .before_acquire(|connection, metadata| {
            Box::pin(async move {
                if metadata.idle_for >= TRUSTED {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .connect_lazy_with(options))
}

/// Gives up on a database that has accepted the question and is silent: a caller would rather hear 503 and try again.
///
/// A change whose answer is lost this way may still happen; each method can be asked again.
pub(super) async fn bounded<T>(answer: impl Future<Output = Result<T>> + Send) -> Result<T> {
    match tokio::time::timeout(ANSWER, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(StoreError::Unavailable(sqlx::Error::Io(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("no answer within {} ms", ANSWER.as_millis()),
        )))),
    }
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
            let error = lazy(url, 4).unwrap_err().to_string();

            assert!(error.contains(why), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
