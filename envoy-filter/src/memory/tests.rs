use std::time::Duration;

use crate::fake::{Followers, TICK, TOKEN};

const SECOND: Duration = Duration::from_secs(1);

/// Workers that know that session `s-1` is revoked, of an issuer that is away since.
fn revoked() -> Followers {
    let mut followers = Followers::fed(2);
    followers.issuer.revoke("s-1");
    followers.run(2 * SECOND);
    followers.issuer.status = "500";
    followers
}

/// The same with another session after this many.
fn long(before: usize) -> Followers {
    let mut followers = Followers::new(1);
    (0..before).for_each(|number| followers.issuer.revoke(&format!("s-x{number}")));
    followers.issuer.revoke("s-1");
    followers.run(2 * SECOND);
    followers.issuer.status = "500";
    followers
}

#[test]
fn a_vm_that_starts_anew_refuses_what_was_revoked_before() {
    let mut followers = revoked();
    followers.workers.remove(0);
    followers.join();
    assert_eq!(followers.get("/orders", TOKEN), [401; 2]);

    followers.workers.clear();
    followers.join();

    assert_eq!((followers.get("/orders", TOKEN), followers.get("/strict", TOKEN)), (vec![401], vec![401]));
    assert_eq!(followers.workers[0].0.get("/orders", TOKEN).1, "keystone_revoked");
}

#[test]
fn what_was_revoked_is_known_for_as_long_as_the_issuer_is_away() {
    let mut followers = revoked();
    // Longer than the keys of the feed are good for.
    followers.run(Duration::from_secs(700));
    followers.workers.clear();
    followers.join();

    assert_eq!(followers.get("/orders", TOKEN), [401]);
    followers.issuer.status = "200";
    followers.run(10 * SECOND);
    assert_eq!(followers.get("/strict", TOKEN), [401]);
}

#[test]
fn what_is_read_back_is_as_old_as_it_was() {
    let mut followers = Followers::fed(1);
    followers.issuer.status = "500";
    followers.run(50 * SECOND);
    followers.workers.clear();
    followers.join();
    assert_eq!(followers.get("/strict", TOKEN), [200]);

    followers.process.wait(11 * SECOND);

    assert_eq!((followers.get("/strict", TOKEN), followers.get("/orders", TOKEN)), (vec![503], vec![200]));
}

#[test]
fn nobody_goes_on_before_a_long_list_is_read_back_in_parts() {
    let mut followers = long(8000);
    followers.workers.clear();
    followers.join();

    let worker = &mut followers.workers[0].0;
    assert_eq!(worker.host.tick_period.get(), Some(Duration::from_millis(1)));
    assert_eq!(worker.get("/", "").0, 200);
    let mut held = 0;
    while worker.host.tick_period.get() == Some(Duration::from_millis(1)) {
        assert!(matches!(worker.get("/orders", TOKEN), (0, _) | (401, _)));
        worker.tick();
        held += 1;
    }
    assert!((1..10).contains(&held), "{held}");
    assert_eq!(worker.get("/orders", TOKEN).0, 401);
    assert_eq!(worker.host.metric("keystone_revocations.issuer.as_test"), Some(8002));
}

#[test]
fn what_cannot_be_read_back_stops_requests() {
    for spoilt in ["/revocations", "0/1"] {
        let mut followers = revoked();
        followers.process.overwrite(spoilt, b"what another plugin writes there");
        followers.workers.clear();
        followers.join();
        followers.run(2 * SECOND);

        assert_eq!(followers.workers[0].0.get("/orders", TOKEN), (503, "keystone_revocations_stale".into()));
        assert_eq!(followers.get("/", ""), [200]);
        let told = "the saved revocations of http://as.test could not be restored";
        assert!(followers.log().iter().any(|line| line.starts_with(told)), "{:?}", followers.log());

        followers.issuer.status = "200";
        followers.run(10 * SECOND);
        assert_eq!(followers.get("/orders", TOKEN), [401]);
        // And what the next VM finds is whole again.
        followers.issuer.status = "500";
        followers.workers.clear();
        followers.join();
        assert_eq!(followers.get("/orders", TOKEN), [401]);
    }
}

#[test]
fn an_issuer_that_began_anew_is_not_remembered_as_it_was() {
    let mut followers = revoked();
    followers.issuer.status = "200";
    followers.issuer.era = 2;
    followers.issuer.sessions = vec!["s-2".into()];
    followers.run(4 * SECOND);
    assert_eq!(followers.get("/strict", TOKEN), [200; 2]);

    followers.issuer.status = "500";
    followers.workers.clear();
    followers.join();

    assert_eq!(followers.get("/strict", TOKEN), [200]);
}

#[test]
fn a_revocation_costs_one_piece_however_many_there_are() {
    let mut followers = long(8000);
    followers.issuer.status = "200";
    followers.run(10 * SECOND);
    let written = followers.process.written();

    followers.issuer.revoke("s-3");
    followers.run(SECOND + TICK);

    let written: Vec<_> = followers
        .process
        .written()
        .into_iter()
        .skip(written.len())
        .filter(|name| name.contains('/'))
        .collect();
    let pieces = written.iter().filter(|name| name.ends_with("/32") || name.ends_with("/64")).count();
    assert_eq!(pieces, 1, "{written:?}");
}

#[test]
fn the_first_requests_of_a_new_process_wait_for_the_first_page() {
    let mut followers = Followers::new(1);
    followers.issuer.revoke("s-1");
    let bearer = format!("Bearer {TOKEN}");
    let headers = [(":method", "GET"), (":path", "/orders"), ("authorization", bearer.as_str())];
    followers.workers[0].0.begin(20, &headers);
    assert_eq!(followers.workers[0].0.get("/", "").0, 200);

    followers.process.wait(Duration::from_millis(200));
    followers.tick();

    assert_eq!(followers.workers[0].0.outcome(20).response.unwrap().details, "keystone_revoked");
}

#[test]
fn a_process_that_knows_nothing_waits_once_for_half_a_second() {
    let mut followers = Followers::new(1);
    let bearer = format!("Bearer {TOKEN}");
    let headers = [(":method", "GET"), (":path", "/orders"), ("authorization", bearer.as_str())];
    let worker = &mut followers.workers[0].0;
    worker.begin(20, &headers);
    worker.tick_for(Duration::from_millis(500));
    let outcome = worker.outcome(20);
    assert_eq!(outcome.response.map(|response| response.details), None);
    assert_eq!(outcome.action, crate::outcome::Action::Continue);
    // The fetch hangs, and then fails for the first time.
    assert_eq!(worker.get("/orders", TOKEN).0, 200);
    followers.issuer.status = "500";
    followers.run(20 * SECOND);

    for _ in 0..40 {
        followers.process.wait(TICK);
        followers.workers[0].0.tick();
        assert_eq!(followers.workers[0].0.get("/orders", TOKEN).0, 200);
    }
}
