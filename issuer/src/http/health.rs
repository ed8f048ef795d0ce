//! Whether this process lives, and whether it can do its work. On a listener of its own; names no one.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde_json::json;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::App;
use super::server::Stopping;
use crate::keys::CannotSign;
use crate::store::Store;

pub(super) async fn live() -> Response {
    Json(json!({ "status": "live" })).into_response()
}

/// Whether the store took a change when it was last asked for one. However often a probe comes, the store is asked once a
/// second, and one probe at a time.
#[derive(Debug, Default)]
pub(super) struct WriteProbe {
    last: Mutex<Option<(Instant, bool)>>,
}

impl WriteProbe {
    async fn succeeds(&self, store: &Store) -> bool {
        let mut last = self.last.lock().await;
        match *last {
            Some((at, succeeded)) if at.elapsed() < EVERY => succeeded,
            _ => {
                let probed = store.probe_write().await;
                *last = Some((Instant::now(), probed.is_ok()));
                if let Err(error) = &probed {
                    tracing::warn!(%error, "not ready: the database does not accept writes");
                }
                probed.is_ok()
            }
        }
    }
}

const EVERY: Duration = Duration::from_secs(1);

/// The shared cache may be lost without a wrong answer, so it is reported and not required.
pub(super) async fn ready(State(app): State<App>, stopping: Option<Extension<Stopping>>) -> Response {
    let (store, cache) =
        tokio::join!(app.write_probe.succeeds(&app.issuer.store), app.issuer.attempts.cache.ping());
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
        None if store && keys && clock => "ready",
        None => "not ready",
    };
    let word = |fine: bool| if fine { "ok" } else { "failing" };
    let body = json!({
        "status": status,
        "store": word(store),
        "keys": word(keys),
        "clock": word(clock),
        "cache": word(cache.is_ok()),
    });
    if let Err(error) = signing {
        tracing::error!(%error, "not ready: cannot sign tokens");
    }
    let code = if status == "ready" { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(body)).into_response()
}
