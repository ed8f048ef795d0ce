//! Around every request: a number to find it by, one line in the log, headers that every answer has.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{CACHE_CONTROL, HOST, HeaderName, X_CONTENT_TYPE_OPTIONS};
use axum::http::{self, HeaderValue, Method, Version};
use axum::middleware::{Next, from_fn, from_fn_with_state};
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
    let mut routes = routes.fallback(not_found).method_not_allowed_fallback(method_not_allowed);
    if app.issuer.config.asks_for_tls() {
        routes = routes.layer(from_fn_with_state(app.clone(), over_tls));
    }
    let problem: Fault = || Problem::Internal.into_response();
    routes
        .layer(from_fn(one_host))
        .layer(from_fn_with_state((app.clone(), problem), caught))
        .layer(from_fn_with_state(app.clone(), log))
        .with_state(app)
}

/// How a part of the surface says that the fault is ours.
pub(super) type Fault = fn() -> Response;

/// A panic is an answer like others, and the process goes on. Its line in the log was written where it began.
pub(super) async fn caught(
    State((app, fault)): State<(App, Fault)>,
    request: Request,
    next: Next,
) -> Response {
    let mut answer = pin!(next.run(request));
    let answer = poll_fn(|context| {
        // Nothing of the request is looked at again, and what requests share has no half-done states behind a lock.
        match catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(context))) {
            Ok(progress) => progress.map(Some),
            Err(_) => Poll::Ready(None),
        }
    });
    match answer.await {
        Some(answer) => answer,
        None => {
            app.issuer.world.metrics.panics.inc();
            fault()
        }
    }
}

pub(super) async fn not_found() -> Response {
    Problem::NotFound.into_response()
}

pub(super) async fn method_not_allowed() -> Response {
    Problem::MethodNotAllowed.into_response()
}

/// "A server MUST respond with a 400 to any HTTP/1.1 request message that lacks a Host header field and to any
/// that contains more than one" (RFC 9112 §3.2): two readers could take different ones.
pub(super) async fn one_host(request: Request, next: Next) -> Response {
    if names_one_host(&request) { next.run(request).await } else { Problem::Hosts.into_response() }
}

fn names_one_host<B>(request: &http::Request<B>) -> bool {
    let hosts = request.headers().get_all(HOST).iter().count();
    hosts == 1 || (hosts == 0 && request.version() != Version::HTTP_11)
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

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;

    #[test]
    fn http_1_1_names_exactly_one_host() {
        let request = |version, hosts: &[&str]| {
            let mut request = Request::builder().version(version);
            for host in hosts {
                request = request.header(HOST, *host);
            }
            names_one_host(&request.body(()).unwrap())
        };

        assert!(request(Version::HTTP_11, &["a"]));
        assert!(!request(Version::HTTP_11, &[]));
        assert!(!request(Version::HTTP_11, &["a", "a"]));
        assert!(request(Version::HTTP_2, &[]) && request(Version::HTTP_10, &[]));
        assert!(!request(Version::HTTP_2, &["a", "b"]));
    }
}
