//! Whoever watches from afar: an OpenTelemetry collector gets traces, Sentry gets errors. Each needs its Cargo feature, `otel`
//! and `sentry`; without them, nothing of this is built.
//!
//! Both listen where the log does. What they may repeat is a closed list in each file.

#[cfg(feature = "sentry")]
mod errors;
#[cfg(any(feature = "otel", feature = "sentry"))]
mod outbox;
#[cfg(feature = "otel")]
mod traces;

use axum::http::HeaderValue;
use tracing::Span;
use tracing_subscriber::{Layer, Registry};

use crate::clock::World;
use crate::config::Config;

/// Listens to what happens in this process.
pub type Watcher = Box<dyn Layer<Registry> + Send + Sync>;

/// What is on its way to whoever is told.
#[derive(Debug, Default)]
pub struct Telemetry {
    #[cfg(any(feature = "otel", feature = "sentry"))]
    carriers: Vec<outbox::Carrier>,
}

/// Why nobody can be told anything.
#[derive(Debug, thiserror::Error)]
#[error("telemetry cannot be exported: {0}")]
pub struct TelemetryError(String);

impl Telemetry {
    /// Begins to listen, for whom the settings name. Needs a running tokio.
    #[cfg(any(feature = "otel", feature = "sentry"))]
    pub fn start(config: &Config, world: &World) -> Result<(Self, Vec<Watcher>), TelemetryError> {
        let settings = &config.telemetry;
        if settings.otlp_url.is_none() && settings.sentry_dsn.is_none() {
            return Ok((Self::default(), Vec::new()));
        }
        let outbound = crate::outbound::Outbound::new().map_err(|error| TelemetryError(error.to_string()))?;
        let way = outbox::Way { outbound, dropped: world.metrics.telemetry_dropped.clone() };
        let mut all = Vec::new();
        #[cfg(feature = "otel")]
        if let Some(url) = &settings.otlp_url {
            all.push(traces::watch((url, settings.otlp_percent), world, way.clone()));
        }
        #[cfg(feature = "sentry")]
        if let Some(dsn) = &settings.sentry_dsn {
            let dsn = dsn.expose().parse::<sentry_types::Dsn>();
            let dsn = dsn.map_err(|_| TelemetryError("the DSN is malformed".to_owned()))?;
            all.push(errors::watch((&dsn, config.mode.as_str()), world, way));
        }
        let (watchers, carriers) = all.into_iter().unzip();
        Ok((Self { carriers }, watchers))
    }

    /// Settings that ask for more were refused.
    #[cfg(not(any(feature = "otel", feature = "sentry")))]
    pub fn start(_: &Config, _: &World) -> Result<(Self, Vec<Watcher>), TelemetryError> {
        Ok((Self::default(), Vec::new()))
    }

    /// Gives what is on its way a little more time to arrive.
    pub async fn finish(self) {
        #[cfg(any(feature = "otel", feature = "sentry"))]
        for carrier in self.carriers {
            if tokio::time::timeout(FAREWELL, carrier.finish()).await.is_err() {
                tracing::warn!("telemetry not delivered in time is lost");
            }
        }
    }
}

/// To be said of each request's span before it is entered. `parent`: a `traceparent` that one trusts (W3C Trace Context §3.2).
pub fn link(span: &Span, parent: Option<&HeaderValue>) {
    #[cfg(feature = "otel")]
    traces::link(span, parent);
    #[cfg(not(feature = "otel"))]
    let _ = (span, parent);
}

/// To be said of each request's span before it ends.
pub fn answered(span: &Span, status: u16) {
    #[cfg(feature = "otel")]
    traces::answered(span, status);
    #[cfg(not(feature = "otel"))]
    let _ = (span, status);
}

/// The name of a request's span: method, route, and the number that its client got.
pub const REQUEST: &str = "request";
/// The target of spans that the log does not show: the slow parts of a request.
pub const STEP: &str = "keystone_issuer::step";
/// Where the targets of our own spans and events begin.
#[cfg(any(feature = "otel", feature = "sentry"))]
const OURS: &str = "keystone_issuer";
/// For each receiver.
#[cfg(any(feature = "otel", feature = "sentry"))]
const FAREWELL: std::time::Duration = std::time::Duration::from_secs(2);
