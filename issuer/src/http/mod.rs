//! The routes, and the only place that knows status codes. A handler decodes, makes one call, and encodes.

mod address;
mod admin;
mod admission;
mod client_authentication;
mod conditional;
mod connection;
mod context;
mod cors;
mod decode;
mod documentation;
mod error;
mod feed;
mod framing;
mod guard;
mod health;
mod introspection;
mod layers;
mod metrics;
mod openapi;
mod published;
mod query;
mod revocation;
mod routes;
pub mod server;
mod sessions;
mod token;
mod under_way;
mod unread;
mod users;
mod write_deadline;

use std::future::ready;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::middleware::{from_fn, map_response};
use axum::routing::get;
use serde_json::Value;

pub use self::address::Peer;
use self::documentation::Description;
use self::guard::Guard;
use self::health::WriteProbe;
pub use self::published::METADATA;
pub use self::published::describe as metadata;
pub use self::routes::guarded_routes;
use crate::issuer::Issuer;
use crate::keys::Document;

/// What the handlers share. One count of references: every request takes several.
#[derive(Clone, Debug)]
pub(crate) struct App(Arc<Shared>);

#[derive(Debug)]
pub(crate) struct Shared {
    issuer: Arc<Issuer>,
    /// `None`: what it guards is closed.
    guard: Option<Guard>,
    metadata: Document,
    description: OnceLock<Description>,
    write_probe: WriteProbe,
}

/// The public listener.
pub fn public(issuer: Arc<Issuer>) -> Router {
    let app = App::new(issuer);
    let tokens = layers::around_tokens(routes::router(routes::tokens()), app.clone());
    let guarded = guard::around(routes::router(routes::guarded()), &app);
    let guarded = guarded.layer(map_response(|answer| ready(layers::never_stored(answer))));
    let mut published = routes::router(routes::published());
    if app.issuer.config.documentation {
        published = published.merge(routes::router(routes::documentation()));
    }
    let routes = tokens.merge(guarded).merge(published);
    let routes = match path_of(&app.issuer.config.issuer) {
        None => routes,
        Some(path) => {
            // Of an issuer with a path, the well-known segment goes between host and path (RFC 8414 §3.1).
            let metadata = get(published::metadata).options(cors::before_get);
            let metadata = metadata.layer(map_response(|answer| ready(cors::varied(answer))));
            // A proxy may take the path away before it asks here, or may not.
            routes.clone().nest(&path, routes).route(&format!("{METADATA}{path}"), metadata)
        }
    };
    layers::around(routes, app)
}

/// Every route of the public listener (OpenAPI 3.1).
pub fn description(issuer: &str) -> Value {
    openapi::describe(issuer, routes::all())
}

/// The listener for whoever runs this: health and metrics, on an address that the public does not reach.
pub fn operations(issuer: Arc<Issuer>) -> Router {
    let metrics = metrics::router(issuer.clone());
    let routes =
        Router::new().route("/health/live", get(health::live)).route("/health/ready", get(health::ready));
    routes
        .fallback(layers::not_found)
        .with_state(App::new(issuer))
        .merge(metrics)
        .method_not_allowed_fallback(layers::method_not_allowed)
        .layer(from_fn(layers::one_host))
}

impl App {
    fn new(issuer: Arc<Issuer>) -> Self {
        let guard = Guard::new(&issuer.config.issuer, &routes::policy());
        let metadata = published::describe(&issuer.config.issuer);
        let (description, write_probe) = (OnceLock::new(), WriteProbe::default());
        Self(Arc::new(Shared { issuer, guard, metadata, description, write_probe }))
    }
}

impl Shared {
    /// Returns the description of the API, which is made for the first request: the operations listener has none.
    fn description(&self) -> &Description {
        self.description.get_or_init(|| Description::of(&description(&self.issuer.config.issuer)))
    }
}

impl Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

/// `None`: the issuer is a host and nothing more.
fn path_of(issuer: &str) -> Option<String> {
    let url = url::Url::parse(issuer).ok()?;
    let path = url.path().trim_end_matches('/');
    (!path.is_empty()).then(|| path.to_owned())
}
