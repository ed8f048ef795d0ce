//! `/admin/clients`: the programs that ask for tokens, and their secrets.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::super::App;
use super::super::conditional::{created, honoured, required, versioned};
use super::super::decode::NoBody;
use super::super::decode::{json, whole};
use super::super::error::Problem;
use super::super::guard::Caller;
use super::super::openapi::{IfMatch, IfMatchOrNot, Paged};
use super::super::query::{Query, next};
use super::name::{self, Name, located};
use crate::administration::{self, AdminError, authority, described};
use crate::declaration::Client as NewClient;
use crate::grammar::{Description, NameInPath, Origin, ScopeName};
use crate::store::GrantType;
use crate::store::administration::{ClientChange, ClientProfile, Refused, SecretSlot};

pub(in crate::http) const READ: &str = "keystone:clients:read";
pub(in crate::http) const WRITE: &str = "keystone:clients:write";

/// The clients, by `client_id`
#[utoipa::path(
    get,
    path = "/admin/clients",
    params(Paged),
    responses((status = 200, body = Clients)),
)]
pub(in crate::http) async fn list(
    State(app): State<App>,
    Caller(caller): Caller,
    uri: Uri,
) -> Result<Json<Clients>, Problem> {
    let page = Query::page(&uri)?;
    administration::may_read(&app.issuer, &authority(&app.issuer, &caller, READ)).await?;
    let clients = app.issuer.store.clients(&page).await.map_err(AdminError::from)?;
    let next = next(&clients, page.limit, |client| &client.client_id);
    Ok(Json(Clients { clients: clients.into_iter().map(Client::from).collect(), next }))
}

/// One client, and which secrets it has
#[utoipa::path(
    get,
    path = "/admin/clients/{client_id}",
    params(("client_id" = inline(NameInPath), Path)),
    responses((status = 200, body = ClientWithSecrets, headers(("ETag" = String))), (status = 404)),
)]
pub(in crate::http) async fn read(
    State(app): State<App>,
    Caller(caller): Caller,
    Name(client_id): Name,
) -> Result<Response, Problem> {
    administration::may_read(&app.issuer, &authority(&app.issuer, &caller, READ)).await?;
    let client = app.issuer.store.client_profile(&client_id).await.map_err(AdminError::from)?;
    let client = client.ok_or(AdminError::Refused(Refused::Missing))?;
    let secrets = app.issuer.store.client_secrets(&client_id).await.map_err(AdminError::from)?;
    let secrets = secrets.into_iter().map(ClientSecret::from).collect();
    Ok(versioned(&client.version(), ClientWithSecrets { client: client.into(), secrets }))
}

/// Makes a client; a confidential one gets its secret
#[utoipa::path(
    post,
    path = "/admin/clients",
    request_body = NewClient,
    responses((status = 201, body = CreatedClient, headers(("ETag" = String), ("Location" = String))), (status = 409), (status = 422)),
)]
pub(in crate::http) async fn create(
    State(app): State<App>,
    Caller(caller): Caller,
    request: Request,
) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let wanted: NewClient = json(&head.headers, body).await?;
    let (client, secret) =
        administration::create_client(&app.issuer, &authority(&app.issuer, &caller, WRITE), wanted).await?;
    let version = client.version();
    let client_secret = secret.as_ref().map(|secret| secret.expose().to_owned());
    let client_id = client.client_id.clone();
    let made = created(versioned(&version, CreatedClient { client: client.into(), client_secret }));
    Ok(located(&app, "/admin/clients", &client_id, made))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ClientPatch {
    #[schema(value_type = Option<Description>)]
    name: Option<String>,
    enabled: Option<bool>,
    #[schema(value_type = Option<Vec<GrantType>>)]
    grants: Option<BTreeSet<GrantType>>,
    #[schema(value_type = Option<Vec<ScopeName>>)]
    scopes: Option<BTreeSet<String>>,
    #[schema(value_type = Option<Vec<ScopeName>>)]
    default_scopes: Option<BTreeSet<String>>,
    #[schema(value_type = Option<Vec<Origin>>)]
    origins: Option<BTreeSet<String>>,
    forwards_user_address: Option<bool>,
}

/// Changes a client
///
/// A client that loses a scope or is disabled loses its tokens.
#[utoipa::path(
    patch,
    path = "/admin/clients/{client_id}",
    params(("client_id" = inline(NameInPath), Path), IfMatch),
    request_body = ClientPatch,
    responses((status = 200, body = Client, headers(("ETag" = String))), (status = 404), (status = 409), (status = 422)),
)]
pub(in crate::http) async fn change(
    State(app): State<App>,
    Caller(caller): Caller,
    Name(client_id): Name,
    request: Request,
) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let expected = required(&head.headers)?;
    let ClientPatch { name, enabled, grants, scopes, default_scopes, origins, forwards_user_address } =
        json(&head.headers, body).await?;
    let name = name.map(described).transpose()?;
    let change = ClientChange {
        client_id,
        expected,
        name,
        enabled,
        grants,
        scopes,
        default_scopes,
        origins,
        forwards_user_address,
    };
    let client =
        administration::change_client(&app.issuer, &authority(&app.issuer, &caller, WRITE), change).await?;
    Ok(versioned(&client.version(), Client::from(client)))
}

/// Deletes a client, and with it its sessions and tokens
#[utoipa::path(
    delete,
    path = "/admin/clients/{client_id}",
    params(("client_id" = inline(NameInPath), Path), IfMatchOrNot),
    responses((status = 204), (status = 404), (status = 409)),
)]
pub(in crate::http) async fn remove(
    State(app): State<App>,
    Caller(caller): Caller,
    Name(client_id): Name,
    NoBody(headers): NoBody,
) -> Result<StatusCode, Problem> {
    let target = (client_id.as_str(), &honoured(&headers));
    administration::delete_client(&app.issuer, &authority(&app.issuer, &caller, WRITE), target).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewSecret {
    /// Seconds until the old secret is dead; without it, it lives until it is removed.
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 4294967295_u32)]
    #[serde(default, deserialize_with = "whole")]
    old_valid_for: Option<u32>,
}

/// A second secret, to rotate without an interruption
#[utoipa::path(
    post,
    path = "/admin/clients/{client_id}/secrets",
    params(("client_id" = inline(NameInPath), Path)),
    request_body = NewSecret,
    responses((status = 201, body = CreatedSecret), (status = 404), (status = 409)),
)]
pub(in crate::http) async fn add_secret(
    State(app): State<App>,
    Caller(caller): Caller,
    Name(client_id): Name,
    request: Request,
) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let NewSecret { old_valid_for } = json(&head.headers, body).await?;
    let by = authority(&app.issuer, &caller, WRITE);
    let (slot, secret) = administration::add_secret(&app.issuer, &by, (&client_id, old_valid_for)).await?;
    let body = CreatedSecret { slot, client_secret: secret.expose().to_owned() };
    Ok((StatusCode::CREATED, Json(body)).into_response())
}

/// Removes a secret at once, and revokes the client's tokens
#[utoipa::path(
    delete,
    path = "/admin/clients/{client_id}/secrets/{slot}",
    params(("client_id" = inline(NameInPath), Path), ("slot" = i64, Path, minimum = 1, maximum = 2)),
    responses((status = 204), (status = 404)),
)]
pub(in crate::http) async fn remove_secret(
    State(app): State<App>,
    Caller(caller): Caller,
    Path((client_id, slot)): Path<(String, String)>,
    _: NoBody,
) -> Result<StatusCode, Problem> {
    let client_id = name::read(&client_id)?;
    // What is no slot holds no secret.
    let slot = slot.parse().unwrap_or_default();
    administration::remove_secret(&app.issuer, &authority(&app.issuer, &caller, WRITE), (&client_id, slot))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Clients {
    clients: Vec<Client>,
    /// The cursor of the next page, if there may be one
    next: Option<String>,
}

/// A program that asks for tokens
#[derive(Serialize, ToSchema)]
struct Client {
    client_id: String,
    name: String,
    public: bool,
    enabled: bool,
    grants: BTreeSet<GrantType>,
    scopes: BTreeSet<String>,
    default_scopes: BTreeSet<String>,
    origins: BTreeSet<String>,
    forwards_user_address: bool,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    updated_at: OffsetDateTime,
}

#[derive(Serialize, ToSchema)]
struct ClientWithSecrets {
    #[serde(flatten)]
    client: Client,
    secrets: Vec<ClientSecret>,
}

/// Nothing of a secret but that it is there.
#[derive(Serialize, ToSchema)]
struct ClientSecret {
    slot: i64,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    expires_at: Option<OffsetDateTime>,
}

#[derive(Serialize, ToSchema)]
struct CreatedClient {
    #[serde(flatten)]
    client: Client,
    /// Of a confidential client. Shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct CreatedSecret {
    slot: i64,
    /// Shown this once.
    client_secret: String,
}

impl From<ClientProfile> for Client {
    fn from(client: ClientProfile) -> Self {
        Self {
            client_id: client.client_id,
            name: client.name,
            public: client.public,
            enabled: client.enabled,
            grants: client.grants,
            scopes: client.scopes,
            default_scopes: client.default_scopes,
            origins: client.origins,
            forwards_user_address: client.forwards_user_address,
            created_at: client.created_at,
            updated_at: client.updated_at,
        }
    }
}

impl From<SecretSlot> for ClientSecret {
    fn from(SecretSlot { slot, created_at, expires_at }: SecretSlot) -> Self {
        Self { slot, created_at, expires_at }
    }
}
