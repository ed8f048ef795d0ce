//! `/admin/audit`: who changed what.

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::super::App;
use super::super::decode::DecodeError;
use super::super::error::Problem;
use super::super::guard::Caller;
use super::super::openapi::Limited;
use super::super::query::Query;
use crate::administration::{self, AdminError, authority};
use crate::store::administration::{AuditEntry, AuditSearch};

pub(in crate::http) const READ: &str = "keystone:audit:read";

/// Who changed what, the newest first
#[utoipa::path(
    get,
    path = "/admin/audit",
    params(
        ("actor" = Option<String>, Query, description = "`user:` and an id, `client:` and a `client_id`, `operator` or `schedule`"),
        ("action" = Option<String>, Query, description = "What the action begins with"),
        ("target" = Option<String>, Query),
        ("since" = Option<OffsetDateTime>, Query),
        ("until" = Option<OffsetDateTime>, Query),
        ("cursor" = Option<i64>, Query, description = "`next` of the page before"),
        Limited,
    ),
    responses((status = 200, body = AuditLog)),
)]
pub(in crate::http) async fn list(
    State(app): State<App>,
    Caller(caller): Caller,
    uri: Uri,
) -> Result<Json<AuditLog>, Problem> {
    let search = search(&uri)?;
    administration::may_read(&app.issuer, &authority(&app.issuer, &caller, READ)).await?;
    let entries = app.issuer.store.audit(&search).await.map_err(AdminError::from)?;
    let full = i64::try_from(entries.len()) == Ok(search.limit);
    let next = entries.last().filter(|_| full).map(|last| last.id);
    Ok(Json(AuditLog { entries: entries.into_iter().map(AuditLogEntry::from).collect(), next }))
}

fn search(uri: &Uri) -> Result<AuditSearch, DecodeError> {
    let mut query = Query::of(uri)?;
    let search = AuditSearch {
        actor: query.text("actor")?,
        action: query.text("action")?.unwrap_or_default(),
        target: query.text("target")?,
        since: query.time("since")?,
        until: query.time("until")?,
        before: query.number("cursor")?,
        limit: query.limit()?,
    };
    query.end()?;
    Ok(search)
}

#[derive(Serialize, ToSchema)]
pub(in crate::http) struct AuditLog {
    entries: Vec<AuditLogEntry>,
    /// The cursor of the next page, if there may be one
    next: Option<i64>,
}

#[derive(Serialize, ToSchema)]
struct AuditLogEntry {
    id: i64,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    actor: String,
    action: String,
    target: String,
}

impl From<AuditEntry> for AuditLogEntry {
    fn from(AuditEntry { id, at, actor, action, target }: AuditEntry) -> Self {
        Self { id, at, actor, action, target }
    }
}
