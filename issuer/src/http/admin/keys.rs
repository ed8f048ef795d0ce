//! `/admin/keys`: what state each signing key is in, and what the person on call does about it.

use axum::Json;
use axum::extract::{Path, Request, State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::App;
use super::super::decode::{NoBody, json};
use super::super::error::Problem;
use super::super::guard::Caller;
use crate::administration::{self, authority};
use crate::grammar::KeyIdText;
use crate::keys::KeyView;

pub(in crate::http) const READ: &str = "keystone:keys:read";
pub(in crate::http) const WRITE: &str = "keystone:keys:write";

/// Every signing key there ever was, the oldest first
#[utoipa::path(get, path = "/admin/keys", responses((status = 200, body = SigningKeys)))]
pub(in crate::http) async fn list(
    State(app): State<App>,
    Caller(caller): Caller,
) -> Result<Json<SigningKeys>, Problem> {
    administration::may_read(&app.issuer, &authority(&app.issuer, &caller, READ)).await?;
    Ok(Json(SigningKeys { keys: administration::keys(&app.issuer).await? }))
}

/// Lets the standby sign as soon as every verifier knows it
///
/// Where that is planned already, it stays planned. Takes a recent login.
#[utoipa::path(
    post,
    path = "/admin/keys/rotate",
    responses((status = 200, body = SigningKeys), (status = 409)),
)]
pub(in crate::http) async fn rotate(
    State(app): State<App>,
    Caller(caller): Caller,
    _: NoBody,
) -> Result<Json<SigningKeys>, Problem> {
    let by = authority(&app.issuer, &caller, WRITE);
    Ok(Json(SigningKeys { keys: administration::rotate_keys(&app.issuer, &by).await? }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Compromise {
    /// Even where verifiers do not know the standby yet and would refuse good tokens for a while.
    #[serde(default)]
    now: bool,
}

/// Gives up a key that somebody else may have
///
/// The standby signs at once, and verifiers refuse what the key signed. Takes a recent login.
#[utoipa::path(
    post,
    path = "/admin/keys/{kid}/compromise",
    params(("kid" = inline(KeyIdText), Path)),
    request_body = Compromise,
    responses((status = 200, body = SigningKeys), (status = 404), (status = 409)),
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

#[derive(Serialize, ToSchema)]
pub(in crate::http) struct SigningKeys {
    keys: Vec<KeyView>,
}
