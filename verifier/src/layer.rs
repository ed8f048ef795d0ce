//! Guards an HTTP service of the `tower` family, as axum, tonic and hyper run them. Feature `tower`.
//!
//! [`GuardLayer`] decides by a policy and puts the [`Verified`] token of an allowed request into its extensions.
//! [`ScopesLayer`] asks for scopes where a router says what its routes need. A refused request is answered with the status,
//! the challenge and the body that Envoy and Node give (RFC 6750 §3, RFC 9457); the response carries the [`Refusal`] in its
//! extensions, for logs and metrics.
//!
//! Where the policy has `cors`, preflights of its origins are answered, and their pages may read a refusal, as in Envoy. What
//! the service itself answers to them is the service's matter.
//!
//! The policy reads the path that the client sent, so the layer belongs around the whole router, not into a nested one. Keys
//! and pages of the revocation feed are fetched by the host, which hands them to the authorizer that it shares with the layer.
//!
//! ```
//! use std::sync::{Arc, Mutex};
//! use std::time::SystemTime;
//!
//! use axum::{Extension, Router, routing::get};
//! use keystone_verifier::layer::{GuardLayer, ScopesLayer};
//! use keystone_verifier::{Authorizer, Policy, Verified};
//!
//! async fn orders(Extension(token): Extension<Verified>) -> String {
//!     format!("the orders of {}", token.subject())
//! }
//!
//! let policy = Policy::parse(br#"{ "version": 1,
//!     "issuers": [{ "issuer": "https://as.example", "audiences": ["orders"],
//!                   "keys": { "url": "https://as.example/.well-known/jwks.json" } }],
//!     "routes": [{ "methods": ["GET"], "path": "/orders", "authenticated": true }] }"#)?;
//! let authorizer = Arc::new(Mutex::new(Authorizer::new(policy)));
//! let now = || SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs());
//! let read = ScopesLayer::all(&["orders:read"])?;
//! let app = Router::<()>::new()
//!     .route("/orders", get(orders).layer(read))
//!     .layer(GuardLayer::new(authorizer.clone(), now));
//!
//! // Beside it, a task of the host: ask `needs_keys`, fetch, and hand over what came.
//! if let Some(keys) = authorizer.lock().map_err(|_| "poisoned")?.keys(0) {
//!     assert!(keys.needs_keys(now()).is_some());
//! }
//! # let _ = app;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::sync::{Mutex, PoisonError};

use http::header::{ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, ORIGIN};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::{Authorizer, Code, Decision, Preflight, Refusal, RequestView, ScopeError, Seconds, Verified};

/// Decides on every request by the policy of an authorizer.
#[derive(Clone, Debug)]
pub struct GuardLayer<C> {
    authorizer: Arc<Mutex<Authorizer>>,
    clock: C,
}

impl<C: Fn() -> Seconds> GuardLayer<C> {
    /// Makes the layer; `clock` returns Unix time in seconds.
    pub const fn new(authorizer: Arc<Mutex<Authorizer>>, clock: C) -> Self {
        Self { authorizer, clock }
    }
}

impl<S, C: Clone> Layer<S> for GuardLayer<C> {
    type Service = Guard<S, C>;

    fn layer(&self, inner: S) -> Self::Service {
        Guard { inner, layer: self.clone() }
    }
}

/// The service that [`GuardLayer`] makes.
#[derive(Clone, Debug)]
pub struct Guard<S, C> {
    inner: S,
    layer: GuardLayer<C>,
}

impl<S, C, B, R> Service<Request<B>> for Guard<S, C>
where
    S: Service<Request<B>, Response = Response<R>>,
    C: Fn() -> Seconds,
    R: From<String>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = GuardFuture<S::Future, R>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let (judged, readable) = self.layer.evaluator(&request);
        match judged {
            Judged::Preflight(allowed) => return GuardFuture::answered(preflight_answer(&allowed)),
            Judged::Decided(Decision::Deny(refusal)) => {
                let mut response = answer(&refusal);
                set(response.headers_mut(), &readable);
                return GuardFuture::answered(response);
            }
            Judged::Decided(Decision::Public) => {}
            Judged::Decided(Decision::Allow(token)) => {
                request.extensions_mut().insert(token);
            }
        }
        GuardFuture { readable, ..GuardFuture::passed(self.inner.call(request)) }
    }
}

/// The outcome of a request.
enum Judged {
    /// Answered with these headers.
    Preflight(Headers),
    Decided(Decision),
}

type Headers = Vec<(&'static str, String)>;

impl<C: Fn() -> Seconds> GuardLayer<C> {
    /// With the headers by which the page that asks may read a refusal.
    fn evaluator<B>(&self, request: &Request<B>) -> (Judged, Headers) {
        let authorization = request.headers().get_all(AUTHORIZATION);
        let authorization: Vec<&[u8]> = authorization.iter().map(HeaderValue::as_bytes).collect();
        let target = request.uri().path_and_query();
        let view = RequestView {
            method: request.method().as_str().as_bytes(),
            path: target.map_or("", |target| target.as_str()).as_bytes(),
            authorization: &authorization,
        };
        let now = (self.clock)();
        // A panic with the lock left cached tokens and keys, each of them whole.
        let mut authorizer = self.authorizer.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(cors) = authorizer.policy().cors() else {
            return (Judged::Decided(authorizer.decide(&view, now)), Headers::new());
        };
        let origin = single(request.headers(), &ORIGIN);
        let readable = origin.map(|origin| cors.readable(origin)).unwrap_or_default();
        let wanted = single(request.headers(), &ACCESS_CONTROL_REQUEST_METHOD);
        let preflight = (request.method() == Method::OPTIONS).then_some(origin.zip(wanted)).flatten();
        let allowed = preflight.and_then(|(origin, method)| {
            authorizer.policy().preflight(&Preflight { path: view.path, origin, method })
        });
        let judged = match allowed {
            Some(allowed) => Judged::Preflight(allowed),
            None => Judged::Decided(authorizer.decide(&view, now)),
        };
        (judged, readable)
    }
}

/// The value of a header that stands there once.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name).iter().map(HeaderValue::as_bytes);
    values.next().filter(|_| values.next().is_none())
}

fn preflight_answer<R: From<String>>(allowed: &Headers) -> Response<R> {
    let mut response = Response::new(R::from(String::new()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    set(response.headers_mut(), allowed);
    response
}

fn set(headers: &mut HeaderMap, values: &[(&'static str, String)]) {
    for (name, value) in values {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
}

/// Lets a request through whose token, verified by a [`GuardLayer`] around this layer, holds every one of some scopes.
#[derive(Clone, Debug)]
pub struct ScopesLayer {
    all: Arc<[String]>,
}

impl ScopesLayer {
    /// Requires all of these scopes. The error names the first that is not a scope, which no token could hold.
    pub fn all(scopes: &[&str]) -> Result<Self, ScopeError> {
        ScopeError::check(scopes)?;
        Ok(Self { all: scopes.iter().map(|scope| String::from(*scope)).collect() })
    }

    fn refusal(&self, token: Option<&Verified>) -> Option<Refusal> {
        let Some(token) = token else { return Some(Code::NoCredentials.into()) };
        let holds_all = self.all.iter().all(|scope| token.has(scope));
        (!holds_all).then(|| Refusal::scope(self.all.iter()))
    }
}

impl<S> Layer<S> for ScopesLayer {
    type Service = Scopes<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Scopes { inner, layer: self.clone() }
    }
}

/// The service that [`ScopesLayer`] makes.
#[derive(Clone, Debug)]
pub struct Scopes<S> {
    inner: S,
    layer: ScopesLayer,
}

impl<S, B, R> Service<Request<B>> for Scopes<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: From<String>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = GuardFuture<S::Future, R>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match self.layer.refusal(request.extensions().get()) {
            Some(refusal) => GuardFuture::answered(answer(&refusal)),
            None => GuardFuture::passed(self.inner.call(request)),
        }
    }
}

/// Returns the answer to a refused request: status, headers and body.
pub fn answer<R: From<String>>(refusal: &Refusal) -> Response<R> {
    let mut response = Response::new(R::from(refusal.problem()));
    *response.status_mut() = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::FORBIDDEN);
    set(response.headers_mut(), &refusal.headers());
    response.extensions_mut().insert(refusal.clone());
    response
}

pin_project! {
    /// The answer of the guarded service, or that of the layer.
    #[derive(Debug)]
    pub struct GuardFuture<F, R> {
        #[pin]
        passed: Option<F>,
        answered: Option<Response<R>>,
        // By which a page may read a refusal that comes from within, as a `ScopesLayer` gives it.
        readable: Headers,
    }
}

impl<F, R> GuardFuture<F, R> {
    const fn passed(future: F) -> Self {
        Self { passed: Some(future), answered: None, readable: Headers::new() }
    }

    const fn answered(response: Response<R>) -> Self {
        Self { passed: None, answered: Some(response), readable: Headers::new() }
    }
}

impl<F, R, E> Future for GuardFuture<F, R>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        match (this.passed.as_pin_mut(), this.answered.take()) {
            (Some(future), _) => future.poll(context).map_ok(|mut response| {
                if response.extensions().get::<Refusal>().is_some() {
                    set(response.headers_mut(), this.readable);
                }
                response
            }),
            (None, Some(response)) => Poll::Ready(Ok(response)),
            // Polled after its end, which no caller may do.
            (None, None) => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests;
