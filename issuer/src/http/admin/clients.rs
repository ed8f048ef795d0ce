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
use super::super::error::ErrorCode::{
    BeyondCaller, BuiltIn, DefaultScope, Exists, InsufficientUserAuthentication, InvalidClientSettings,
    InvalidText, NotFound, PublicClient, TwoSecrets, UnknownScope,
};
use super::super::error::Problem;
use super::super::guard::Caller;
use super::super::openapi::{IfMatch, IfMatchOrNot, Paged};
use super::super::query::{Query, next};
use super::name::{self, Name, located};
use crate::administration::{self, AdminError, authority, described};
use crate::declaration::Client as NewClient;
use crate::grammar::{Description, NameInPath, Origin, ScopeName};
use crate::identity::{ClientChange, Refused};
use crate::store::GrantType;
use crate::store::{ClientProfile, SecretSlot};

pub(in crate::http) const READ: &str = "keystone:clients:read";
pub(in crate::http) const WRITE: &str = "keystone:clients:write";

/// List clients
///
/// Returns the clients in order of their `client_id`.
#[utoipa::path(
    get,
    path = "/admin/clients",
    params(Paged),
    responses((status = 200, body = Clients)),
    extensions(("x-errors" = json!([BeyondCaller]))),
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

/// Get a client
///
/// Returns the client and which secrets it has, never a secret itself.
#[utoipa::path(
    get,
    path = "/admin/clients/{client_id}",
    params(("client_id" = inline(NameInPath), Path, description = "The `client_id`")),
    responses((status = 200, body = ClientWithSecrets, headers(("ETag" = String)))),
    extensions(("x-errors" = json!([BeyondCaller, NotFound]))),
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

/// Create a client
///
/// The response for a confidential client is the only place that shows its secret. The caller must hold every scope of the
/// client.
#[utoipa::path(
    post,
    path = "/admin/clients",
    request_body = NewClient,
    responses((status = 201, body = CreatedClient, headers(("ETag" = String), ("Location" = String)))),
    extensions(("x-errors" = json!([InsufficientUserAuthentication, BeyondCaller, BuiltIn, Exists, InvalidClientSettings, UnknownScope]))),
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

/// The changes to a client
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ClientPatch {
    /// The name, for people
    #[schema(value_type = Option<Description>)]
    name: Option<String>,
    /// Whether the client can request tokens
    enabled: Option<bool>,
    /// The grant types that the client may use
    #[schema(value_type = Option<Vec<GrantType>>)]
    grants: Option<BTreeSet<GrantType>>,
    /// The names of the scopes that the client may request
    #[schema(value_type = Option<Vec<ScopeName>>)]
    scopes: Option<BTreeSet<String>>,
    /// The scopes of a token request without `scope`; must be among `scopes`
    #[schema(value_type = Option<Vec<ScopeName>>)]
    default_scopes: Option<BTreeSet<String>>,
    /// The origins of the web pages of the client, for CORS
    #[schema(value_type = Option<Vec<Origin>>)]
    origins: Option<BTreeSet<String>>,
    /// Whether the client reports the address of its user in `X-Forwarded-For`; confidential clients only
    forwards_user_address: Option<bool>,
}

/// Update a client
///
/// A member that is left out stays as it is. Disabling a client or removing a scope revokes the tokens of the client. The
/// caller must hold every scope of the client.
#[utoipa::path(
    patch,
    path = "/admin/clients/{client_id}",
    params(("client_id" = inline(NameInPath), Path, description = "The `client_id`"), IfMatch),
    request_body = ClientPatch,
    responses((status = 200, body = Client, headers(("ETag" = String)))),
    extensions(("x-errors" = json!([
        InsufficientUserAuthentication, BeyondCaller, NotFound, BuiltIn, PublicClient, DefaultScope,
        InvalidClientSettings, InvalidText, UnknownScope
    ]))),
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

/// Delete a client
///
/// Deletes the client with its sessions and revokes its tokens.
#[utoipa::path(
    delete,
    path = "/admin/clients/{client_id}",
    params(("client_id" = inline(NameInPath), Path, description = "The `client_id`"), IfMatchOrNot),
    responses((status = 204)),
    extensions(("x-errors" = json!([InsufficientUserAuthentication, BeyondCaller, NotFound, BuiltIn]))),
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

/// How long the old secret stays valid
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewSecret {
    /// Seconds until the old secret expires; without it, the old secret stays valid until it is deleted
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 4294967295_u32, example = 3600)]
    #[serde(default, deserialize_with = "whole")]
    old_valid_for: Option<u32>,
}

/// Add a client secret
///
/// A client can have two active secrets, so that a secret can be rotated without downtime. The response is the only place
/// that shows the new one.
#[utoipa::path(
    post,
    path = "/admin/clients/{client_id}/secrets",
    params(("client_id" = inline(NameInPath), Path, description = "The `client_id`")),
    request_body = NewSecret,
    responses((status = 201, body = CreatedSecret)),
    extensions(("x-errors" = json!([InsufficientUserAuthentication, BeyondCaller, NotFound, PublicClient, TwoSecrets]))),
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

/// Delete a client secret
///
/// The secret stops working immediately, and the tokens of the client are revoked.
#[utoipa::path(
    delete,
    path = "/admin/clients/{client_id}/secrets/{slot}",
    params(
        ("client_id" = inline(NameInPath), Path, description = "The `client_id`"),
        ("slot" = i64, Path, description = "The slot of the secret", minimum = 1, maximum = 2),
    ),
    responses((status = 204)),
    extensions(("x-errors" = json!([InsufficientUserAuthentication, BeyondCaller, NotFound]))),
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

/// A page of clients
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Clients {
    /// The clients of this page
    clients: Vec<Client>,
    /// The cursor of the next page; `null` on the last page
    #[schema(example = "orders-app")]
    next: Option<String>,
}

/// An OAuth client
#[derive(Serialize, ToSchema)]
struct Client {
    /// The `client_id`
    #[schema(example = "orders-app")]
    client_id: String,
    /// The name, for people
    #[schema(example = "Orders app")]
    name: String,
    /// Whether the client is public, that is, has no secret (RFC 6749 §2.1)
    public: bool,
    /// Whether the client can request tokens
    enabled: bool,
    /// The grant types that the client may use
    grants: BTreeSet<GrantType>,
    /// The names of the scopes that the client may request
    #[schema(example = json!(["orders:read"]))]
    scopes: BTreeSet<String>,
    /// The scopes of a token request without `scope`
    #[schema(example = json!(["orders:read"]))]
    default_scopes: BTreeSet<String>,
    /// The origins of the web pages of the client, for CORS
    #[schema(example = json!(["https://app.example.com"]))]
    origins: BTreeSet<String>,
    /// Whether the client reports the address of its user in `X-Forwarded-For`; confidential clients only
    forwards_user_address: bool,
    /// When the client was created
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// When the client was last changed
    #[serde(with = "time::serde::rfc3339")]
    updated_at: OffsetDateTime,
}

/// A client and its secrets
#[derive(Serialize, ToSchema)]
struct ClientWithSecrets {
    #[serde(flatten)]
    client: Client,
    /// The active secrets, at most two
    secrets: Vec<ClientSecret>,
}

/// A client secret, without its value
#[derive(Serialize, ToSchema)]
struct ClientSecret {
    /// The slot, 1 or 2
    slot: i64,
    /// When the secret was created
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// When the secret expires, or `null`
    #[serde(with = "time::serde::rfc3339::option")]
    expires_at: Option<OffsetDateTime>,
}

/// A new client
#[derive(Serialize, ToSchema)]
struct CreatedClient {
    #[serde(flatten)]
    client: Client,
    /// The secret of a confidential client. It is shown only here
    #[schema(example = "kscs_…")]
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
}

/// A new client secret
#[derive(Serialize, ToSchema)]
struct CreatedSecret {
    /// The slot, 1 or 2
    slot: i64,
    /// The secret. It is shown only here
    #[schema(example = "kscs_…")]
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
