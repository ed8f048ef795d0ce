//! The audit log and the revocation feed, written inside the transaction that makes them true.

use sqlx::SqliteConnection;

use super::clock;
use crate::store::Result;
use crate::store::ledger::{Entry, Event, RETENTION};

const RECORD: &str = "
    INSERT INTO audit_log (actor, action, target)
    VALUES ($1, $2, $3)";

pub(super) async fn record(connection: &mut SqliteConnection, entries: &[Entry]) -> Result<()> {
    for entry in entries {
        sqlx::query(RECORD)
            .bind(&entry.actor)
            .bind(&entry.action)
            .bind(&entry.target)
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
