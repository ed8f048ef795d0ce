//! Requests by the thousand that wait for a key which never comes: no VM ends, and nobody else notices.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use axum::http::Request;
use keystone_tests::envoy::statistic;
use keystone_tests::key_server::Reply;
use keystone_tests::{mint, wait};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::hostile_mesh::has_its_first_vm;
use crate::lab::{Alone, Lab, promises};
use crate::load::Load;
use crate::samples::Running;
use crate::soak::say;

pub(crate) const PROMISES: &[(&str, Alone)] = promises![
    thousands_of_held_requests_end_no_vm_that_is_reloaded,
    thousands_of_held_requests_end_no_vm_that_fails_closed,
    thousands_of_held_requests_end_no_vm_that_fails_open,
    a_held_request_with_a_body_waits_however_the_plugin_is_set,
];

/// What Envoy does when a VM fails: the samples' choice, and two others.
const FAILURE_POLICIES: [&str; 3] = ["FAIL_RELOAD", "FAIL_CLOSED", "FAIL_OPEN"];

fn thousands_of_held_requests_end_no_vm_that_is_reloaded(lab: &Lab) -> Result<()> {
    flood(lab, "FAIL_RELOAD", &SHORT).map(drop)
}

fn thousands_of_held_requests_end_no_vm_that_fails_closed(lab: &Lab) -> Result<()> {
    flood(lab, "FAIL_CLOSED", &SHORT).map(drop)
}

fn thousands_of_held_requests_end_no_vm_that_fails_open(lab: &Lab) -> Result<()> {
    flood(lab, "FAIL_OPEN", &SHORT).map(drop)
}

/// Envoy then lets bodies go on to filters that have stopped at headers.
fn a_held_request_with_a_body_waits_however_the_plugin_is_set(lab: &Lab) -> Result<()> {
    let policy = "failure_policy: FAIL_RELOAD\n";
    let setting = "                        allow_on_headers_stop_iteration: true\n";
    let change = |sample: String| sample.replace(policy, &format!("{policy}{setting}"));
    let running = Running::start(lab, "held-body", &["static.yaml"], change)?;
    running.await_status("/orders", 200)?;
    running.keys.answers(Reply::Silence);

    let order = running.site.post("/orders").body("text/plain", "an order").header("x-mark", "held");
    order.bearer(&mint::unsigned("unknown")).send()?.expect(401)?;

    ensure!(!running.orders.saw("held"), "a request that nobody judged reached the API");
    ensure!(statistic(&running.admin, "keystone_held_requests_total")? > 0, "it was not held");
    Ok(())
}

/// What is sent, again and again.
struct Flood {
    waves: u32,
    /// Connections at once, with a request each.
    http1: usize,
    /// Connections at once, with [`STREAMS`] requests each.
    http2: usize,
    /// How much memory Envoy may need more than after the first wave, in bytes: its allocator takes it by the 10 MB.
    growth: u64,
}

const SHORT: Flood = Flood { waves: 2, http1: 800, http2: 10, growth: 16 << 20 };
const LONG: Flood = Flood { waves: 4, http1: 4000, http2: 13, growth: 32 << 20 };
const STREAMS: usize = 80;

/// Some 20,000 requests for each failure policy.
pub(crate) fn run(lab: &Lab) -> Result<()> {
    FAILURE_POLICIES.iter().try_for_each(|policy| flood(lab, policy, &LONG).map(|line| say(&line)))
}

/// What happened, in a line.
fn flood(lab: &Lab, policy: &str, flood: &Flood) -> Result<String> {
    let change = |sample: String| sample.replace("FAIL_RELOAD", policy);
    let running = Running::start(lab, &format!("held-{policy}"), &["static.yaml"], change)?;
    running.await_status("/orders", 200)?;
    running.keys.answers(Reply::Silence);
    let (site, token) = (&running.site, &running.token);
    let public = || site.get("/").send()?.expect(200).map(drop);
    let good = || site.get("/orders").bearer(token).send()?.expect(200).map(drop);
    let without = || site.get("/orders").send()?.expect(401).map(drop);

    let clients = Clients { runtime: Runtime::new()?, port: site.port, sent: AtomicU32::new(0) };
    let (mut first, mut last, begun) = (0, 0, wait::now());
    Load::new().and(public).and(good).and(without).during(|watch| {
        for wave in 0..flood.waves {
            clients.wave(flood).with_context(|| format!("wave {wave}"))?;
            watch.rounds(1)?;
            last = running.envoy.resident()?;
            first = if wave == 0 { last } else { first };
        }
        watch.rounds(5)
    })?;

    let held = statistic(&running.admin, "keystone_held_requests_total")?;
    ensure!(held > 0, "nothing was held");
    has_its_first_vm(&running.admin, running.envoy.log())?;
    let grown = last.saturating_sub(first);
    ensure!(grown < flood.growth, "Envoy grew by {grown} bytes");
    Ok(format!(
        "{policy}: {} hostile requests in {:.0} s, {held} of them held, {first} bytes resident after the first wave, {last} at the end",
        clients.sent.into_inner(),
        begun.elapsed().as_secs_f64(),
    ))
}

/// Those who send tokens of keys that nobody knows, each of another one.
struct Clients {
    runtime: Runtime,
    port: u16,
    sent: AtomicU32,
}

impl Clients {
    /// All of one protocol at the same moment, then all of the other.
    fn wave(&self, flood: &Flood) -> Result<()> {
        self.runtime.block_on(async {
            let (mut http1, mut http2) = (JoinSet::new(), JoinSet::new());
            for _ in 0..flood.http1 {
                http1.spawn(by_http1(self.port, self.token()));
            }
            all_refused(http1).await.context("HTTP/1.1")?;
            for _ in 0..flood.http2 {
                http2.spawn(by_http2(self.port, (0..STREAMS).map(|_| self.token()).collect()));
            }
            all_refused(http2).await.context("HTTP/2")
        })
    }

    fn token(&self) -> String {
        mint::unsigned(&format!("unknown-{}", self.sent.fetch_add(1, Ordering::Relaxed)))
    }
}

async fn all_refused(mut answers: JoinSet<Result<Vec<u16>>>) -> Result<()> {
    while let Some(statuses) = answers.join_next().await {
        let statuses = statuses??;
        ensure!(statuses.iter().all(|status| *status == 401), "{statuses:?}");
    }
    Ok(())
}

async fn by_http1(port: u16, token: String) -> Result<Vec<u16>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let request = format!(
        "GET /orders HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    tokio::time::timeout(LIMIT, stream.read_to_end(&mut answer)).await??;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok(vec![status.with_context(|| format!("no answer: {answer:?}"))?])
}

async fn by_http2(port: u16, tokens: Vec<String>) -> Result<Vec<u16>> {
    let (mut requests, connection) =
        h2::client::handshake(TcpStream::connect(("127.0.0.1", port)).await?).await?;
    let connection = tokio::spawn(connection);
    let mut answers = Vec::new();
    for token in tokens {
        requests = requests.ready().await?;
        let request = Request::get("http://a/orders").header("authorization", format!("Bearer {token}"));
        answers.push(requests.send_request(request.body(())?, true)?.0);
    }
    let mut statuses = Vec::new();
    for answer in answers {
        statuses.push(tokio::time::timeout(LIMIT, answer).await??.status().as_u16());
    }
    connection.abort();
    Ok(statuses)
}

/// Twenty times what a request may be held.
const LIMIT: Duration = Duration::from_secs(10);
