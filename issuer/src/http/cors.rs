//! Which pages a browser lets read an answer: those of the origins that a client has registered, and nobody else's.
//!
//! No page ever sends a user's cookies here, so `Access-Control-Allow-Credentials` is never sent.

use axum::extract::State;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ORIGIN, VARY,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::App;
use crate::store::Client;

/// An answer to this client: its own pages may read it.
pub(super) fn readable_by(client: &Client, request: &HeaderMap, mut response: Response) -> Response {
    if let Some((origin, text)) = origin(request)
        && client.origins.contains(text)
    {
        allow(&mut response, origin, "retry-after, www-authenticate, x-request-id");
    }
    response
}

/// An answer to nobody in particular: the pages of every enabled client may read it.
pub(super) async fn readable_by_any(app: &App, request: &HeaderMap, mut response: Response) -> Response {
    if let Some(origin) = known(app, request).await {
        allow(&mut response, origin, "etag");
    }
    response
}

/// Before a page sends credentials in a header. Which client will ask, nobody knows yet.
pub(super) async fn before_post(State(app): State<App>, request: HeaderMap) -> Response {
    preflight(&app, &request, ("POST", "authorization, content-type")).await
}

/// Before a page sends `If-None-Match`.
pub(super) async fn before_get(State(app): State<App>, request: HeaderMap) -> Response {
    preflight(&app, &request, ("GET", "if-none-match")).await
}

/// Caches must not hand one origin's answer to another.
pub(super) fn varied(mut response: Response) -> Response {
    response.headers_mut().append(VARY, HeaderValue::from_static("origin"));
    response
}

async fn preflight(
    app: &App,
    request: &HeaderMap,
    (methods, headers): (&'static str, &'static str),
) -> Response {
    let Some(origin) = known(app, request).await else { return StatusCode::NO_CONTENT.into_response() };
    let headers = [
        (ACCESS_CONTROL_ALLOW_ORIGIN, origin),
        (ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods)),
        (ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(headers)),
        (ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(PREFLIGHT_AGE)),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

/// The request's origin, where an enabled client has registered it.
async fn known(app: &App, request: &HeaderMap) -> Option<HeaderValue> {
    let (origin, text) = origin(request)?;
    app.issuer.clients.know_origin(text).await.then_some(origin)
}

/// Browsers send one.
fn origin(request: &HeaderMap) -> Option<(HeaderValue, &str)> {
    let mut values = request.get_all(ORIGIN).iter();
    match (values.next(), values.next()) {
        (Some(origin), None) => Some((origin.clone(), origin.to_str().ok()?)),
        _ => None,
    }
}

fn allow(response: &mut Response, origin: HeaderValue, exposed: &'static str) {
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(exposed));
}

/// Seconds. Being told in advance gives no right: each answer is checked again.
const PREFLIGHT_AGE: &str = "600";
