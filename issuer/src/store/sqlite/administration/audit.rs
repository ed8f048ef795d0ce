//! The audit log, newest first.

use async_trait::async_trait;

use super::{SqliteDesk, millis, moment};
use crate::store::administration::desk::AuditDesk;
use crate::store::administration::{AuditEntry, AuditSearch};
use crate::store::{Result, rows};

const AUDIT: &str = "
    SELECT id, at, actor, action, target
    FROM audit_log
    WHERE ($1 IS NULL OR id < $1)
        AND ($2 IS NULL OR actor = $2)
        AND ($3 IS NULL OR target = $3)
        AND action BETWEEN $4 AND $5
        AND ($6 IS NULL OR at >= $6)
        AND ($7 IS NULL OR at < $7)
    ORDER BY id DESC
    LIMIT $8";

#[async_trait]
impl AuditDesk for SqliteDesk {
    async fn audit(&mut self, search: &AuditSearch) -> Result<Vec<AuditEntry>> {
        let found: Vec<(i64, i64, String, String, String)> = sqlx::query_as(AUDIT)
            .bind(search.before)
            .bind(&search.actor)
            .bind(&search.target)
            .bind(&search.action)
            .bind(rows::end_of_prefix(&search.action))
            .bind(search.since.map(millis))
            .bind(search.until.map(millis))
            .bind(search.limit)
            .fetch_all(&mut *self.transaction)
            .await?;
        let entry =
            |(id, at, actor, action, target)| Ok(AuditEntry { id, at: moment(at)?, actor, action, target });
        found.into_iter().map(entry).collect()
    }
}
