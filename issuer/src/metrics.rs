//! What is counted while the issuer runs. Nothing here names anyone: every label has few values, all of them ours.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Handed in with time and randomness, so that two issuers in one process count apart.
#[derive(Debug)]
pub struct Metrics {
    pub requests: Requests,
    pub attempts: Tally,
    pub tokens: Tally,
    pub refreshes: Tally,
    pub revocations: Tally,
    pub rate_limited: Tally,
    pub client_cache: Tally,
    pub redis_fallbacks: Counter,
    pub panics: Counter,
    /// Unix time of the last sweep that left nothing over. 0: none yet.
    pub swept_at: Gauge,
    pub telemetry_dropped: Tally,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            requests: Requests::default(),
            attempts: Tally::new("result", &["success", "wrong_password", "invalid_client"]),
            tokens: Tally::new("type", &["access", "refresh"]),
            refreshes: Tally::new("outcome", &["rotated", "repeated", "reused"]),
            revocations: Tally::new("reason", &["revoked", "client_token", "logged_out", "ended_by_user"]),
            rate_limited: Tally::new("limit", &["address", "site", "login", "user", "client"]),
            client_cache: Tally::new("result", &["hit", "miss"]),
            redis_fallbacks: Counter::default(),
            panics: Counter::default(),
            swept_at: Gauge::default(),
            telemetry_dropped: Tally::new("receiver", &["collector", "sentry"]),
        }
    }
}

impl Metrics {
    pub fn register(&self, registry: &mut Registry) {
        let Requests { answered, durations } = &self.requests;
        registry.register("http_requests", "Answered requests", answered.clone());
        registry.register(
            "http_request_duration_seconds",
            "Time from a request to its response",
            durations.clone(),
        );
        for (name, help, tally) in [
            ("auth_attempts", "Token requests by result", &self.attempts),
            ("tokens_generated", "Tokens issued", &self.tokens),
            ("keystone_refreshes", "Valid refresh tokens by result", &self.refreshes),
            ("keystone_revocations", "Revoked sessions and tokens", &self.revocations),
            ("keystone_rate_limited", "Attempts rejected by a rate limit", &self.rate_limited),
            ("keystone_client_cache", "Client lookups by cache result", &self.client_cache),
            (
                "keystone_telemetry_dropped",
                "Spans and errors that were not delivered",
                &self.telemetry_dropped,
            ),
        ] {
            registry.register(name, help, tally.counters.clone());
        }
        registry.register(
            "keystone_redis_fallbacks",
            "Attempts counted in this process because Redis was unavailable",
            self.redis_fallbacks.clone(),
        );
        registry.register("keystone_panics", "Requests that ended in a panic", self.panics.clone());
    }
}

/// A counter for each value of one label.
#[derive(Clone, Debug)]
pub struct Tally {
    label: &'static str,
    counters: Family<[(&'static str, &'static str); 1], Counter>,
}

impl Tally {
    /// `values`: those to watch, which begin at nought; a counter that is born with its first event hides it from `rate()`.
    fn new(label: &'static str, values: &[&'static str]) -> Self {
        let tally = Self { label, counters: Family::default() };
        values.iter().for_each(|value| drop(tally.counters.get_or_create(&[(label, *value)])));
        tally
    }

    pub fn count(&self, value: &'static str) {
        self.add(value, 1);
    }

    #[cfg(test)]
    pub fn counted(&self, value: &'static str) -> u64 {
        self.counters.get_or_create(&[(self.label, value)]).get()
    }

    pub fn add(&self, value: &'static str, more: u64) {
        self.counters.get_or_create(&[(self.label, value)]).inc_by(more);
    }
}

/// The public listener's work.
#[derive(Debug)]
pub struct Requests {
    answered: Family<Answered, Counter>,
    durations: Family<Asked, Histogram, fn() -> Histogram>,
}

/// A request as it may be told of: neither word is the client's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Asked {
    pub method: &'static str,
    /// The template of its route.
    pub endpoint: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    #[prometheus(flatten)]
    asked: Asked,
    status: u16,
}

impl Requests {
    pub fn count(&self, asked: Asked, status: u16, seconds: f64) {
        let answered = Answered { asked, status };
        self.answered.get_or_create(&answered).inc();
        self.durations.get_or_create(&answered.asked).observe(seconds);
    }
}

impl Default for Requests {
    fn default() -> Self {
        Self {
            answered: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(SECONDS)),
        }
    }
}

/// Client credentials take a fraction of a millisecond, a password a tenth of a second, a deadline two.
const SECONDS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];
