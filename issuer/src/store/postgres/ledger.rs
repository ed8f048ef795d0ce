//! The audit log and the revocation feed, written inside the transaction that makes them true.

use sqlx::PgConnection;

use crate::store::Result;
use crate::store::ledger::{Entry, Event, RETENTION};

const RECORD: &str = "
    INSERT INTO audit_log (actor, action, target)
    SELECT actor, action, target
    FROM unnest($1::text[], $2::text[], $3::text[]) AS entry (actor, action, target)";

pub(super) async fn record(connection: &mut PgConnection, entries: &[Entry]) -> Result<()> {
    if entries.is_empty() {
        return Ok(());
    }
    let column = |of: fn(&Entry) -> &String| entries.iter().map(of).cloned().collect::<Vec<_>>();
    sqlx::query(RECORD)
        .bind(column(|entry| &entry.actor))
        .bind(column(|entry| &entry.action))
        .bind(column(|entry| &entry.target))
        .execute(connection)
        .await?;
    Ok(())
}

const PUBLISH: &str = "
    INSERT INTO revocation_events (kind, value, min_epoch, drop_after)
    SELECT kind, value, min_epoch, now() + make_interval(secs => $4)
    FROM unnest($1::text[], $2::text[], $3::bigint[]) AS event (kind, value, min_epoch)";

/// The last statement of its transaction: from here to the commit, all other writers of events wait.
pub(super) async fn publish(connection: &mut PgConnection, events: &[Event]) -> Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    sqlx::query(PUBLISH)
        .bind(events.iter().map(|event| event.kind).collect::<Vec<_>>())
        .bind(events.iter().map(|event| event.value.clone()).collect::<Vec<_>>())
        .bind(events.iter().map(|event| event.min_epoch).collect::<Vec<_>>())
        .bind(RETENTION.as_secs_f64())
        .execute(connection)
        .await?;
    Ok(())
}
