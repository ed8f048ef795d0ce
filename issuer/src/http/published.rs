//! What everybody may read, from memory: the key set (RFC 7517 §5) and the metadata (RFC 8414).
//!
//! Made from the configured issuer only. Nothing a request says changes a byte.

use axum::extract::State;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::App;
use super::cors;
use super::feed;
use super::openapi::IfNoneMatch;
use crate::keys::{Document, Jwks};
use crate::store::GrantType;

/// Get the signing keys
///
/// The JSON Web Key Set (RFC 7517) that verifies access tokens.
#[utoipa::path(
    get,
    path = JWKS,
    params(IfNoneMatch),
    responses((status = 200, body = Jwks, content_type = "application/jwk-set+json", headers(("ETag" = String))),
        (status = 304)),
)]
pub(super) async fn jwks(State(app): State<App>, headers: HeaderMap) -> Response {
    key_set(&app, &app.issuer.keys.current().jwks, &headers)
}

/// Get the server metadata
///
/// The authorization server metadata of RFC 8414.
#[utoipa::path(
    get,
    path = METADATA,
    params(IfNoneMatch),
    responses((status = 200, body = Metadata, headers(("ETag" = String))), (status = 304)),
)]
pub(super) async fn metadata(State(app): State<App>, headers: HeaderMap) -> Response {
    let answer = document(&app.metadata, ("application/json", CACHE), &headers);
    cors::readable_by_any(&app, &headers, answer).await
}

/// A browser asks before it sends `If-None-Match` for the keys to another origin.
pub(super) async fn preflight() -> impl IntoResponse {
    let headers = [
        (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (ACCESS_CONTROL_ALLOW_METHODS, "GET"),
        (ACCESS_CONTROL_ALLOW_HEADERS, "if-none-match"),
        (ACCESS_CONTROL_MAX_AGE, "86400"),
    ];
    (StatusCode::NO_CONTENT, headers)
}

/// RFC 8414 §2. Only what works is listed; "claims with zero elements MUST be omitted" (§3.2), and so is
/// `response_types_supported`: no endpoint takes a response type.
#[derive(Serialize, ToSchema)]
pub(super) struct Metadata {
    /// The issuer identifier
    #[schema(example = "https://id.example.com")]
    issuer: String,
    /// The URL of the token endpoint
    #[schema(example = "https://id.example.com/auth/token")]
    token_endpoint: String,
    /// The URL of the signing keys
    #[schema(example = "https://id.example.com/.well-known/jwks.json")]
    jwks_uri: String,
    /// The supported grant types
    #[schema(example = json!(["password", "client_credentials", "refresh_token"]))]
    grant_types_supported: [GrantType; 3],
    /// The client authentication methods of the token endpoint
    #[schema(example = json!(["client_secret_basic", "client_secret_post", "none"]))]
    token_endpoint_auth_methods_supported: [&'static str; 3],
    /// The URL of the revocation endpoint
    #[schema(example = "https://id.example.com/auth/revoke")]
    revocation_endpoint: String,
    /// The client authentication methods of the revocation endpoint
    #[schema(example = json!(["client_secret_basic", "client_secret_post", "none"]))]
    revocation_endpoint_auth_methods_supported: [&'static str; 3],
    /// The URL of the introspection endpoint
    #[schema(example = "https://id.example.com/auth/introspect")]
    introspection_endpoint: String,
    /// The client authentication methods of the introspection endpoint
    #[schema(example = json!(["client_secret_basic", "client_secret_post"]))]
    introspection_endpoint_auth_methods_supported: [&'static str; 2],
    /// The URL of the revocation feed (an extension of Keystone)
    #[schema(example = "https://id.example.com/.well-known/keystone/revocations")]
    keystone_revocations_uri: String,
    /// The URL of the keys of the revocation feed (an extension of Keystone)
    #[schema(example = "https://id.example.com/.well-known/keystone/feed-jwks.json")]
    keystone_revocations_jwks_uri: String,
}

pub fn describe(issuer: &str) -> Document {
    let [basic, post, none] = ["client_secret_basic", "client_secret_post", "none"];
    let metadata = Metadata {
        issuer: issuer.to_owned(),
        token_endpoint: format!("{issuer}/auth/token"),
        jwks_uri: format!("{issuer}{JWKS}"),
        grant_types_supported: GrantType::ALL,
        token_endpoint_auth_methods_supported: [basic, post, none],
        revocation_endpoint: format!("{issuer}/auth/revoke"),
        revocation_endpoint_auth_methods_supported: [basic, post, none],
        introspection_endpoint: format!("{issuer}/auth/introspect"),
        introspection_endpoint_auth_methods_supported: [basic, post],
        keystone_revocations_uri: format!("{issuer}{}", feed::REVOCATIONS),
        keystone_revocations_jwks_uri: format!("{issuer}{}", feed::KEYS),
    };
    Document::new(json!(metadata).to_string())
}

pub(super) fn key_set(app: &App, keys: &Document, request: &HeaderMap) -> Response {
    let cache = format!("public, max-age={}", app.issuer.config.keys.jwks_max_age.as_secs());
    let answer = document(keys, ("application/jwk-set+json", &cache), request);
    // Public keys are for every verifier, in whose page it may run.
    ([(ACCESS_CONTROL_ALLOW_ORIGIN, "*"), (ACCESS_CONTROL_EXPOSE_HEADERS, "etag")], answer).into_response()
}

pub(super) fn document(
    document: &Document,
    (content_type, cache): (&'static str, &str),
    request: &HeaderMap,
) -> Response {
    let headers = [(ETAG, document.etag.as_str()), (CACHE_CONTROL, cache)];
    if has_copy(request, &document.etag) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    (headers, [(CONTENT_TYPE, content_type)], document.body.clone()).into_response()
}

/// RFC 9110 §13.1.2.
fn has_copy(request: &HeaderMap, etag: &str) -> bool {
    let lists = request.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut tags = lists.flat_map(|list| list.split(',')).map(str::trim);
    tags.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

pub(super) const JWKS: &str = "/.well-known/jwks.json";
pub const METADATA: &str = "/.well-known/oauth-authorization-server";
pub(super) const CACHE: &str = "public, max-age=300";
