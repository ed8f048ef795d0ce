//! The soak, `cargo xtask soak [MINUTES]`: Envoy at full load while keys rotate every minute and configurations change.
//! No request may get another answer than its own, and Envoy's memory may not grow.

use std::io::{BufReader, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use keystone_tests::envoy::{Envoy, Setup, Start};
use keystone_tests::http::Site;
use keystone_tests::key_server::{KeyServer, Reply};
use keystone_tests::wait::Deadline;
use keystone_tests::wire::Message;
use keystone_tests::{cast, mint, ports, wait};
use serde_json::{Value, json};

use crate::lab::Lab;
use crate::load::Load;

/// Who asks at the same time.
const CALLERS: usize = 16;
/// In minutes; verifiers ask every five.
const AHEAD: u8 = 6;
const GROWTH: u64 = 5 << 20;

pub(crate) fn run(lab: &Lab, minutes: u8) -> Result<()> {
    let keys = KeyServer::start(published(0))?;
    let setup =
        Setup { listen: ports::free()?, policy: policy(&keys, 0), orders: upstream()?, issuer: keys.port };
    let start = Start::new(&lab.tools, &lab.ledger).workers(2).dynamic();
    let envoy = start.run(&lab.directory("soak")?, &setup)?;
    let first = mint::token(&keys.issuer(), 0, "orders:read");
    wait::until("the first keys", Duration::from_secs(20), || {
        Ok(envoy.site.get("/orders").header("authorization", format!("Bearer {first}")).send()?.status == 200)
    })?;

    // The key that signs.
    let key = Arc::new(AtomicU8::new(0));
    let asked = Arc::new(AtomicUsize::new(0));
    let mut load = Load::new();
    for caller in 0..CALLERS {
        load = load.and(caller_of(&envoy.site, &keys.issuer(), (&key, &asked), caller)?);
    }
    load.during(|watch| {
        let mut before = None;
        for minute in 0..minutes {
            keys.answers(Reply::Keys(published(minute)));
            key.store(minute, Ordering::Relaxed);
            one_minute(&envoy, &keys)?;
            watch.rounds(1)?;
            let resident = envoy.resident()?;
            let start = *before.get_or_insert(resident);
            say(&format!(
                "minute {}: {} requests, {} fetches of keys, {:.1} MB resident ({:+.1} MB since the first minute)",
                minute + 1,
                asked.load(Ordering::Relaxed),
                keys.asked(),
                megabytes(resident),
                megabytes(resident) - megabytes(start),
            ));
            ensure!(resident.saturating_sub(start) < GROWTH, "Envoy grew too much");
        }
        Ok(())
    })?;
    for what in ["vm_reload_success", "vm_reload_failure"] {
        ensure!(envoy.statistic(what)? == 0, "the VM was started anew");
    }
    Ok(())
}

/// As an issuer does it: a key is there before it signs, for longer than verifiers take to ask again.
fn published(minute: u8) -> Value {
    mint::key_set(&(minute..=minute + AHEAD).collect::<Vec<_>>())
}

/// A new configuration every few seconds.
fn one_minute(envoy: &Envoy, keys: &KeyServer) -> Result<()> {
    let end = Deadline::after(Duration::from_secs(60));
    let mut number = 0;
    while !end.passed() {
        number += 1;
        ensure!(envoy.reconfigure(&policy(keys, number))?, "a configuration was refused");
        let pause = Deadline::after(Duration::from_secs(3));
        while !pause.passed() {
            wait::breathe();
        }
    }
    Ok(())
}

fn policy(keys: &KeyServer, number: u64) -> String {
    let mut policy = cast::policy(&keys.issuer());
    if let Some(issuer) = policy.pointer_mut("/issuers/0").and_then(Value::as_object_mut) {
        issuer.insert("leeway_seconds".to_owned(), json!(number % 60));
    }
    policy.to_string()
}

/// One connection: accepted, refused for its scope, refused for its signature, in turns.
fn caller_of<'a>(
    site: &Site,
    issuer: &str,
    (key, asked): (&'a Arc<AtomicU8>, &'a Arc<AtomicUsize>),
    caller: usize,
) -> Result<impl FnMut() -> Result<()> + Send + 'a> {
    let (site, issuer) = (site.clone(), issuer.to_owned());
    let mut conversation = site.conversation()?;
    let (mut round, mut fresh) = (caller, None);
    Ok(move || {
        round += 1;
        let now = (key.load(Ordering::Relaxed), round / 500);
        // A new token now and then, so that signatures are checked, too.
        let (_, token) = match fresh.take().filter(|(made, _)| *made == now) {
            Some(kept) => kept,
            None => (now, mint::token(&issuer, now.0, "orders:read")),
        };
        let (request, expected) = match round % 8 {
            0 => (site.post("/orders").header("authorization", format!("Bearer {token}")), 403),
            1 => (site.get("/orders").header("authorization", format!("Bearer {token}x")), 401),
            _ => (site.get("/orders").header("authorization", format!("Bearer {token}")), 200),
        };
        conversation.ask(&request)?.expect(expected)?;
        asked.fetch_add(1, Ordering::Relaxed);
        fresh = Some((now, token));
        Ok(())
    })
}

/// An API that remembers nothing.
fn upstream() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let Ok(reading) = stream.try_clone() else { return };
                let mut reader = BufReader::new(reading);
                while let Ok(Some(_)) = Message::request(&mut reader) {
                    if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").is_err() {
                        return;
                    }
                }
            });
        }
    });
    Ok(port)
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

#[expect(clippy::print_stderr, reason = "whoever waits for minutes wants to see how it goes")]
fn say(line: &str) {
    eprintln!("{line}");
}
