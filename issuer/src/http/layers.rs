//! Around every request: a number to find it by, one line in the log, headers that every answer has.

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, HeaderName, X_CONTENT_TYPE_OPTIONS};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tracing::Instrument as _;

use super::App;
use super::address::over_tls;
use super::error::Problem;
use crate::hex;

pub(super) fn around(routes: Router<App>, app: App) -> Router {
    let mut routes = routes.fallback(not_found);
    if app.issuer.config.asks_for_tls() {
        routes = routes.layer(from_fn_with_state(app.clone(), over_tls));
    }
    routes.layer(from_fn_with_state(app.clone(), log)).with_state(app)
}

pub(super) async fn not_found() -> Response {
    Problem::NotFound.into_response()
}

/// Answers with credentials, and answers to who sent some (RFC 6749 §5.1).
pub(super) async fn never_stored(mut response: Response) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// One line for each request: neither its query nor its address, no header, no body.
async fn log(State(app): State<App>, request: Request, next: Next) -> Response {
    let world = &app.issuer.world;
    let id = hex::encode(&world.bytes::<8>());
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let span = tracing::info_span!("request", id, method = %request.method(), route);
    let begun = world.now();
    let mut response = next.run(request).instrument(span.clone()).await;
    let milliseconds = (world.now() - begun).as_seconds_f64() * 1000.0;
    span.in_scope(|| tracing::info!(status = response.status().as_u16(), milliseconds, "answered"));
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(id) = HeaderValue::try_from(id) {
        headers.insert(REQUEST_ID, id);
    }
    response
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
