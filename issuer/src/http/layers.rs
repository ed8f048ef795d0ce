//! Around every request: a number to find it by, one line in the log, headers that every answer has.

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{CACHE_CONTROL, HeaderName, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, Method};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use time::OffsetDateTime;
use tracing::field::Empty;
use tracing::{Instrument as _, Span};

use super::App;
use super::address::{Peer, over_tls};
use super::error::Problem;
use crate::clock::World;
use crate::hex;
use crate::metrics::Asked;
use crate::telemetry::{self, REQUEST};

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
    let id = hex::encode(&app.issuer.world.bytes::<8>());
    let mut entry = Entry::new(&app, &request, &id);
    let mut response = next.run(request).instrument(entry.span.clone()).await;
    entry.status = response.status().as_u16();
    drop(entry);
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(id) = HeaderValue::try_from(id) {
        headers.insert(REQUEST_ID, id);
    }
    response
}

/// Written down when it is dropped, so that a client that hangs up leaves its line and its count as well.
struct Entry {
    world: World,
    span: Span,
    asked: Asked,
    begun: OffsetDateTime,
    status: u16,
}

impl Entry {
    fn new(app: &App, request: &Request, id: &str) -> Self {
        let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str);
        let asked = Asked { method: known(request.method()), endpoint: route.to_owned() };
        let span = tracing::info_span!(REQUEST, id, method = asked.method, route, trace_id = Empty);
        telemetry::link(&span, trace_parent(app, request));
        let world = app.issuer.world.clone();
        Self { begun: world.now(), world, span, asked, status: HUNG_UP }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let seconds = (self.world.now() - self.begun).as_seconds_f64();
        let (status, milliseconds) = (self.status, (seconds * 1e6).round() / 1e3);
        self.span.in_scope(|| match status {
            HUNG_UP => tracing::info!(milliseconds, "the client hung up"),
            _ => tracing::info!(status, milliseconds, "answered"),
        });
        telemetry::answered(&self.span, status);
        let asked = std::mem::take(&mut self.asked);
        self.world.metrics.requests.count(asked, status, seconds);
    }
}

/// The trace that a request belongs to, if a proxy that we trust says so: anyone else could have everything recorded.
fn trace_parent<'a>(app: &App, request: &'a Request) -> Option<&'a HeaderValue> {
    let Peer(peer) = request.extensions().get()?;
    let mut values = request.headers().get_all(TRACE_PARENT).iter();
    let only = values.next().filter(|_| values.next().is_none());
    only.filter(|_| app.issuer.config.limits.trusts(peer.ip()))
}

/// The methods that may be counted apart: anyone can make up others.
fn known(method: &Method) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("other")
}

const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// As nginx calls it: nobody was left to answer.
const HUNG_UP: u16 = 499;
