//! The filter in a service mesh: several workers, configurations that change, statistics, access logs.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use keystone_tests::envoy::{CAPABILITIES, Envoy, Setup, Start};
use keystone_tests::key_server::{KeyServer, Reply};
use keystone_tests::orders::Orders;
use keystone_tests::{cast, mint, ports, wait};
use serde_json::{Value, json};

use crate::lab::{Alone, Lab, promises};
use crate::load::Load;
use crate::module;

pub(crate) const PROMISES: &[(&str, Alone)] = promises![
    one_fetch_of_the_keys_serves_every_worker,
    a_new_key_is_fetched_while_its_first_request_waits,
    a_request_waits_for_a_key_half_a_second_and_no_longer,
    a_new_policy_is_taken_under_load_and_a_wrong_one_is_not,
    a_new_policy_keeps_the_keys_when_nobody_serves_them,
    access_logs_and_statistics_tell_verdicts_and_callers,
    a_shadow_policy_is_counted_and_told_and_enforces_nothing,
    a_page_of_another_origin_may_call_and_read_its_refusal,
    the_upstream_gets_no_token_where_the_policy_says_so,
    every_capability_is_listed_and_no_other,
    the_module_sets_itself_a_ceiling,
];

/// Envoy between a server of keys and the orders API.
pub(crate) struct Mesh {
    pub(crate) envoy: Envoy,
    pub(crate) keys: KeyServer,
    pub(crate) orders: Orders,
}

impl Mesh {
    pub(crate) fn start(lab: &Lab, name: &str, workers: u32) -> Result<Self> {
        let keys = KeyServer::start(mint::key_set(&[1]))?;
        let listen = ports::free()?;
        let orders = ports::free()?;
        let policy = cast::policy(&keys.issuer()).to_string();
        let setup = Setup { listen, policy, orders, issuer: keys.port };
        let orders = Orders::start(orders, &lab.tools.package, json!({}))?;
        let start = Start::new(&lab.tools, &lab.ledger).workers(workers).dynamic();
        let mesh = Self { envoy: start.run(&lab.directory(name)?, &setup)?, keys, orders };
        // Which worker answers is the kernel's choice; each has the keys a moment later than the one that fetched them.
        let alice = mesh.token(1);
        wait::until("every worker to have the keys", Duration::from_secs(20), || {
            let mut answers = (0..20 * workers).map(|_| mesh.envoy.site.get("/orders").bearer(&alice).send());
            Ok(answers.all(|answer| answer.is_ok_and(|answer| answer.status == 200)))
        })?;
        Ok(mesh)
    }

    /// The policy with another value, or one more, at a place as `/routes/3/require`.
    pub(crate) fn policy(&self, place: &str, value: Value) -> Result<String> {
        let mut policy = cast::policy(&self.keys.issuer());
        let (object, name) = place.rsplit_once('/').context("no place in a policy")?;
        let object = policy.pointer_mut(object).and_then(Value::as_object_mut);
        object.context("no such place in the policy")?.insert(name.to_owned(), value);
        Ok(policy.to_string())
    }

    pub(crate) fn token(&self, key: u8) -> String {
        mint::token(&self.keys.issuer(), key, "orders:read")
    }

    pub(crate) fn await_verdict(&self, status: u16, token: &str) -> Result<()> {
        wait::until(&format!("the verdict {status}"), Duration::from_secs(20), || {
            Ok(self.envoy.site.get("/orders").bearer(token).send()?.status == status)
        })
    }

    /// Waits until the access log ends with these statuses and the filter's own notes.
    fn log_tells(&self, expected: &[(Value, Value)]) -> Result<()> {
        let log = self.envoy.process.log().with_file_name("access.log");
        let told = |line: &str| -> Option<(Value, Value)> {
            let entry: Value = serde_json::from_str(line).ok()?;
            let note = serde_json::from_str(entry.get("keystone")?.as_str()?).ok()?;
            Some((entry.get("status")?.clone(), note))
        };
        wait::until("the access log to tell it", Duration::from_secs(20), || {
            let text = fs::read_to_string(&log)?;
            Ok(text.lines().filter_map(told).collect::<Vec<_>>().ends_with(expected))
        })
    }

    /// Requests on connections of their own, spread over the workers by the kernel.
    fn all_answer(&self, status: u16, token: &str) -> Result<()> {
        for _ in 0..60 {
            self.envoy.site.get("/orders").bearer(token).send()?.expect(status)?;
        }
        Ok(())
    }
}

fn one_fetch_of_the_keys_serves_every_worker(lab: &Lab) -> Result<()> {
    let mesh = Mesh::start(lab, "workers", 3)?;
    // Envoy's main thread has a VM of its own.
    let live = || -> Result<bool> {
        let text = mesh.envoy.admin.get("/stats/prometheus").send()?.expect(200)?.text();
        Ok((0..4).all(|n| text.contains(&format!("keystone_worker_heartbeat_seconds{{worker=\"{n}\"}}"))))
    };
    wait::until("every worker to show that it lives", Duration::from_secs(20), live)?;

    mesh.all_answer(200, &mesh.token(1))?;

    assert_eq!(mesh.keys.asked(), 1);
    for worker in 0..3 {
        let taken = mesh.envoy.statistic(&format!("worker_{worker}.downstream_cx_total"))?;
        ensure!(taken > 0, "worker {worker} had nothing to do, so this shows nothing");
    }
    Ok(())
}

/// C-15 of the catalogue: a key that signs before everybody has it costs its first request a moment, not a refusal.
fn a_new_key_is_fetched_while_its_first_request_waits(lab: &Lab) -> Result<()> {
    let mesh = Mesh::start(lab, "new-key", 1)?;
    mesh.keys.answers(Reply::Keys(mint::key_set(&[1, 2])));

    mesh.envoy.site.get("/orders").bearer(&mesh.token(2)).send()?.expect(200)?;

    assert_eq!(mesh.keys.asked(), 2);
    // The budget is spent: what stays unknown is refused and brings no further fetch.
    for _ in 0..20 {
        let answer = mesh.envoy.site.get("/orders").bearer(&mesh.token(3)).send()?.expect(401)?;
        assert_eq!(answer.reason().as_deref(), Some("unknown_kid"));
    }
    assert_eq!(mesh.keys.asked(), 2);
    Ok(())
}

fn a_request_waits_for_a_key_half_a_second_and_no_longer(lab: &Lab) -> Result<()> {
    let mesh = Mesh::start(lab, "no-new-key", 1)?;
    mesh.keys.answers(Reply::Silence);
    // The first request of all may have waited for the first keys.
    let before = mesh.envoy.statistic("keystone_held_requests_total")?;

    let begun = wait::now();
    let answer = mesh.envoy.site.get("/orders").bearer(&mesh.token(2)).send()?.expect(401)?;
    let took = begun.elapsed();

    assert_eq!(answer.reason().as_deref(), Some("unknown_kid"));
    // Not at once, and not when the fetch is given up after 5 s; between lies what a busy machine adds.
    ensure!((Duration::from_millis(400)..Duration::from_secs(3)).contains(&took), "{took:?}");
    let held = || Ok(mesh.envoy.statistic("keystone_held_requests_total")? > before);
    wait::until("the statistics to tell it", Duration::from_secs(20), held)
}

fn a_new_policy_is_taken_under_load_and_a_wrong_one_is_not(lab: &Lab) -> Result<()> {
    let mesh = Mesh::start(lab, "swaps", 2)?;
    let (alice, site) = (mesh.token(1), &mesh.envoy.site);
    let stricter = mesh.policy("/routes/3/require", json!({ "all": ["orders:audit"] }))?;
    let with_a_typo = mesh.policy("/routes/3/requires", json!({}))?;
    let load = Load::new().and(|| site.get("/me").bearer(&alice).send()?.expect(200).map(drop));

    load.during(|watch| {
        watch.rounds(20)?;
        ensure!(mesh.envoy.reconfigure(&stricter)?, "a good policy was refused");
        mesh.await_verdict(403, &alice)?;
        ensure!(!mesh.envoy.reconfigure(&with_a_typo)?, "a wrong policy was taken");
        watch.rounds(20)
    })?;

    mesh.all_answer(403, &alice)?;
    let log = fs::read_to_string(mesh.envoy.process.log())?;
    ensure!(log.contains("routes[3].requires: unknown member"), "the log does not name the member");
    Ok(())
}

fn a_new_policy_keeps_the_keys_when_nobody_serves_them(lab: &Lab) -> Result<()> {
    let mesh = Mesh::start(lab, "kept-keys", 2)?;
    mesh.all_answer(200, &mesh.token(1))?;
    mesh.keys.answers(Reply::Silence);
    let asked = mesh.keys.asked();

    for round in 0..5 {
        let policy = mesh.policy("/issuers/0/leeway_seconds", json!(round))?;
        ensure!(mesh.envoy.reconfigure(&policy)?, "a good policy was refused");
        mesh.all_answer(200, &mesh.token(1))?;
    }

    assert_eq!(mesh.keys.asked(), asked);
    Ok(())
}

fn access_logs_and_statistics_tell_verdicts_and_callers(lab: &Lab) -> Result<()> {
    let mesh = Mesh::start(lab, "told", 1)?;
    let site = &mesh.envoy.site;
    site.get("/orders?told").bearer(&mesh.token(1)).send()?.expect(200)?;
    site.post("/orders?told").bearer(&mesh.token(1)).send()?.expect(403)?;
    site.get("/?told").send()?.expect(200)?;

    mesh.log_tells(&[
        (
            json!(200),
            json!({ "code": "allow", "sub": "alice", "client_id": "orders-app", "sid": "session-1" }),
        ),
        (json!(403), json!({ "code": "insufficient_scope" })),
        (json!(200), json!({ "code": "public" })),
    ])?;

    let statistics =
        || mesh.envoy.admin.get("/stats/prometheus").send()?.expect(200).map(|answer| answer.text());
    let issuer = format!("127_0_0_1_{}", mesh.keys.port);
    let named = [
        "keystone_decisions_total{code=\"insufficient_scope\"} 1".to_owned(),
        "keystone_decisions_total{code=\"public\"} 1".to_owned(),
        "keystone_decisions_total{code=\"allow\"} ".to_owned(),
        "keystone_cache_hits_total{} ".to_owned(),
        "keystone_key_fetches_total{result=\"ok\"} 1".to_owned(),
        format!("keystone_keys_usable{{issuer=\"{issuer}\"}} 1"),
        format!("keystone_key_age_seconds{{issuer=\"{issuer}\"}} "),
        "keystone_worker_heartbeat_seconds{worker=\"0\"} ".to_owned(),
    ];
    wait::until("the statistics to tell it", Duration::from_secs(20), || {
        let text = statistics()?;
        Ok(named.iter().all(|line| text.contains(line)))
    })
    .with_context(|| statistics().unwrap_or_default())
}

fn a_shadow_policy_is_counted_and_told_and_enforces_nothing(lab: &Lab) -> Result<()> {
    let mesh = Mesh::start(lab, "shadow", 1)?;
    let (site, alice) = (&mesh.envoy.site, mesh.token(1));
    let own = mesh.policy("/envoy", json!({ "access_log": true }))?;
    let stricter = mesh.policy("/routes/3/require", json!({ "all": ["orders:audit"] }))?;
    ensure!(mesh.envoy.reconfigure(&format!(r#"{{ "policy": {own}, "shadow": {stricter} }}"#))?);
    let counter = "keystone_shadow_differences_total.code.insufficient_scope";
    wait::until("the shadow to be counted", Duration::from_secs(20), || {
        site.get("/orders").bearer(&alice).send()?.expect(200)?;
        Ok(mesh.envoy.statistic(counter)? > 0)
    })?;

    site.get("/me").bearer(&alice).send()?.expect(200)?;
    site.get("/orders").bearer(&alice).send()?.expect(200)?;

    let caller = json!({ "code": "allow", "sub": "alice", "client_id": "orders-app", "sid": "session-1" });
    let mut differs = caller.clone();
    differs.as_object_mut().context("no object")?.insert("shadow".to_owned(), json!("insufficient_scope"));
    mesh.log_tells(&[(json!(200), caller), (json!(200), differs)])
}

fn a_page_of_another_origin_may_call_and_read_its_refusal(lab: &Lab) -> Result<()> {
    let mesh = Mesh::start(lab, "origins", 1)?;
    let policy = mesh.policy("/cors", json!({ "origins": ["https://app.example"] }))?;
    ensure!(mesh.envoy.reconfigure(&policy)?);
    let ask = |origin: &str| {
        let preflight = mesh.envoy.site.request("OPTIONS", "/orders").header("origin", origin);
        preflight.header("access-control-request-method", "POST").send()
    };
    wait::until("the new policy", Duration::from_secs(20), || Ok(ask("https://app.example")?.status == 204))?;

    let allowed = ask("https://app.example")?;
    assert_eq!(allowed.header("access-control-allow-origin").as_deref(), Some("https://app.example"));
    assert_eq!(allowed.header("access-control-allow-methods").as_deref(), Some("GET, POST"));
    let refused =
        mesh.envoy.site.get("/orders").header("origin", "https://app.example").send()?.expect(401)?;
    assert_eq!(refused.header("access-control-allow-origin").as_deref(), Some("https://app.example"));
    let elsewhere = ask("https://evil.example")?.expect(403)?;
    assert_eq!(elsewhere.header("access-control-allow-origin"), None);
    Ok(())
}

fn the_upstream_gets_no_token_where_the_policy_says_so(lab: &Lab) -> Result<()> {
    let mesh = Mesh::start(lab, "hidden-token", 1)?;
    let policy = mesh.policy("/envoy", json!({ "forward_authorization": false }))?;
    ensure!(mesh.envoy.reconfigure(&policy)?);
    let token = mesh.token(1);

    wait::until("a request without its token", Duration::from_secs(20), || {
        let answer =
            mesh.envoy.site.get("/orders").bearer(&token).header("x-mark", "hidden").send()?.expect(200)?;
        let caller = answer.json()?.get("caller").cloned().unwrap_or_default();
        assert_eq!(caller.get("x-keystone-subject"), Some(&json!(["alice"])));
        let seen = mesh.orders.seen();
        let last = seen.last().context("the API saw nothing")?;
        Ok(last.header("authorization").is_none())
    })
}

/// Envoy refuses capabilities to the filter that are not listed; the list must have no unused one.
fn every_capability_is_listed_and_no_other(lab: &Lab) -> Result<()> {
    let module = fs::read(&lab.tools.filter)?;
    // What follows only names functions for debuggers, with numbers in between that may look like letters.
    let end = module.windows(5).position(|bytes| bytes == b"\x04name").unwrap_or(module.len());
    let mut named: Vec<String> = module
        .get(..end)
        .context("no module")?
        .split(|byte| !(byte.is_ascii_lowercase() || matches!(byte, b'_' | b'0'..=b'9')))
        .filter(|word| word.starts_with(b"proxy_"))
        .map(|word| String::from_utf8_lossy(word).into_owned())
        // Neither is a call that Envoy restricts: the version, and the memory for what it hands over.
        .filter(|word| !word.starts_with("proxy_abi_version") && word != "proxy_on_memory_allocate")
        .collect();
    named.sort_unstable();
    named.dedup();
    let mut listed = CAPABILITIES.to_vec();
    listed.sort_unstable();
    assert_eq!(named, listed);

    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for file in [
        "envoy-filter/samples/static.yaml",
        "envoy-filter/samples/dynamic/filter.yaml",
        "issuer/deploy/envoy.yaml",
    ] {
        let text = fs::read_to_string(root.join(file))?;
        let in_file = text.lines().filter_map(|line| line.trim().strip_suffix(": {}"));
        assert_eq!(in_file.collect::<Vec<_>>(), CAPABILITIES, "{file}");
    }
    Ok(())
}

fn the_module_sets_itself_a_ceiling(lab: &Lab) -> Result<()> {
    assert_eq!(module::memory_limits(&fs::read(&lab.tools.filter)?)?, [Some(128 << 20)]);
    Ok(())
}
