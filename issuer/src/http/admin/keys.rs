//! `/admin/keys`: what state each signing key is in, and what the person on call does about it.

use axum::Json;
use axum::extract::{Path, Request, State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::App;
use super::super::decode::{NoBody, json};
use super::super::error::ErrorCode::{
    BeyondCaller, Compromised, InsufficientUserAuthentication, NoStandby, NotFound, TooManyKeys,
};
use super::super::error::Problem;
use super::super::guard::Caller;
use crate::administration::{self, authority};
use crate::grammar::KeyIdText;
use crate::keys::KeyView;

pub(in crate::http) const READ: &str = "keystone:keys:read";
pub(in crate::http) const WRITE: &str = "keystone:keys:write";

/// List signing keys
///
/// Returns every signing key that ever existed, the oldest first.
#[utoipa::path(
    get,
    path = "/admin/keys",
    responses((status = 200, body = SigningKeys)),
    extensions(("x-errors" = json!([BeyondCaller]))),
)]
pub(in crate::http) async fn list(
    State(app): State<App>,
    Caller(caller): Caller,
) -> Result<Json<SigningKeys>, Problem> {
    administration::may_read(&app.issuer, &authority(&app.issuer, &caller, READ)).await?;
    Ok(Json(SigningKeys { keys: administration::keys(&app.issuer).await? }))
}

/// Rotate the signing key
///
/// Schedules the standby key to become active once every verifier has fetched it. A rotation that is already scheduled
/// stays as it is. The login must be recent.
#[utoipa::path(
    post,
    path = "/admin/keys/rotate",
    responses((status = 200, body = SigningKeys)),
    extensions(("x-errors" = json!([InsufficientUserAuthentication, BeyondCaller, NoStandby, TooManyKeys]))),
)]
pub(in crate::http) async fn rotate(
    State(app): State<App>,
    Caller(caller): Caller,
    _: NoBody,
) -> Result<Json<SigningKeys>, Problem> {
    let by = authority(&app.issuer, &caller, WRITE);
    Ok(Json(SigningKeys { keys: administration::rotate_keys(&app.issuer, &by).await? }))
}

/// How to revoke the key
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Compromise {
    /// Do it even if some verifiers have not fetched the standby key yet and would reject valid tokens for a while
    #[serde(default)]
    now: bool,
}

/// Revoke a compromised signing key
///
/// The standby key becomes active immediately, and verifiers reject every token that the compromised key signed. The login
/// must be recent.
#[utoipa::path(
    post,
    path = "/admin/keys/{kid}/compromise",
    params(("kid" = inline(KeyIdText), Path, description = "The `kid` of the key")),
    request_body = Compromise,
    responses((status = 200, body = SigningKeys)),
    extensions(("x-errors" = json!([InsufficientUserAuthentication, BeyondCaller, NotFound, Compromised, NoStandby]))),
)]
pub(in crate::http) async fn compromise(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(kid): Path<String>,
    request: Request,
) -> Result<Json<SigningKeys>, Problem> {
    let (head, body) = request.into_parts();
    let Compromise { now } = json(&head.headers, body).await?;
    let by = authority(&app.issuer, &caller, WRITE);
    Ok(Json(SigningKeys { keys: administration::compromise_key(&app.issuer, &by, (&kid, now)).await? }))
}

/// The signing keys
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct SigningKeys {
    /// The keys, the oldest first
    keys: Vec<KeyView>,
}
