//! `/admin/clients`: the programs that ask for tokens, and their secrets.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::super::App;
use super::super::conditional::{created, honoured, required, versioned};
use super::super::decode::json;
use super::super::error::Problem;
use super::super::guard::Caller;
use super::super::query::{Query, next};
use crate::administration::{self, AdminError, authority, described};
use crate::declaration::Client;
use crate::store::GrantType;
use crate::store::administration::{ClientChange, ClientProfile, Refused, SecretSlot};

pub(in crate::http) const READ: &str = "keystone:clients:read";
pub(in crate::http) const WRITE: &str = "keystone:clients:write";

/// `GET /admin/clients?cursor=&limit=`
pub(in crate::http) async fn list(
    State(app): State<App>,
    Caller(caller): Caller,
    uri: Uri,
) -> Result<Json<Value>, Problem> {
    let page = Query::page(&uri)?;
    administration::may_read(&app.issuer, &authority(&caller, READ)).await?;
    let clients = app.issuer.store.clients(&page).await.map_err(AdminError::from)?;
    let next = next(&clients, page.limit, |client| &client.client_id);
    Ok(Json(json!({ "clients": clients.iter().map(view).collect::<Vec<_>>(), "next": next })))
}

/// `GET /admin/clients/{client_id}`
pub(in crate::http) async fn read(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(client_id): Path<String>,
) -> Result<Response, Problem> {
    administration::may_read(&app.issuer, &authority(&caller, READ)).await?;
    let client = app.issuer.store.client_profile(&client_id).await.map_err(AdminError::from)?;
    let client = client.ok_or(AdminError::Refused(Refused::Missing))?;
    let secrets = app.issuer.store.client_secrets(&client_id).await.map_err(AdminError::from)?;
    let mut body = view(&client);
    if let Some(body) = body.as_object_mut() {
        body.insert("secrets".to_owned(), secrets.iter().map(secret_view).collect());
    }
    Ok(versioned(&client.version(), body))
}

/// `POST /admin/clients`
pub(in crate::http) async fn create(
    State(app): State<App>,
    Caller(caller): Caller,
    request: Request,
) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let wanted: Client = json(&head.headers, body).await?;
    let (client, secret) =
        administration::create_client(&app.issuer, &authority(&caller, WRITE), wanted).await?;
    let mut body = view(&client);
    if let (Some(body), Some(secret)) = (body.as_object_mut(), secret) {
        body.insert("client_secret".to_owned(), secret.expose().into());
    }
    Ok(created(versioned(&client.version(), body)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Patch {
    name: Option<String>,
    enabled: Option<bool>,
    grants: Option<BTreeSet<GrantType>>,
    scopes: Option<BTreeSet<String>>,
    default_scopes: Option<BTreeSet<String>>,
    origins: Option<BTreeSet<String>>,
}

/// `PATCH /admin/clients/{client_id}`
pub(in crate::http) async fn change(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(client_id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let expected = required(&head.headers)?;
    let Patch { name, enabled, grants, scopes, default_scopes, origins } = json(&head.headers, body).await?;
    let name = name.map(described).transpose()?;
    let change = ClientChange { client_id, expected, name, enabled, grants, scopes, default_scopes, origins };
    let client = administration::change_client(&app.issuer, &authority(&caller, WRITE), change).await?;
    Ok(versioned(&client.version(), view(&client)))
}

/// `DELETE /admin/clients/{client_id}`
pub(in crate::http) async fn remove(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(client_id): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let target = (client_id.as_str(), &honoured(&headers));
    administration::delete_client(&app.issuer, &authority(&caller, WRITE), target).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rotation {
    /// Seconds until the old secret is dead. `None`: until it is removed.
    old_valid_for: Option<u32>,
}

/// `POST /admin/clients/{client_id}/secrets`
pub(in crate::http) async fn add_secret(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(client_id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let Rotation { old_valid_for } = json(&head.headers, body).await?;
    let by = authority(&caller, WRITE);
    let (slot, secret) = administration::add_secret(&app.issuer, &by, (&client_id, old_valid_for)).await?;
    let body = json!({ "slot": slot, "client_secret": secret.expose() });
    Ok((StatusCode::CREATED, Json(body)).into_response())
}

/// `DELETE /admin/clients/{client_id}/secrets/{slot}`
pub(in crate::http) async fn remove_secret(
    State(app): State<App>,
    Caller(caller): Caller,
    Path((client_id, slot)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    // What is no slot holds no secret.
    let slot = slot.parse().unwrap_or_default();
    administration::remove_secret(&app.issuer, &authority(&caller, WRITE), (&client_id, slot)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Nothing of a secret but that it is there.
fn view(client: &ClientProfile) -> Value {
    json!({
        "client_id": client.client_id,
        "name": client.name,
        "public": client.public,
        "enabled": client.enabled,
        "grants": client.grants,
        "scopes": client.scopes,
        "default_scopes": client.default_scopes,
        "origins": client.origins,
        "created_at": rfc3339(client.created_at),
        "updated_at": rfc3339(client.updated_at),
    })
}

fn secret_view(secret: &SecretSlot) -> Value {
    json!({
        "slot": secret.slot,
        "created_at": rfc3339(secret.created_at),
        "expires_at": secret.expires_at.and_then(rfc3339),
    })
}

/// A time outside the four-digit years has no such form.
pub(super) fn rfc3339(at: OffsetDateTime) -> Option<String> {
    at.format(&Rfc3339).ok()
}
