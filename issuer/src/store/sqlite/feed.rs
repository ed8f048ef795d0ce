//! The revocation feed, read.

use super::clock;
use super::pool::Pools;
use crate::store::feed::{self, FeedPage, Position};
use crate::store::ledger::RETENTION;
use crate::store::{Result, StoreError};

/// The event at the position comes along, whatever its age: whoever asks after it is told whether it is still there. One
/// statement, so that nothing is swept in between.
const AFTER: &str = "
    SELECT seq, at, kind, value, min_epoch, min(drop_after, $4) AS drop_after
    FROM revocation_events
    WHERE seq >= $1
        AND (seq = $1 OR drop_after > $3)
    ORDER BY seq
    LIMIT $2";

pub(super) async fn after(pools: &Pools, position: Option<Position>, most: u32) -> Result<Option<FeedPage>> {
    let mut connection = pools.reader().acquire().await?;
    let now = clock::now(&mut connection).await?;
    let rows: Vec<Row> = sqlx::query_as(AFTER)
        .bind(position.map_or(0, |position| position.seq))
        .bind(feed::rows_for(most))
        .bind(now)
        // No token that an event matches lives longer.
        .bind(clock::after(now, RETENTION))
        .fetch_all(&mut *connection)
        .await?;
    let rows = rows.into_iter().map(feed::Row::try_from).collect::<Result<_>>()?;
    Ok(FeedPage::of(position, rows, most))
}

#[derive(sqlx::FromRow)]
struct Row {
    seq: i64,
    at: i64,
    kind: String,
    value: String,
    min_epoch: Option<i64>,
    drop_after: i64,
}

impl TryFrom<Row> for feed::Row {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            position: Position { seq: row.seq, at: row.at },
            kind: row.kind,
            value: row.value,
            min_epoch: row.min_epoch,
            drop_after: clock::moment(row.drop_after)?,
        })
    }
}
