//! The audit log, newest first.

use async_trait::async_trait;
use sqlx::types::Json;
use time::OffsetDateTime;

use super::{PostgresDesk, instant, moment};
use crate::store::administration::desk::AuditDesk;
use crate::store::administration::{AuditEntry, AuditSearch};
use crate::store::{Result, StoreError, rows};

const AUDIT: &str = "
    SELECT id, at, actor, actor_name, action, target, target_name, client_id, request_id, network, changes
    FROM audit_log
    WHERE ($1 IS NULL OR id < $1)
        AND ($2 IS NULL OR actor = $2)
        AND ($3 IS NULL OR target = $3)
        AND action COLLATE \"C\" BETWEEN $4 AND $5
        AND ($6 IS NULL OR at >= $6)
        AND ($7 IS NULL OR at < $7)
    ORDER BY id DESC
    LIMIT $8";

#[async_trait]
impl AuditDesk for PostgresDesk {
    async fn audit(&mut self, search: &AuditSearch) -> Result<Vec<AuditEntry>> {
        let found: Vec<Row> = sqlx::query_as(AUDIT)
            .bind(search.before)
            .bind(&search.actor)
            .bind(&search.target)
            .bind(&search.action)
            .bind(rows::end_of_prefix(&search.action))
            .bind(search.since.map(instant))
            .bind(search.until.map(instant))
            .bind(search.limit)
            .fetch_all(&mut *self.transaction)
            .await?;
        found.into_iter().map(AuditEntry::try_from).collect()
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    at: OffsetDateTime,
    actor: String,
    actor_name: Option<String>,
    action: String,
    target: String,
    target_name: Option<String>,
    client_id: Option<String>,
    request_id: Option<String>,
    network: Option<String>,
    changes: Option<Json<serde_json::Value>>,
}

impl TryFrom<Row> for AuditEntry {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: row.id,
            at: moment(row.at)?,
            actor: row.actor,
            actor_name: row.actor_name,
            action: row.action,
            target: row.target,
            target_name: row.target_name,
            client_id: row.client_id,
            request_id: row.request_id,
            network: row.network,
            changes: row.changes.map(|Json(changes)| changes),
        })
    }
}
