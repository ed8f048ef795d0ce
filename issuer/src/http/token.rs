//! `POST /auth/token` (RFC 6749 §3.2).

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use super::address::Addresses;
use super::client_authentication::presented;
use super::context::Context;
use super::cors;
use super::decode::Parameters;
use super::error::ErrorCode::{InvalidGrant, InvalidScope, UnauthorizedClient, UnsupportedGrantType};
use super::error::TokenError;
use crate::attempts::Source;
use crate::grammar::{ClientCredentialsGrant, NotEmpty, PasswordGrant, RefreshTokenGrant, ScopeList};
use crate::grant::{self, GrantError, GrantRequest, Granted, ScopeFault, TokenRequest};
use crate::issuer::Issuer;
use crate::metrics::Metrics;
use crate::rbac;
use crate::secret::Secret;
use crate::store::{Client, RequestContext};

/// Issue tokens
///
/// The token endpoint of RFC 6749 §3.2 for the grant types `password`, `client_credentials` and `refresh_token`. The body is
/// a form or a JSON object of strings.
#[utoipa::path(
    post,
    path = "/auth/token",
    request_body(content((TokenRequestBody = "application/x-www-form-urlencoded"), (TokenRequestBody = "application/json"))),
    responses((status = 200, body = Success)),
    extensions(("x-errors" = json!([InvalidGrant, UnauthorizedClient, UnsupportedGrantType, InvalidScope]))),
)]
pub(super) async fn issue(
    State(app): State<App>,
    addresses: Addresses,
    Context(context): Context,
    request: Request,
) -> Result<Response, TokenError> {
    let mut attempt = Attempt { metrics: app.issuer.world.metrics.clone(), result: "hung_up" };
    let (head, body) = request.into_parts();
    let judged = judge(&app.issuer, (addresses, context), (&head.headers, body)).await;
    attempt.result = match &judged {
        Ok((_, Ok(_))) => "success",
        Ok((_, Err(error))) | Err(TokenError::Grant(error)) => error.result(),
        Err(TokenError::Decode(_)) => "invalid_request",
    };
    let (client, granted) = judged?;
    let granted = granted.map_err(TokenError::from);
    let answer = granted.map(|granted| Json(Success::from(&granted)).into_response()).into_response();
    Ok(cors::readable_by(&client, &head.headers, answer))
}

/// What is granted, once the client has proved who it is.
async fn judge(
    issuer: &Arc<Issuer>,
    (Addresses { client: address, user }, context): (Addresses, RequestContext),
    (headers, body): (&HeaderMap, Body),
) -> Result<(Arc<Client>, Result<Granted, GrantError>), TokenError> {
    let mut parameters = Parameters::read(headers, body).await?;
    let client = presented(headers, &mut parameters)?;
    let scope = match parameters.take("scope") {
        Some(text) => rbac::parse_scope(&text).map(Some).ok_or(ScopeFault::Malformed),
        None => Ok(None),
    };
    let grant = grant_request(&mut parameters)?;
    let client = grant::authenticate(issuer, client, address).await?;
    let source = Source::of(&client, address, user);
    let address = match &source {
        Source::Address(users) => *users,
        Source::Client(_) => address,
    };
    let context = RequestContext { address: Some(address), ..context };
    let request = TokenRequest { client: client.clone(), grant, scope, source, context };
    Ok((client, grant::answer(issuer, request).await))
}

fn grant_request(parameters: &mut Parameters) -> Result<GrantRequest, GrantError> {
    let mut require = |name| parameters.take(name).ok_or(GrantError::MissingParameter(name));
    match require("grant_type")?.as_str() {
        "password" => {
            let username = require("username")?;
            Ok(GrantRequest::Password { username, password: Secret::new(require("password")?) })
        }
        "client_credentials" => Ok(GrantRequest::ClientCredentials),
        "refresh_token" => Ok(GrantRequest::RefreshToken(Secret::new(require("refresh_token")?))),
        _ => Err(GrantError::UnsupportedGrantType),
    }
}

/// Counted when it is dropped: hanging up hides no guess.
struct Attempt {
    metrics: Arc<Metrics>,
    result: &'static str,
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let result = if std::thread::panicking() { "server_error" } else { self.result };
        self.metrics.attempts.count(result);
    }
}

/// A token request. If the client authenticates in the `Authorization` header, `client_id` must be the same or absent, and
/// `client_secret` absent
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "a description: `Parameters` reads forms and JSON alike")]
enum TokenRequestBody {
    Password(PasswordRequest),
    ClientCredentials(ClientCredentialsRequest),
    RefreshToken(RefreshTokenRequest),
}

/// The password grant (RFC 6749 §4.3.2)
#[derive(ToSchema)]
#[expect(dead_code, reason = "a description")]
struct PasswordRequest {
    /// The grant type
    #[schema(value_type = PasswordGrant)]
    grant_type: String,
    /// The username
    #[schema(value_type = NotEmpty, example = "alice")]
    username: String,
    /// The password
    #[schema(value_type = NotEmpty, example = "nine purple hats")]
    password: String,
    /// The requested scopes; without it, the default scopes of the client
    #[schema(value_type = ScopeList, required = false)]
    scope: Option<String>,
    /// The client, if the request has no `Authorization` header
    #[schema(nullable = false, example = "orders-app")]
    client_id: Option<String>,
    /// The secret of a confidential client, if the request has no `Authorization` header
    #[schema(nullable = false, example = "kscs_…")]
    client_secret: Option<String>,
    /// Unknown parameters are ignored; a repeated one is an error
    #[serde(flatten)]
    others: BTreeMap<String, String>,
}

/// The client credentials grant (RFC 6749 §4.4.2)
#[derive(ToSchema)]
#[expect(dead_code, reason = "a description")]
struct ClientCredentialsRequest {
    /// The grant type
    #[schema(value_type = ClientCredentialsGrant)]
    grant_type: String,
    /// The requested scopes; without it, the default scopes of the client
    #[schema(value_type = ScopeList, required = false)]
    scope: Option<String>,
    /// The client, if the request has no `Authorization` header
    #[schema(nullable = false, example = "orders-app")]
    client_id: Option<String>,
    /// The secret of a confidential client, if the request has no `Authorization` header
    #[schema(nullable = false, example = "kscs_…")]
    client_secret: Option<String>,
    /// Unknown parameters are ignored; a repeated one is an error
    #[serde(flatten)]
    others: BTreeMap<String, String>,
}

/// The refresh token grant (RFC 6749 §6)
#[derive(ToSchema)]
#[expect(dead_code, reason = "a description")]
struct RefreshTokenRequest {
    /// The grant type
    #[schema(value_type = RefreshTokenGrant)]
    grant_type: String,
    /// The latest refresh token of the session
    #[schema(value_type = NotEmpty, example = "ksrt_…")]
    refresh_token: String,
    /// The requested scopes; without it, those of the session
    #[schema(value_type = ScopeList, required = false)]
    scope: Option<String>,
    /// The client, if the request has no `Authorization` header
    #[schema(nullable = false, example = "orders-app")]
    client_id: Option<String>,
    /// The secret of a confidential client, if the request has no `Authorization` header
    #[schema(nullable = false, example = "kscs_…")]
    client_secret: Option<String>,
    /// Unknown parameters are ignored; a repeated one is an error
    #[serde(flatten)]
    others: BTreeMap<String, String>,
}

/// The tokens (RFC 6749 §5.1)
#[derive(Serialize, ToSchema)]
#[schema(as = Tokens)]
struct Success<'a> {
    /// The access token (RFC 9068)
    #[schema(example = "eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCJ9…")]
    access_token: &'a str,
    /// Always `Bearer`
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// Seconds until the access token expires
    #[schema(example = 300)]
    expires_in: i64,
    /// The scopes of the access token
    #[schema(example = "orders:read")]
    scope: &'a str,
    /// The refresh token of the session; only for users, and a new one with every response
    #[schema(example = "ksrt_…")]
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a str>,
}

impl<'a> From<&'a Granted> for Success<'a> {
    fn from(granted: &'a Granted) -> Self {
        Self {
            access_token: granted.access_token.expose(),
            token_type: "Bearer",
            expires_in: granted.expires_in,
            scope: &granted.scope,
            refresh_token: granted.refresh_token.as_ref().map(Secret::expose),
        }
    }
}
