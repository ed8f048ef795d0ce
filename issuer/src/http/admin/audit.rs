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
use crate::grammar::Words;
use crate::store::administration::{AuditEntry, AuditSearch};

pub(in crate::http) const READ: &str = "keystone:audit:read";

/// Who changed what, the newest first
#[utoipa::path(
    get,
    path = "/admin/audit",
    params(
        ("actor" = inline(Option<Words>), Query, description = "`user:` and an id, `client:` and a `client_id`, `operator` or `schedule`"),
        ("action" = inline(Option<Words>), Query, description = "What the action begins with"),
        ("target" = inline(Option<Words>), Query),
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
    /// The user's or client's name as it was then
    actor_name: Option<String>,
    action: String,
    target: String,
    /// Where `target` is an id: what it was called
    target_name: Option<String>,
    /// The client whose token was shown, or that asked
    client_id: Option<String>,
    /// `x-request-id` of the answer; none where no request asked
    request_id: Option<String>,
    /// Where the request came from: the /24 of an IPv4 address, the /48 of an IPv6 one
    network: Option<String>,
    /// Each member that is not as it was; no secret, and nothing about passwords
    #[schema(value_type = Option<Vec<Change>>)]
    changes: Option<serde_json::Value>,
}

/// A member before and after: `from` and `to`, or what was `added` to a set and `removed` from it
#[derive(ToSchema)]
#[expect(dead_code, reason = "a description: the store writes it")]
struct Change {
    member: String,
    from: Option<String>,
    to: Option<String>,
    #[schema(nullable = false)]
    added: Option<Vec<String>>,
    #[schema(nullable = false)]
    removed: Option<Vec<String>>,
}

impl From<AuditEntry> for AuditLogEntry {
    fn from(entry: AuditEntry) -> Self {
        Self {
            id: entry.id,
            at: entry.at,
            actor: entry.actor,
            actor_name: entry.actor_name,
            action: entry.action,
            target: entry.target,
            target_name: entry.target_name,
            client_id: entry.client_id,
            request_id: entry.request_id,
            network: entry.network,
            changes: entry.changes,
        }
    }
}
