//! Whether this process lives, and whether it can do its work. On a listener of its own; names no one.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde_json::json;

use super::App;
use super::server::Stopping;
use crate::keys::CannotSign;

pub(super) async fn live() -> Response {
    Json(json!({ "status": "live" })).into_response()
}

/// The shared cache may be lost without a wrong answer, so it is reported and not required.
pub(super) async fn ready(State(app): State<App>, stopping: Option<Extension<Stopping>>) -> Response {
    let (store, cache) = tokio::join!(app.issuer.store.ping(), app.issuer.attempts.cache.ping());
    let now = app.issuer.world.now();
    let signing = app.issuer.keys.signing(now);
    let clock = !matches!(signing, Err(CannotSign::ClockSkew(_)));
    let keys = match &signing {
        Ok(ring) => ring.signer(now).is_some(),
        Err(CannotSign::StaleView) => false,
        Err(CannotSign::ClockSkew(_)) => true,
    };
    let status = match stopping {
        Some(_) => "stopping",
        None if store.is_ok() && keys && clock => "ready",
        None => "not ready",
    };
    let word = |fine: bool| if fine { "ok" } else { "failing" };
    let body = json!({
        "status": status,
        "store": word(store.is_ok()),
        "keys": word(keys),
        "clock": word(clock),
        "cache": word(cache.is_ok()),
    });
    if let Err(error) = store {
        tracing::warn!(%error, "not ready: the store does not answer");
    }
    if let Err(error) = signing {
        tracing::error!(%error, "not ready: no token may be signed here");
    }
    let code = if status == "ready" { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(body)).into_response()
}
