//! Time as SQLite knows it: whole milliseconds since 1970, one reading per transaction.

use std::time::Duration;

use sqlx::SqliteConnection;
use time::OffsetDateTime;

use crate::store::{Result, StoreError};

const NOW: &str = "SELECT CAST(round(unixepoch('subsec') * 1000) AS INTEGER)";

pub(super) async fn now(connection: &mut SqliteConnection) -> Result<i64> {
    Ok(sqlx::query_scalar(NOW).fetch_one(connection).await?)
}

pub(super) fn moment(millis: i64) -> Result<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000)
        .map_err(|_| StoreError::Inconsistent(format!("the time {millis}")))
}

/// The millisecond in which `moment` lies.
pub(super) fn millis(moment: OffsetDateTime) -> i64 {
    i64::try_from(moment.unix_timestamp_nanos().div_euclid(1_000_000)).unwrap_or(i64::MAX)
}

/// `now + duration`, for ever where that is out of reach.
pub(super) fn after(now: i64, duration: Duration) -> i64 {
    now.saturating_add(span(duration))
}

/// `now - duration`.
pub(super) fn before(now: i64, duration: Duration) -> i64 {
    now.saturating_sub(span(duration))
}

pub(super) fn span(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
