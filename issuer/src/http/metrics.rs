//! `GET /metrics`: what was counted, and what is so at this moment, as Prometheus reads it. Names no one.

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, prometheus_text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use time::OffsetDateTime;

use crate::issuer::Issuer;

pub(super) fn router(issuer: Arc<Issuer>) -> Router {
    let mut registry = Registry::default();
    issuer.world.metrics.register(&mut registry);
    let started = issuer.world.now();
    registry.register_collector(Box::new(Moment { issuer, started }));
    Router::new().route("/metrics", get(scrape)).with_state(Arc::new(registry))
}

async fn scrape(State(registry): State<Arc<Registry>>) -> Response {
    let mut page = String::new();
    match prometheus_text::encode(&mut page, &registry) {
        Ok(()) => ([(CONTENT_TYPE, prometheus_text::CONTENT_TYPE)], page).into_response(),
        Err(fmt::Error) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// What is looked at when somebody asks.
#[derive(Debug)]
struct Moment {
    issuer: Arc<Issuer>,
    started: OffsetDateTime,
}

impl Collector for Moment {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        page.gauge("keystone_build_info", "1, and which build this is", [(version, 1.0)])?;
        let started = self.started.unix_timestamp() as f64;
        page.gauge("keystone_start_time_seconds", "When this process began to serve", [(NONE, started)])?;
        let swept = (self.issuer.world.metrics.swept_at.get() as f64).max(started);
        let age = self.issuer.world.now().unix_timestamp() as f64 - swept;
        page.gauge("keystone_sweep_age_seconds", "Since a sweep left nothing over", [(NONE, age)])?;
        self.passwords(&mut page)?;
        self.database(&mut page)?;
        self.keys(&mut page)
    }
}

impl Moment {
    fn passwords(&self, page: &mut Page<'_>) -> fmt::Result {
        let load = self.issuer.passwords.load();
        let (waiting, running) = (load.waiting as f64, load.running as f64);
        page.gauge("keystone_password_waiting", "Passwords that wait to be hashed", [(NONE, waiting)])?;
        page.gauge("keystone_password_running", "Passwords being hashed", [(NONE, running)])?;
        page.counter("keystone_password_refused", "Passwords not hashed for want of time", load.refused)
    }

    fn database(&self, page: &mut Page<'_>) -> fmt::Result {
        let pools = self.issuer.store.pools();
        let connections = pools.iter().flat_map(|pool| {
            let labels = |state| [("pool", pool.name), ("state", state)];
            [(labels("idle"), pool.idle as f64), (labels("in_use"), pool.in_use as f64)]
        });
        page.gauge("keystone_database_connections", "Open connections", connections)?;
        let most = pools.iter().map(|pool| ([("pool", pool.name)], f64::from(pool.most)));
        page.gauge("keystone_database_connections_max", "Connections that may be open", most)
    }

    fn keys(&self, page: &mut Page<'_>) -> fmt::Result {
        let now = self.issuer.world.now();
        let (ring, sight) = (self.issuer.keys.current(), self.issuer.keys.sight());
        let ages = ring.signers.iter().map(|key| {
            let state = key.state(now).to_string();
            ([("kid", key.kid().to_owned()), ("state", state)], (now - key.published_at).as_seconds_f64())
        });
        page.gauge("keystone_signing_key_age_seconds", "Since the key was published", ages)?;
        let activations = ring
            .signers
            .iter()
            .filter_map(|key| Some(([("kid", key.kid())], (key.activates_at? - now).as_seconds_f64())));
        page.gauge(
            "keystone_signing_key_activation_seconds",
            "Until the key signs; below nought, since it did",
            activations,
        )?;
        let age = (now - sight.at).as_seconds_f64();
        page.gauge("keystone_keys_view_age_seconds", "Since the keys were read", [(NONE, age)])?;
        let skew = sight.skew.as_secs_f64();
        page.gauge("keystone_clock_skew_seconds", "From the database's clock, at most", [(NONE, skew)])
    }
}

struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    fn gauge<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (L, f64)>,
    ) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        values.into_iter().try_for_each(|(labels, value)| metric.encode_family(&labels)?.encode_gauge(&value))
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        metric.encode_counter::<[(&str, &str); 0], _, u64>(&value, None)
    }
}

const NONE: [(&str, &str); 0] = [];
