//! Signing keys: what signs and is published now, and one decision at a time about what will.

use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;

use super::audit::Entry;
use super::columns::{Seconds, Timestamp};
use super::key_life::{Decide, KeyChange, KeyHistory, KeyRefusal};
use super::queries::{Autocommit, Queries};
use super::revocation_events::Event;
use super::sql::statements;
use super::transaction::Transaction;
use super::{Actor, Initiator, NewSigningKey, Result, SigningKey, Store, StoreError};

statements! {
    USABLE = { "
        SELECT kid, alg, CAST(public_jwk AS text) AS public_jwk, sealed, published_at, activates_at, retires_at
        FROM signing_keys
        WHERE compromised_at IS NULL
            AND (removed_at IS NULL OR removed_at > " [now] ")
        ORDER BY published_at, activates_at NULLS LAST, kid" }

    /// Makes other changes of keys wait; readers go on.
    LOCK = { postgres: "LOCK TABLE signing_keys IN SHARE ROW EXCLUSIVE MODE" }

    INSERT_FIRST = { "
        INSERT INTO signing_keys (kid, alg, public_jwk, sealed, published_at, lead, activates_at)
        VALUES (
            $1, $2, " [json "$3"] ", $4, $5,
            CASE WHEN $6 THEN " [duration "0"] " END,
            CASE WHEN $6 THEN CAST($5 AS timestamptz) END
        )" }

    /// Not `now()`: that is when the transaction began, before it waited for its turn.
    CLOCK = {
        postgres: "SELECT clock_timestamp()",
        sqlite: "SELECT CAST(round(unixepoch('subsec') * 1000) AS INTEGER)",
    }

    HISTORY = { "
        SELECT
            kid, alg, published_at, activates_at, retires_at, removed_at, compromised_at, seen_since, seen_at,
            " [seconds "lead"] " AS lead,
            " [seconds "tail"] " AS tail,
            " [seconds "watch"] " AS watch
        FROM signing_keys
        ORDER BY published_at, activates_at NULLS LAST, kid" }

    PUBLISH = { "
        INSERT INTO signing_keys (kid, alg, public_jwk, sealed, published_at, lead, activates_at, tail, watch)
        VALUES (
            $1, $2, " [json "$3"] ", $4, $5,
            CASE WHEN $6 THEN " [duration "0"] " END,
            CASE WHEN $6 THEN CAST($5 AS timestamptz) END,
            " [duration "$7"] ",
            CASE WHEN NOT $6 THEN " [duration "$8"] " END
        )" }

    ACTIVATE = { "
        UPDATE signing_keys
        SET activates_at = $2, lead = " [duration "$3"] "
        WHERE kid = $1" }

    CANCEL_ACTIVATION = { "
        UPDATE signing_keys
        SET activates_at = NULL, lead = NULL
        WHERE kid = $1" }

    RETIRE = { "
        UPDATE signing_keys
        SET retires_at = $2
        WHERE kid = $1" }

    EXTEND_RETENTION = { "
        UPDATE signing_keys
        SET tail = " [duration "$2"] "
        WHERE kid = $1" }

    SET_OBSERVATION_PERIOD = { "
        UPDATE signing_keys
        SET watch = " [duration "$2"] "
        WHERE kid = $1" }

    OBSERVED = { "
        UPDATE signing_keys
        SET seen_since = $2, seen_at = $3
        WHERE kid = $1" }

    MISSED = { "
        UPDATE signing_keys
        SET seen_since = NULL, seen_at = NULL
        WHERE kid = $1" }

    REMOVE = { "
        UPDATE signing_keys
        SET removed_at = $2, sealed = NULL
        WHERE kid = $1" }

    COMPROMISE = { "
        UPDATE signing_keys
        SET
            compromised_at = $2,
            sealed = NULL,
            retires_at = CASE
                WHEN activates_at <= $2 THEN " [least] "(coalesce(retires_at, $2), $2)
                ELSE retires_at
            END
        WHERE kid = $1" }
}

impl Store {
    /// Returns every key that is neither removed nor compromised, oldest first.
    pub async fn signing_keys(&self) -> Result<Vec<SigningKey>> {
        Autocommit(self.clone()).all(USABLE, ()).await
    }

    /// Stores the first keys if there are none, and returns the present ones: the same to all replicas.
    pub async fn first_signing_keys(&self, candidates: &[NewSigningKey]) -> Result<Vec<SigningKey>> {
        let candidates = candidates.to_vec();
        self.write(async move |mut transaction: Transaction| {
            transaction.lock_signing_keys().await?;
            if transaction.all::<SigningKey>(USABLE, ()).await?.is_empty() {
                let now = Timestamp(transaction.now().await?);
                for key in &candidates {
                    let args = (&key.kid, &key.alg, &key.public_jwk, &key.sealed, now, key.active);
                    transaction.execute(INSERT_FIRST, args).await?;
                }
            }
            let keys = transaction.all(USABLE, ()).await?;
            transaction.commit().await?;
            Ok(keys)
        })
        .await
    }

    /// Returns every key there ever was, oldest first, and the time.
    pub async fn key_history(&self) -> Result<KeyHistory> {
        self.read(async |mut transaction: Transaction| history(&mut transaction).await).await
    }

    /// Asks `decide` while no other change of keys can be made, and does what it says, with audit rows and revocation events.
    /// `candidates` are taken in order by [`KeyChange::Publish`].
    pub async fn change_keys(
        &self,
        by: &Initiator,
        candidates: &[NewSigningKey],
        decide: Arc<Decide>,
    ) -> Result<std::result::Result<Vec<KeyChange>, KeyRefusal>> {
        let store = match by.actor {
            Actor::Schedule => self.clone(),
            _ => self.administration(),
        };
        let (by, candidates) = (by.clone(), candidates.to_vec());
        store
            .write(async move |mut transaction: Transaction| {
                transaction.lock_signing_keys().await?;
                let history = history(&mut transaction).await?;
                let changes = match decide(&history) {
                    Ok(changes) => changes,
                    Err(refusal) => return Ok(Err(refusal)),
                };
                carry_out(&mut transaction, &by, &changes, &candidates, history.now).await?;
                transaction.commit().await?;
                Ok(Ok(changes))
            })
            .await
    }
}

impl Transaction {
    /// Makes other changes of keys wait until this transaction ends; readers go on.
    pub(super) async fn lock_signing_keys(&mut self) -> Result<()> {
        if self.is_postgres() {
            self.execute(LOCK, ()).await?;
        }
        Ok(())
    }
}

async fn history(transaction: &mut Transaction) -> Result<KeyHistory> {
    let now: Timestamp = transaction.value(CLOCK, ()).await?;
    Ok(KeyHistory { now: now.into(), keys: transaction.all(HISTORY, ()).await? })
}

async fn carry_out(
    transaction: &mut Transaction,
    by: &Initiator,
    changes: &[KeyChange],
    candidates: &[NewSigningKey],
    now: OffsetDateTime,
) -> Result<()> {
    let mut candidates = candidates.iter();
    let mut entries: Vec<Entry> = Vec::new();
    for change in changes {
        let published = match change {
            KeyChange::Publish { active, tail, watch } => {
                let new = candidates.next().ok_or_else(too_few)?;
                publish(transaction, new, Timestamp(now), *active, *tail, *watch).await?;
                new.kid.as_str()
            }
            other => {
                step(transaction, other, Timestamp(now)).await?;
                ""
            }
        };
        entries.extend(change.entry(by, published));
    }
    transaction.record(&entries).await?;
    let events: Vec<Event> = changes.iter().filter_map(KeyChange::event).collect();
    transaction.publish(&events).await
}

fn too_few() -> StoreError {
    StoreError::Inconsistent("a decision that publishes more keys than were made".to_owned())
}

async fn publish(
    transaction: &mut Transaction,
    new: &NewSigningKey,
    now: Timestamp,
    active: bool,
    tail: Duration,
    watch: Duration,
) -> Result<()> {
    let args = (
        &new.kid,
        &new.alg,
        &new.public_jwk,
        &new.sealed,
        now,
        active,
        Seconds::from(tail),
        Seconds::from(watch),
    );
    transaction.execute(PUBLISH, args).await.map(drop)
}

async fn step(queries: &mut Transaction, change: &KeyChange, now: Timestamp) -> Result<()> {
    let changed = match change {
        KeyChange::Publish { .. } => return Ok(()),
        KeyChange::Activate { kid, at, lead } => {
            queries.execute(ACTIVATE, (kid, Timestamp(*at), Seconds::from(*lead))).await
        }
        KeyChange::CallOff { kid } => queries.execute(CANCEL_ACTIVATION, (kid,)).await,
        KeyChange::Retire { kid, at } => queries.execute(RETIRE, (kid, at.map(Timestamp))).await,
        KeyChange::Keep { kid, tail } => queries.execute(EXTEND_RETENTION, (kid, Seconds::from(*tail))).await,
        KeyChange::Watch { kid, watch } => {
            queries.execute(SET_OBSERVATION_PERIOD, (kid, watch.map(Seconds::from))).await
        }
        KeyChange::Sighted { kid, since } => queries.execute(OBSERVED, (kid, Timestamp(*since), now)).await,
        KeyChange::Missed { kid } => queries.execute(MISSED, (kid,)).await,
        KeyChange::Remove { kid } => queries.execute(REMOVE, (kid, now)).await,
        KeyChange::Compromise { kid } => queries.execute(COMPROMISE, (kid, now)).await,
    };
    changed.map(drop)
}
