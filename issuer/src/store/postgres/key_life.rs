//! The lives of the signing keys: one decision at a time.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;

use super::{Postgres, keys, ledger, reseal};
use crate::store::key_life::{
    Decide, KeyChange, KeyHistory, KeyLife, KeyLine, KeyRefusal, Reseal, SealedName,
};
use crate::store::ledger::{Entry, Event};
use crate::store::{Actor, Initiator, NewSigningKey, Result, StoreError};

#[async_trait]
impl KeyLife for Postgres {
    async fn key_history(&self) -> Result<KeyHistory> {
        self.bounded(async { history(&mut *self.pool.acquire().await?).await }).await
    }

    async fn change_keys(
        &self,
        by: &Initiator,
        candidates: &[NewSigningKey],
        decide: Arc<Decide>,
    ) -> Result<std::result::Result<Vec<KeyChange>, KeyRefusal>> {
        let answer = change(&self.pool, by, (candidates, &*decide));
        match by.actor {
            Actor::Schedule => self.bounded(answer).await,
            _ => self.bounded_in_share(answer).await,
        }
    }

    async fn reseal(
        &self,
        actor: &Actor,
        reseal: Arc<Reseal>,
    ) -> Result<std::result::Result<usize, SealedName>> {
        self.bounded(reseal::reseal(&self.pool, actor, &*reseal)).await
    }
}

/// Not `now()`: that is when the transaction began, before it waited for its turn.
const NOW: &str = "SELECT clock_timestamp()";

const HISTORY: &str = "
    SELECT
        kid, alg, published_at, activates_at, retires_at, removed_at, compromised_at, seen_since, seen_at,
        extract(epoch FROM lead)::bigint AS lead,
        extract(epoch FROM tail)::bigint AS tail,
        extract(epoch FROM watch)::bigint AS watch
    FROM signing_keys
    ORDER BY published_at, activates_at NULLS LAST, kid";

async fn history(connection: &mut PgConnection) -> Result<KeyHistory> {
    let now = sqlx::query_scalar(NOW).fetch_one(&mut *connection).await?;
    let rows: Vec<Row> = sqlx::query_as(HISTORY).fetch_all(connection).await?;
    Ok(KeyHistory { now, keys: rows.into_iter().map(KeyLine::from).collect() })
}

async fn change(
    pool: &PgPool,
    by: &Initiator,
    (candidates, decide): (&[NewSigningKey], &Decide),
) -> Result<std::result::Result<Vec<KeyChange>, KeyRefusal>> {
    let mut transaction = pool.begin().await?;
    sqlx::query(keys::ALONE).execute(&mut *transaction).await?;
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
        $1, $2, $3::json, $4, $5,
        CASE WHEN $6 THEN interval '0' END,
        CASE WHEN $6 THEN $5 END,
        make_interval(secs => $7),
        CASE WHEN NOT $6 THEN make_interval(secs => $8) END
    )";

async fn publish(
    connection: &mut PgConnection,
    new: &NewSigningKey,
    (now, active, [tail, watch]): (OffsetDateTime, bool, [Duration; 2]),
) -> Result<()> {
    sqlx::query(PUBLISH)
        .bind(&new.kid)
        .bind(&new.alg)
        .bind(&new.public_jwk)
        .bind(&new.sealed)
        .bind(now)
        .bind(active)
        .bind(tail.as_secs_f64())
        .bind(watch.as_secs_f64())
        .execute(connection)
        .await?;
    Ok(())
}

const ACTIVATE: &str = "
    UPDATE signing_keys
    SET activates_at = $2, lead = make_interval(secs => $3)
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
    SET tail = make_interval(secs => $2)
    WHERE kid = $1";

const WATCH: &str = "
    UPDATE signing_keys
    SET watch = make_interval(secs => $2)
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
        retires_at = CASE WHEN activates_at <= $2 THEN least(retires_at, $2) ELSE retires_at END
    WHERE kid = $1";

async fn step(connection: &mut PgConnection, change: &KeyChange, now: OffsetDateTime) -> Result<()> {
    let query = match change {
        KeyChange::Publish { .. } => return Ok(()),
        KeyChange::Activate { kid, at, lead } => {
            sqlx::query(ACTIVATE).bind(kid).bind(at).bind(lead.as_secs_f64())
        }
        KeyChange::CallOff { kid } => sqlx::query(CALL_OFF).bind(kid),
        KeyChange::Retire { kid, at } => sqlx::query(RETIRE).bind(kid).bind(at),
        KeyChange::Keep { kid, tail } => sqlx::query(KEEP).bind(kid).bind(tail.as_secs_f64()),
        KeyChange::Watch { kid, watch } => {
            sqlx::query(WATCH).bind(kid).bind(watch.map(|watch| watch.as_secs_f64()))
        }
        KeyChange::Sighted { kid, since } => sqlx::query(SIGHTED).bind(kid).bind(since).bind(now),
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
    published_at: OffsetDateTime,
    activates_at: Option<OffsetDateTime>,
    retires_at: Option<OffsetDateTime>,
    removed_at: Option<OffsetDateTime>,
    compromised_at: Option<OffsetDateTime>,
    seen_since: Option<OffsetDateTime>,
    seen_at: Option<OffsetDateTime>,
    lead: Option<i64>,
    tail: Option<i64>,
    watch: Option<i64>,
}

impl From<Row> for KeyLine {
    fn from(row: Row) -> Self {
        let seconds = |wait: i64| Duration::from_secs(u64::try_from(wait).unwrap_or_default());
        Self {
            kid: row.kid,
            alg: row.alg,
            published_at: row.published_at,
            lead: row.lead.map(seconds),
            activates_at: row.activates_at,
            retires_at: row.retires_at,
            tail: row.tail.map(seconds),
            removed_at: row.removed_at,
            compromised_at: row.compromised_at,
            seen_since: row.seen_since,
            seen_at: row.seen_at,
            watch: row.watch.map(seconds),
        }
    }
}
