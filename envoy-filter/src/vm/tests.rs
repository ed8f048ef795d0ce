use super::*;
use crate::fake::{JWKS, JWKS_OF_BOTH, Process, REMOTE, TOKEN, TOKEN_OF_SECOND_KEY, Worker, policy};

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
fn a_token_of_a_new_key_is_held_until_the_key_is_there_and_goes_on() {
    let (process, mut worker) = worker();

    assert_eq!(begin(&mut worker, 7, TOKEN_OF_SECOND_KEY), Action::Stop);
    assert!(worker.outcome(7).response.is_none());
    assert!(worker.host.pace.get().unwrap() <= Duration::from_millis(20));
    assert_eq!(begin(&mut worker, 8, TOKEN), Action::Continue);
    process.wait(Duration::from_millis(20));
    worker.tick();
    process.wait(Duration::from_millis(100));
    worker.fetched("200", JWKS_OF_BOTH.as_bytes());

    let outcome = worker.outcome(7);
    assert_eq!((outcome.action, outcome.response.is_none()), (Action::Continue, true));
    assert_eq!(worker.host.pace.get(), Some(Duration::from_secs(1)));
    worker.tick();
    assert_eq!(worker.host.metric("keystone_held_requests_total"), Some(1));
    assert_eq!(worker.host.metric("keystone_decisions_total.code.allow"), Some(2));
}

#[test]
fn a_held_request_is_answered_within_half_a_second_whatever_the_fetch_does() {
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

#[test]
fn a_flood_of_unknown_keys_is_not_held_beyond_a_fixed_number() {
    let (_, mut worker) = worker();

    let held = (10..10 + 3000).filter(|context| {
        begin(&mut worker, *context, TOKEN_OF_SECOND_KEY);
        worker.outcome(*context).response.is_none()
    });

    assert_eq!(held.count(), MOST_HELD);
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
