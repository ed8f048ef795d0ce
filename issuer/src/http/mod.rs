//! The routes, and the only place that knows status codes. A handler decodes, makes one call, and encodes.

mod address;
mod admin;
mod client_authentication;
mod decode;
mod error;
mod guard;
mod health;
mod introspection;
mod layers;
mod published;
mod revocation;
pub mod server;
mod sessions;
mod token;
mod users;

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn_with_state, map_response};
use axum::routing::{delete, get, post};
use serde_json::{Value, json};

pub use self::address::Peer;
use self::guard::Guard;
use self::published::{JWKS, METADATA};
use crate::issuer::Issuer;
use crate::keys::Document;

/// What the handlers share.
#[derive(Clone, Debug)]
pub(crate) struct App {
    issuer: Arc<Issuer>,
    guard: Arc<Guard>,
    metadata: Arc<Document>,
}

/// The public listener.
pub fn public(issuer: Arc<Issuer>) -> Router {
    let app = App::new(issuer);
    let tokens = Router::new()
        .route("/auth/token", post(token::issue))
        .route("/auth/revoke", post(revocation::revoke))
        .route("/auth/introspect", post(introspection::introspect))
        .route("/auth/logout", post(sessions::log_out))
        .layer(map_response(layers::never_stored));
    let guarded = Router::new()
        .route("/users/me/password", post(users::change_password))
        .route("/users/me/sessions", get(sessions::list))
        .route("/users/me/sessions/{id}", delete(sessions::end))
        .route("/admin/users", post(admin::create_user))
        .layer(from_fn_with_state(app.clone(), guard::require))
        .layer(map_response(layers::never_stored));
    let published = Router::new()
        .route(JWKS, get(published::jwks).options(published::preflight))
        .route(METADATA, get(published::metadata).options(published::preflight));
    let published = match metadata_of_path(&app.issuer.config.issuer) {
        Some(path) => published.route(&path, get(published::metadata).options(published::preflight)),
        None => published,
    };
    layers::around(tokens.merge(guarded).merge(published), app)
}

/// Who may use the guarded routes; what is not listed is refused.
fn guarded_routes() -> Value {
    json!([
        { "methods": ["POST"], "path": "/users/me/password", "require": { "all": ["keystone:account"] } },
        { "methods": ["GET"], "path": "/users/me/sessions", "require": { "all": ["keystone:account"] } },
        { "methods": ["DELETE"], "path": "/users/me/sessions/{id}", "require": { "all": ["keystone:account"] } },
        { "methods": ["POST"], "path": "/admin/users", "require": { "all": ["keystone:users:write"] } },
    ])
}

/// The listener for whoever runs this: health, on an address that the public does not reach.
pub fn operations(issuer: Arc<Issuer>) -> Router {
    let routes =
        Router::new().route("/health/live", get(health::live)).route("/health/ready", get(health::ready));
    routes.fallback(layers::not_found).with_state(App::new(issuer))
}

impl App {
    fn new(issuer: Arc<Issuer>) -> Self {
        let guard = Arc::new(Guard::new(&issuer.config.issuer, guarded_routes()));
        Self { metadata: published::describe(&issuer.config.issuer), guard, issuer }
    }
}

/// Of an issuer with a path, the well-known segment goes between host and path (RFC 8414 §3.1).
fn metadata_of_path(issuer: &str) -> Option<String> {
    let url = url::Url::parse(issuer).ok()?;
    let path = url.path().trim_end_matches('/');
    (!path.is_empty() && !path.contains(['{', '}'])).then(|| format!("{METADATA}{path}"))
}
