//! Whether this process lives, and whether it can do its work. On a listener of its own; names no one.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::App;

pub(super) async fn live() -> Response {
    Json(json!({ "status": "live" })).into_response()
}

/// The shared cache may be lost without a wrong answer, so it is reported and not required.
pub(super) async fn ready(State(app): State<App>) -> Response {
    let (store, cache) = tokio::join!(app.issuer.store.ping(), app.issuer.attempts.cache.ping());
    let keys = app.issuer.keys.current().signer(app.issuer.world.now()).is_some();
    let ready = store.is_ok() && keys;
    let word = |fine: bool| if fine { "ok" } else { "failing" };
    let body = json!({
        "status": if ready { "ready" } else { "not ready" },
        "store": word(store.is_ok()),
        "keys": word(keys),
        "cache": word(cache.is_ok()),
    });
    if let Err(error) = store {
        tracing::warn!(%error, "not ready: the store does not answer");
    }
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(body)).into_response()
}
