//! The lives of the signing keys: one decision at a time.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::SqliteConnection;
use time::OffsetDateTime;

use super::pool::Pools;
use super::{Sqlite, clock, ledger, reseal};
use crate::store::key_life::{
    Decide, KeyChange, KeyHistory, KeyLife, KeyLine, KeyRefusal, Reseal, SealedName,
};
use crate::store::ledger::{Entry, Event};
use crate::store::{Actor, Initiator, NewSigningKey, Result, StoreError};

#[async_trait]
impl KeyLife for Sqlite {
    async fn key_history(&self) -> Result<KeyHistory> {
        history(&mut *self.pools.read().await?).await
    }

    async fn change_keys(
        &self,
        by: &Initiator,
        candidates: &[NewSigningKey],
        decide: Arc<Decide>,
    ) -> Result<std::result::Result<Vec<KeyChange>, KeyRefusal>> {
        change(&self.pools, by, (candidates, &*decide)).await
    }

    async fn reseal(
        &self,
        actor: &Actor,
        reseal: Arc<Reseal>,
    ) -> Result<std::result::Result<usize, SealedName>> {
        reseal::reseal(&self.pools, actor, &*reseal).await
    }
}

const HISTORY: &str = "
    SELECT
        kid, alg, published_at, lead, activates_at, retires_at, tail, removed_at, compromised_at,
        seen_since, seen_at, watch
    FROM signing_keys
    ORDER BY published_at, activates_at NULLS LAST, kid";

async fn history(connection: &mut SqliteConnection) -> Result<KeyHistory> {
    let now = clock::moment(clock::now(connection).await?)?;
    let rows: Vec<Row> = sqlx::query_as(HISTORY).fetch_all(connection).await?;
    let keys = rows.into_iter().map(KeyLine::try_from).collect::<Result<_>>()?;
    Ok(KeyHistory { now, keys })
}

async fn change(
    pools: &Pools,
    by: &Initiator,
    (candidates, decide): (&[NewSigningKey], &Decide),
) -> Result<std::result::Result<Vec<KeyChange>, KeyRefusal>> {
    let mut transaction = pools.write().await?;
    let history = history(&mut transaction).await?;
    let changes = match decide(&history) {
        Ok(changes) => changes,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let mut fresh = candidates.iter();
    let mut entries: Vec<Entry> = Vec::new();
    for change in &changes {
        let published = match change {
            KeyChange::Publish { active, tail, watch } => {
                let new = fresh.next().ok_or_else(too_few)?;
                publish(&mut transaction, new, (history.now, *active, [*tail, *watch])).await?;
                new.kid.as_str()
            }
            other => {
                step(&mut transaction, other, history.now).await?;
                ""
            }
        };
        entries.extend(change.entry(by, published));
    }
    ledger::record(&mut transaction, &entries).await?;
    let events: Vec<Event> = changes.iter().filter_map(KeyChange::event).collect();
    ledger::publish(&mut transaction, &events).await?;
    transaction.commit().await?;
    Ok(Ok(changes))
}

fn too_few() -> StoreError {
    StoreError::Inconsistent("a decision that publishes more keys than were made".to_owned())
}

const PUBLISH: &str = "
    INSERT INTO signing_keys (kid, alg, public_jwk, sealed, published_at, lead, activates_at, tail, watch)
    VALUES (
        $1, $2, $3, $4, $5,
        CASE WHEN $6 THEN 0 END,
        CASE WHEN $6 THEN $5 END,
        $7,
        CASE WHEN NOT $6 THEN $8 END
    )";

async fn publish(
    connection: &mut SqliteConnection,
    new: &NewSigningKey,
    (now, active, [tail, watch]): (OffsetDateTime, bool, [Duration; 2]),
) -> Result<()> {
    sqlx::query(PUBLISH)
        .bind(&new.kid)
        .bind(&new.alg)
        .bind(&new.public_jwk)
        .bind(&new.sealed)
        .bind(clock::millis(now))
        .bind(active)
        .bind(clock::span(tail))
        .bind(clock::span(watch))
        .execute(connection)
        .await?;
    Ok(())
}

const ACTIVATE: &str = "
    UPDATE signing_keys
    SET activates_at = $2, lead = $3
    WHERE kid = $1";

const CALL_OFF: &str = "
    UPDATE signing_keys
    SET activates_at = NULL, lead = NULL
    WHERE kid = $1";

const RETIRE: &str = "
    UPDATE signing_keys
    SET retires_at = $2
    WHERE kid = $1";

const KEEP: &str = "
    UPDATE signing_keys
    SET tail = $2
    WHERE kid = $1";

const WATCH: &str = "
    UPDATE signing_keys
    SET watch = $2
    WHERE kid = $1";

const SIGHTED: &str = "
    UPDATE signing_keys
    SET seen_since = $2, seen_at = $3
    WHERE kid = $1";

const MISSED: &str = "
    UPDATE signing_keys
    SET seen_since = NULL, seen_at = NULL
    WHERE kid = $1";

const REMOVE: &str = "
    UPDATE signing_keys
    SET removed_at = $2, sealed = NULL
    WHERE kid = $1";

const COMPROMISE: &str = "
    UPDATE signing_keys
    SET
        compromised_at = $2,
        sealed = NULL,
        retires_at = CASE WHEN activates_at <= $2 THEN min(coalesce(retires_at, $2), $2) ELSE retires_at END
    WHERE kid = $1";

async fn step(connection: &mut SqliteConnection, change: &KeyChange, now: OffsetDateTime) -> Result<()> {
    let now = clock::millis(now);
    let query = match change {
        KeyChange::Publish { .. } => return Ok(()),
        KeyChange::Activate { kid, at, lead } => {
            sqlx::query(ACTIVATE).bind(kid).bind(clock::millis(*at)).bind(clock::span(*lead))
        }
        KeyChange::CallOff { kid } => sqlx::query(CALL_OFF).bind(kid),
        KeyChange::Retire { kid, at } => sqlx::query(RETIRE).bind(kid).bind(at.map(clock::millis)),
        KeyChange::Keep { kid, tail } => sqlx::query(KEEP).bind(kid).bind(clock::span(*tail)),
        KeyChange::Watch { kid, watch } => sqlx::query(WATCH).bind(kid).bind(watch.map(clock::span)),
        KeyChange::Sighted { kid, since } => {
            sqlx::query(SIGHTED).bind(kid).bind(clock::millis(*since)).bind(now)
        }
        KeyChange::Missed { kid } => sqlx::query(MISSED).bind(kid),
        KeyChange::Remove { kid } => sqlx::query(REMOVE).bind(kid).bind(now),
        KeyChange::Compromise { kid } => sqlx::query(COMPROMISE).bind(kid).bind(now),
    };
    query.execute(connection).await?;
    Ok(())
}

#[derive(sqlx::FromRow)]
struct Row {
    kid: String,
    alg: String,
    published_at: i64,
    lead: Option<i64>,
    activates_at: Option<i64>,
    retires_at: Option<i64>,
    tail: Option<i64>,
    watch: Option<i64>,
    removed_at: Option<i64>,
    compromised_at: Option<i64>,
    seen_since: Option<i64>,
    seen_at: Option<i64>,
}

impl TryFrom<Row> for KeyLine {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self> {
        let wait = |millis: i64| Duration::from_millis(u64::try_from(millis).unwrap_or_default());
        Ok(Self {
            kid: row.kid,
            alg: row.alg,
            published_at: clock::moment(row.published_at)?,
            lead: row.lead.map(wait),
            activates_at: row.activates_at.map(clock::moment).transpose()?,
            retires_at: row.retires_at.map(clock::moment).transpose()?,
            tail: row.tail.map(wait),
            removed_at: row.removed_at.map(clock::moment).transpose()?,
            compromised_at: row.compromised_at.map(clock::moment).transpose()?,
            seen_since: row.seen_since.map(clock::moment).transpose()?,
            seen_at: row.seen_at.map(clock::moment).transpose()?,
            watch: row.watch.map(wait),
        })
    }
}
