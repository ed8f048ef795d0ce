//! The revocation feed, read.

use sqlx::PgPool;
use time::OffsetDateTime;

use crate::store::feed::{self, FeedPage, Position};
use crate::store::ledger::RETENTION;
use crate::store::{Result, StoreError};

/// The event at the position comes along, whatever its age: whoever asks after it is told whether it is still there. One
/// statement, so that nothing is swept in between.
const AFTER: &str = "
    SELECT
        seq,
        CASE WHEN isfinite(at) THEN at ELSE to_timestamp(0) END AS at,
        kind,
        value,
        min_epoch,
        -- No token that it matches lives longer.
        least(drop_after, now() + make_interval(secs => $3)) AS drop_after
    FROM revocation_events
    WHERE seq >= $1
        AND (seq = $1 OR drop_after > now())
    ORDER BY seq
    LIMIT $2";

pub(super) async fn after(pool: &PgPool, position: Option<Position>, most: u32) -> Result<Option<FeedPage>> {
    let rows: Vec<Row> = sqlx::query_as(AFTER)
        .bind(position.map_or(0, |position| position.seq))
        .bind(feed::rows_for(most))
        .bind(RETENTION.as_secs_f64())
        .fetch_all(pool)
        .await?;
    let rows = rows.into_iter().map(feed::Row::try_from).collect::<Result<_>>()?;
    Ok(FeedPage::of(position, rows, most))
}

#[derive(sqlx::FromRow)]
struct Row {
    seq: i64,
    at: OffsetDateTime,
    kind: String,
    value: String,
    min_epoch: Option<i64>,
    drop_after: OffsetDateTime,
}

impl TryFrom<Row> for feed::Row {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self> {
        let micros = row.at.unix_timestamp_nanos().div_euclid(1000);
        let at = i64::try_from(micros)
            .map_err(|_| StoreError::Inconsistent(format!("a revocation at {}", row.at)))?;
        Ok(Self {
            position: Position { seq: row.seq, at },
            kind: row.kind,
            value: row.value,
            min_epoch: row.min_epoch,
            drop_after: row.drop_after,
        })
    }
}
