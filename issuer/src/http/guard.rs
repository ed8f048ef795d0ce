//! Who may use the issuer's own routes: decided by the same verifier that guards everyone else's.

use std::sync::{Mutex, PoisonError};

use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use keystone_verifier::{Code, Decision, Gate, KeyCache, Policy, RequestView, Verified};
use serde_json::{Value, json};

use super::App;
use super::error::Problem;
use crate::access;
use crate::keys::Ring;

/// The gate, and the tag of the key set whose keys it has.
#[derive(Debug)]
pub(super) struct Guard(Option<Mutex<(String, Gate)>>);

/// The verified token of a guarded request, not revoked. Only `require` puts one there.
#[derive(Clone, Debug)]
pub(super) struct Caller(pub(super) Verified);

impl Guard {
    /// `routes`: as in a policy file.
    pub(super) fn new(issuer: &str, routes: &Value) -> Self {
        let policy = json!({
            "version": 1,
            "issuers": [{ "issuer": issuer, "audiences": [AUDIENCE], "keys": { "url": issuer } }],
            "routes": routes,
        });
        match Policy::parse(policy.to_string().as_bytes()) {
            Ok(policy) => Self(Some(Mutex::new((String::new(), Gate::new(policy))))),
            Err(error) => {
                tracing::error!(%error, "the issuer's own policy does not load; its routes are closed");
                Self(None)
            }
        }
    }

    fn decide(&self, request: &RequestView<'_>, ring: &Ring, now: u64) -> Decision {
        let Some(gate) = &self.0 else { return Decision::Deny(Code::KeysUnavailable.into()) };
        let (etag, gate) = &mut *gate.lock().unwrap_or_else(PoisonError::into_inner);
        if *etag != ring.jwks.etag {
            etag.clone_from(&ring.jwks.etag);
            // Never fetched: they are ours.
            gate.keys(0).into_iter().for_each(|keys| *keys = KeyCache::pinned(ring.public.clone()));
        }
        gate.decide(request, now)
    }
}

pub(super) async fn require(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let decision = {
        let authorization: Vec<&[u8]> =
            request.headers().get_all(AUTHORIZATION).iter().map(|value| value.as_bytes()).collect();
        let view = RequestView {
            method: request.method().as_str().as_bytes(),
            path: request.uri().path_and_query().map_or("/", |path| path.as_str()).as_bytes(),
            authorization: &authorization,
        };
        let now = app.issuer.world.now().unix_timestamp();
        app.guard.decide(&view, &app.issuer.keys.current(), now.try_into().unwrap_or_default())
    };
    match decision {
        // Elsewhere a revoked token works until verifiers hear of it; here it is known at once.
        Decision::Allow(token) => match access::standing(&*app.issuer.store, &token).await {
            Ok(Some(_)) => {
                request.extensions_mut().insert(Caller(token));
                next.run(request).await
            }
            Ok(None) => Problem::Refused(Code::Revoked.into()).into_response(),
            Err(error) => Problem::Store(error).into_response(),
        },
        Decision::Deny(refusal) => Problem::Refused(refusal).into_response(),
        // None of these routes is.
        Decision::Public => Problem::Refused(Code::NoRoute.into()).into_response(),
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| Problem::Refused(Code::NoRoute.into()))
    }
}

/// The issuer as a resource.
const AUDIENCE: &str = "keystone";
