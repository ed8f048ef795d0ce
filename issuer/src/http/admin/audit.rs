//! `/admin/audit`: who changed what.

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::super::App;
use super::super::decode::DecodeError;
use super::super::error::ErrorCode::BeyondCaller;
use super::super::error::Problem;
use super::super::guard::Caller;
use super::super::openapi::Limited;
use super::super::query::Query;
use crate::administration::{self, AdminError, authority};
use crate::grammar::Words;
use crate::store::{AuditEntry, AuditSearch};

pub(in crate::http) const READ: &str = "keystone:audit:read";

/// Search the audit log
///
/// Returns the matching entries, the newest first.
#[utoipa::path(
    get,
    path = "/admin/audit",
    params(
        ("actor" = inline(Option<Words>), Query, description = "The author of the change: `user:` and an id, `client:` and a `client_id`, `operator` or `schedule`"),
        ("action" = inline(Option<Words>), Query, description = "Prefix of the action"),
        ("target" = inline(Option<Words>), Query, description = "The id or name of the changed object"),
        ("since" = Option<OffsetDateTime>, Query, description = "Only entries from this time on"),
        ("until" = Option<OffsetDateTime>, Query, description = "Only entries before this time"),
        ("cursor" = Option<i64>, Query, description = "`next` of the previous page"),
        Limited,
    ),
    responses((status = 200, body = AuditLog)),
    extensions(("x-errors" = json!([BeyondCaller]))),
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

/// A page of the audit log
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct AuditLog {
    /// The entries of this page, the newest first
    entries: Vec<AuditLogEntry>,
    /// The cursor of the next page; `null` on the last page
    #[schema(example = 41)]
    next: Option<i64>,
}

/// A change or a login
#[derive(Serialize, ToSchema)]
struct AuditLogEntry {
    /// The number of the entry
    #[schema(example = 42)]
    id: i64,
    /// When the change was made
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    /// The author of the change: `user:` and an id, `client:` and a `client_id`, `operator` or `schedule`
    #[schema(example = "client:keystone-console")]
    actor: String,
    /// The name of the user or client at that time
    #[schema(example = "admin")]
    actor_name: Option<String>,
    /// The action
    #[schema(example = "role.updated")]
    action: String,
    /// The id or name of the changed object
    #[schema(example = "customer")]
    target: String,
    /// The name of the object at that time, if `target` is an id
    #[schema(example = "alice")]
    target_name: Option<String>,
    /// The client whose token was used, or that made the request
    #[schema(example = "keystone-console")]
    client_id: Option<String>,
    /// The `x-request-id` of the response; `null` if the change was not made by a request
    #[schema(example = "9f86d081884c7d65")]
    request_id: Option<String>,
    /// The network that the request came from: the /24 of an IPv4 address or the /48 of an IPv6 address
    #[schema(example = "192.0.2.0/24")]
    network: Option<String>,
    /// The members that changed; never a secret, and nothing about passwords
    #[schema(value_type = Option<Vec<Change>>)]
    changes: Option<serde_json::Value>,
}

/// A member before and after
#[derive(ToSchema)]
#[expect(dead_code, reason = "a description: the store writes it")]
struct Change {
    /// The name of the member
    #[schema(example = "scopes")]
    member: String,
    /// The value before, of a single value
    #[schema(example = "Buys")]
    from: Option<String>,
    /// The value after, of a single value
    #[schema(example = "Buys things")]
    to: Option<String>,
    /// The added values, of a set
    #[schema(nullable = false, example = json!(["orders:write"]))]
    added: Option<Vec<String>>,
    /// The removed values, of a set
    #[schema(nullable = false, example = json!(["orders:read"]))]
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
