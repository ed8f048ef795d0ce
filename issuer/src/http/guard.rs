//! Who may use the issuer's own routes: decided by the layer that the verifier has for everybody's services.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::middleware::{Next, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use keystone_verifier::layer::GuardLayer;
use keystone_verifier::{Authorizer, Code, KeyCache, Policy, Refusal, Verified};
use serde_json::{Value, json};

use super::App;
use super::context::Context;
use super::error::{Problem, log_refusal};
use crate::access;
use crate::keys::Ring;

/// The authorizer, and the tag of the key set whose keys it has.
#[derive(Debug)]
pub(super) struct Guard {
    authorizer: Arc<Mutex<Authorizer>>,
    etag: Mutex<String>,
}

/// The verified token of a guarded request, not revoked. Only `around` puts one there.
#[derive(Clone, Debug)]
struct InGoodStanding(Verified);

/// Whose request a guarded one is.
#[derive(Debug)]
pub(super) struct Caller(pub(super) access::Caller);

impl Guard {
    /// `routes`: as in a policy file. `None`: they do not load, and must be closed.
    pub(super) fn new(issuer: &str, routes: &Value) -> Option<Self> {
        let policy = json!({
            "version": 1,
            "issuers": [{ "issuer": issuer, "audiences": [AUDIENCE], "keys": { "url": issuer } }],
            "routes": routes,
        });
        match Policy::parse(policy.to_string().as_bytes()) {
            Ok(policy) => Some(Self {
                authorizer: Arc::new(Mutex::new(Authorizer::new(policy))),
                etag: Mutex::default(),
            }),
            Err(error) => {
                tracing::error!(%error, "loading the issuer's own policy failed; its routes are closed");
                None
            }
        }
    }

    /// Never fetched: they are ours.
    fn know(&self, ring: &Ring) {
        let mut etag = self.etag.lock().unwrap_or_else(PoisonError::into_inner);
        if *etag != ring.jwks.etag {
            etag.clone_from(&ring.jwks.etag);
            let mut authorizer = self.authorizer.lock().unwrap_or_else(PoisonError::into_inner);
            authorizer.keys(0).into_iter().for_each(|keys| *keys = KeyCache::pinned(ring.public.clone()));
        }
    }
}

/// `routes`, each behind its scope.
pub(super) fn around(routes: Router<App>, app: &App) -> Router<App> {
    let Some(guard) = &app.guard else { return Router::new() };
    let world = app.issuer.world.clone();
    let now = move || -> u64 { world.now().unix_timestamp().try_into().unwrap_or_default() };
    routes
        .layer(from_fn_with_state(app.clone(), in_good_standing))
        .layer(GuardLayer::new(Arc::clone(&guard.authorizer), now))
        .layer(map_response(logged))
        .layer(from_fn_with_state(app.clone(), with_own_keys))
}

async fn with_own_keys(State(app): State<App>, request: Request, next: Next) -> Response {
    // Without a token there is nothing to judge: the layer refuses it, whatever the time.
    match app.issuer.keys.judging(app.issuer.world.now()) {
        Err(error) if request.headers().contains_key(AUTHORIZATION) => {
            return Problem::WrongClock(error).into_response();
        }
        _ => {}
    }
    if let Some(guard) = &app.guard {
        guard.know(&app.issuer.keys.current());
    }
    next.run(request).await
}

async fn logged(response: Response) -> Response {
    // Those that the layer refused; the others were logged where they were refused.
    if let Some(refusal) = response.extensions().get::<Refusal>() {
        log_refusal(refusal);
    }
    response
}

/// Elsewhere a revoked token works until verifiers hear of it; here it is known at once.
async fn in_good_standing(State(app): State<App>, mut request: Request, next: Next) -> Response {
    // None of these routes is public.
    let Some(token) = request.extensions_mut().remove::<Verified>() else {
        return Problem::Refused(Code::NoRoute.into()).into_response();
    };
    match access::standing(&app.issuer.store, &token).await {
        Ok(Some(standing)) if standing.password_must_change && request.uri().path() != CHANGE_PASSWORD => {
            Problem::PasswordMustChange.into_response()
        }
        Ok(Some(_)) => {
            request.extensions_mut().insert(InGoodStanding(token));
            next.run(request).await
        }
        Ok(None) => Problem::Refused(Code::Revoked.into()).into_response(),
        Err(error) => Problem::Store(error).into_response(),
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let Ok(Context(context)) = Context::from_request_parts(parts, app).await;
        let InGoodStanding(token) =
            parts.extensions.get().cloned().ok_or(Problem::Refused(Code::NoRoute.into()))?;
        Ok(Self(access::Caller::new(token, context)))
    }
}

/// The only route that a session may use while its password must be changed.
pub(super) const CHANGE_PASSWORD: &str = "/users/me/password";
/// The issuer as a resource.
const AUDIENCE: &str = "keystone";
