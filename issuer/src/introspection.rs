//! Introspection (RFC 7662): what a token says and whether it still stands, for those whom it concerns.

use std::net::IpAddr;

use keystone_verifier::Verified;
use serde::Serialize;
use utoipa::ToSchema;

use crate::access;
use crate::grant::{self, GrantError, PresentedClient};
use crate::issuer::Issuer;
use crate::rbac;
use crate::secret::Secret;
use crate::session::Presented;
use crate::store::Client;

#[derive(Debug)]
pub struct IntrospectionRequest {
    pub client: PresentedClient,
    pub token: Secret,
    pub address: IpAddr,
}

/// The claims of an active token (RFC 7662 §2.2). All are optional, because an inactive token has none
#[derive(Debug, Serialize, ToSchema)]
pub struct Introspection {
    /// The scopes of the token
    #[schema(required = false, example = "orders:read")]
    pub scope: String,
    /// The client that received the token
    #[schema(required = false, example = "orders-app")]
    pub client_id: String,
    /// The username, for a token of a user
    #[schema(example = "alice")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// `Bearer` for an access token; a refresh token has no type
    #[schema(example = "Bearer")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_type: Option<&'static str>,
    /// When the token expires, in Unix time
    #[schema(required = false, example = 1769861100)]
    pub exp: u64,
    /// When the access token was issued, in Unix time
    #[schema(example = 1769860800)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iat: Option<u64>,
    /// When the access token becomes valid, in Unix time
    #[schema(example = 1769860800)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nbf: Option<u64>,
    /// The subject: the id of the user, or `client:` and the `client_id`
    #[schema(required = false, example = "5f0c3a86-3a0d-4b6e-9d2c-7e1f1f6f8a11")]
    pub sub: String,
    /// The resources that the access token is for
    #[schema(example = json!(["orders"]))]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aud: Vec<String>,
    /// The issuer
    #[schema(required = false, example = "https://id.example.com")]
    pub iss: String,
    /// The id of the access token
    #[schema(example = "b1946ac92492d2347c6235b4d2611184")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
    /// The session id
    #[schema(example = "0f6a1b2c3d4e5f60718293a4b5c6d7e8")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
}

/// `None`: inactive, whatever the reason. Another's token is that, too: nobody learns of what is not for them (§4).
pub async fn introspect(
    issuer: &Issuer,
    request: IntrospectionRequest,
) -> Result<Option<Introspection>, GrantError> {
    let IntrospectionRequest { client, token, address } = request;
    let client = grant::authenticate(issuer, client, address).await?;
    // A name is no proof: anyone could try tokens under a public client's (§2.1).
    if client.public {
        return Err(GrantError::InvalidClient);
    }
    match Presented::parse(&token) {
        Some(presented) => refresh_token(issuer, &client, &presented).await,
        None => access_token(issuer, &client, &token).await,
    }
}

async fn access_token(
    issuer: &Issuer,
    client: &Client,
    token: &Secret,
) -> Result<Option<Introspection>, GrantError> {
    let Ok(token) = access::verify(issuer, token.expose().as_bytes())? else { return Ok(None) };
    let now = issuer.world.now().unix_timestamp();
    // No leeway here: an answer must not call active what it says has expired.
    let is_over = i64::try_from(token.expires_at()).is_ok_and(|end| end <= now);
    if is_over || !concerns(client, &token) {
        return Ok(None);
    }
    let standing = access::standing(&issuer.store, &token).await?;
    Ok(standing.map(|standing| Introspection {
        scope: token.scope().to_owned(),
        client_id: token.client_id().to_owned(),
        username: standing.username,
        token_type: Some("Bearer"),
        exp: token.expires_at(),
        iat: Some(token.issued_at()),
        nbf: access::More::of(&token).and_then(|more| more.nbf),
        sub: token.subject().to_owned(),
        aud: token.audiences().to_vec(),
        iss: token.issuer().to_owned(),
        jti: Some(token.token_id().to_owned()),
        sid: token.session().map(str::to_owned),
    }))
}

/// A client that got the token, or one that works with a resource the token is for: it holds a scope of it.
fn concerns(client: &Client, token: &Verified) -> bool {
    let is_audience = |resource: &String| token.audiences().contains(resource);
    client.client_id == token.client_id() || client.scopes.iter().any(|scope| is_audience(&scope.resource))
}

/// A refresh token concerns nobody but its client. Only the newest one of its session is active.
async fn refresh_token(
    issuer: &Issuer,
    client: &Client,
    presented: &Presented,
) -> Result<Option<Introspection>, GrantError> {
    let inactivity = issuer.config.sessions.inactivity;
    let session = issuer.store.live_session(presented.session, inactivity).await?;
    let salt = session.as_ref().map(|session| session.salt);
    let is_genuine = presented.is_genuine(&issuer.secrets, salt);
    let session = session.filter(|session| {
        is_genuine && session.generation == presented.generation && session.client_id == client.client_id
    });
    Ok(session.map(|session| Introspection {
        scope: rbac::join(&session.scopes),
        client_id: session.client_id,
        username: Some(session.username),
        token_type: None,
        exp: session.expires_at.unix_timestamp().try_into().unwrap_or_default(),
        iat: None,
        nbf: None,
        sub: session.user_id.to_string(),
        aud: Vec::new(),
        iss: issuer.config.issuer.clone(),
        jti: None,
        sid: Some(session.id.to_string()),
    }))
}
