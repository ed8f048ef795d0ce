//! `/users/me/sessions` and `/auth/logout`: what people do with their own sessions.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use keystone_verifier::bearer_token;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::App;
use super::context::Context;
use super::decode::NoBody;
use super::error::ErrorCode::{NoSession, UnknownSession};
use super::error::Problem;
use super::guard::Caller;
use crate::grammar::SessionIdText;
use crate::own_sessions::{self, SessionError};
use crate::store::{LiveSession, SessionId};
use crate::{access, hex};

/// List your sessions
///
/// Returns your active sessions, the newest first.
#[utoipa::path(
    get,
    path = "/users/me/sessions",
    responses((status = 200, body = OwnSessions)),
    extensions(("x-errors" = json!([NoSession]))),
)]
pub(super) async fn list(State(app): State<App>, Caller(caller): Caller) -> Result<Response, Problem> {
    let sessions = own_sessions::list(&app.issuer, &caller).await?;
    let view = |session| OwnSession::new(session, caller.session());
    let sessions = sessions.iter().map(view).collect();
    Ok(Json(OwnSessions { sessions }).into_response())
}

/// End one of your sessions
///
/// The tokens of the session are revoked.
#[utoipa::path(
    delete,
    path = "/users/me/sessions/{id}",
    params(("id" = inline(SessionIdText), Path, description = "The id of the session")),
    responses((status = 204)),
    extensions(("x-errors" = json!([NoSession, UnknownSession]))),
)]
pub(super) async fn end(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
    _: NoBody,
) -> Result<StatusCode, Problem> {
    // What cannot be an id is nobody's session.
    let id = hex::decode(&id).map(SessionId).ok_or(SessionError::Unknown)?;
    own_sessions::end(&app.issuer, &caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Log out
///
/// Ends the session of the access token and revokes its tokens. A token for any resource is accepted.
#[utoipa::path(
    post,
    path = "/auth/logout",
    responses((status = 204)),
    extensions(("x-errors" = json!([NoSession]))),
)]
pub(super) async fn log_out(
    State(app): State<App>,
    Context(context): Context,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let values: Vec<&[u8]> = headers.get_all(AUTHORIZATION).iter().map(|value| value.as_bytes()).collect();
    let token = access::verify(&app.issuer, bearer_token(&values)?)??;
    own_sessions::log_out(&app.issuer, &access::Caller::new(token, context)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Your sessions
#[derive(Serialize, ToSchema)]
struct OwnSessions<'a> {
    /// The sessions, the newest first; at most `sessions.max_per_user`
    sessions: Vec<OwnSession<'a>>,
}

/// One of your sessions
#[derive(Serialize, ToSchema)]
struct OwnSession<'a> {
    /// The session id, which is `sid` in its tokens
    #[schema(example = "0f6a1b2c3d4e5f60718293a4b5c6d7e8")]
    id: String,
    /// The client at which the user logged in
    #[schema(example = "orders-app")]
    client_id: &'a str,
    /// When the user logged in
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// When the session last received tokens
    #[serde(with = "time::serde::rfc3339")]
    last_used_at: OffsetDateTime,
    /// When the session expires at the latest
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
    /// Whether the request was made in this session
    current: bool,
}

impl<'a> OwnSession<'a> {
    fn new(session: &'a LiveSession, current: Option<&str>) -> Self {
        let id = session.id.to_string();
        Self {
            current: current == Some(id.as_str()),
            id,
            client_id: &session.client_id,
            created_at: session.created_at,
            last_used_at: session.last_used_at,
            expires_at: session.expires_at,
        }
    }
}
