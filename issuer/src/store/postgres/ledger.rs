//! The audit log and the revocation feed, written inside the transaction that makes them true.

use sqlx::PgConnection;

use crate::store::Result;
use crate::store::ledger::{Entry, Event, RETENTION};

/// Names are those of this moment.
const RECORD: &str = "
    INSERT INTO audit_log (actor, action, target, actor_name, target_name, client_id, request_id, network, changes)
    SELECT
        e.actor,
        e.action,
        e.target,
        CASE
            WHEN e.actor LIKE 'user:%' THEN (
                SELECT u.username
                FROM users AS u
                WHERE u.id = CAST(substring(e.actor FROM 6) AS uuid)
            )
            WHEN e.actor LIKE 'client:%' THEN (
                SELECT c.name
                FROM service_clients AS c
                WHERE c.client_id = substring(e.actor FROM 8)
            )
        END,
        e.target_name,
        e.client_id,
        e.request_id,
        e.network,
        CAST(e.changes AS json)
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[])
        AS e (actor, action, target, target_name, client_id, request_id, network, changes)";

pub(super) async fn record(connection: &mut PgConnection, entries: &[Entry]) -> Result<()> {
    if entries.is_empty() {
        return Ok(());
    }
    let changes: Vec<Option<String>> = entries.iter().map(Entry::changes).collect::<Result<_>>()?;
    sqlx::query(RECORD)
        .bind(entries.iter().map(|entry| entry.actor.to_string()).collect::<Vec<_>>())
        .bind(entries.iter().map(|entry| entry.action.clone()).collect::<Vec<_>>())
        .bind(entries.iter().map(|entry| entry.target.clone()).collect::<Vec<_>>())
        .bind(entries.iter().map(|entry| entry.target_name.clone()).collect::<Vec<_>>())
        .bind(entries.iter().map(|entry| entry.client_id().map(str::to_owned)).collect::<Vec<_>>())
        .bind(entries.iter().map(|entry| entry.context.request_id()).collect::<Vec<_>>())
        .bind(entries.iter().map(|entry| entry.context.network()).collect::<Vec<_>>())
        .bind(changes)
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
