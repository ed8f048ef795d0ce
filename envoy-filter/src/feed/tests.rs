use std::time::Duration;

use crate::fake::{FEED, Followers, HELD, JWKS, Process, REMOTE, TICK, TOKEN, Worker, followed, policy};
use crate::outcome::Action;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn one_fetch_a_second_serves_every_worker() {
    let mut followers = Followers::fed(3);
    let before = followers.pages().len();

    followers.run(60 * SECOND);

    let fetched = followers.pages().len() - before;
    assert!((59..=61).contains(&fetched), "{fetched}");
    assert!(followers.pages().iter().skip(1).all(|page| page == "keystone as.test/revocations?after=1.1"));
    let of_keys = |followers: &Followers| {
        let all = followers.workers.iter().flat_map(|(worker, _)| worker.host.fetches.borrow().clone());
        all.filter(|fetch| fetch == "keystone as.test/feed-jwks.json").count()
    };
    assert_eq!(of_keys(&followers), 1);
    assert_eq!(followers.log(), [""; 0]);
    assert_eq!(followers.get("/strict", TOKEN), [200; 3]);
}

#[test]
fn every_worker_refuses_a_revoked_token_within_a_second() {
    let mut followers = Followers::fed(3);
    assert_eq!(followers.get("/orders", TOKEN), [200; 3]);

    followers.issuer.revoke("s-1");
    followers.run(SECOND + TICK);

    assert_eq!(followers.get("/orders", TOKEN), [401; 3]);
    assert_eq!(followers.workers[2].0.get("/orders", TOKEN).1, "keystone_revoked");
    assert_eq!(followers.get("/", ""), [200; 3]);
}

#[test]
fn a_late_worker_catches_up_and_then_fetches_as_the_others_do() {
    let mut followers = Followers::fed(2);
    followers.issuer.revoke("s-1");
    followers.run(2 * SECOND);
    followers.issuer.page_size = 1;

    followers.join();
    followers.tick();

    assert_eq!(followers.get("/strict", TOKEN), [401; 3]);
    let own = followers.workers[2].0.host.fetches.borrow().clone();
    assert_eq!(own, ["keystone as.test/revocations", "keystone as.test/revocations?after=1.1"]);
    let before = followers.pages().len();
    followers.run(60 * SECOND);
    let fetched = followers.pages().len() - before;
    assert!((59..=62).contains(&fetched), "{fetched}");
    assert_eq!(followers.log(), [""; 0]);
}

#[test]
fn a_worker_that_is_behind_fetches_without_a_lease() {
    let mut followers = Followers::fed(2);
    followers.issuer.revoke("s-1");
    followers.process.wait(SECOND);
    followers.workers[0].0.tick();
    followers.join();

    followers.workers[2].0.tick();
    followers.answer(2);
    assert_eq!(followers.workers[2].0.get("/strict", TOKEN).0, 401);
    assert_eq!(followers.workers[2].0.host.fetches.borrow().len(), 1);

    let before = followers.workers[1].0.host.fetches.borrow().len();
    followers.workers[1].0.tick();
    followers.answer(0);
    followers.tick();
    assert_eq!(followers.get("/strict", TOKEN), [401; 3]);
    assert_eq!(followers.workers[1].0.host.fetches.borrow().len(), before);

    // It has seen where the others are, so it fetches for all when it is the first.
    let before = followers.pages().len();
    followers.workers.reverse();
    followers.run(SECOND);
    assert_eq!(followers.pages().len(), before + 1);
    assert_eq!(followers.log(), [""; 0]);
}

#[test]
fn workers_that_read_different_pages_come_together_again() {
    let mut followers = Followers::fed(3);
    for number in 0..40 {
        // Another one between any two ticks, so that no two workers get the same page.
        followers.issuer.revoke(&format!("s-x{number}"));
        if number == 20 {
            followers.join();
        }
        followers.process.wait(TICK);
        for at in 0..followers.workers.len() {
            followers.issuer.revoke(&format!("s-y{number}-{at}"));
            followers.workers[at].0.tick();
            followers.answer(at);
        }
    }
    followers.run(2 * SECOND);

    let before = followers.pages().len();
    followers.run(30 * SECOND);

    let fetched = followers.pages().len() - before;
    assert!((29..=32).contains(&fetched), "{fetched}");
    assert_eq!(followers.log(), [""; 0]);
}

#[test]
fn workers_that_start_together_read_a_long_feed_to_its_end() {
    let mut followers = Followers::new(3);
    followers.issuer.page_size = 2;
    (1..10).for_each(|number| followers.issuer.revoke(&format!("s-{number}")));

    followers.run(SECOND);

    assert_eq!(followers.get("/strict", TOKEN), [401; 3]);
    assert_eq!(followers.log(), [""; 0]);
}

#[test]
fn a_worker_that_dies_is_replaced_when_its_lease_runs_out() {
    let mut followers = Followers::fed(3);
    let fetches = |worker: &Worker| worker.host.fetches.borrow().len();
    let before: Vec<_> = followers.workers.iter().map(|(worker, _)| fetches(worker)).collect();
    while followers.workers.iter().map(|(worker, _)| fetches(worker)).eq(before.iter().copied()) {
        followers.process.wait(TICK);
        followers.workers.iter_mut().for_each(|(worker, _)| worker.tick());
    }
    let dead =
        followers.workers.iter().zip(&before).position(|((worker, _), before)| fetches(worker) > *before);
    followers.workers.remove(dead.unwrap());
    followers.issuer.revoke("s-1");

    followers.run(SECOND + 2 * TICK);

    assert_eq!(followers.get("/orders", TOKEN), [401; 2]);
}

#[test]
fn a_new_configuration_forgets_no_revocation() {
    let mut followers = Followers::fed(2);
    followers.issuer.revoke("s-1");
    followers.run(2 * SECOND);

    // One of them awaits a page, which the new configuration will not get.
    followers.process.wait(SECOND);
    for (worker, _) in &mut followers.workers {
        worker.tick();
        assert!(worker.configure());
    }

    assert_eq!(followers.get("/strict", TOKEN), [401; 2]);
    followers.issuer.revoke("s-2");
    followers.run(3 * SECOND);
    assert_eq!(followers.get("/strict", TOKEN), [401; 2]);
    assert_eq!(followers.workers[0].0.host.metric("keystone_revocations.issuer.as_test"), Some(3));
    assert!(followers.pages().iter().any(|page| page.ends_with("?after=3.1")));
}

#[test]
fn an_answer_that_never_comes_is_given_up() {
    let mut followers = Followers::fed(1);
    for _ in 0..60 {
        followers.process.wait(TICK);
        followers.workers[0].0.tick();
    }
    assert!(followers.log().iter().any(|line| line.contains("the answer got lost")));

    followers.issuer.revoke("s-1");
    followers.run(10 * SECOND);

    assert_eq!(followers.get("/strict", TOKEN), [401]);
}

#[test]
fn a_rejected_cursor_makes_the_feed_read_from_the_start() {
    let mut followers = Followers::fed(2);
    followers.issuer.revoke("s-1");
    followers.run(2 * SECOND);
    followers.issuer.era = 2;
    followers.issuer.sessions = vec!["s-2".into()];

    // What was known counts until the whole is read anew.
    followers.process.wait(SECOND);
    followers.tick();
    assert_eq!(followers.get("/orders", TOKEN), [401; 2]);
    followers.run(4 * SECOND);

    assert_eq!(followers.get("/strict", TOKEN), [200; 2]);
    let log = followers.log();
    assert!(
        log.iter().any(|line| line.contains("rejected the cursor") && line.ends_with("s ago stay in use")),
        "{log:?}"
    );
    assert!(log.iter().any(|line| line == "the revocation feed of http://as.test was read again"), "{log:?}");
}

#[test]
fn a_failing_feed_stops_strict_routes_only() {
    let mut followers = Followers::fed(3);
    let before = followers.pages().len();
    followers.issuer.status = "500";
    followers.run(50 * SECOND);
    assert_eq!(
        (followers.get("/strict", TOKEN), followers.get("/orders", TOKEN)),
        (vec![200; 3], vec![200; 3])
    );

    followers.run(20 * SECOND);

    assert_eq!(
        (followers.get("/strict", TOKEN), followers.get("/orders", TOKEN)),
        (vec![503; 3], vec![200; 3])
    );
    assert_eq!(followers.workers[0].0.get("/strict", TOKEN).1, "keystone_revocations_stale");
    // After 1, 2, 4 seconds and then every 8, for all workers together; each with its line.
    let failed = followers.pages().len() - before;
    assert!((9..=13).contains(&failed), "{failed}");
    let log = followers.log();
    assert_eq!(log.len(), failed, "{log:?}");
    assert!(
        log.iter().any(|line| line.starts_with(
            "the revocation feed of http://as.test could not be read from http://as.test/revocations through cluster \
             keystone: the status was 500, not 200; strict routes are answered 503, all others use the revocations of 6"
        )),
        "{log:?}"
    );

    followers.issuer.status = "200";
    followers.run(10 * SECOND);

    assert_eq!(followers.get("/strict", TOKEN), [200; 3]);
    let again = |line: &&String| line.ends_with("was read again");
    assert_eq!(followers.log().iter().filter(again).count(), 1);
}

#[test]
fn a_bad_page_changes_nothing_and_is_told() {
    let mut followers = Followers::fed(1);
    for (body, why) in [("", "not a page"), ("a.b.c", "not a page"), (TOKEN, "not a page")] {
        followers.process.wait(10 * SECOND);
        let worker = &mut followers.workers[0].0;
        worker.tick();
        worker.fetched("200", body.as_bytes());
        followers.workers[0].1 += 1;

        assert!(followers.log().last().unwrap().contains(why), "{:?}", followers.log());
    }
    assert_eq!(followers.get("/orders", TOKEN), [200]);
}

#[test]
fn a_page_of_a_new_key_brings_that_key() {
    let mut followers = Followers::fed(3);
    followers.process.wait(30 * SECOND);
    followers.tick();
    followers.issuer.key = 2;
    followers.issuer.revoke("s-1");

    followers.run(4 * SECOND);

    assert_eq!(followers.get("/strict", TOKEN), [401; 3]);
    let log = followers.log();
    assert!(log.iter().any(|line| line.contains("a key that the feed does not publish")), "{log:?}");
}

#[test]
fn a_key_of_the_feed_signs_no_token_and_a_key_of_tokens_no_page() {
    let feed = FEED.replace("feed-jwks", "jwks");
    let mut worker =
        Worker::new(&Process::start(), &policy(&format!(r#"{REMOTE}, "revocation": {feed}"#), "{}"));
    worker.tick();
    assert_eq!(worker.host.fetches.borrow().len(), 2);

    // The same address, and still the answer for the feed is not one for tokens.
    worker.answer(2, "200", JWKS.as_bytes());

    assert_eq!(worker.get("/orders", TOKEN).0, HELD);
}

#[test]
fn a_request_waits_half_a_second_for_the_first_page() {
    let mut followers = Followers::new(1);
    let bearer = format!("Bearer {TOKEN}");
    let headers = [(":method", "GET"), (":path", "/strict"), ("authorization", bearer.as_str())];
    let worker = &mut followers.workers[0].0;
    assert_eq!(worker.begin(20, &headers), Action::Stop);
    assert!(worker.outcome(20).response.is_none());

    followers.process.wait(Duration::from_millis(20));
    followers.tick();
    let worker = &mut followers.workers[0].0;
    let outcome = worker.outcome(20);
    assert_eq!((outcome.action, outcome.response.is_none()), (Action::Continue, true));
    worker.end(20);

    let mut followers = Followers::new(1);
    let worker = &mut followers.workers[0].0;
    worker.begin(20, &headers);
    for _ in 0..24 {
        assert!(worker.outcome(20).response.is_none());
        followers.process.wait(Duration::from_millis(20));
        worker.tick();
    }
    assert_eq!(worker.outcome(20).response.unwrap().details, "keystone_revocations_stale");
}

#[test]
fn no_request_waits_for_a_feed_that_fails_or_was_read_before() {
    let mut followers = Followers::new(1);
    followers.issuer.status = "500";
    followers.process.wait(TICK);
    followers.tick();
    assert_eq!(followers.get("/strict", TOKEN), [503]);

    followers.issuer.status = "200";
    followers.run(2 * SECOND);
    assert_eq!(followers.get("/strict", TOKEN), [200]);
    followers.process.wait(61 * SECOND);
    assert_eq!(followers.get("/strict", TOKEN), [503]);
}

#[test]
fn a_url_with_a_query_keeps_it() {
    let feed = FEED.replace("/revocations", "/revocations?tenant=a");
    let mut followers = Followers::new(0);
    followers.workers.push((Worker::new(&followers.process, &followed(&feed)), 0));
    followers.tick();
    followers.process.wait(SECOND);
    followers.tick();

    assert_eq!(
        followers.pages(),
        ["keystone as.test/revocations?tenant=a", "keystone as.test/revocations?tenant=a&after=1.1"]
    );
}

#[test]
fn followers_through_different_clusters_share_nothing() {
    let mut followers = Followers::fed(1);
    followers.issuer.revoke("s-1");
    followers.run(2 * SECOND);

    let elsewhere = followed(&FEED.replace("\"keystone\"", "\"other\""));
    let mut other = Worker::new(&followers.process, &elsewhere);
    other.tick();

    assert_eq!(*other.host.fetches.borrow(), ["other as.test/feed-jwks.json"]);
    assert_eq!(other.get("/strict", TOKEN).0, 0);
}

#[test]
fn a_configuration_that_corrects_the_cluster_takes_nothing_over() {
    // The cluster of the keys serves the feed, too.
    let bare = FEED.replace(r#", "cluster": "keystone""#, "");
    let by = |cluster: &str| {
        policy(&format!(r#"{}, "revocation": {bare}"#, REMOTE.replace("\"keystone\"", cluster)), "{}")
    };
    let mut followers = Followers::new(0);
    followers.workers.push((Worker::new(&followers.process, &by("\"wrong\"")), 0));
    followers.run(2 * SECOND);
    assert!(followers.pages().last().unwrap().starts_with("wrong as.test/revocations?after="));

    followers.workers[0].0.host.configuration.replace(by("\"right\""));
    assert!(followers.workers[0].0.configure());
    followers.tick();

    assert_eq!(followers.pages().last().unwrap(), "right as.test/revocations");
}

#[test]
fn an_unknown_cluster_is_named_in_the_log() {
    let mut followers = Followers::new(1);
    followers.tick();
    followers.workers[0].0.host.knows_cluster.set(false);
    followers.run(2 * SECOND);

    let log = followers.log();
    assert!(
        log.iter().any(|line| line.contains("the revocation feed of http://as.test could not be read")),
        "{log:?}"
    );
    assert!(
        log.iter().any(|line| line.contains("no usable cluster keystone; the revocations of")),
        "{log:?}"
    );
}

#[test]
fn ticks_slow_down_once_the_feed_was_read() {
    let mut followers = Followers::new(1);
    let period = |followers: &Followers| followers.workers[0].0.host.tick_period.get().unwrap();
    assert_eq!(period(&followers), Duration::from_millis(200));

    followers.run(SECOND);

    assert_eq!(period(&followers), TICK);
}

#[test]
fn statistics_show_age_of_revocations_and_results_of_fetches() {
    let mut followers = Followers::new(2);
    let metric = |followers: &Followers, name: &str| followers.workers[0].0.host.metric(name);
    followers.process.wait(TICK);
    followers.tick();
    followers.process.wait(SECOND);
    followers.tick();
    followers.issuer.status = "500";
    followers.process.wait(SECOND);
    followers.tick();
    followers.process.wait(TICK);
    followers.tick();

    assert_eq!(metric(&followers, "keystone_revocations.issuer.as_test"), Some(1));
    assert_eq!(metric(&followers, "keystone_revocation_age_seconds.issuer.as_test"), Some(1));
    assert_eq!(metric(&followers, "keystone_revocation_pages_total.result.ok"), Some(2));
    assert_eq!(metric(&followers, "keystone_revocation_pages_total.result.failed"), Some(1));
    assert_eq!(metric(&followers, "keystone_key_fetches_total.result.ok"), Some(1));
    assert_eq!(metric(&followers, "keystone_keys_usable.issuer.as_test"), None);
}
