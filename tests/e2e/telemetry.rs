//! An issuer with telemetry sends a collector and Sentry enough to find a request by, and nothing about a person.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::TcpListener;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use keystone_tests::http::Answer;
use keystone_tests::issuer::Issuer;
use keystone_tests::ledger::lines_below;
use keystone_tests::receiver::Receiver;
use keystone_tests::{cast, ports, wait};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span};
use prost::Message as _;
use rustix::process::Signal;
use sentry_types::protocol::v7::{Envelope, Event};

use crate::lab::{Alone, Lab, promises};
use crate::outage::{on_postgres, unavailable};

pub(crate) const PROMISES: &[(&str, Alone)] = promises![
    settings_for_another_build_are_refused,
    a_collector_gets_a_span_for_each_request_and_names_of_nobody,
    a_stranger_decides_nothing_about_traces,
    an_outage_is_one_error_at_sentry_with_a_request_id,
    receivers_that_are_gone_cost_no_request_anything,
];

fn settings_for_another_build_are_refused(lab: &Lab) -> Result<()> {
    let home = lab.issuer_home("unbuilt", |settings| {
        settings.sections =
            format!("{}sentry_dsn = \"https://k4n4ry@sentry.example/1\"\n", traces_to("127.0.0.1:1"));
    })?;

    let finished = home.command(&["serve"])?;

    assert_eq!(finished.code(), Some(2), "{}", finished.stderr);
    for (key, feature) in [("otlp_url", "otel"), ("sentry_dsn", "sentry")] {
        let said = finished.stderr.lines().find(|line| line.contains(&format!("`telemetry.{key}`")));
        ensure!(said.is_some_and(|line| line.contains(&format!("`{feature}`"))), "{}", finished.stderr);
    }
    ensure!(!finished.stderr.contains("k4n4ry"), "{}", finished.stderr);
    Ok(())
}

fn a_collector_gets_a_span_for_each_request_and_names_of_nobody(lab: &Lab) -> Result<()> {
    let collector = Receiver::start()?;
    let sections = format!("limits.trusted_proxies = [\"127.0.0.1\"]\n{}", traces_to(&collector.host()));
    let (_backends, mut issuer) = on_postgres(&lab.observed(), "traced", &sections)?;
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let parent = format!("00-{trace}-b7ad6b7169203331-01");
    let login =
        issuer.password_grant("alice", cast::password("alice")?).header("traceparent", parent.as_str());
    let login = login.send()?.expect(200)?;
    issuer.received(&login)?;
    issuer
        .password_grant("alice", "not-her-password")
        .header("traceparent", "00-forged")
        .send()?
        .expect(400)?;
    issuer.site.get("/nowhere/alice?alice").send()?.expect(404)?;

    // Whatever is on its way arrives before the end.
    issuer.process.stop();

    let spans = Spans::of(&collector)?;
    let span = spans.of_answer(&login)?;
    assert_eq!((span.name.as_str(), span.kind()), ("POST /auth/token", SpanKind::Server));
    assert_eq!(
        (hex(&span.trace_id), hex(&span.parent_span_id)),
        (trace.to_owned(), "b7ad6b7169203331".to_owned())
    );
    assert_eq!(
        attributes(&span.attributes).get("http.response.status_code").map(String::as_str),
        Some("200")
    );
    let steps: BTreeSet<_> = spans.below(span).map(|step| step.name.as_str()).collect();
    assert_eq!(steps, BTreeSet::from(["database", "password", "redis"]));
    ensure!(spans.all.iter().all(|span| span.events.is_empty()), "lines of the log: {:?}", spans.all);
    ensure!(
        spans.all.iter().any(|span| span.name == "GET none"),
        "a path that a stranger made up has no name"
    );
    let known = ["http.request.method", "http.route", "http.response.status_code", "keystone.request.id"];
    for span in &spans.all {
        let told = attributes(&span.attributes);
        ensure!(told.keys().all(|name| known.contains(&name.as_str())), "{told:?}");
    }
    let told = format!("{:?}", spans.all);
    for name in ["alice", cast::APP, "example.com"] {
        ensure!(!told.contains(name), "{name} in {told}");
    }
    let home = issuer.process.log().parent().context("no home")?;
    // Searched for secrets with the logs, at the end of the run.
    fs::write(home.join("spans.log"), told)?;
    let number = login.header("x-request-id").context("no number")?;
    let linked = lines_below(home, trace)?;
    ensure!(!linked.is_empty() && linked.iter().all(|line| line.contains(&number)), "{linked:?}");
    Ok(())
}

fn a_stranger_decides_nothing_about_traces(lab: &Lab) -> Result<()> {
    let collector = Receiver::start()?;
    let home =
        lab.observed().issuer_home("sampled", |settings| settings.sections = traces_to(&collector.host()))?;
    let all = home.serve()?;
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let ask = |issuer: &Issuer, flags: &str| {
        let parent = format!("00-{trace}-b7ad6b7169203331-{flags}");
        issuer.site.get("/.well-known/jwks.json").header("traceparent", parent.as_str()).send()?.expect(200)
    };
    let unwanted = ask(&all, "00")?;
    drop(all);
    let spans = Spans::of(&collector)?;
    let span = spans.of_answer(&unwanted)?;
    ensure!(hex(&span.trace_id) != trace && span.parent_span_id.is_empty(), "{span:?}");

    let none = Receiver::start()?;
    let home = lab.observed().issuer_home("unsampled", |settings| {
        settings.sections = format!("{}otlp_percent = 0\n", traces_to(&none.host()));
    })?;
    ask(&home.serve()?, "01")?;
    ensure!(none.seen().is_empty(), "{:?}", Spans::of(&none)?.all);
    Ok(())
}

fn an_outage_is_one_error_at_sentry_with_a_request_id(lab: &Lab) -> Result<()> {
    let sentry = Receiver::start()?;
    let dsn = format!("[telemetry]\nsentry_dsn = \"http://k4n4ry@{}/42\"\n", sentry.host());
    let (mut backends, mut issuer) = on_postgres(&lab.observed(), "reported", &dsn)?;
    let alice = issuer.login("alice")?;
    issuer.password_grant("alice", "not-her-password").send()?.expect(400)?;
    backends.postgres.process.stop();

    let first = issuer.password_grant("alice", cast::password("alice")?).send()?.expect(503)?;
    unavailable(&issuer, alice.refresh()?)?;
    issuer.process.stop();

    let posts = sentry.seen();
    let [post] = posts.as_slice() else { anyhow::bail!("not one error: {posts:?}") };
    assert_eq!(post.start, "POST /api/42/envelope/ HTTP/1.1");
    ensure!(post.header("x-sentry-auth").is_some_and(|auth| auth.contains("sentry_key=k4n4ry")), "{post:?}");
    let envelope = Envelope::from_slice(&post.body)?;
    let event: &Event<'_> = envelope.event().context("no event")?;
    assert_eq!(event.message.as_deref(), Some("503 POST /auth/token: store request failed"));
    assert_eq!(event.tags.get("request_id").cloned(), first.header("x-request-id"));
    assert_eq!(event.environment.as_deref(), Some("development"));
    let told = String::from_utf8_lossy(&post.body);
    for name in ["alice", "127.0.0.1", "postgres"] {
        ensure!(!told.contains(name), "{name} in {told}");
    }
    let log = issuer.process.log();
    ensure!(!fs::read_to_string(log)?.contains("k4n4ry"), "the DSN is in the log");
    fs::write(log.with_file_name("sentry.log"), told.as_ref())?;
    Ok(())
}

fn receivers_that_are_gone_cost_no_request_anything(lab: &Lab) -> Result<()> {
    // Somebody takes the connection, and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0")?;
    let sections = format!(
        "{}sentry_dsn = \"http://k4n4ry@{}/1\"\n",
        traces_to(&format!("127.0.0.1:{}", ports::free()?)),
        silent.local_addr()?
    );
    let home = lab.observed().issuer_home("unheard", |settings| settings.sections = sections)?;
    let mut issuer = home.serve()?;

    let dropped = || {
        issuer.site.get("/.well-known/jwks.json").send()?.expect(200)?;
        let figures = issuer.operations.get("/metrics").send()?.expect(200)?.text();
        let line = figures
            .lines()
            .find_map(|line| line.strip_prefix("keystone_telemetry_dropped_total{receiver=\"collector\"} "));
        Ok(line.context("no such metric")?.parse::<f64>()? > 0.0)
    };
    wait::until("a count of the spans that did not arrive", Duration::from_secs(60), dropped)?;
    issuer.process.signal(Signal::TERM)?;
    let status = issuer.process.ended(Duration::from_secs(20))?;

    ensure!(status.success(), "{status}");
    let told = lines_below(&home.directory, "exporting telemetry failed")?;
    assert_eq!(told.len(), 1, "one line for one outage: {told:?}");
    Ok(())
}

fn traces_to(host: &str) -> String {
    format!("[telemetry]\notlp_url = \"http://{host}\"\n")
}

/// Everything that a collector got.
struct Spans {
    all: Vec<Span>,
}

impl Spans {
    fn of(collector: &Receiver) -> Result<Self> {
        let mut all = Vec::new();
        for post in collector.seen() {
            assert_eq!(post.start, "POST /v1/traces HTTP/1.1");
            assert_eq!(post.header("content-type").as_deref(), Some("application/x-protobuf"));
            let request = ExportTraceServiceRequest::decode(post.body.as_slice())?;
            for ResourceSpans { resource, scope_spans, .. } in request.resource_spans {
                let named = attributes(&resource.context("no resource")?.attributes);
                assert_eq!(named.get("service.name").map(String::as_str), Some("keystone"));
                all.extend(scope_spans.into_iter().flat_map(|scope| scope.spans));
            }
        }
        Ok(Self { all })
    }

    /// The span of the request with this answer.
    fn of_answer(&self, answer: &Answer) -> Result<&Span> {
        let number = answer.header("x-request-id").context("no number")?;
        let of_request =
            |span: &&Span| attributes(&span.attributes).get("keystone.request.id") == Some(&number);
        self.all.iter().find(of_request).with_context(|| format!("no span {number} in {:?}", self.all))
    }

    fn below<'a>(&'a self, parent: &'a Span) -> impl Iterator<Item = &'a Span> {
        self.all
            .iter()
            .filter(|span| span.parent_span_id == parent.span_id && span.trace_id == parent.trace_id)
    }
}

fn attributes(all: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: &KeyValue| match value.value.as_ref().and_then(|any| any.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    all.iter().map(|attribute| (attribute.key.clone(), text(attribute))).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
