//! Errors for Sentry: answers that are our fault, panics, and whatever else is logged as an error. What an error may tell is
//! listed here: texts from this source code, and what a request is known by.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::HeaderValue;
use http_body_util::Full;
use hyper::Request;
use hyper::header::CONTENT_TYPE;
use sentry_types::protocol::v7::{Envelope, Event, Level};
use sentry_types::{Dsn, Uuid};
use time::OffsetDateTime;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;
use url::Url;

use super::outbox::{self, Carrier, Outbox, Parcel, Receiver, Way};
use super::{OURS, REQUEST, Watcher};
use crate::clock::World;

/// Errors go to the project of `dsn`, marked with `environment`.
pub(super) fn watch((dsn, environment): (&Dsn, &'static str), world: &World, way: Way) -> (Watcher, Carrier) {
    let project = Project { url: dsn.envelope_api_url(), auth: dsn.to_auth(Some(AGENT)).to_string() };
    let (outbox, carrier) = outbox::open(project, way);
    let reporter = Reporter { outbox, world: world.clone(), environment, reported: Mutex::default() };
    (reporter.with_filter(filter_fn(is_of_use)).boxed(), carrier)
}

fn is_of_use(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with(OURS) && (metadata.is_event() || metadata.name() == REQUEST)
}

struct Reporter {
    outbox: Outbox<Event<'static>>,
    world: World,
    environment: &'static str,
    /// When each error was last reported.
    reported: Mutex<HashMap<String, OffsetDateTime>>,
}

/// What a span or a line of the log says, as far as it may be repeated.
#[derive(Clone, Debug, Default)]
struct Said {
    texts: Vec<(&'static str, String)>,
    status: Option<u64>,
}

/// What went wrong in a request: the worst of it, and of that the first.
#[derive(Debug)]
struct Cause {
    level: tracing::Level,
    text: String,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Reporter {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut said = Said::default();
        attributes.record(&mut said);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(said);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(said) = span.extensions_mut().get_mut::<Said>() {
            values.record(said);
        }
    }

    fn on_event(&self, event: &tracing::Event<'_>, context: Context<'_, S>) {
        let level = *event.metadata().level();
        let mut line = Said::default();
        event.record(&mut line);
        let Some(request) = context.event_scope(event).and_then(|mut spans| spans.next()) else {
            if level == tracing::Level::ERROR {
                self.report(&line.cause(), &Said::default());
            }
            return;
        };
        let mut known = request.extensions_mut();
        if let Some(status @ 500..) = line.status {
            let cause = known.remove::<Cause>().map_or(String::new(), |cause| cause.text);
            let Some(said) = known.get_mut::<Said>() else { return };
            said.status = Some(status);
            let said = said.clone();
            drop(known);
            self.report(&cause, &said);
        } else if level <= tracing::Level::WARN
            && known.get_mut::<Cause>().is_none_or(|before| level < before.level)
        {
            known.replace(Cause { level, text: line.cause() });
        }
    }
}

impl Said {
    fn text(&self, name: &str) -> &str {
        self.texts.iter().find(|(known, _)| *known == name).map_or("", |(_, text)| text)
    }

    fn cause(&self) -> String {
        match self.text("location") {
            "" => self.text("message").to_owned(),
            location => format!("{} at {location}", self.text("message")),
        }
    }
}

impl Visit for Said {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "status" {
            self.status = Some(value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if let Some(name) = TEXTS.into_iter().find(|name| *name == field.name()) {
            self.texts.push((name, format!("{value:?}")));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

impl Reporter {
    fn report(&self, cause: &str, request: &Said) {
        let [method, route] = ["method", "route"].map(|name| request.text(name));
        let transaction = (!route.is_empty()).then(|| format!("{method} {route}"));
        let status = request.status.map(|status| status.to_string());
        let place = status.iter().chain(&transaction).map(String::as_str).collect::<Vec<_>>().join(" ");
        let message = [place.as_str(), cause]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(": ");
        if !self.is_due(&message) {
            return;
        }
        let tags = [("request_id", "id"), ("method", "method"), ("route", "route"), ("trace_id", "trace_id")];
        let tags = tags.map(|(tag, name)| (tag, request.text(name).to_owned()));
        let status = [("status", status.unwrap_or_default())];
        let tags = tags.into_iter().chain(status).filter(|(_, text)| !text.is_empty());
        self.outbox.put(Event {
            event_id: Uuid::from_bytes(self.world.bytes()),
            timestamp: self.world.now().into(),
            level: Level::Error,
            fingerprint: vec![message.clone().into()].into(),
            message: Some(message),
            transaction,
            release: Some(RELEASE.into()),
            environment: Some(self.environment.into()),
            tags: tags.map(|(tag, text)| (tag.to_owned(), text)).collect(),
            ..Event::default()
        });
    }

    /// An outage is one error, not one for each request that it costs.
    fn is_due(&self, message: &str) -> bool {
        let now = self.world.now();
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        // Nothing is later than now, unless the clock was ahead: that must not silence an error for as long as it was.
        reported.retain(|_, at| (*at..*at + AGAIN).contains(&now));
        match reported.get(message) {
            Some(_) => false,
            None => reported.insert(message.to_owned(), now).is_none(),
        }
    }
}

struct Project {
    url: Url,
    auth: String,
}

impl Receiver for Project {
    type Item = Event<'static>;
    const NAME: &'static str = "sentry";

    fn url(&self) -> &Url {
        &self.url
    }

    /// One each: an envelope holds one event.
    fn pack(&self, events: Vec<Event<'static>>) -> Vec<Parcel> {
        events.into_iter().filter_map(|event| self.envelope(event)).collect()
    }
}

impl Project {
    fn envelope(&self, event: Event<'static>) -> Option<Parcel> {
        let mut body = Vec::new();
        Envelope::from(event).to_writer(&mut body).ok()?;
        let mut request = Request::post("/").body(Full::from(Bytes::from(body))).ok()?;
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-sentry-envelope"));
        let mut auth = HeaderValue::try_from(&self.auth).ok()?;
        auth.set_sensitive(true);
        request.headers_mut().insert("x-sentry-auth", auth);
        Some(Parcel { request, items: 1 })
    }
}

/// No other field is ever repeated: an error's own text may quote what somebody sent.
const TEXTS: [&str; 6] = ["message", "location", "id", "method", "route", "trace_id"];
const AGENT: &str = concat!("keystone/", env!("CARGO_PKG_VERSION"));
const RELEASE: &str = concat!("keystone@", env!("CARGO_PKG_VERSION"));
/// The least time between two reports of the same error.
const AGAIN: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;
    use crate::clock::testing::{TestClock, world};

    /// What is reported of what happens meanwhile.
    fn reported(happens: impl FnOnce(&TestClock)) -> Vec<Event<'static>> {
        let (outbox, mut inbox): (_, mpsc::Receiver<_>) = Outbox::observed();
        let (world, clock) = world();
        let reporter = Reporter { outbox, world, environment: "production", reported: Mutex::default() };
        let subscriber = tracing_subscriber::registry().with(reporter.with_filter(filter_fn(is_of_use)));
        tracing::subscriber::with_default(subscriber, || happens(&clock));
        std::iter::from_fn(|| inbox.try_recv().ok()).collect()
    }

    fn request(status: u16, meanwhile: impl FnOnce()) {
        let span = tracing::info_span!(REQUEST, id = "0011", method = "POST", route = "/x", trace_id = "7f");
        span.in_scope(|| {
            meanwhile();
            tracing::info!(status, milliseconds = 1.0, "answered");
        });
    }

    #[test]
    fn an_answer_that_is_our_fault_is_an_error_with_its_cause() {
        let events = reported(|_| {
            request(200, || tracing::warn!("harmless"));
            request(404, || ());
            request(503, || {
                tracing::warn!(error = "of alice@example.com", password = "hunter2", "store request failed");
                tracing::info!("by the way");
            });
        });

        let [event] = events.as_slice() else { panic!("{events:?}") };
        assert_eq!(event.message.as_deref(), Some("503 POST /x: store request failed"));
        assert_eq!(event.transaction.as_deref(), Some("POST /x"));
        let tags: Vec<_> = event.tags.iter().map(|(name, text)| format!("{name}={text}")).collect();
        assert_eq!(tags, ["method=POST", "request_id=0011", "route=/x", "status=503", "trace_id=7f"]);
        let told = serde_json::to_string(event).unwrap();
        assert!(!told.contains("alice") && !told.contains("hunter2"), "{told}");
    }

    #[test]
    fn an_error_that_belongs_to_no_request_is_told_at_once() {
        let events = reported(|_| {
            tracing::warn!("it happens");
            tracing::error!(location = "src/a.rs:1:2", reason = "hunter2", "panicked");
        });

        let messages: Vec<_> = events.iter().map(|event| event.message.as_deref()).collect();
        assert_eq!(messages, [Some("panicked at src/a.rs:1:2")]);
    }

    #[test]
    fn the_same_error_is_told_once_a_minute() {
        let events = reported(|clock| {
            for _ in 0..3 {
                request(500, || ());
            }
            clock.advance(Duration::from_secs(60));
            request(500, || ());
        });

        assert_eq!(events.len(), 2);
    }

    #[test]
    fn a_clock_that_was_ahead_silences_no_error() {
        let ahead = Duration::from_secs(7200);
        let events = reported(|clock| {
            clock.advance(ahead);
            request(500, || ());
            clock.set_back(ahead);
            request(500, || ());
        });

        assert_eq!(events.len(), 2);
    }

    #[test]
    fn an_error_goes_in_an_envelope_with_the_key_in_a_header() {
        let dsn: Dsn = "https://k4n4ry@sentry.example/base/7".parse().unwrap();
        let project = Project { url: dsn.envelope_api_url(), auth: dsn.to_auth(Some(AGENT)).to_string() };

        let parcels = project.pack(vec![Event::default(), Event::default()]);

        assert_eq!(project.url.as_str(), "https://sentry.example/base/api/7/envelope/");
        assert_eq!(parcels.len(), 2);
        let auth = parcels[0].request.headers()["x-sentry-auth"].to_str().unwrap();
        assert!(auth.contains("sentry_key=k4n4ry") && auth.contains("sentry_version=7"), "{auth}");
        assert!(!format!("{parcels:?}").contains("k4n4ry"), "a header that is not to be printed");
    }
}
