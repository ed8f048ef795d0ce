//! The routes, and the only place that knows status codes. A handler decodes, makes one call, and encodes.

mod address;
mod admin;
mod client_authentication;
mod conditional;
mod cors;
mod decode;
mod error;
mod guard;
mod health;
mod introspection;
mod layers;
mod metrics;
mod published;
mod query;
mod revocation;
mod routes;
pub mod server;
mod sessions;
mod token;
mod users;

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn_with_state, map_response};
use axum::routing::{get, post};

pub use self::address::Peer;
use self::guard::Guard;
use self::published::JWKS;
pub use self::published::METADATA;
pub use self::published::describe as metadata;
pub use self::routes::guarded_routes;
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
        .route("/auth/token", post(token::issue).options(cors::before_post))
        .route("/auth/revoke", post(revocation::revoke).options(cors::before_post))
        .layer(map_response(cors::varied))
        .route("/auth/introspect", post(introspection::introspect))
        .route("/auth/logout", post(sessions::log_out))
        .layer(map_response(layers::never_stored));
    let guarded = routes::router()
        .layer(from_fn_with_state(app.clone(), guard::require))
        .layer(map_response(layers::never_stored));
    let metadata = || get(published::metadata).options(cors::before_get);
    let published = match metadata_of_path(&app.issuer.config.issuer) {
        Some(path) => Router::new().route(METADATA, metadata()).route(&path, metadata()),
        None => Router::new().route(METADATA, metadata()),
    };
    let published = published
        .layer(map_response(cors::varied))
        .route(JWKS, get(published::jwks).options(published::preflight));
    layers::around(tokens.merge(guarded).merge(published), app)
}

/// The listener for whoever runs this: health and metrics, on an address that the public does not reach.
pub fn operations(issuer: Arc<Issuer>) -> Router {
    let metrics = metrics::router(issuer.clone());
    let routes =
        Router::new().route("/health/live", get(health::live)).route("/health/ready", get(health::ready));
    routes.fallback(layers::not_found).with_state(App::new(issuer)).merge(metrics)
}

impl App {
    fn new(issuer: Arc<Issuer>) -> Self {
        let guard = Arc::new(Guard::new(&issuer.config.issuer, &routes::policy()));
        Self { metadata: published::describe(&issuer.config.issuer), guard, issuer }
    }
}

/// Of an issuer with a path, the well-known segment goes between host and path (RFC 8414 §3.1).
fn metadata_of_path(issuer: &str) -> Option<String> {
    let url = url::Url::parse(issuer).ok()?;
    let path = url.path().trim_end_matches('/');
    (!path.is_empty() && !path.contains(['{', '}'])).then(|| format!("{METADATA}{path}"))
}
