use std::rc::Rc;
use std::time::Duration;

use crate::fake::{HELD, JWKS, JWKS_OF_BOTH, Process, REMOTE, TOKEN, TOKEN_OF_SECOND_KEY, Worker, policy};
use crate::held::HOLD_TIMEOUT;

const TICK: Duration = Duration::from_secs(1);

fn workers(process: &Rc<Process>) -> [Worker; 3] {
    std::array::from_fn(|_| Worker::new(process, &policy(REMOTE, "{}")))
}

fn tick_all(process: &Process, workers: &mut [Worker]) {
    process.wait(TICK);
    workers.iter_mut().for_each(Worker::tick);
}

/// How many fetches the process has started.
fn fetches(workers: &[Worker]) -> usize {
    workers.iter().map(|worker| worker.host.fetches.borrow().len()).sum()
}

/// Three workers, the first of which has fetched the keys for all.
fn workers_with_keys() -> (Rc<Process>, [Worker; 3]) {
    let process = Process::start();
    let mut workers = workers(&process);
    tick_all(&process, &mut workers);
    workers[0].fetched("200", JWKS.as_bytes());
    tick_all(&process, &mut workers);
    (process, workers)
}

#[test]
fn a_configuration_alone_fetches_nothing() {
    let process = Process::start();

    assert_eq!(fetches(&workers(&process)), 0);
}

#[test]
fn one_fetch_serves_every_worker() {
    let (_, mut workers) = workers_with_keys();

    assert_eq!(fetches(&workers), 1);
    assert_eq!(*workers[0].host.fetches.borrow(), ["keystone as.test/jwks.json"]);
    for worker in &mut workers {
        assert_eq!(worker.get("/orders", TOKEN).0, 200);
    }
}

#[test]
fn keys_are_refreshed_by_one_worker_and_followed_by_all() {
    let (process, mut workers) = workers_with_keys();
    process.wait(Duration::from_secs(300));
    tick_all(&process, &mut workers);
    assert_eq!(fetches(&workers), 2);

    workers[0].fetched("200", JWKS_OF_BOTH.as_bytes());
    tick_all(&process, &mut workers);

    for worker in &mut workers {
        assert_eq!(worker.get("/orders", TOKEN_OF_SECOND_KEY).0, 200);
    }
    assert_eq!(fetches(&workers), 2);
}

#[test]
fn a_lease_is_renewed_while_its_fetch_is_under_way() {
    let process = Process::start();
    let mut workers = workers(&process);
    tick_all(&process, &mut workers);

    for _ in 0..20 {
        process.wait(Duration::from_millis(200));
        workers.iter_mut().for_each(Worker::tick);
    }

    assert_eq!(fetches(&workers), 1);
}

#[test]
fn a_worker_that_dies_is_replaced_within_two_ticks() {
    let process = Process::start();
    let mut workers = workers(&process);
    tick_all(&process, &mut workers);
    assert_eq!(workers[0].host.fetches.borrow().len(), 1);

    let [_, survivors @ ..] = &mut workers;
    tick_all(&process, survivors);
    tick_all(&process, survivors);

    assert_eq!(fetches(survivors), 1);
}

#[test]
fn a_failure_makes_every_worker_wait_longer_each_time() {
    let process = Process::start();
    let mut workers = workers(&process);
    let mut started = Vec::new();
    for second in 0..120 {
        tick_all(&process, &mut workers);
        for worker in &mut workers {
            let mark = worker.host.fetches.borrow().len();
            if mark > started.iter().filter(|(host, _)| Rc::ptr_eq(host, &worker.host)).count() {
                started.push((Rc::clone(&worker.host), second));
                worker.fetched("500", b"");
            }
        }
    }

    let seconds: Vec<_> = started.iter().map(|(_, second)| *second).collect();
    assert_eq!(seconds.len(), 7, "{seconds:?}");
    assert!(seconds.windows(3).all(|three| three[2] - three[1] >= three[1] - three[0]), "{seconds:?}");
}

#[test]
fn no_bad_answer_replaces_good_keys_until_they_are_too_old() {
    let huge = [JWKS.as_bytes(), &[b' '; 70_000]].concat();
    for (status, body) in [
        ("", &b""[..]),
        ("500", JWKS_OF_BOTH.as_bytes()),
        ("301", JWKS_OF_BOTH.as_bytes()),
        ("204", b""),
        ("200", b""),
        ("200", b"<html>"),
        ("200", br#"{"keys":[]}"#),
        ("200", &huge),
    ] {
        let (process, mut workers) = workers_with_keys();
        process.wait(Duration::from_secs(300));
        tick_all(&process, &mut workers);
        workers[0].fetched(status, body);
        tick_all(&process, &mut workers);

        assert!(
            workers[0].host.last_line().ends_with("s ago stay in use"),
            "{}",
            workers[0].host.last_line()
        );
        for worker in &mut workers {
            assert_eq!(worker.get("/orders", TOKEN).0, 200, "{status}");
        }
        process.wait(Duration::from_secs(300));
        tick_all(&process, &mut workers);
        process.wait(HOLD_TIMEOUT);
        for worker in &mut workers {
            assert_eq!(worker.get("/orders", TOKEN), (503, "keystone_keys_unavailable".into()));
        }
    }
}

#[test]
fn unknown_kids_cause_one_fetch_per_process_in_30_seconds() {
    let (process, mut workers) = workers_with_keys();
    process.wait(Duration::from_secs(30));
    let before = fetches(&workers);
    for second in 0..60 {
        for worker in &mut workers {
            let (status, reason) = worker.get("/orders", TOKEN_OF_SECOND_KEY);
            assert!(status == 0 || reason == "keystone_unknown_kid", "{status} {reason}");
        }
        tick_all(&process, &mut workers);
        // The first of two tries fails: a back-off is not cut short either.
        let status = if second < 30 { "500" } else { "200" };
        workers.iter_mut().for_each(|worker| worker.fetched(status, JWKS.as_bytes()));
    }

    let fetched = fetches(&workers) - before;
    assert!((1..=8).contains(&fetched), "{fetched}");
}

#[test]
fn a_new_configuration_and_a_new_worker_find_the_keys_at_once() {
    let (process, mut workers) = workers_with_keys();

    assert!(workers[0].configure());
    assert_eq!(workers[0].get("/orders", TOKEN).0, 200);
    assert_eq!(Worker::new(&process, &policy(REMOTE, "{}")).get("/orders", TOKEN).0, 200);
    assert_eq!(fetches(&workers), 1);
}

#[test]
fn plugins_with_different_urls_do_not_share_keys() {
    let (process, _) = workers_with_keys();
    let elsewhere = REMOTE.replace("jwks.json", "other.json");

    assert_eq!(Worker::new(&process, &policy(&elsewhere, "{}")).get("/orders", TOKEN).0, HELD);
}

#[test]
fn plugins_with_different_clusters_do_not_share_keys() {
    let (process, mut workers) = workers_with_keys();
    let elsewhere = policy(&REMOTE.replace("\"keystone\"", "\"other\""), "{}");
    let mut other = Worker::new(&process, &elsewhere);
    assert_eq!(other.get("/orders", TOKEN).0, HELD);

    // Nor does what comes from there reach the others.
    other.tick();
    other.fetched("200", JWKS_OF_BOTH.as_bytes());
    tick_all(&process, &mut workers);

    assert_eq!(other.get("/orders", TOKEN_OF_SECOND_KEY).0, 200);
    assert_ne!(workers[0].get("/orders", TOKEN_OF_SECOND_KEY).0, 200);
}

#[test]
fn keys_that_another_plugin_writes_are_not_used() {
    let (process, mut workers) = workers_with_keys();
    let planted = [&u64::MAX.to_le_bytes()[..], JWKS_OF_BOTH.as_bytes()].concat();
    process.overwrite("/keys", &planted);
    tick_all(&process, &mut workers);

    let mut new = Worker::new(&process, &policy(REMOTE, "{}"));

    assert_eq!(new.get("/orders", TOKEN_OF_SECOND_KEY).0, HELD);
    assert_eq!(workers[1].get("/orders", TOKEN).0, 200);
    new.tick();
    new.fetched("200", JWKS.as_bytes());
    assert_eq!(new.get("/orders", TOKEN).0, 200);
}

#[test]
fn keys_from_a_time_to_come_are_fetched_anew() {
    for (ahead, status) in [(20, 200), (3600, HELD)] {
        let (process, _) = workers_with_keys();
        process.set_back(Duration::from_secs(ahead));
        let mut new = Worker::new(&process, &policy(REMOTE, "{}"));

        assert_eq!(new.get("/orders", TOKEN).0, status, "{ahead}");
        new.tick();
        assert_eq!(new.host.fetches.borrow().len(), usize::from(status == HELD));
        if status == 200 {
            assert_eq!(new.host.metric("keystone_key_age_seconds.issuer.as_test"), Some(0));
        }
    }
}

#[test]
fn an_unknown_cluster_is_named_in_the_log() {
    let process = Process::start();
    let mut worker = Worker::new(&process, &policy(REMOTE, "{}"));
    worker.host.knows_cluster.set(false);

    worker.tick();

    let line = worker.host.last_line();
    assert!(line.contains("no usable cluster keystone") && line.ends_with("answered 503"), "{line}");
}

#[test]
fn an_answer_that_never_comes_is_given_up() {
    let process = Process::start();
    let mut worker = Worker::new(&process, &policy(REMOTE, "{}"));
    worker.tick();

    for _ in 0..15 {
        process.wait(TICK);
        worker.tick();
    }

    assert!(worker.host.log.borrow().iter().any(|(_, line)| line.contains("got lost")));
    assert_eq!(worker.host.fetches.borrow().len(), 2);
}

#[test]
fn an_answer_lost_under_a_clock_that_was_ahead_is_given_up() {
    let process = Process::start();
    let mut worker = Worker::new(&process, &policy(REMOTE, "{}"));
    let ahead = Duration::from_secs(7200);
    process.wait(ahead);
    worker.tick();
    process.set_back(ahead);

    for _ in 0..15 {
        process.wait(TICK);
        worker.tick();
    }

    assert!(worker.host.log.borrow().iter().any(|(_, line)| line.contains("got lost")));
    assert_eq!(worker.host.fetches.borrow().len(), 2);
}

#[test]
fn statistics_show_the_age_of_keys_and_results_of_fetches() {
    let process = Process::start();
    let mut workers = workers(&process);
    tick_all(&process, &mut workers);
    let host = Rc::clone(&workers[0].host);
    assert_eq!(host.metric("keystone_keys_usable.issuer.as_test"), Some(0));
    assert_eq!(host.metric("keystone_key_age_seconds.issuer.as_test"), None);

    workers[0].fetched("500", b"");
    process.wait(TICK);
    tick_all(&process, &mut workers);
    workers[0].fetched("200", JWKS.as_bytes());
    process.wait(Duration::from_secs(30));
    tick_all(&process, &mut workers);

    assert_eq!(host.metric("keystone_keys_usable.issuer.as_test"), Some(1));
    assert_eq!(host.metric("keystone_key_age_seconds.issuer.as_test"), Some(31));
    assert_eq!(host.metric("keystone_key_fetches_total.result.failed"), Some(1));
    assert_eq!(host.metric("keystone_key_fetches_total.result.ok"), Some(1));
    process.wait(Duration::from_secs(600));
    workers[0].tick();
    assert_eq!(host.metric("keystone_keys_usable.issuer.as_test"), Some(0));
}
