//! Traces: a span for each request, and one for each slow thing done for it. What a span may tell is listed here.

use axum::body::Bytes;
use axum::http::HeaderValue;
use http_body_util::Full;
use hyper::Request;
use hyper::header::CONTENT_TYPE;
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::{SpanId, SpanKind, Status, TraceContextExt as _, TraceId, TracerProvider as _};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{IdGenerator, Sampler, SdkTracerProvider, Span, SpanData, SpanProcessor};
use prost::Message as _;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::filter_fn;
use url::Url;

use super::outbox::{self, Carrier, Outbox, Parcel, Receiver, Way};
use super::{OURS, REQUEST, Watcher};
use crate::clock::World;
use crate::hex;

/// `percent` of the traces that begin here go to the collector at `url`.
pub(super) fn watch((url, percent): (&Url, u8), world: &World, way: Way) -> (Watcher, Carrier) {
    let resource = Resource::builder_empty()
        .with_attribute(KeyValue::new("service.name", "keystone"))
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attribute(KeyValue::new("service.instance.id", hex::encode(&world.bytes::<16>())))
        .build();
    let collector = Collector { url: signal_url(url), resource: (&resource).into() };
    let (outbox, carrier) = outbox::open(collector, way);
    let fresh = Sampler::TraceIdRatioBased(f64::from(percent) / 100.0);
    let provider = SdkTracerProvider::builder()
        .with_sampler(Sampler::ParentBased(Box::new(fresh)))
        .with_id_generator(Ids(world.clone()))
        .with_resource(resource)
        .with_span_processor(Ended(outbox))
        .build();
    let layer = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("keystone"))
        .with_context_activation(false)
        .with_tracked_inactivity(false)
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_level(false);
    // No events: a line of the log may say more than a trace may.
    let spans = filter_fn(|metadata| metadata.is_span() && metadata.target().starts_with(OURS));
    (layer.with_filter(spans).boxed(), carrier)
}

/// Where the base URL of a collector takes traces (OTLP 1.10, "OTLP/HTTP Request").
fn signal_url(base: &Url) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/v1/traces", base.path().trim_end_matches('/')));
    url
}

/// Makes a request's span part of the trace that `parent`, a `traceparent`, is from, and has each of its log lines name the
/// trace. Before the span is entered.
pub(super) fn link(span: &tracing::Span, parent: Option<&HeaderValue>) {
    if let Some(parent) = parent.and_then(|parent| parent.to_str().ok()) {
        let propagator = TraceContextPropagator::new();
        // Without `tracestate`: it is of no use here, and may say anything.
        let context = propagator.extract_with_context(&Context::new(), &TraceParent(parent));
        // There is nothing to join where nobody watches.
        drop(span.set_parent(context));
    }
    let context = span.context();
    let trace = context.span().span_context().trace_id();
    if trace != TraceId::INVALID {
        span.record("trace_id", tracing::field::display(trace));
    }
}

/// The status of a request's answer.
pub(super) fn answered(span: &tracing::Span, status: u16) {
    span.set_attribute(STATUS, i64::from(status));
}

/// The one header of a request that is looked at.
struct TraceParent<'a>(&'a str);

impl Extractor for TraceParent<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        (key == "traceparent").then_some(self.0)
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent"]
    }
}

#[derive(Debug)]
struct Ids(World);

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        TraceId::from_bytes(self.0.bytes())
    }

    fn new_span_id(&self) -> SpanId {
        SpanId::from_bytes(self.0.bytes())
    }
}

#[derive(Debug)]
struct Ended(Outbox<SpanData>);

impl SpanProcessor for Ended {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        // The issuer's own housekeeping is no request.
        if span.name == REQUEST || span.parent_span_id != SpanId::INVALID {
            self.0.put(told(span));
        }
    }

    // What waits is flushed by the outbox.
    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: std::time::Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// All that leaves: name, times, ids, and these attributes under the names of OpenTelemetry's semantic conventions for HTTP.
fn told(mut span: SpanData) -> SpanData {
    let attributes = std::mem::take(&mut span.attributes);
    let found =
        |name: &str| attributes.iter().find(|known| known.key.as_str() == name).map(|known| &known.value);
    if span.name == REQUEST {
        let [method, route] =
            ["method", "route"].map(|name| found(name).map(Value::as_str).unwrap_or_default());
        span.name = format!("{method} {route}").into();
        span.span_kind = SpanKind::Server;
    }
    if let Some(Value::I64(500..)) = found(STATUS) {
        span.status = Status::error("");
    }
    let renamed =
        ATTRIBUTES.iter().filter_map(|(name, known)| Some(KeyValue::new(*known, found(name)?.clone())));
    span.attributes = renamed.collect();
    span.dropped_attributes_count = 0;
    span
}

/// Our names and OpenTelemetry's.
const ATTRIBUTES: [(&str, &str); 4] = [
    ("method", "http.request.method"),
    ("route", "http.route"),
    (STATUS, "http.response.status_code"),
    ("id", "keystone.request.id"),
];
const STATUS: &str = "status";

struct Collector {
    url: Url,
    resource: ResourceAttributesWithSchema,
}

impl Receiver for Collector {
    type Item = SpanData;
    const NAME: &'static str = "collector";

    fn url(&self) -> &Url {
        &self.url
    }

    fn pack(&self, spans: Vec<SpanData>) -> Vec<Parcel> {
        let items = spans.len() as u64;
        let resource_spans = group_spans_by_resource_and_scope(spans, &self.resource);
        let body = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
        let mut request = Request::post("/").body(Full::from(Bytes::from(body))).unwrap_or_default();
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        vec![Parcel { request, items }]
    }

    fn unwanted(&self, answer: &[u8]) -> u64 {
        let partial =
            ExportTraceServiceResponse::decode(answer).ok().and_then(|answer| answer.partial_success);
        partial.and_then(|partial| u64::try_from(partial.rejected_spans).ok()).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::InstrumentationScope;
    use opentelemetry::trace::{SpanContext, TraceFlags, TraceState};
    use opentelemetry_sdk::trace::{SpanEvents, SpanLinks};

    use super::*;

    fn span(name: &'static str, attributes: Vec<KeyValue>) -> SpanData {
        let ids = (TraceId::from_bytes([1; 16]), SpanId::from_bytes([2; 8]));
        SpanData {
            span_context: SpanContext::new(ids.0, ids.1, TraceFlags::SAMPLED, false, TraceState::default()),
            parent_span_id: SpanId::INVALID,
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name: name.into(),
            start_time: std::time::UNIX_EPOCH,
            end_time: std::time::UNIX_EPOCH,
            attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: InstrumentationScope::default(),
        }
    }

    #[test]
    fn a_span_tells_what_is_listed_and_no_more() {
        let request = told(span(
            REQUEST,
            vec![
                KeyValue::new("id", "0011"),
                KeyValue::new("method", "POST"),
                KeyValue::new("route", "/auth/token"),
                KeyValue::new(STATUS, 503),
                KeyValue::new("password", "hunter2"),
                KeyValue::new("trace_id", "01"),
            ],
        ));

        assert_eq!((request.name.as_ref(), &request.span_kind), ("POST /auth/token", &SpanKind::Server));
        assert_eq!(request.status, Status::error(""));
        let names: Vec<_> = request.attributes.iter().map(|attribute| attribute.key.as_str()).collect();
        assert_eq!(
            names,
            ["http.request.method", "http.route", "http.response.status_code", "keystone.request.id"]
        );
        assert!(!format!("{request:?}").contains("hunter2"));
    }

    #[test]
    fn only_our_own_faults_are_errors() {
        for status in [200, 404, 499] {
            assert_eq!(
                told(span(REQUEST, vec![KeyValue::new(STATUS, status)])).status,
                Status::Unset,
                "{status}"
            );
        }
    }

    #[test]
    fn what_belongs_to_no_request_is_no_trace() {
        let (outbox, mut inbox) = Outbox::observed();
        let ended = Ended(outbox);

        ended.on_end(span("database", Vec::new()));
        assert!(inbox.try_recv().is_err());
        ended.on_end(SpanData { parent_span_id: SpanId::from_bytes([3; 8]), ..span("database", Vec::new()) });
        assert_eq!(inbox.try_recv().unwrap().name, "database");
    }

    #[test]
    fn traces_have_a_path_below_the_url_of_the_collector() {
        for (base, expected) in
            [("http://a:4318", "http://a:4318/v1/traces"), ("https://a/otlp/", "https://a/otlp/v1/traces")]
        {
            assert_eq!(signal_url(&base.parse().unwrap()).as_str(), expected);
        }
    }
}
