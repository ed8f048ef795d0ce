use super::*;
use crate::signature::PublicKey;

const SET: &[u8] =
    br#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k1","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
/// Another key under the same name.
const CHANGED: &[u8] =
    br#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k1","x":"PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw"}]}"#;

/// Another key under another name.
const OTHER: &[u8] =
    br#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k2","x":"PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw"}]}"#;

fn loaded(now: Seconds) -> KeyCache {
    let mut cache = KeyCache::remote();
    cache.replace(SET, now).unwrap();
    cache
}

#[test]
fn an_empty_cache_wants_keys_at_once_and_gives_none() {
    let cache = KeyCache::remote();

    assert!(cache.wants_fetch(0));
    assert!(cache.current(0).is_none());
}

#[test]
fn keys_are_refreshed_at_300_seconds_and_used_until_600() {
    let cache = loaded(1000);

    assert!(!cache.wants_fetch(1299));
    assert!(cache.wants_fetch(1300));
    assert!(cache.current(1599).is_some());
    assert!(cache.current(1600).is_none());
    assert_eq!(cache.age(1600), Some(600));
}

#[test]
fn a_fetch_under_way_is_not_doubled_but_given_up_after_its_time() {
    let mut cache = KeyCache::remote();
    cache.started(1000);

    assert!(!cache.wants_fetch(1009));
    assert!(cache.wants_fetch(1010));
}

#[test]
fn failures_back_off_to_a_minute_and_keep_the_keys() {
    let mut cache = loaded(1000);
    let mut now = 1300;
    for wait in [1, 2, 4, 8, 16, 32, 60, 60] {
        cache.failed(now);
        assert!(!cache.wants_fetch(now + wait - 1));
        assert!(cache.wants_fetch(now + wait));
        now += wait;
    }
    assert!(cache.current(now).is_some());
}

#[test]
fn a_bad_set_never_replaces_a_good_one() {
    for bad in [&b"{"[..], br#"{"keys":[]}"#, CHANGED] {
        let mut cache = loaded(1000);

        assert!(cache.replace(bad, 1300).is_err());
        assert_eq!(cache.age(1300), Some(300));
        assert!(cache.wants_fetch(1301));
    }
}

#[test]
fn a_fetched_set_keeps_the_tables_of_the_keys_that_stay() {
    let ed25519 = |cache: &KeyCache| match cache.current(1300).unwrap().key("k1").cloned() {
        Some(PublicKey::Ed25519(key)) => key,
        other => panic!("{other:?}"),
    };
    let mut cache = loaded(1000);
    let before = ed25519(&cache);

    cache.replace(SET, 1300).unwrap();

    assert!(ed25519(&cache).shares_tables_with(&before));
}

#[test]
fn a_name_may_mean_another_key_once_the_old_one_is_past_its_use() {
    let mut cache = loaded(1000);
    let epoch = cache.epoch();

    assert_eq!(cache.replace(CHANGED, 1599), Err(KeySetError::ChangedKey("k1".into())));
    assert_eq!(cache.replace(CHANGED, 1600), Ok(()));
    assert_ne!(cache.epoch(), epoch);
    assert!(cache.current(1600).unwrap().is_same(&KeySet::parse(CHANGED).unwrap()));
    let snapshot = cache.snapshot("a").unwrap();
    let mut restored = loaded(1000);
    assert_eq!(restored.restore(snapshot.as_bytes(), "a", 1600), Ok(()));
}

#[test]
fn an_unknown_kid_brings_one_fetch_in_30_seconds() {
    let mut cache = loaded(1000);
    cache.missed(1001);
    assert!(cache.wants_fetch(1001));
    cache.replace(SET, 1001).unwrap();

    for now in 1002..1031 {
        cache.missed(now);
        assert!(!cache.wants_fetch(now), "{now}");
    }
    cache.missed(1031);
    assert!(cache.wants_fetch(1031));
}

#[test]
fn an_unknown_kid_does_not_cut_a_back_off_short_without_keys() {
    let mut cache = KeyCache::remote();
    cache.failed(1000);
    cache.failed(1001);
    cache.missed(1002);

    assert!(!cache.wants_fetch(1002));
}

#[test]
fn pinned_keys_never_age_and_are_never_fetched() {
    let mut cache = KeyCache::pinned(KeySet::parse(SET).unwrap());
    cache.missed(1000);

    assert!(!cache.wants_fetch(u64::MAX));
    assert!(cache.current(u64::MAX).is_some());
}

#[test]
fn the_state_follows_the_age() {
    let cache = loaded(1000);
    let states = [1000, 1299, 1300, 1599, 1600, u64::MAX].map(|now| cache.state(now).as_str());

    assert_eq!(states, ["fresh", "fresh", "usable", "usable", "expired", "expired"]);
    assert_eq!(KeyCache::remote().state(1000).as_str(), "missing");
    assert_eq!(KeyCache::pinned(KeySet::parse(SET).unwrap()).state(u64::MAX), KeyState::Fresh);
    let hasty = KeyCache { fresh: 20, ..loaded(1000) };
    assert_eq!((hasty.state(1019), hasty.state(1020)), (KeyState::Fresh, KeyState::Usable));
    // A clock that went back does not age keys.
    assert_eq!((cache.state(10), cache.age(10)), (KeyState::Fresh, Some(0)));
}

#[test]
fn the_host_is_told_why_keys_are_needed() {
    let mut cache = KeyCache::remote();
    assert_eq!(cache.needs_keys(1000), Some(NeedKeys::Unavailable));
    cache.started(1000);
    assert_eq!(cache.needs_keys(1009), None);
    cache.replace(SET, 1001).unwrap();
    assert_eq!(cache.needs_keys(1300), None);
    assert_eq!(cache.needs_keys(1301), Some(NeedKeys::Due));
    assert_eq!(cache.needs_keys(1601), Some(NeedKeys::Unavailable));

    cache.replace(SET, 2000).unwrap();
    cache.missed(2001);
    assert_eq!(cache.needs_keys(2001), Some(NeedKeys::UnknownKid));
    cache.started(2001);
    assert_eq!(cache.needs_keys(2002), None);
    cache.failed(2002);
    assert_eq!((cache.needs_keys(2002), cache.needs_keys(2003)), (None, Some(NeedKeys::UnknownKid)));
}

#[test]
fn a_good_set_ends_the_back_off() {
    let mut cache = loaded(1000);
    cache.failed(1300);
    cache.failed(1301);
    cache.replace(SET, 1303).unwrap();
    cache.failed(1603);

    assert!(!cache.wants_fetch(1603) && cache.wants_fetch(1604));
}

#[test]
fn a_shorter_refresh_interval_shortens_the_back_off() {
    let mut cache = KeyCache::remote().with_refresh_interval(20);
    cache.replace(SET, 1000).unwrap();
    assert!(!cache.wants_fetch(1019));
    assert!(cache.wants_fetch(1020));

    let mut now = 1020;
    for wait in [1, 2, 4, 8, 16, 20, 20] {
        cache.failed(now);
        assert!(!cache.wants_fetch(now + wait - 1));
        assert!(cache.wants_fetch(now + wait));
        now += wait;
    }
    assert!(cache.current(1599).is_some() && cache.current(1600).is_none());
}

#[test]
fn what_was_verified_may_be_used_until_the_hard_age_of_the_keys() {
    let mut cache = KeyCache::remote();
    assert_eq!(cache.usable_until(), 0);

    for now in [1000, 1300] {
        cache.replace(SET, now).unwrap();
        let until = cache.usable_until();
        assert!(cache.current(until - 1).is_some());
        assert!(cache.current(until).is_none());
    }
    assert_eq!(KeyCache::pinned(KeySet::parse(SET).unwrap()).usable_until(), Seconds::MAX);
}

#[test]
fn the_epoch_changes_with_the_keys_and_with_nothing_else() {
    let mut cache = loaded(1000);
    let first = cache.epoch();
    cache.replace(SET, 1300).unwrap();
    cache.replace(b"{", 1301).unwrap_err();
    cache.failed(1302);
    assert_eq!(cache.epoch(), first);

    cache.replace(OTHER, 1303).unwrap();
    let second = cache.epoch();
    assert_ne!(second, first);
    cache.replace(SET, 1304).unwrap();
    assert!(![first, second].contains(&cache.epoch()));
}

/// By how much the clock was ahead when the keys were fetched.
const AHEAD: Seconds = 7200;

#[test]
fn a_clock_that_was_ahead_delays_no_fetch() {
    let mut fetched = loaded(1000 + AHEAD);
    assert!(fetched.wants_fetch(1000) && !fetched.wants_fetch(1000 + AHEAD));
    assert_eq!(fetched.needs_keys(1000), Some(NeedKeys::Due));
    fetched.started(1000);
    assert!(!fetched.wants_fetch(1009) && fetched.wants_fetch(1010));

    let mut failed = loaded(1000);
    failed.failed(1300 + AHEAD);
    assert!(failed.wants_fetch(1301));
    let mut started = KeyCache::remote();
    started.started(1000 + AHEAD);
    assert!(started.wants_fetch(1000));
}

#[test]
fn a_clock_that_was_ahead_uses_up_no_turn_of_an_unknown_kid() {
    let mut cache = loaded(1000);
    cache.missed(1001 + AHEAD);
    cache.replace(SET, 1001).unwrap();

    cache.missed(1002);
    assert!(cache.wants_fetch(1002));
}

#[test]
fn keys_of_a_clock_that_was_ahead_last_no_longer_than_new_ones() {
    for stays_away in [KeyCache::started, KeyCache::failed] {
        let mut cache = loaded(1000 + AHEAD);
        stays_away(&mut cache, 1000);

        assert!(cache.current(1599).is_some() && cache.current(1600).is_none());
        assert_eq!((cache.usable_until(), cache.age(1010)), (1600, Some(10)));
    }
}
