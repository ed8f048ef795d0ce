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
use super::super::error::ErrorCode::{BeyondCaller, NotFound};
use super::super::error::Problem;
use super::super::guard::Caller;
use super::super::openapi::Limited;
use super::super::query::{Query, next};
use super::users::user_id;
use crate::administration::{self, AdminError, authority};
use crate::grammar::{SessionIdText, Words};
use crate::hex;
use crate::identity::{Refused, sessions};
use crate::store::SessionId;
use crate::store::{SessionSearch, UserSession};

pub(in crate::http) const READ: &str = "keystone:sessions:read";
pub(in crate::http) const WRITE: &str = "keystone:sessions:write";

/// List sessions
///
/// Returns the active sessions in order of their id.
#[utoipa::path(
    get,
    path = "/admin/sessions",
    params(
        ("user_id" = Option<Uuid>, Query, description = "Only sessions of this user"),
        ("client_id" = inline(Option<Words>), Query, description = "Only sessions at this client"),
        ("cursor" = Option<String>, Query, description = "`next` of the previous page", pattern = "^[0-9a-f]{32}$", example = "0f6a1b2c3d4e5f60718293a4b5c6d7e8"),
        Limited,
    ),
    responses((status = 200, body = Sessions)),
    extensions(("x-errors" = json!([BeyondCaller]))),
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

/// End a session
///
/// The tokens of the session are revoked.
#[utoipa::path(
    delete,
    path = "/admin/sessions/{id}",
    params(("id" = inline(SessionIdText), Path, description = "The id of the session")),
    responses((status = 204)),
    extensions(("x-errors" = json!([BeyondCaller, NotFound]))),
)]
pub(in crate::http) async fn end(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
    _: NoBody,
) -> Result<StatusCode, Problem> {
    let id = hex::decode(&id).map(SessionId).ok_or(AdminError::Refused(Refused::Missing))?;
    let by = authority(&app.issuer, &caller, WRITE);
    sessions::end(&app.issuer.store, &by, id).await.map_err(AdminError::from)?;
    Ok(StatusCode::NO_CONTENT)
}

/// End all sessions of a user
///
/// Every token of the user is revoked.
#[utoipa::path(
    delete,
    path = "/admin/users/{id}/sessions",
    params(("id" = Uuid, Path, description = "The id of the user")),
    responses((status = 204)),
    extensions(("x-errors" = json!([BeyondCaller, NotFound]))),
)]
pub(in crate::http) async fn end_all(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
    _: NoBody,
) -> Result<StatusCode, Problem> {
    let by = authority(&app.issuer, &caller, WRITE);
    sessions::end_all(&app.issuer.store, &by, user_id(&id)?).await.map_err(AdminError::from)?;
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

/// A page of sessions
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Sessions {
    /// The sessions of this page
    sessions: Vec<Session>,
    /// The cursor of the next page; `null` on the last page
    #[schema(example = "0f6a1b2c3d4e5f60718293a4b5c6d7e8")]
    next: Option<String>,
}

/// A session of a user
#[derive(Serialize, ToSchema)]
struct Session {
    /// The session id, which is `sid` in its tokens
    #[schema(example = "0f6a1b2c3d4e5f60718293a4b5c6d7e8")]
    id: String,
    /// The id of the user
    user_id: Uuid,
    /// The username
    #[schema(example = "alice")]
    username: String,
    /// The client at which the user logged in
    #[schema(example = "orders-app")]
    client_id: String,
    /// When the user logged in
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// When the session last received tokens
    #[serde(with = "time::serde::rfc3339")]
    last_used_at: OffsetDateTime,
    /// When the session expires at the latest
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
