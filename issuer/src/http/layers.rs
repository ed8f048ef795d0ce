//! Around every request: a number to find it by, one line in the log, headers that every answer has.

use std::convert::Infallible;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Poll};

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::http::header::{CACHE_CONTROL, HOST, HeaderName, X_CONTENT_TYPE_OPTIONS};
use axum::http::{self, HeaderValue, Method, Version};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::Route;
use time::OffsetDateTime;
use tower::layer::layer_fn;
use tower::{Layer, Service};
use tracing::field::Empty;
use tracing::{Instrument as _, Span};

use super::App;
use super::address::{Peer, came_over_tls};
use super::context::RequestId;
use super::cors;
use super::error::{Problem, ProblemCode, TokenError};
use super::feed;
use super::published::{JWKS, METADATA};
use crate::grant::GrantError;
use crate::hex;
use crate::metrics::Asked;
use crate::telemetry::{self, REQUEST};

pub(super) fn around(routes: Router<App>, app: App) -> Router {
    let state = app.clone();
    routes
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(layer(move |inner, request| answered(app.clone(), inner, request)))
        .with_state(state)
}

/// Around what is asked with credentials, or gives some.
pub(super) fn around_tokens(routes: Router<App>, app: App) -> Router<App> {
    routes.layer(layer(move |inner: &mut Route, request| {
        let (app, answer) = (app.clone(), inner.call(request));
        async move {
            let fault: Fault = || TokenError::Grant(GrantError::Internal("a panic")).into_response();
            Ok(never_stored(cors::varied(caught(answer, &app, fault).await)))
        }
    }))
}

/// `begin` is given what lies beneath, and makes the answer.
///
/// `axum::middleware::from_fn` does this with a copy of everything beneath for each request, which was a good part of what
/// a refusal costs.
fn layer<F, A>(begin: F) -> impl Layer<Route, Service = Around<F>> + Clone + Send + Sync + 'static
where
    F: Fn(&mut Route, Request) -> A + Clone + Send + Sync + 'static,
{
    layer_fn(move |inner| Around { inner, begin: begin.clone() })
}

#[derive(Clone)]
struct Around<F> {
    inner: Route,
    begin: F,
}

impl<F, A> Service<Request> for Around<F>
where
    F: Fn(&mut Route, Request) -> A,
    A: Future<Output = Result<Response, Infallible>>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = A;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Service::<Request>::poll_ready(&mut self.inner, context)
    }

    fn call(&mut self, request: Request) -> A {
        (self.begin)(&mut self.inner, request)
    }
}

/// How a part of the surface says that the fault is ours.
type Fault = fn() -> Response;

/// A panic is an answer like others, and the process goes on. Its line in the log was written where it began.
async fn caught(
    answer: impl Future<Output = Result<Response, Infallible>>,
    app: &App,
    fault: Fault,
) -> Response {
    let mut answer = pin!(answer);
    let answer = poll_fn(|context| {
        // Nothing of the request is looked at again, and what requests share has no half-done states behind a lock.
        match catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(context))) {
            Ok(progress) => progress.map(|Ok(answer)| Some(answer)),
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

/// Both may be kept by a cache unless it is told otherwise (RFC 9110 §15.1), and the path may be a credential's.
pub(super) async fn not_found() -> Response {
    never_stored(Problem::NotFound.into_response())
}

pub(super) async fn method_not_allowed() -> Response {
    never_stored(Problem::MethodNotAllowed.into_response())
}

/// "A server MUST respond with a 400 to any HTTP/1.1 request message that lacks a Host header field and to any
/// that contains more than one" (RFC 9112 §3.2): two readers could take different ones.
pub(super) async fn one_host(request: Request, next: Next) -> Response {
    if names_one_host(&request) { next.run(request).await } else { Problem::Hosts.into_response() }
}

/// HTTP/2 has a name for the host of its own, and "a server SHOULD treat a request as malformed if it contains a Host
/// header field that identifies an entity that differs" (RFC 9113 §8.3.1). HTTP/1.1 says which one to ignore (RFC 9112
/// §3.2.2).
fn names_one_host<B>(request: &http::Request<B>) -> bool {
    let mut hosts = request.headers().get_all(HOST).iter();
    let authority = request.uri().authority().filter(|_| request.version() > Version::HTTP_11);
    match (hosts.next(), hosts.next(), authority) {
        (Some(host), None, Some(authority)) => {
            host.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes())
        }
        (Some(_), None, None) => true,
        (Some(_), Some(_), _) => false,
        (None, _, _) => request.version() != Version::HTTP_11,
    }
}

/// Answers with credentials, and answers to who sent some (RFC 6749 §5.1).
pub(super) fn never_stored(mut response: Response) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// One line for each request: neither its query nor its address, no header, no body.
fn answered(
    app: App,
    inner: &mut Route,
    mut request: Request,
) -> impl Future<Output = Result<Response, Infallible>> + Send + use<> {
    let number = app.issuer.world.bytes::<8>();
    request.extensions_mut().insert(RequestId(number));
    let id = hex::encode(&number);
    let mut entry = Entry::new(app, &request, &id);
    let answer = match entry.span.in_scope(|| refusal(&entry.app, &request)) {
        None => Ok(inner.call(request)),
        Some(refusal) => Err(refusal),
    };
    async move {
        let mut response = match answer {
            Ok(answer) => {
                let span = entry.span.clone();
                caught(answer, &entry.app, || Problem::Internal.into_response()).instrument(span).await
            }
            Err(refusal) => refusal,
        };
        entry.status = response.status().as_u16();
        entry.code = response.extensions_mut().remove::<ProblemCode>();
        drop(entry);
        let headers = response.headers_mut();
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if let Ok(id) = HeaderValue::try_from(id) {
            headers.insert(REQUEST_ID, id);
        }
        Ok(response)
    }
}

/// What no route ever sees.
fn refusal(app: &App, request: &Request) -> Option<Response> {
    if !names_one_host(request) {
        return Some(Problem::Hosts.into_response());
    }
    if !came_over_tls(&app.issuer.config, request) {
        let refusal = Problem::NoTls { issuer: app.issuer.config.issuer.clone() };
        return Some(never_stored(refusal.into_response()));
    }
    None
}

/// Written down when it is dropped, so that a client that hangs up leaves its line and its count as well.
struct Entry {
    app: App,
    span: Span,
    asked: Asked,
    begun: OffsetDateTime,
    status: u16,
    /// Of the problem that the answer tells of.
    code: Option<ProblemCode>,
}

impl Entry {
    fn new(app: App, request: &Request, id: &str) -> Self {
        let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str);
        let asked = Asked { method: known(request.method()), endpoint: route.to_owned() };
        let span = tracing::info_span!(REQUEST, id, method = asked.method, route, trace_id = Empty);
        telemetry::link(&span, trace_parent(&app, request));
        Self { begun: app.issuer.world.now(), app, span, asked, status: HUNG_UP, code: None }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let world = &self.app.issuer.world;
        let seconds = (world.now() - self.begun).as_seconds_f64();
        let (status, milliseconds) = (self.status, (seconds * 1e6).round() / 1e3);
        self.span.in_scope(|| match status {
            HUNG_UP => tracing::info!(milliseconds, "client disconnected"),
            // Every verifier polls these, this issuer among them: their lines would be most of the log.
            200 | 304 if POLLED.contains(&self.asked.endpoint.as_str()) => {
                tracing::debug!(status, milliseconds, "answered");
            }
            _ => {
                let code = self.code.map(|ProblemCode(code)| code);
                tracing::info!(status, code, milliseconds, "answered");
            }
        });
        telemetry::answered(&self.span, status);
        let asked = std::mem::take(&mut self.asked);
        self.app.issuer.world.metrics.requests.count(asked, status, seconds);
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

/// Public documents.
const POLLED: [&str; 4] = [JWKS, METADATA, feed::REVOCATIONS, feed::KEYS];
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

    #[test]
    fn the_host_is_the_authority_of_the_target() {
        let request = |version, target: &str, host: &str| {
            names_one_host(
                &Request::builder().version(version).uri(target).header(HOST, host).body(()).unwrap(),
            )
        };

        assert!(request(Version::HTTP_2, "https://a.example/", "A.example"));
        assert!(request(Version::HTTP_2, "https://a.example:8000/", "a.example:8000"));
        assert!(!request(Version::HTTP_2, "https://a.example/", "b.example"));
        assert!(!request(Version::HTTP_2, "https://a.example:8000/", "a.example"));
        assert!(!request(Version::HTTP_2, "https://u@a.example/", "a.example"));
        assert!(request(Version::HTTP_11, "http://a.example/", "b.example"));
    }
}
