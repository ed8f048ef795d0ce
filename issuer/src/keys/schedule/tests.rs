use super::*;
use crate::keys::Algorithm;

pub(super) const DAY: i64 = 86_400;

pub(crate) fn times() -> KeyTimes {
    let seconds = Duration::from_secs;
    KeyTimes {
        algorithm: Algorithm::EdDsa,
        rotation_interval: seconds(30 * 86_400),
        lead: seconds(86_400),
        tail: seconds(86_400),
        cache: seconds(3600),
        propagation: seconds(30),
        skew: seconds(5),
        leeway: seconds(30),
        jwks_max_age: seconds(300),
        longest_token: seconds(900),
    }
}

pub(super) fn at(second: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(second).unwrap()
}

pub(super) fn standby(kid: &str, published: i64) -> KeyLine {
    KeyLine {
        kid: kid.to_owned(),
        alg: "EdDSA".to_owned(),
        published_at: at(published),
        lead: None,
        activates_at: None,
        retires_at: None,
        tail: Some(times().tail),
        removed_at: None,
        compromised_at: None,
        seen_since: Some(at(published)),
        seen_at: Some(at(published)),
        watch: Some(times().cache),
    }
}

pub(super) fn active(kid: &str, since: i64) -> KeyLine {
    KeyLine { lead: Some(Duration::ZERO), activates_at: Some(at(since)), ..standby(kid, since) }
}

pub(super) fn history(now: i64, keys: &[KeyLine]) -> KeyHistory {
    // Whatever was seen once is seen still.
    let looked = |key: &KeyLine| KeyLine { seen_at: key.seen_since.map(|_| at(now)), ..key.clone() };
    KeyHistory { now: at(now), keys: keys.iter().map(looked).collect() }
}

fn due_at(now: i64, keys: &[KeyLine]) -> Vec<KeyChange> {
    due(&history(now, keys), &times())
}

pub(super) fn publish() -> KeyChange {
    KeyChange::Publish { active: false, tail: times().tail, watch: times().cache }
}

pub(super) fn retire(kid: &str, when: i64) -> KeyChange {
    KeyChange::Retire { kid: kid.to_owned(), at: Some(at(when)) }
}

pub(super) fn activate(kid: &str, when: i64, lead: u64) -> KeyChange {
    KeyChange::Activate { kid: kid.to_owned(), at: at(when), lead: Duration::from_secs(lead) }
}

fn compromise(kid: &str) -> KeyChange {
    KeyChange::Compromise { kid: kid.to_owned() }
}

#[test]
fn nothing_is_due_between_rotations() {
    assert_eq!(due_at(20 * DAY, &[active("a", 0), standby("b", 0)]), []);
}

#[test]
fn a_missing_standby_is_published() {
    assert_eq!(due_at(10, &[active("a", 0)]), [publish()]);
}

#[test]
fn a_rotation_is_planned_one_lead_before_the_interval_ends() {
    let keys = [active("a", 0), standby("b", 0)];

    assert_eq!(due_at(29 * DAY - 1, &keys), []);
    assert_eq!(due_at(29 * DAY, &keys), [retire("a", 30 * DAY), activate("b", 30 * DAY, 86_400), publish()]);
}

#[test]
fn a_late_standby_still_gets_its_lead() {
    let keys = [active("a", 0), standby("b", 30 * DAY)];

    assert_eq!(due_at(30 * DAY, &keys), [retire("a", 31 * DAY), activate("b", 31 * DAY, 86_400), publish()]);
}

#[test]
fn a_rotation_that_is_overdue_is_announced_before_it_happens() {
    let keys = [active("a", 0), standby("b", 0)];

    assert_eq!(
        due_at(90 * DAY, &keys),
        [retire("a", 90 * DAY + 35), activate("b", 90 * DAY + 35, 86_400), publish()]
    );
}

#[test]
fn the_next_standby_is_published_when_a_rotation_is_planned() {
    let keys = [
        KeyLine { retires_at: Some(at(30 * DAY)), ..active("a", 0) },
        KeyLine { activates_at: Some(at(30 * DAY)), ..active("b", 0) },
    ];

    assert_eq!(due_at(29 * DAY, &keys), [publish()]);
}

#[test]
fn a_retired_key_is_removed_after_the_longer_tail() {
    let retired = KeyLine { retires_at: Some(at(100)), ..active("a", 0) };
    let keys = |tail| {
        [
            KeyLine { tail: Some(Duration::from_secs(tail)), ..retired.clone() },
            active("b", 100),
            standby("c", 0),
        ]
    };
    let removed = [KeyChange::Remove { kid: "a".to_owned() }];

    assert_eq!(due_at(100 + DAY - 1, &keys(86_400)), []);
    assert_eq!(due_at(100 + DAY, &keys(86_400)), removed);
    // Another replica lets its tokens live longer than we do.
    assert_eq!(due_at(100 + DAY, &keys(90_000)), []);
    assert_eq!(due_at(100 + 90_000, &keys(90_000)), removed);
}

#[test]
fn a_longer_tail_is_written_down_for_every_key_in_use() {
    let short = |key: KeyLine| KeyLine { tail: None, ..key };
    let keep = |kid: &str| KeyChange::Keep { kid: kid.to_owned(), tail: times().tail };

    assert_eq!(due_at(10, &[short(active("a", 0)), short(standby("b", 0))]), [keep("a"), keep("b")]);
}

#[test]
fn a_longer_cache_delays_what_is_planned() {
    let mut longer = times();
    longer.cache = Duration::from_secs(7200);
    let keys = [
        KeyLine { retires_at: Some(at(4000)), ..active("a", 0) },
        KeyLine { activates_at: Some(at(4000)), lead: Some(Duration::from_secs(3635)), ..active("b", 0) },
        KeyLine { watch: Some(longer.cache), ..standby("c", 0) },
    ];

    assert_eq!(due(&history(100, &keys), &longer), [activate("b", 7235, 7235), retire("a", 7235)]);
    // Too late for every replica to hear of it.
    assert_eq!(due(&history(3966, &keys), &longer), []);
}

#[test]
fn a_rotation_by_hand_keeps_the_formula_and_is_planned_once() {
    let keys = [active("a", 0), standby("b", 1000)];
    let planned = |when| Ok(vec![retire("a", when), activate("b", when, 3635), publish()]);

    assert_eq!(rotation(&history(1000, &keys), &times()), planned(4635));
    assert_eq!(rotation(&history(9000, &keys), &times()), planned(9035));

    let done = [
        KeyLine { retires_at: Some(at(9035)), ..active("a", 0) },
        KeyLine { activates_at: Some(at(9035)), ..active("b", 1000) },
        standby("c", 9000),
    ];
    assert_eq!(rotation(&history(9010, &done), &times()), Ok(Vec::new()));
    assert_eq!(rotation(&history(9000, &keys[..1]), &times()), Err(KeyRefusal::NoStandby));
}

#[test]
fn a_rotation_by_hand_brings_a_planned_one_forward() {
    let keys = [
        KeyLine { retires_at: Some(at(30 * DAY)), ..active("a", 0) },
        KeyLine { activates_at: Some(at(30 * DAY)), ..active("b", 0) },
        standby("c", 29 * DAY),
    ];

    let soon = 29 * DAY + 35;
    assert_eq!(
        rotation(&history(29 * DAY, &keys), &times()),
        Ok(vec![retire("a", soon), activate("b", soon, 3635)])
    );
}

#[test]
fn rotations_by_hand_stop_before_the_key_set_is_full() {
    let retired = |n: i64| KeyLine { retires_at: Some(at(n + 1)), ..active(&format!("r{n}"), n) };
    let mut keys: Vec<KeyLine> = (0..22).map(retired).collect();
    keys.extend([active("a", 22), standby("b", 0)]);

    assert_eq!(rotation(&history(9000, &keys), &times()), Err(KeyRefusal::TooMany(24)));
}

#[test]
fn a_lost_key_is_followed_by_its_standby_at_once() {
    let keys = [active("a", 0), standby("b", 0)];

    assert_eq!(
        emergency(&history(5000, &keys), &times(), "a", false),
        Ok(vec![compromise("a"), activate("b", 5000, 3635), publish()])
    );
}

#[test]
fn a_planned_key_follows_and_the_standby_stays() {
    let keys = [
        KeyLine { retires_at: Some(at(9000)), ..active("a", 0) },
        KeyLine { activates_at: Some(at(9000)), ..active("b", 0) },
        standby("c", 4000),
    ];

    assert_eq!(
        emergency(&history(5000, &keys), &times(), "a", false),
        Ok(vec![compromise("a"), activate("b", 5000, 3635)])
    );
}

#[test]
fn a_lost_key_that_does_not_sign_changes_no_signer() {
    let retired = KeyLine { retires_at: Some(at(100)), ..active("r", 0) };
    let keys = [retired, active("a", 100), standby("b", 0)];

    assert_eq!(emergency(&history(200, &keys), &times(), "r", false), Ok(vec![compromise("r")]));
    assert_eq!(emergency(&history(200, &keys), &times(), "b", false), Ok(vec![compromise("b"), publish()]));
}

#[test]
fn the_loss_of_a_planned_key_calls_the_rotation_off() {
    let keys = [
        KeyLine { retires_at: Some(at(9000)), ..active("a", 0) },
        KeyLine { activates_at: Some(at(9000)), ..active("b", 0) },
        standby("c", 0),
    ];
    let goes_on = KeyChange::Retire { kid: "a".to_owned(), at: None };

    assert_eq!(emergency(&history(100, &keys), &times(), "b", false), Ok(vec![compromise("b"), goes_on]));
}

#[test]
fn a_second_emergency_says_how_long_verifiers_would_refuse() {
    let keys = [active("a", 0), standby("b", 4000)];
    let again = |anyway| emergency(&history(5000, &keys), &times(), "a", anyway);

    assert_eq!(again(false), Err(KeyRefusal::Window { seconds: 2636 }));
    let unseen = KeyChange::Watch { kid: "b".to_owned(), watch: None };
    assert_eq!(again(true), Ok(vec![compromise("a"), unseen, activate("b", 5000, 1000), publish()]));
}

#[test]
fn a_lost_key_without_any_standby_needs_a_word() {
    let keys = [active("a", 0)];
    let lost = |anyway| emergency(&history(5000, &keys), &times(), "a", anyway);
    let at_once = KeyChange::Publish { active: true, tail: times().tail, watch: times().cache };

    assert_eq!(lost(false), Err(KeyRefusal::Window { seconds: 3635 }));
    assert_eq!(lost(true), Ok(vec![compromise("a"), at_once, publish()]));
}

#[test]
fn what_is_unknown_or_lost_already_is_said() {
    let lost = KeyLine { compromised_at: Some(at(1)), ..active("a", 0) };
    let keys = [lost, active("b", 1), standby("c", 0)];

    assert_eq!(emergency(&history(5, &keys), &times(), "x", true), Err(KeyRefusal::Unknown("x".to_owned())));
    assert_eq!(
        emergency(&history(5, &keys), &times(), "a", true),
        Err(KeyRefusal::Compromised("a".to_owned()))
    );
}

/// The settings say ES256; what the other tests make is for EdDSA.
fn changed() -> KeyTimes {
    KeyTimes { algorithm: Algorithm::Es256, ..times() }
}

fn es256(key: KeyLine) -> KeyLine {
    KeyLine { alg: "ES256".to_owned(), ..key }
}

#[test]
fn a_change_of_algorithm_begins_with_a_standby_for_it() {
    let keys = [active("a", 0), standby("b", 0)];

    assert_eq!(due(&history(5 * DAY, &keys), &changed()), [publish()]);
    // However late the rotation is: what verifiers do not know does not sign.
    assert_eq!(due(&history(90 * DAY, &keys), &changed()), [publish()]);
    assert_eq!(rotation(&history(5 * DAY, &keys), &changed()), Err(KeyRefusal::NoStandby));
}

#[test]
fn the_next_rotation_takes_the_new_algorithm() {
    let keys = [active("a", 0), standby("b", 0), es256(standby("n", 5 * DAY))];
    let planned = |when, lead| vec![retire("a", when), activate("n", when, lead), publish()];

    assert_eq!(due(&history(6 * DAY, &keys), &changed()), []);
    assert_eq!(due(&history(29 * DAY, &keys), &changed()), planned(30 * DAY, 86_400));
    let soon = 6 * DAY + 35;
    assert_eq!(rotation(&history(6 * DAY, &keys), &changed()), Ok(planned(soon, 3635)));
}

#[test]
fn the_former_standby_goes_once_the_new_algorithm_signs_and_another_could_follow() {
    let retired = KeyLine { retires_at: Some(at(30 * DAY)), ..active("a", 0) };
    let signs = es256(KeyLine { activates_at: Some(at(30 * DAY)), ..active("n", 0) });
    let keys = |next: KeyLine| [retired.clone(), standby("b", 0), signs.clone(), es256(next)];
    let gone = [KeyChange::Remove { kid: "b".to_owned() }];

    assert_eq!(due(&history(30 * DAY, &keys(standby("m", 29 * DAY))), &changed()), gone);
    assert_eq!(due(&history(30 * DAY, &keys(standby("m", 30 * DAY - 3634))), &changed()), []);
    let unseen = KeyLine { seen_since: None, ..standby("m", 29 * DAY) };
    assert_eq!(due(&history(30 * DAY, &keys(unseen)), &changed()), []);
}

#[test]
fn a_standby_of_a_replica_with_other_settings_is_left_alone() {
    let signs = es256(active("n", 0));
    let keys = [signs, es256(standby("m", 0)), standby("b", 1)];

    assert_eq!(due(&history(5 * DAY, &keys), &changed()), []);
    assert_eq!(due(&history(5 * DAY, &keys), &times()), []);
}

#[test]
fn an_emergency_amid_the_change_is_followed_by_whom_verifiers_know() {
    let keys = |published| [active("a", 0), standby("b", 0), es256(standby("n", published))];
    let lost = |keys: &[KeyLine]| emergency(&history(5 * DAY, keys), &changed(), "a", false);

    let early = Ok(vec![compromise("a"), activate("b", 5 * DAY, 3635)]);
    assert_eq!(lost(&keys(5 * DAY - 3634)), early);
    let late = Ok(vec![compromise("a"), activate("n", 5 * DAY, 3635), publish()]);
    assert_eq!(lost(&keys(5 * DAY - 3635)), late);
}

#[test]
fn what_is_planned_and_not_known_yet_stays_planned_behind_the_former_standby() {
    let now = 5 * DAY;
    let lead = Duration::from_secs(3635);
    let planned = KeyLine { activates_at: Some(at(now + 10)), lead: Some(lead), ..standby("n", now - 3625) };
    let ends = KeyLine { retires_at: Some(at(now + 10)), ..active("a", 0) };
    let keys = [ends, standby("b", 0), es256(planned), es256(standby("m", now - 60))];

    assert_eq!(
        emergency(&history(now, &keys), &changed(), "a", false),
        Ok(vec![
            compromise("a"),
            KeyChange::CallOff { kid: "n".to_owned() },
            activate("b", now, 3635),
            retire("b", now + 10),
            activate("n", now + 10, 3635),
        ])
    );
}
