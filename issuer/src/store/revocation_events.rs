//! The revocation feed: events written inside the transaction that makes them true, read page by page.

use std::time::Duration;

use serde::Serialize;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::columns::{Seconds, Timestamp};
use super::feed::{self, FeedPage, Position};
use super::queries::{Autocommit, Queries as _};
use super::sql::statements;
use super::transaction::Transaction;
use super::{Result, SessionId, Store, StoreError};

statements! {
    INSERT = { "
        INSERT INTO revocation_events (kind, value, min_epoch, drop_after)
        SELECT
            e.value ->> 'kind',
            e.value ->> 'value',
            CAST(e.value ->> 'min_epoch' AS bigint),
            " [after "$2"] "
        FROM " [elements "$1"] }

    /// The event at the position comes along, whatever its age, to show that it is still there. One statement, so that
    /// nothing is swept in between.
    PAGE = { "
        SELECT
            seq,
            at,
            kind,
            value,
            min_epoch,
            -- No token that it matches lives longer.
            " [least] "(drop_after, " [after "$3"] ") AS drop_after
        FROM revocation_events
        WHERE seq >= $1
            AND (seq = $1 OR drop_after > " [now] ")
        ORDER BY seq
        LIMIT $2" }
}

/// How long a revocation is published: longer than any token that it can match may live.
///
/// The longest that any setting lets an access token live (3600 s), a verifier's greatest leeway (120 s), and the clock
/// errors of both sides.
pub const RETENTION: Duration = Duration::from_secs(3600 + 120 + 10);

/// A row of the revocation feed.
#[derive(Debug, Serialize)]
pub struct Event {
    kind: &'static str,
    value: String,
    min_epoch: Option<i64>,
}

impl Event {
    /// Revokes every token of this session.
    pub fn session(id: SessionId) -> Self {
        Self { kind: "sid", value: id.to_string(), min_epoch: None }
    }

    /// Revokes one token, which belongs to no session.
    pub fn token(token_id: String) -> Self {
        Self { kind: "jti", value: token_id, min_epoch: None }
    }

    /// Revokes every token that this key signed.
    pub fn key(kid: String) -> Self {
        Self { kind: "kid", value: kid, min_epoch: None }
    }

    /// Revokes every token of this user from before `epoch`.
    pub fn user(id: Uuid, epoch: i64) -> Self {
        Self { kind: "sub", value: id.to_string(), min_epoch: Some(epoch) }
    }

    /// Revokes every token of this client from before `epoch`.
    pub fn client(client_id: String, epoch: i64) -> Self {
        Self { kind: "cid", value: client_id, min_epoch: Some(epoch) }
    }
}

impl Transaction {
    /// Publishes events. It must be the last statement before the commit: other writers of events wait from here on.
    pub async fn publish(&mut self, events: &[Event]) -> Result<()> {
        if events.is_empty() {
            return Ok(());
        }
        self.execute(INSERT, (Json(events), Seconds::from(RETENTION))).await.map(drop)
    }
}

impl Store {
    /// Returns what was revoked after `position`, or ever, as far as a token may be left that it matches: at most `most`
    /// events. `None`: there is no such position, or it was another's before the database was restored from a backup.
    pub async fn revoked_after(&self, position: Option<Position>, most: u32) -> Result<Option<FeedPage>> {
        let from = position.map_or(0, |position| position.seq);
        let args = (from, feed::rows_for(most), Seconds::from(RETENTION));
        let rows: Vec<Row> = Autocommit(self.clone()).all(PAGE, args).await?;
        let rows = rows.into_iter().map(feed::Row::try_from).collect::<Result<_>>()?;
        Ok(FeedPage::of(position, rows, most))
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    seq: i64,
    at: Timestamp,
    kind: String,
    value: String,
    min_epoch: Option<i64>,
    #[sqlx(try_from = "Timestamp")]
    drop_after: OffsetDateTime,
}

impl TryFrom<Row> for feed::Row {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self> {
        let micros = row.at.0.unix_timestamp_nanos().div_euclid(1000);
        let at = i64::try_from(micros)
            .map_err(|_| StoreError::Inconsistent(format!("a revocation at {}", row.at.0)))?;
        Ok(Self {
            position: Position { seq: row.seq, at },
            kind: row.kind,
            value: row.value,
            min_epoch: row.min_epoch,
            drop_after: row.drop_after,
        })
    }
}
