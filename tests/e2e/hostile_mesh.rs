//! Bad input to a real Envoy from both sides, clients and key servers: the right verdict, the same VM, flat memory.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use keystone_tests::envoy::statistic;
use keystone_tests::http::Site;
use keystone_tests::key_server::Reply;
use keystone_tests::{cast, mint, wait};
use serde_json::{Value, json};

use crate::lab::{Alone, Lab, promises};
use crate::load::Load;
use crate::mesh::Mesh;

pub(crate) const PROMISES: &[(&str, Alone)] = promises![
    bytes_beyond_ascii_in_a_header_change_no_verdict,
    every_trick_with_a_path_is_refused_or_is_the_path,
    ten_thousand_unknown_keys_bring_one_fetch_and_no_growth,
    no_answer_of_a_key_server_replaces_good_keys,
    a_thousand_configurations_under_load_leak_nothing,
];

/// G7, RFC 9110 §5.5: obs-text.
fn bytes_beyond_ascii_in_a_header_change_no_verdict(lab: &Lab) -> Result<()> {
    let mesh = Mesh::start(lab, "obs-text", 1)?;
    let (alice, before) = (mesh.token(1), mesh.envoy.resident()?);
    for byte in 0x80..=0xff_u8 {
        let dirt = vec![b'a', byte, byte];
        let bearer = [b"Bearer ", alice.as_bytes(), &dirt].concat();
        let in_token = mesh.envoy.site.get("/orders").header("authorization", bearer).send()?;
        ensure!(matches!(in_token.status, 400 | 401), "{byte}: {}", in_token.status);
        let names =
            ["x-other", "x-keystone-subject", "cookie", "user-agent", "accept", "x-request-id", "origin"];
        let request = mesh.envoy.site.get("/orders").bearer(&alice);
        let request = names.iter().fold(request, |request, name| request.header(name, dirt.clone()));
        request.send()?.expect(200).with_context(|| format!("{byte:#x}"))?;
        let mut request = b"GET /orders".to_vec();
        request.extend([byte, b' ']);
        request.extend(b"HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer ");
        request.extend([alice.as_bytes(), b"\r\n\r\n"].concat());
        let in_path = mesh.envoy.site.raw(&request)?;
        ensure!(in_path.status == 400, "{byte:#x} in the path: {}", in_path.status);
    }
    let twice = mesh.envoy.site.get("/orders").bearer(&alice).bearer(&alice).send()?.expect(400)?;
    assert_eq!(twice.reason().as_deref(), Some("multiple_credentials"));
    lives(&mesh, &alice, before)
}

/// G11 to G17.
fn every_trick_with_a_path_is_refused_or_is_the_path(lab: &Lab) -> Result<()> {
    let mesh = Mesh::start(lab, "paths", 1)?;
    let (alice, before) = (mesh.token(1), mesh.envoy.resident()?);
    let tricks = [
        "/assets/../orders",
        "/assets/%2e%2e/orders",
        "/assets/%252e%252e/orders",
        "/assets%2forders",
        "/assets%5corders",
        "/assets/\\..\\orders",
        "//orders",
        "/orders//",
        "/orders;x=y",
        "/orders%00",
        "/orders/.",
        "/%6frders",
        "/orders#x",
        "/ORDERS",
    ];
    for path in tricks {
        let status = mesh.envoy.site.get(path).send()?.status;
        ensure!(matches!(status, 400 | 401 | 403), "{path}: {status} without a token");
        let order = mesh.envoy.site.post(path).bearer(&alice).header("x-mark", "trick");
        let status = order.send()?.status;
        ensure!(matches!(status, 400 | 403), "{path}: {status} without the scope");
    }
    for lie in ["x-envoy-original-path", "x-original-url", "x-forwarded-uri", "x-rewrite-url"] {
        mesh.envoy.site.get("/orders").header(lie, "/").send()?.expect(401)?;
        mesh.envoy
            .site
            .post("/orders")
            .bearer(&alice)
            .header("x-http-method-override", "GET")
            .header(lie, "/")
            .send()?
            .expect(403)?;
    }
    ensure!(!mesh.orders.saw("trick"), "a trick reached the API");
    let long = format!("/orders/{}", "a".repeat(50_000));
    let status = mesh.envoy.site.get(&long).bearer(&alice).send()?.status;
    ensure!(matches!(status, 400 | 403 | 414 | 431), "{status}");
    lives(&mesh, &alice, before)
}

fn ten_thousand_unknown_keys_bring_one_fetch_and_no_growth(lab: &Lab) -> Result<()> {
    let mesh = Mesh::start(lab, "unknown-keys", 1)?;
    let (issuer, alice) = (mesh.keys.issuer(), mesh.token(1));
    let mut conversation = mesh.envoy.site.conversation()?;
    let mut flood = |from: usize, to: usize| -> Result<()> {
        for number in from..to {
            let token = mint::named(&issuer, &format!("unknown-{number}"), (1, "orders:read"));
            let request = mesh.envoy.site.get("/orders").header("authorization", format!("Bearer {token}"));
            let answer = conversation.ask(&request)?;
            assert_eq!(answer.reason().as_deref(), Some("unknown_kid"), "{number}");
        }
        Ok(())
    };
    let asked = mesh.keys.asked();
    flood(0, 1000)?;
    let before = mesh.envoy.resident()?;
    flood(1000, 10_000)?;

    // One in 30 seconds, and the scheduled one every 5 minutes.
    let fetched = mesh.keys.asked() - asked;
    ensure!((1..=12).contains(&fetched), "{fetched} fetches");
    lives(&mesh, &alice, before)
}

/// H1 to H9. The budget of an unknown `kid` brings each fetch.
fn no_answer_of_a_key_server_replaces_good_keys(lab: &Lab) -> Result<()> {
    let good = mint::key_set(&[1, 9]).to_string();
    let set = |text: &str| http("200 OK", "", text);
    let mut doubled = mint::key_set(&[1]);
    if let Some(keys) = doubled.get_mut("keys").and_then(Value::as_array_mut) {
        keys.extend(keys.clone());
    }
    let answers = [
        ("not-found", http("404 Not Found", "", &good)),
        ("error", http("500 Oops", "", &good)),
        ("no-content", b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()),
        ("redirect", http("301 Moved", "location: http://127.0.0.1:1/\r\n", &good)),
        ("html", set("<html></html>")),
        ("empty", set("")),
        ("no-keys", set(r#"{"keys":[]}"#)),
        ("object", set(r#"{"keys":{}}"#)),
        ("cut", set(good.get(..good.len() / 2).unwrap_or_default())),
        ("doubled", set(&doubled.to_string())),
        ("huge", set(&format!("{good}{}", " ".repeat(1 << 20)))),
        ("short", b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n{".to_vec()),
        ("noise", b"\x16\x03\x01\xff\xff".to_vec()),
    ];
    let answers = answers.map(|(name, answer)| (name, Reply::Raw(answer)));
    let answers: Vec<_> = answers.into_iter().chain([("silence", Reply::Silence)]).collect();
    // An issuer for each, all at the same server: each has a budget of its own.
    let mesh = Mesh::start(lab, "bad-keys", 1)?;
    let issuer = |name: &str| format!("{}/{name}", mesh.keys.issuer());
    let entry = |name: &str| {
        let keys = json!({ "url": format!("{}/jwks", issuer(name)), "cluster": "keystone" });
        json!({ "issuer": issuer(name), "audiences": [cast::AUDIENCE], "keys": keys })
    };
    let issuers: Value = answers.iter().map(|(name, _)| entry(name)).collect();
    ensure!(mesh.envoy.reconfigure(&mesh.policy("/issuers", issuers)?)?, "the policy was refused");
    let good = |name: &str| mint::token(&issuer(name), 1, "orders:read");
    for (name, _) in &answers {
        mesh.await_verdict(200, &good(name)).context(*name)?;
    }
    let before = mesh.envoy.resident()?;
    for (name, answer) in &answers {
        mesh.keys.answers_below(&format!("/{name}/"), answer.clone());
        let new = mint::token(&issuer(name), 9, "orders:read");
        let refused = mesh.envoy.site.get("/orders").bearer(&new).send()?.expect(401)?;
        assert_eq!(refused.reason().as_deref(), Some("unknown_kid"), "{name}");
    }
    let failed =
        || Ok(mesh.envoy.statistic("keystone_key_fetches_total.result.failed")? >= answers.len() as u64);
    wait::until("every fetch to fail", Duration::from_secs(30), failed)?;
    answers.iter().try_for_each(|(name, _)| lives(&mesh, &good(name), before).context(*name))
}

fn a_thousand_configurations_under_load_leak_nothing(lab: &Lab) -> Result<()> {
    let mesh = Mesh::start(lab, "thousand", 2)?;
    let (alice, site) = (mesh.token(1), &mesh.envoy.site);
    let accepted = || site.get("/orders").bearer(&alice).send()?.expect(200).map(drop);
    let refused = || site.post("/orders").bearer(&alice).send()?.expect(403).map(drop);
    let swap = |number: u64| -> Result<()> {
        let policy = mesh.policy("/issuers/0/leeway_seconds", json!(number % 100))?;
        ensure!(mesh.envoy.reconfigure(&policy)?, "configuration {number} was refused");
        Ok(())
    };
    let mut before = 0;
    Load::new().and(accepted).and(refused).during(|watch| {
        (0..200).try_for_each(swap)?;
        before = mesh.envoy.resident()?;
        (200..1000).try_for_each(swap)?;
        watch.rounds(10)
    })?;

    assert_eq!(mesh.keys.asked(), 1, "a configuration lost the keys");
    lives(&mesh, &alice, before)
}

/// The VM is still the first one, judges, and takes hardly more memory than `before`, in bytes.
fn lives(mesh: &Mesh, token: &str, before: u64) -> Result<()> {
    let grown = mesh.envoy.resident()?.saturating_sub(before);
    ensure!(grown < GROWTH, "Envoy grew by {grown} bytes");
    mesh.envoy.site.get("/orders").bearer(token).send()?.expect(200)?;
    has_its_first_vm(&mesh.envoy.admin, mesh.envoy.process.log())
}

/// No VM of the Envoy with this administration and log has ended.
pub(crate) fn has_its_first_vm(admin: &Site, log: &Path) -> Result<()> {
    for what in ["vm_reload_success", "vm_reload_failure", "vm_reload_backoff"] {
        ensure!(statistic(admin, what)? == 0, "the VM was started anew: {what}");
    }
    let log = std::fs::read_to_string(log)?;
    ensure!(!log.contains("panicked") && !log.contains("Function: proxy_on"), "the VM failed");
    Ok(())
}

/// Less than one leaked VM, or 1,000 leaked policies.
const GROWTH: u64 = 5 << 20;

fn http(status: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
        .into_bytes()
}
