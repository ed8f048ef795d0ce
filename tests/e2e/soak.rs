//! The soak, `cargo xtask soak [MINUTES]`: Envoy at full load while keys rotate every minute and configurations change.
//! No request may get another answer than its own, and Envoy's memory may not grow. Every test run has a short one. The
//! command begins with a flood of requests that wait for keys.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use keystone_tests::envoy::{Envoy, Setup, Start};
use keystone_tests::http::Site;
use keystone_tests::key_server::{KeyServer, Reply};
use keystone_tests::wait::Deadline;
use keystone_tests::{cast, mint, ports, wait};
use serde_json::{Value, json};

use crate::lab::{Alone, Lab, promises};
use crate::load::Load;

pub(crate) const PROMISES: &[(&str, Alone)] =
    promises![rotations_and_new_configurations_under_load_refuse_nothing];

/// The number of connections that send requests at the same time.
const CALLERS: usize = 48;
/// A configuration is replaced this often.
const SWAP: Duration = Duration::from_secs(3);

/// Rounds, in each of which another key signs.
struct Soak {
    rounds: u8,
    lasting: Duration,
    /// How much memory Envoy may need more than after the first, in bytes.
    growth: u64,
}

fn rotations_and_new_configurations_under_load_refuse_nothing(lab: &Lab) -> Result<()> {
    // So short that Envoy is still warming up.
    soak(lab, &Soak { rounds: 3, lasting: Duration::from_secs(5), growth: 16 << 20 })
}

pub(crate) fn run(lab: &Lab, minutes: u8) -> Result<()> {
    soak(lab, &Soak { rounds: minutes, lasting: Duration::from_secs(60), growth: 5 << 20 })
}

fn soak(lab: &Lab, soak: &Soak) -> Result<()> {
    let keys = KeyServer::start(mint::key_set(&[0]))?;
    let setup =
        Setup { listen: ports::free()?, policy: policy(&keys, 0), orders: upstream()?, issuer: keys.port };
    let home = lab.directory("soak")?;
    // Millions of lines that nobody reads.
    symlink("/dev/null", home.join("access.log"))?;
    let envoy = Start::new(&lab.tools, &lab.ledger).workers(2).dynamic().run(&home, &setup)?;
    let first = mint::token(&keys.issuer(), 0, "orders:read");
    wait::until("the first keys", Duration::from_secs(20), || {
        let mut answers = (0..40).map(|_| envoy.site.get("/orders").bearer(&first).send());
        Ok(answers.all(|answer| answer.is_ok_and(|answer| answer.status == 200)))
    })?;

    // The key that signs.
    let key = Arc::new(AtomicU8::new(0));
    let asked = Arc::new(AtomicUsize::new(0));
    let mut load = Load::new();
    for _ in 0..CALLERS {
        load = load.and(caller(&envoy.site, &keys.issuer(), &key, &asked)?);
    }
    load.during(|watch| {
        let mut start = None;
        for round in 0..soak.rounds {
            rotate(&keys, round);
            key.store(round, Ordering::Relaxed);
            let (before, occupied) = (asked.load(Ordering::Relaxed), envoy.occupied()?);
            let took = one_round(&envoy, &keys, soak.lasting)?;
            let occupied = (envoy.occupied()? - occupied).as_secs_f64() / 2.0 / took.as_secs_f64();
            let rate = (asked.load(Ordering::Relaxed) - before) as f64 / took.as_secs_f64();
            watch.rounds(1)?;
            let resident = envoy.resident()?;
            let start = *start.get_or_insert(resident);
            say(&format!(
                "round {}: {rate:.0} requests in a second, workers with work to do for {:.0} % of the time, \
                 {} held, {:.1} MB resident ({:+.1} MB since the first round)",
                round + 1,
                occupied * 100.0,
                envoy.statistic("keystone_held_requests_total")?,
                megabytes(resident),
                megabytes(resident) - megabytes(start),
            ));
            ensure!(resident.saturating_sub(start) < soak.growth, "Envoy grew too much");
        }
        Ok(())
    })?;
    say(&format!("{} requests, none refused wrongly", asked.load(Ordering::Relaxed)));
    ensure!(soak.rounds < 2 || envoy.statistic("keystone_held_requests_total")? > 0, "nobody was held");
    for what in ["vm_reload_success", "vm_reload_failure", "keystone_decisions_total.code.unknown_kid"] {
        ensure!(envoy.statistic(what)? == 0, "{what}");
    }
    Ok(())
}

/// Every other key signs at the moment at which it is published: Envoy cannot know it, and has to hold the first
/// requests. The one that follows is published with it. The one before stays, for tokens that are on their way.
fn rotate(keys: &KeyServer, round: u8) {
    if round % 2 == 1 {
        keys.answers(Reply::Keys(mint::key_set(&[round - 1, round, round + 1])));
    }
}

/// A new configuration every few seconds. How long it took.
fn one_round(envoy: &Envoy, keys: &KeyServer, lasting: Duration) -> Result<Duration> {
    let start = wait::now();
    let mut number = 0;
    while start.elapsed() < lasting {
        number += 1;
        ensure!(envoy.reconfigure(&policy(keys, number))?, "a configuration was refused");
        let pause = Deadline::after(SWAP.min(lasting.saturating_sub(start.elapsed())));
        while !pause.passed() {
            wait::breathe();
        }
    }
    Ok(start.elapsed())
}

fn policy(keys: &KeyServer, number: u64) -> String {
    let mut policy = cast::policy(&keys.issuer());
    if let Some(issuer) = policy.pointer_mut("/issuers/0").and_then(Value::as_object_mut) {
        issuer.insert("leeway_seconds".to_owned(), json!(number % 60));
    }
    policy.to_string()
}

/// One connection. A token is used for a while, then there is a new one, so that signatures are checked, too.
fn caller<'a>(
    site: &Site,
    issuer: &str,
    key: &'a AtomicU8,
    asked: &'a AtomicUsize,
) -> Result<impl FnMut() -> Result<()> + Send + 'a> {
    let (site, issuer) = (site.clone(), issuer.to_owned());
    let mut conversation = site.conversation()?;
    let (mut signed, mut requests) = (None, Vec::new());
    let mut number = 0;
    Ok(move || {
        let now = key.load(Ordering::Relaxed);
        if number % 200 == 0 || signed != Some(now) {
            signed = Some(now);
            requests = kinds(&site, &issuer, now);
        }
        let kind = match number % 16 {
            3 => 1,
            9 => 2,
            _ => 0,
        };
        number += 1;
        let (request, expected) = requests.get(kind).context("there are three kinds")?;
        conversation.ask_bytes(request)?.expect(*expected)?;
        asked.fetch_add(1, Ordering::Relaxed);
        Ok(())
    })
}

/// The bytes of requests with tokens of this key, and their answers: one accepted, one refused for its scope, one for its
/// signature.
fn kinds(site: &Site, issuer: &str, key: u8) -> Vec<(Vec<u8>, u16)> {
    let good = mint::token(issuer, key, "orders:read");
    let forged = mint::named(issuer, &format!("key-{key}"), (NOBODY, "orders:read"));
    let kinds = [
        (site.get("/orders"), &good, 200),
        (site.post("/orders"), &good, 403),
        (site.get("/orders"), &forged, 401),
    ];
    kinds
        .map(|(request, token, answer)| {
            (request.header("authorization", format!("Bearer {token}")).kept_alive(), answer)
        })
        .into()
}

/// A key that is never published.
const NOBODY: u8 = u8::MAX;

/// An API that remembers nothing and takes no time of its own.
pub(crate) fn upstream() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || serve(stream));
        }
    });
    Ok(port)
}

/// Envoy sends one request at a time on a connection, and these have no body.
fn serve(mut stream: TcpStream) {
    let mut request = vec![0; 64 << 10];
    while let Ok(size @ 1..) = stream.read(&mut request) {
        let ends = request.get(..size).is_some_and(|request| request.ends_with(b"\r\n\r\n"));
        if ends && stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").is_err() {
            return;
        }
    }
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

#[expect(clippy::print_stderr, reason = "whoever waits for minutes wants to see how it goes")]
pub(crate) fn say(line: &str) {
    eprintln!("{line}");
}
