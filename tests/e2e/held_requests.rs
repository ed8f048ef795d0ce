//! Thousands of requests that wait for a key which never comes: no VM ends, and other clients do not notice.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use axum::body::Bytes;
use axum::http::Request;
use h2::client::SendRequest;
use keystone_tests::envoy::{Envoy, Setup, statistic};
use keystone_tests::key_server::{KeyServer, Reply};
use keystone_tests::{cast, mint, ports, wait};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::{JoinHandle, JoinSet};

use crate::hostile_mesh::has_its_first_vm;
use crate::lab::{Alone, Lab, promises};
use crate::load::Load;
use crate::samples::{Running, Samples};
use crate::soak::{say, upstream};

pub(crate) const PROMISES: &[(&str, Alone)] = promises![
    thousands_of_held_requests_end_no_vm_that_is_reloaded,
    thousands_of_held_requests_end_no_vm_that_fails_closed,
    thousands_of_held_requests_end_no_vm_that_fails_open,
    good_requests_that_wait_for_revocations_end_no_vm,
    a_held_request_with_a_body_waits_however_the_plugin_is_set,
];

/// Envoy's policies for a failed VM: the samples' choice, and two others.
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

/// They go on all at once, when the first page of the feed comes.
fn good_requests_that_wait_for_revocations_end_no_vm(lab: &Lab) -> Result<()> {
    let keys = KeyServer::start(mint::key_set(&[1]))?;
    keys.answers_below(FEED, Reply::Waiting);
    let policy = cast::policy_with_feed(&keys.issuer()).to_string();
    let setup = Setup { listen: ports::free()?, policy, orders: upstream()?, issuer: keys.port };
    let envoy = Envoy::start(&lab.tools, &lab.directory("held-good")?, &setup, &lab.ledger)?;
    let token = mint::token(&keys.issuer(), 1, "orders:read");
    let mut clients = Clients::new(setup.listen)?;
    (clients.method, clients.path, clients.token) = ("DELETE", "/me", Some(token));
    let held = || envoy.statistic("keystone_held_requests_total");

    let statuses = thread::scope(|scope| {
        let page = scope.spawn(|| {
            wait::until("requests to be held", PATIENCE, || Ok(held()? >= 400))?;
            keys.answers_below(FEED, Reply::Raw(http_page(&mint::empty_page(&keys.issuer()))));
            anyhow::Ok(())
        });
        // Envoy refuses at once what comes when no fetch has begun lately.
        let mut statuses = Vec::new();
        while !page.is_finished() {
            statuses = clients.wave(Wave { http1: 300, http2: 2 }, || Ok(()))?;
        }
        page.join().map_err(|_| anyhow!("the thread of the page panicked"))??;
        anyhow::Ok(statuses)
    })?;

    let passed = statuses.iter().filter(|status| **status == 200).count();
    ensure!(passed >= 200 && statuses.iter().all(|status| matches!(status, 200 | 503)), "{statuses:?}");
    has_its_first_vm(&envoy.admin, envoy.process.log())
}

const FEED: &str = "/.well-known/keystone/revocations";

fn http_page(page: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{page}", page.len())
        .into_bytes()
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

/// Requests that are sent in waves, each when Envoy asks for keys: it holds requests for half a second from then on.
struct Flood {
    workers: u32,
    /// Sent one after the other, and again from the beginning.
    waves: &'static [Wave],
    /// The flood ends when so many were held.
    held: u64,
    /// How much memory Envoy may need more than after the first wave, in bytes: its allocator takes it by the 10 MB.
    growth: u64,
}

#[derive(Clone, Copy)]
struct Wave {
    /// Connections at once, with a request each.
    http1: usize,
    /// Connections at once, with [`STREAMS`] requests each.
    http2: usize,
}

const SHORT: Flood =
    Flood { workers: 1, waves: &[Wave { http1: 400, http2: 5 }], held: 256, growth: 16 << 20 };
/// Each worker holds 512, and a fetch that hangs comes every 6 seconds at first.
const LONG: Flood = Flood {
    workers: 16,
    waves: &[Wave { http1: 4000, http2: 0 }, Wave { http1: 0, http2: 96 }],
    held: 20_000,
    growth: 32 << 20,
};
const STREAMS: usize = 80;
/// The pause between two fetches has then grown to a minute.
const MOST_WAVES: usize = 8;

/// 20,000 held requests for each failure policy.
pub(crate) fn run(lab: &Lab) -> Result<()> {
    FAILURE_POLICIES.iter().try_for_each(|policy| flood(lab, policy, &LONG).map(|line| say(&line)))
}

/// Returns what happened, in a line.
fn flood(lab: &Lab, policy: &str, flood: &Flood) -> Result<String> {
    let change = |sample: String| sample.replace("FAIL_RELOAD", policy);
    let samples = Samples { files: &["static.yaml"], workers: flood.workers };
    let running = Running::start_with(lab, &format!("held-{policy}"), samples, change)?;
    // Each worker answers some of them.
    for _ in 0..20 * flood.workers {
        running.await_status("/orders", 200)?;
    }
    running.keys.answers(Reply::Silence);
    let (site, token) = (&running.site, &running.token);
    let public = || site.get("/").send()?.expect(200).map(drop);
    let good = || site.get("/orders").bearer(token).send()?.expect(200).map(drop);
    let without = || site.get("/orders").send()?.expect(401).map(drop);

    let clients = Clients::new(site.port)?;
    let (mut held, mut resident, begun) = (vec![0], Vec::new(), wait::now());
    let mut answered = Vec::new();
    Load::new().and(public).and(good).and(without).during(|watch| {
        for wave in flood.waves.iter().cycle().take(MOST_WAVES) {
            let statuses = clients.wave(*wave, || running.await_fetch(resident.is_empty()))?;
            ensure!(statuses.iter().all(|status| *status == 401), "{statuses:?}");
            watch.rounds(1)?;
            held.push(statistic(&running.admin, "keystone_held_requests_total")?);
            resident.push(running.envoy.resident()?);
            if held.last().is_some_and(|held| *held >= flood.held) {
                break;
            }
        }
        watch.rounds(5)?;
        answered = watch.counts();
        Ok(())
    })?;

    let by_wave: Vec<u64> =
        held.windows(2).filter_map(|pair| pair.last()?.checked_sub(*pair.first()?)).collect();
    let told = format!(
        "{policy}: {} hostile requests in {:.0} s, held in each wave {by_wave:?}; meanwhile {answered:?} answers to public requests, \
         good tokens and requests without a token; bytes resident after each wave {resident:?}",
        clients.sent.into_inner(),
        begun.elapsed().as_secs_f64(),
    );
    ensure!(by_wave.iter().sum::<u64>() >= flood.held, "too few were held: {told}");
    has_its_first_vm(&running.admin, running.envoy.log())?;
    let first = resident.first().copied().unwrap_or_default();
    let most = resident.iter().max().copied().unwrap_or_default();
    ensure!(most.saturating_sub(first) < flood.growth, "Envoy grew too much: {told}");
    Ok(told)
}

/// Clients that send the same request, all with a token.
struct Clients {
    runtime: Runtime,
    port: u16,
    method: &'static str,
    path: &'static str,
    /// `None`: tokens of unknown keys, each of another one.
    token: Option<String>,
    sent: AtomicU32,
}

impl Clients {
    /// They ask for orders with tokens of unknown keys.
    fn new(port: u16) -> Result<Self> {
        let (method, path) = ("GET", "/orders");
        Ok(Self { runtime: Runtime::new()?, port, method, path, token: None, sent: AtomicU32::new(0) })
    }

    /// Connects, waits for `moment`, and sends all at once. Returns the statuses of the answers.
    fn wave(&self, wave: Wave, moment: impl FnOnce() -> Result<()>) -> Result<Vec<u16>> {
        let (http1, http2) = self.runtime.block_on(async {
            let (mut http1, mut http2) = (Vec::new(), Vec::new());
            for _ in 0..wave.http1 {
                http1.push(TcpStream::connect(("127.0.0.1", self.port)).await?);
            }
            for _ in 0..wave.http2 {
                let stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
                let (requests, connection) = h2::client::handshake(stream).await?;
                http2.push((requests, tokio::spawn(connection)));
            }
            anyhow::Ok((http1, http2))
        })?;
        moment()?;
        self.runtime.block_on(async {
            let mut answers = JoinSet::new();
            for stream in http1 {
                answers.spawn(by_http1(stream, (self.method, self.path), self.token()));
            }
            for connection in http2 {
                let tokens = (0..STREAMS).map(|_| self.token()).collect();
                answers.spawn(by_http2(connection, (self.method, self.path), tokens));
            }
            let mut statuses = Vec::new();
            while let Some(more) = answers.join_next().await {
                statuses.extend(more??);
            }
            Ok(statuses)
        })
    }

    fn token(&self) -> String {
        let number = self.sent.fetch_add(1, Ordering::Relaxed);
        self.token.clone().unwrap_or_else(|| mint::unsigned(&format!("unknown-{number}")))
    }
}

/// A method and a path.
type Target = (&'static str, &'static str);

async fn by_http1(mut stream: TcpStream, (method, path): Target, token: String) -> Result<Vec<u16>> {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    tokio::time::timeout(LIMIT, stream.read_to_end(&mut answer)).await??;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok(vec![status.with_context(|| format!("no answer: {answer:?}"))?])
}

/// An HTTP/2 connection, and the task that serves it.
type Http2 = (SendRequest<Bytes>, JoinHandle<Result<(), h2::Error>>);

async fn by_http2(
    (mut requests, connection): Http2,
    (method, path): Target,
    tokens: Vec<String>,
) -> Result<Vec<u16>> {
    let mut answers = Vec::new();
    for token in tokens {
        requests = requests.ready().await?;
        let request = Request::builder().method(method).uri(format!("http://a{path}"));
        let request = request.header("authorization", format!("Bearer {token}"));
        answers.push(requests.send_request(request.body(())?, true)?.0);
    }
    let mut statuses = Vec::new();
    for answer in answers {
        statuses.push(tokio::time::timeout(LIMIT, answer).await??.status().as_u16());
    }
    connection.abort();
    Ok(statuses)
}

const PATIENCE: Duration = Duration::from_secs(30);
/// Twenty times what a request may be held.
const LIMIT: Duration = Duration::from_secs(10);
