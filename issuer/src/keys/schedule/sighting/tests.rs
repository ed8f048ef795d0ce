use super::*;
use crate::keys::schedule::tests::{DAY, activate, active, at, history, publish, retire, standby, times};
use crate::keys::schedule::{due, rotation};
use crate::store::KeyRefusal;

fn sighted(kid: &str, since: i64) -> KeyChange {
    KeyChange::Sighted { kid: kid.to_owned(), since: at(since) }
}

fn missed(kid: &str) -> KeyChange {
    KeyChange::Missed { kid: kid.to_owned() }
}

fn called_off() -> [KeyChange; 2] {
    [KeyChange::CallOff { kid: "b".to_owned() }, KeyChange::Retire { kid: "a".to_owned(), at: None }]
}

fn unseen(key: KeyLine) -> KeyLine {
    KeyLine { seen_since: None, seen_at: None, ..key }
}

/// As it is in the database: seen last at this time.
fn seen_last(now: i64, keys: &[KeyLine], seen_at: i64) -> KeyHistory {
    let mut history = history(now, keys);
    for key in history.keys.iter_mut().filter(|key| key.seen_since.is_some()) {
        key.seen_at = Some(at(seen_at));
    }
    history
}

fn looked(history: &KeyHistory, seen: &[&str]) -> Vec<KeyChange> {
    sighting(history, &times(), &seen.iter().map(|kid| (*kid).to_owned()).collect::<Vec<_>>())
}

/// A rotation to `b` at 4000, with another standby behind it.
fn planned(b: KeyLine) -> [KeyLine; 3] {
    [KeyLine { retires_at: Some(at(4000)), ..active("a", 0) }, b, standby("c", 0)]
}

fn b() -> KeyLine {
    KeyLine { activates_at: Some(at(4000)), ..active("b", 0) }
}

#[test]
fn what_waits_is_looked_for_once_a_minute() {
    let keys = [active("a", 0), standby("b", 0)];

    assert!(!wants_look(&seen_last(1000, &keys, 941)));
    assert!(wants_look(&seen_last(1000, &keys, 940)));
    assert!(wants_look(&history(1000, &[active("a", 0), unseen(standby("b", 0))])));
    assert!(!wants_look(&history(1000, &keys[..1])));
}

#[test]
fn a_key_is_seen_since_it_was_first_seen_without_a_gap() {
    let never = history(100, &[active("a", 0), unseen(standby("b", 0))]);
    let keys = [active("a", 0), standby("b", 0)];

    assert_eq!(looked(&never, &["a", "b"]), [sighted("b", 100)]);
    assert_eq!(looked(&seen_last(1000, &keys, 701), &["a", "b"]), [sighted("b", 0)]);
    // Nobody looked for five minutes.
    assert_eq!(looked(&seen_last(1000, &keys, 700), &["a", "b"]), [sighted("b", 1000)]);
}

#[test]
fn one_copy_without_the_key_and_the_watch_begins_again() {
    let keys = [active("a", 0), standby("b", 0)];

    assert_eq!(looked(&history(1000, &keys), &["a"]), [missed("b")]);
    assert_eq!(looked(&history(1000, &[active("a", 0), unseen(standby("b", 0))]), &["a"]), []);
}

#[test]
fn a_rotation_waits_until_the_standby_was_seen_for_as_long_as_an_old_key_set_lives() {
    let late = KeyLine { seen_since: Some(at(2000)), ..standby("b", 0) };
    let never = unseen(standby("b", 0));

    assert_eq!(
        rotation(&history(4000, &[active("a", 0), late]), &times()),
        Ok(vec![retire("a", 5600), activate("b", 5600, 3635), publish()])
    );
    assert_eq!(
        rotation(&history(4000, &[active("a", 0), never.clone()]), &times()),
        Err(KeyRefusal::NotSeen)
    );
    assert_eq!(due(&history(90 * DAY, &[active("a", 0), never]), &times()), []);
}

#[test]
fn a_sight_that_nobody_renews_counts_no_more() {
    let keys = [active("a", 0), standby("b", 0)];

    assert_eq!(due(&seen_last(90 * DAY, &keys, 90 * DAY - 300), &times()), []);
    assert_eq!(due(&seen_last(90 * DAY, &keys, 90 * DAY - 299), &times()).len(), 3);
}

#[test]
fn a_planned_key_that_a_copy_lacks_is_called_off_as_long_as_replicas_can_hear_of_it() {
    let off = [&called_off()[..], &[missed("b")]].concat();

    assert_eq!(looked(&history(3964, &planned(b())), &["a", "c"]), [&off[..], &[sighted("c", 0)]].concat());
    assert_eq!(looked(&history(3965, &planned(b())), &["a", "c"]), [sighted("c", 0)]);
}

#[test]
fn a_planned_key_that_nobody_looks_for_any_more_is_called_off() {
    assert_eq!(due(&seen_last(3900, &planned(b()), 3600), &times()), called_off());
    assert_eq!(due(&seen_last(3900, &planned(b()), 3601), &times()), []);
    // The next look finds it again: from then on it counts.
    let found = [&called_off()[..], &[sighted("b", 3900), sighted("c", 3900)]].concat();
    assert_eq!(looked(&seen_last(3900, &planned(b()), 3600), &["b", "c"]), found);
}

#[test]
fn a_plan_of_an_older_program_stays() {
    let unwatched = KeyLine { watch: None, ..unseen(b()) };

    assert_eq!(due(&history(3900, &planned(unwatched)), &times()), []);
}

#[test]
fn a_longer_cache_is_a_longer_watch() {
    let mut longer = times();
    longer.cache = Duration::from_secs(7200);
    let keys = [active("a", 0), standby("b", 0)];

    let watch = KeyChange::Watch { kid: "b".to_owned(), watch: Some(longer.cache) };
    assert_eq!(due(&history(10, &keys), &longer), [watch]);
    let other = [active("a", 0), KeyLine { watch: Some(longer.cache), ..standby("b", 0) }];
    assert_eq!(due(&history(10, &other), &times()), [], "another replica knows of longer-lived copies");
}
