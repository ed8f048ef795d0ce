//! `/admin/sessions`: who is logged in where, and an end to it.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::App;
use super::super::decode::DecodeError;
use super::super::decode::NoBody;
use super::super::error::Problem;
use super::super::guard::Caller;
use super::super::openapi::Limited;
use super::super::query::{Query, next};
use super::users::user_id;
use crate::administration::{self, AdminError, authority, settled};
use crate::grammar::{SessionIdText, Words};
use crate::hex;
use crate::store::SessionId;
use crate::store::administration::{Refused, SessionSearch, UserSession};

pub(in crate::http) const READ: &str = "keystone:sessions:read";
pub(in crate::http) const WRITE: &str = "keystone:sessions:write";

/// The live sessions, in the order of their ids
#[utoipa::path(
    get,
    path = "/admin/sessions",
    params(
        ("user_id" = Option<Uuid>, Query, description = "Only of this user"),
        ("client_id" = inline(Option<Words>), Query, description = "Only at this client"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before", pattern = "^[0-9a-f]{32}$"),
        Limited,
    ),
    responses((status = 200, body = Sessions)),
)]
pub(in crate::http) async fn list(
    State(app): State<App>,
    Caller(caller): Caller,
    uri: Uri,
) -> Result<Json<Sessions>, Problem> {
    let search = search(&uri, app.issuer.config.sessions.inactivity)?;
    administration::may_read(&app.issuer, &authority(&app.issuer, &caller, READ)).await?;
    let found = app.issuer.store.sessions(&search).await.map_err(AdminError::from)?;
    let sessions: Vec<Session> = found.into_iter().map(Session::from).collect();
    let next = next(&sessions, search.limit, |session| &session.id);
    Ok(Json(Sessions { sessions, next }))
}

/// Ends a session, with every token of it
#[utoipa::path(
    delete,
    path = "/admin/sessions/{id}",
    params(("id" = inline(SessionIdText), Path)),
    responses((status = 204), (status = 404)),
)]
pub(in crate::http) async fn end(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
    _: NoBody,
) -> Result<StatusCode, Problem> {
    let id = hex::decode(&id).map(SessionId).ok_or(AdminError::Refused(Refused::Missing))?;
    let by = authority(&app.issuer, &caller, WRITE);
    settled(app.issuer.store.end_any_session(&by, id).await.map_err(AdminError::from)?)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends every session of a user, with every token
#[utoipa::path(
    delete,
    path = "/admin/users/{id}/sessions",
    params(("id" = Uuid, Path)),
    responses((status = 204), (status = 404)),
)]
pub(in crate::http) async fn end_all(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
    _: NoBody,
) -> Result<StatusCode, Problem> {
    let by = authority(&app.issuer, &caller, WRITE);
    settled(app.issuer.store.end_sessions(&by, user_id(&id)?).await.map_err(AdminError::from)?)?;
    Ok(StatusCode::NO_CONTENT)
}

fn search(uri: &Uri, inactivity: Duration) -> Result<SessionSearch, DecodeError> {
    let mut query = Query::of(uri)?;
    let search = SessionSearch {
        user_id: query.parsed("user_id", |text| text.parse().ok())?,
        client_id: query.text("client_id")?,
        inactivity,
        after: query.parsed("cursor", |text| hex::decode(text).map(SessionId))?,
        limit: query.limit()?,
    };
    query.end()?;
    Ok(search)
}

#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Sessions {
    sessions: Vec<Session>,
    /// The cursor of the next page, if there may be one
    next: Option<String>,
}

/// A login that goes on
#[derive(Serialize, ToSchema)]
struct Session {
    id: String,
    user_id: Uuid,
    username: String,
    client_id: String,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    last_used_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
}

impl From<UserSession> for Session {
    fn from(UserSession { user_id, username, session }: UserSession) -> Self {
        Self {
            id: session.id.to_string(),
            user_id,
            username,
            client_id: session.client_id,
            created_at: session.created_at,
            last_used_at: session.last_used_at,
            expires_at: session.expires_at,
        }
    }
}
