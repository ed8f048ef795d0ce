//! The audit log and the revocation feed, written inside the transaction that makes them true.

use sqlx::SqliteConnection;

use super::clock;
use crate::store::ledger::{Entry, Event, RETENTION};
use crate::store::{Actor, Result};

/// Names are those of this moment.
const RECORD: &str = "
    INSERT INTO audit_log (actor, action, target, actor_name, target_name, client_id, request_id, network, changes)
    VALUES (
        $1, $2, $3,
        coalesce(
            (SELECT username FROM users WHERE id = $4),
            (SELECT name FROM service_clients WHERE client_id = $5)
        ),
        $6, $7, $8, $9, $10
    )";

pub(super) async fn record(connection: &mut SqliteConnection, entries: &[Entry]) -> Result<()> {
    for entry in entries {
        let (user_id, client_id) = match &entry.actor {
            Actor::User(id) => (Some(id), None),
            Actor::Client(client_id) => (None, Some(client_id)),
            Actor::Operator | Actor::Schedule => (None, None),
        };
        sqlx::query(RECORD)
            .bind(entry.actor.to_string())
            .bind(&entry.action)
            .bind(&entry.target)
            .bind(user_id)
            .bind(client_id)
            .bind(&entry.target_name)
            .bind(entry.client_id())
            .bind(entry.context.request_id())
            .bind(entry.context.network())
            .bind(entry.changes()?)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

const PUBLISH: &str = "
    INSERT INTO revocation_events (kind, value, min_epoch, at, drop_after)
    VALUES ($1, $2, $3, $4, $5)";

pub(super) async fn publish(connection: &mut SqliteConnection, events: &[Event]) -> Result<()> {
    let now = clock::now(connection).await?;
    for event in events {
        sqlx::query(PUBLISH)
            .bind(event.kind)
            .bind(&event.value)
            .bind(event.min_epoch)
            .bind(now)
            .bind(clock::after(now, RETENTION))
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}
