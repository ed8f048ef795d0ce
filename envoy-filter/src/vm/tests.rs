use std::time::Duration;

use super::*;
use crate::fake::{JWKS, JWKS_OF_BOTH, Process, REMOTE, TOKEN, TOKEN_OF_SECOND_KEY, Worker, policy};
use crate::held::{HOLD_TIMEOUT, MAX_HELD, MAX_HELD_PER_KEY};

/// A worker that has the first key only.
fn worker() -> (std::rc::Rc<Process>, Worker) {
    let process = Process::start();
    let mut worker = Worker::new(&process, &policy(REMOTE, "{}"));
    worker.tick();
    worker.fetched("200", JWKS.as_bytes());
    process.wait(Duration::from_secs(1));
    worker.tick();
    (process, worker)
}

fn begin(worker: &mut Worker, context: u32, token: &str) -> Action {
    worker.begin(
        context,
        &[(":method", "GET"), (":path", "/orders"), ("authorization", &format!("Bearer {token}"))],
    )
}

#[test]
fn a_token_of_a_new_key_is_held_until_the_key_arrives() {
    let (process, mut worker) = worker();

    assert_eq!(begin(&mut worker, 7, TOKEN_OF_SECOND_KEY), Action::Stop);
    assert!(worker.outcome(7).response.is_none());
    assert!(worker.host.tick_period.get().unwrap() <= Duration::from_millis(20));
    assert_eq!(begin(&mut worker, 8, TOKEN), Action::Continue);
    process.wait(Duration::from_millis(20));
    worker.tick();
    process.wait(Duration::from_millis(100));
    worker.fetched("200", JWKS_OF_BOTH.as_bytes());

    let outcome = worker.outcome(7);
    assert_eq!((outcome.action, outcome.response.is_none()), (Action::Continue, true));
    assert_eq!(worker.host.tick_period.get(), Some(Duration::from_secs(1)));
    worker.tick();
    assert_eq!(worker.host.metric("keystone_held_requests_total"), Some(1));
    assert_eq!(worker.host.metric("keystone_decisions_total.code.allow"), Some(2));
}

#[test]
fn the_first_request_waits_for_the_first_keys() {
    let mut worker = Worker::new(&Process::start(), &policy(REMOTE, "{}"));

    assert_eq!(begin(&mut worker, 7, TOKEN), Action::Stop);
    assert!(worker.outcome(7).response.is_none());
    worker.tick();
    worker.fetched("200", JWKS.as_bytes());

    assert_eq!(worker.outcome(7).action, Action::Continue);
}

#[test]
fn a_held_request_is_answered_within_half_a_second() {
    let (process, mut worker) = worker();
    begin(&mut worker, 7, TOKEN_OF_SECOND_KEY);

    for _ in 0..23 {
        process.wait(Duration::from_millis(20));
        worker.tick();
        assert!(worker.outcome(7).response.is_none());
    }
    process.wait(Duration::from_millis(20));
    worker.tick();

    assert_eq!(worker.outcome(7).response.unwrap().details, "keystone_unknown_kid");
}

#[test]
fn a_fetch_that_brings_nothing_new_ends_the_waiting() {
    for status in ["200", "500"] {
        let (process, mut worker) = worker();
        begin(&mut worker, 7, TOKEN_OF_SECOND_KEY);
        process.wait(Duration::from_millis(20));
        worker.tick();

        worker.fetched(status, JWKS.as_bytes());

        assert_eq!(worker.outcome(7).response.unwrap().details, "keystone_unknown_kid");
        // The budget is spent: the next one hears it at once.
        assert_eq!(worker.get("/orders", TOKEN_OF_SECOND_KEY), (401, "keystone_unknown_kid".into()));
    }
}

#[test]
fn keys_that_another_worker_fetched_let_held_requests_go_on() {
    let (process, mut first) = worker();
    let mut second = Worker::new(&process, &policy(REMOTE, "{}"));
    second.tick();
    assert_eq!(begin(&mut second, 7, TOKEN_OF_SECOND_KEY), Action::Stop);
    begin(&mut first, 9, TOKEN_OF_SECOND_KEY);
    process.wait(Duration::from_millis(20));
    first.tick();
    second.tick();

    first.fetched("200", JWKS_OF_BOTH.as_bytes());
    process.wait(Duration::from_millis(20));
    second.tick();

    assert_eq!(second.outcome(7).action, Action::Continue);
    assert_eq!(second.host.fetches.borrow().len(), 0);
}

#[test]
fn a_request_that_ends_while_it_is_held_is_forgotten() {
    let (process, mut worker) = worker();
    begin(&mut worker, 7, TOKEN_OF_SECOND_KEY);
    worker.end(7);

    process.wait(Duration::from_millis(20));
    worker.tick();
    worker.fetched("200", JWKS_OF_BOTH.as_bytes());

    assert_eq!(worker.get("/orders", TOKEN_OF_SECOND_KEY).0, 200);
}

/// A token whose key nobody knows, and nobody signed.
fn token_of(kid: u32) -> String {
    use base64::Engine as _;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
    let header = format!(r#"{{"alg":"EdDSA","kid":"x{kid}","typ":"at+jwt"}}"#);
    format!("{}.{}.{}", BASE64.encode(header), BASE64.encode("{}"), "A".repeat(86))
}

/// Begins this many requests, each with another unknown key, and returns which of them are held.
fn flood(worker: &mut Worker, first: u32, count: u32) -> Vec<u32> {
    let mut held = Vec::new();
    for context in first..first + count {
        begin(worker, context, &token_of(context));
        if worker.outcome(context).response.is_none() {
            held.push(context);
        } else {
            worker.end(context);
        }
    }
    held
}

#[test]
fn a_flood_of_unknown_keys_is_held_up_to_a_fixed_number() {
    let (_, mut worker) = worker();

    assert_eq!(flood(&mut worker, 10, 3000).len(), MAX_HELD);
    assert_eq!(worker.get("/orders", TOKEN_OF_SECOND_KEY), (401, "keystone_unknown_kid".into()));
    assert_eq!((worker.get("/orders", TOKEN).0, worker.get("/", "").0), (200, 200));
}

#[test]
fn one_unknown_key_leaves_room_for_another() {
    let (_, mut worker) = worker();

    let held = (10..10 + 1000).filter(|context| {
        begin(&mut worker, *context, &token_of(0));
        worker.outcome(*context).response.is_none()
    });

    assert_eq!(held.count(), MAX_HELD_PER_KEY);
    assert_eq!(begin(&mut worker, 7, TOKEN_OF_SECOND_KEY), Action::Stop);
    assert!(worker.outcome(7).response.is_none());
}

#[test]
fn a_flood_that_is_held_is_answered_by_many_calls_soon() {
    for ends in [None, Some("500"), Some("200")] {
        let (process, mut worker) = worker();
        let held = flood(&mut worker, 10, 3000);
        worker.tick_for(Duration::from_millis(20));

        if let Some(status) = ends {
            worker.fetched(status, JWKS.as_bytes());
        } else {
            worker.tick_for(HOLD_TIMEOUT);
        }
        worker.tick_for(Duration::from_millis(50));

        for context in held {
            assert_eq!(worker.outcome(context).response.unwrap().details, "keystone_unknown_kid");
        }
        process.wait(Duration::from_secs(1));
        worker.tick();
        assert!(worker.host.tick_period.get().unwrap() >= Duration::from_millis(200));
    }
}

#[test]
fn a_request_that_begins_to_wait_delays_no_other() {
    let (_, mut worker) = worker();
    let held = flood(&mut worker, 10, 100);
    worker.tick_for(HOLD_TIMEOUT);
    let at_once = Duration::from_millis(1);
    assert_eq!(worker.host.tick_period.get(), Some(at_once));

    begin(&mut worker, 7, TOKEN_OF_SECOND_KEY);

    assert!(worker.outcome(7).response.is_none());
    assert_eq!(worker.host.tick_period.get(), Some(at_once));
    worker.tick_for(Duration::from_millis(10));
    assert!(held.iter().all(|context| worker.outcome(*context).response.is_some()));
}

#[test]
fn good_tokens_of_a_new_key_go_on_by_many_calls() {
    for has_upstream in [true, false] {
        let (_, mut worker) = worker();
        worker.host.has_upstream.set(has_upstream);
        let contexts = 10..10 + 100;
        for context in contexts.clone() {
            begin(&mut worker, context, TOKEN_OF_SECOND_KEY);
        }
        worker.tick_for(Duration::from_millis(20));

        worker.fetched("200", JWKS_OF_BOTH.as_bytes());
        worker.tick_for(Duration::from_millis(20));

        for context in contexts {
            let outcome = worker.outcome(context);
            assert_eq!((outcome.action, outcome.response.is_none()), (Action::Continue, true), "{context}");
        }
    }
}

#[test]
fn a_held_request_is_judged_when_it_comes_and_when_it_goes() {
    let (_, mut worker) = worker();
    let before = worker.host.judged.get();
    let held = flood(&mut worker, 10, 200).len();

    worker.tick_for(Duration::from_secs(1));

    assert_eq!((held, worker.host.judged.get() - before), (200, 400));
}

#[test]
fn nobody_waits_for_a_fetch_that_hangs() {
    let (_, mut worker) = worker();
    begin(&mut worker, 7, TOKEN_OF_SECOND_KEY);
    worker.tick_for(Duration::from_secs(1));

    assert_eq!(worker.get("/orders", TOKEN_OF_SECOND_KEY), (401, "keystone_unknown_kid".into()));
}

#[test]
fn a_clock_that_is_set_back_lets_nobody_wait_for_longer() {
    let (process, mut worker) = worker();
    begin(&mut worker, 7, TOKEN_OF_SECOND_KEY);
    process.set_back(Duration::from_secs(600));

    worker.tick_for(Duration::from_millis(20));

    assert_eq!(worker.outcome(7).response.unwrap().details, "keystone_unknown_kid");
}

#[test]
fn a_vm_without_an_id_of_its_own_is_told_of() {
    let mut worker = Worker::unconfigured(&Process::start(), &policy(REMOTE, "{}"));
    assert!(worker.configure() && worker.host.log.borrow().is_empty());

    worker.host.vm_id.replace(String::new());

    assert!(worker.configure());
    assert!(worker.host.last_line().contains("set a unique vm_id"));
}

#[test]
fn decisions_and_reused_verdicts_are_counted_by_the_tick() {
    let (process, mut worker) = worker();
    for _ in 0..5 {
        worker.get("/orders", TOKEN);
    }
    worker.get("/nowhere", TOKEN);
    worker.get("/", "");
    assert_eq!(worker.host.metric("keystone_decisions_total.code.allow"), None);

    process.wait(Duration::from_secs(1));
    worker.tick();

    let metric = |name| worker.host.metric(name);
    assert_eq!(metric("keystone_decisions_total.code.allow"), Some(5));
    assert_eq!(metric("keystone_decisions_total.code.no_route"), Some(1));
    assert_eq!(metric("keystone_decisions_total.code.public"), Some(1));
    assert_eq!(metric("keystone_cache_hits_total"), Some(4));
    assert_eq!(metric("keystone_worker_heartbeat_seconds.worker.0"), Some(1_800_000_002));
}
