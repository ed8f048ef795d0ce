use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use proptest::collection;
use proptest::prelude::*;

use super::*;
use crate::fixture::{FEED_HEADER, HEADER, NOW, claims, jwks, keys, page, page_claims, rules, sign};
use crate::verify;

const ISSUER: &str = "https://as.example";
/// A page whose claims say `replace.1` instead of `replace.0`.
fn page_with(span: (&str, &str), events: &str, iat: Seconds, replace: (&str, &str)) -> String {
    let claims = page_claims(span, events, iat);
    assert!(claims.contains(replace.0), "{}", replace.0);
    sign(FEED_HEADER, &claims.replacen(replace.0, replace.1, 1))
}

fn feed() -> Revocations {
    let mut feed = Revocations::new(ISSUER.into(), 60);
    feed.keys().replace(jwks().as_bytes(), NOW).unwrap();
    feed
}

fn read_once(events: &str) -> Revocations {
    let mut feed = feed();
    feed.take(page(("", "1.1"), events, NOW).as_bytes(), NOW).unwrap();
    feed
}

fn event(kind: &str, value: &str, min_epoch: &str) -> String {
    format!(r#"["{kind}","{value}",{min_epoch},{}]"#, NOW + 1000)
}

fn token(replace: &[(&str, &str)]) -> Verified {
    verify(sign(HEADER, &claims(replace)).as_bytes(), &rules(), &keys(), NOW).unwrap()
}

#[test]
fn only_events_that_name_a_token_revoke_it() {
    let with_session = [("sid", r#""s1""#), ("sv", "4"), ("cv", "2")];
    for (kind, value, min_epoch, is_revoked) in [
        ("sid", "s1", "null", true),
        ("sid", "s2", "null", false),
        ("sid", "j1", "null", false),
        ("jti", "j1", "null", true),
        ("jti", "j10", "null", false),
        ("kid", "k1", "null", true),
        ("kid", "k2", "null", false),
        ("sub", "u1", "5", true),
        ("sub", "u1", "4", false),
        ("sub", "u2", "5", false),
        ("cid", "c1", "3", true),
        ("cid", "c1", "2", false),
        ("cid", "u1", "9", false),
    ] {
        let feed = read_once(&event(kind, value, min_epoch));
        assert_eq!(feed.revokes(&token(&with_session), NOW), is_revoked, "{kind} {value} {min_epoch}");
    }
}

#[test]
fn a_token_without_epochs_belongs_to_the_first_epoch() {
    assert!(read_once(&event("sub", "u1", "1")).revokes(&token(&[]), NOW));
    assert!(read_once(&event("cid", "c1", "1")).revokes(&token(&[]), NOW));
    assert!(!read_once(&event("sub", "u1", "0")).revokes(&token(&[]), NOW));
    assert!(!read_once(&event("sid", "s1", "null")).revokes(&token(&[]), NOW));
}

#[test]
fn a_revocation_ends_when_no_token_can_live_any_more() {
    let feed = read_once(&event("jti", "j1", "null"));

    assert!(feed.revokes(&token(&[]), NOW + 1000 + LEEWAY - 1));
    assert!(!feed.revokes(&token(&[]), NOW + 1000 + LEEWAY));
}

#[test]
fn pages_follow_each_other_and_every_change_has_another_epoch() {
    let mut feed = read_once("");
    let mut epochs = alloc::vec![Revocations::new(ISSUER.into(), 60).epoch(), feed.epoch()];
    for (number, kind) in [(1, "sid"), (2, "jti")] {
        let (from, to) = (format!("{number}.1"), format!("{}.1", number + 1));
        feed.take(page((&from, &to), &event(kind, "x", "null"), NOW + number).as_bytes(), NOW).unwrap();
        epochs.push(feed.epoch());
    }
    feed.take(page(("3.1", "3.1"), "", NOW + 3).as_bytes(), NOW).unwrap();

    assert!(read_once("").is_empty() && !feed.is_empty());
    assert_eq!((epochs, feed.epoch()), (alloc::vec![0, 1, 2, 3], 3));
    assert_eq!((feed.after(), feed.len()), ("3.1", 2));
}

#[test]
fn pages_that_are_lost_repeated_or_held_back_change_nothing() {
    let mut feed = read_once("");
    let second = page(("1.1", "2.1"), &event("sid", "s1", "null"), NOW + 2);
    feed.take(second.as_bytes(), NOW + 2).unwrap();
    let epoch = feed.epoch();

    for (page, why) in [
        (second, PageError::OutOfOrder),
        (page(("3.1", "4.1"), "", NOW + 3), PageError::OutOfOrder),
        (page(("", "1.1"), "", NOW + 3), PageError::OutOfOrder),
        (page(("2.1", "2.1"), "", NOW + 1), PageError::Replayed),
    ] {
        assert_eq!(feed.take(page.as_bytes(), NOW + 3), Err(why));
    }
    assert_eq!((feed.epoch(), feed.after(), feed.age(NOW + 3)), (epoch, "2.1", Some(1)));
}

#[test]
fn a_page_of_another_follower_counts_if_it_fits() {
    let mut feed = read_once("");
    let follows = page(("1.1", "2.1"), &event("sid", "s1", "null"), NOW + 2);
    feed.adopt(follows.as_bytes(), NOW + 2).unwrap();
    assert_eq!((feed.after(), feed.len(), feed.wants_page(NOW + 2)), ("2.1", 1, false));

    let ends_here = page(("0.5", "2.1"), &event("sid", "s1", "null"), NOW + 9);
    feed.adopt(ends_here.as_bytes(), NOW + 9).unwrap();

    assert_eq!((feed.after(), feed.len(), feed.age(NOW + 9)), ("2.1", 1, Some(0)));
}

#[test]
fn a_page_of_another_follower_that_does_not_fit_is_ignored() {
    for (page, why) in [
        (page(("2.1", "3.1"), "", NOW + 1), PageError::OutOfOrder),
        (page(("", "0.5"), "", NOW + 1), PageError::OutOfOrder),
        (page(("1.1", "1.1"), "", NOW - 1), PageError::Replayed),
        (page(("1.1", "1.1"), "", NOW - 60), PageError::Expired),
        (sign(&FEED_HEADER.replace("k1", "k2"), "{}"), PageError::UnknownKey),
    ] {
        let mut feed = read_once("");
        assert_eq!(feed.adopt(page.as_bytes(), NOW + 1), Err(why));

        assert_eq!((feed.after(), feed.age(NOW + 1), feed.wants_page(NOW + 1)), ("1.1", Some(1), true));
        assert!(!feed.keys().wants_fetch(NOW + 1));
        feed.failed(NOW + 1);
        assert!(feed.wants_page(NOW + 2), "no longer back-off either");
    }
    // Nothing was read, so nothing ends there.
    let cold = page(("1.1", ""), "", NOW);
    assert_eq!(feed().adopt(cold.as_bytes(), NOW), Err(PageError::OutOfOrder));
}

#[test]
fn only_a_page_of_this_issuers_feed_is_taken() {
    let good = (("", "1.1"), "", NOW);
    let with = |replace| page_with(good.0, good.1, good.2, replace);
    let access_token = sign(HEADER, &claims(&[]));
    let of_another_key = sign(&FEED_HEADER.replace("k1", "k2"), "{}");
    let mut forged = page(good.0, good.1, good.2);
    let last = forged.pop();
    forged.push(if last == Some('A') { 'Q' } else { 'A' });
    for (page, why) in [
        (access_token, PageError::Form(Code::Typ)),
        ("".to_string(), PageError::Form(Code::NoCredentials)),
        ("a.b".to_string(), PageError::Form(Code::Malformed)),
        ("a".repeat(64 * 1024 + 1), PageError::Form(Code::TooLarge)),
        (of_another_key, PageError::UnknownKey),
        (forged, PageError::Signature),
        (sign(FEED_HEADER, "[]"), PageError::Claims),
        (sign(FEED_HEADER, "{"), PageError::Claims),
        (with((ISSUER, "https://other.example")), PageError::Issuer),
        (with(("\"more\":false", "\"more\":0")), PageError::Claims),
        (with(("\"more\":false", "\"more\":false,\"more\":false")), PageError::Claims),
        (with(("\"to\":\"1.1\"", "\"to\":\"a&b\"")), PageError::Claims),
        (page_with(("", ""), "", NOW, ("\"more\":false", "\"more\":true")), PageError::Claims),
        (page(good.0, r#"["role","x",null,1]"#, NOW), PageError::UnknownKind),
        (page(good.0, r#"["sid","x",1,1]"#, NOW), PageError::Claims),
        (page(good.0, r#"["sid","",null,1]"#, NOW), PageError::Claims),
        (page(good.0, r#"["sub","x",null,1]"#, NOW), PageError::Claims),
        (page(good.0, r#"["sub","x",1.5,1]"#, NOW), PageError::Claims),
        (page(good.0, r#"["sid","x",null]"#, NOW), PageError::Claims),
        (page(good.0, "", NOW - 40), PageError::Expired),
        (page(good.0, "", NOW + LEEWAY + 1), PageError::Future),
    ] {
        assert_eq!(feed().take(page.as_bytes(), NOW), Err(why), "{page}");
    }
    for iat in [NOW - 39, NOW + LEEWAY] {
        assert_eq!(feed().take(page(good.0, good.1, iat).as_bytes(), NOW), Ok(()));
    }
    let mut without_keys = Revocations::new(ISSUER.into(), 60);
    let page = page(good.0, good.1, good.2);
    assert_eq!(without_keys.take(page.as_bytes(), NOW), Err(PageError::NoKeys));
}

#[test]
fn a_long_feed_counts_from_its_first_page() {
    let mut feed = feed();
    let first = page_with(("", "1.1"), &event("jti", "j1", "null"), NOW, ("\"more\":false", "\"more\":true"));
    feed.take(first.as_bytes(), NOW).unwrap();
    assert!(feed.wants_page(NOW) && feed.epoch() > 0);
    assert_eq!((feed.state(NOW), feed.revokes(&token(&[]), NOW)), (FeedState::Cold, true));

    feed.take(page(("1.1", "2.1"), &event("sid", "s1", "null"), NOW).as_bytes(), NOW).unwrap();
    assert!(!feed.wants_page(NOW) && feed.wants_page(NOW + 1));
    assert_eq!((feed.state(NOW), feed.len()), (FeedState::Fresh, 2));
}

#[test]
fn a_restarted_feed_replaces_the_old_one_only_when_complete() {
    let mut feed = read_once(&event("jti", "j1", "null"));
    feed.restart(NOW + 1);
    assert_eq!(feed.after(), "");
    let more = ("\"more\":false", "\"more\":true");
    feed.take(page_with(("", "7.7"), &event("sid", "s7", "null"), NOW + 2, more).as_bytes(), NOW + 2)
        .unwrap();
    assert!(feed.revokes(&token(&[]), NOW + 2) && feed.revokes(&token(&[("sid", r#""s7""#)]), NOW + 2));

    let epoch = feed.epoch();
    feed.take(page(("7.7", "7.7"), "", NOW + 3).as_bytes(), NOW + 3).unwrap();

    assert!(!feed.revokes(&token(&[]), NOW + 3) && feed.revokes(&token(&[("sid", r#""s7""#)]), NOW + 3));
    assert_ne!(feed.epoch(), epoch);
}

#[test]
fn what_is_known_grows_old_by_the_issuers_last_word() {
    let feed = read_once("");

    let states = [0, 10, 11, 60, 61].map(|age| feed.state(NOW + age).as_str());
    assert_eq!(states, ["fresh", "fresh", "stale", "stale", "expired"]);
    assert_eq!((feed.usable_until(), super::tests::feed().usable_until()), (NOW + 61, 0));
    assert_eq!(super::tests::feed().state(NOW).to_string(), "cold");
    for (age, strict, code) in [(60, true, None), (61, true, Some(Code::RevocationsStale)), (61, false, None)]
    {
        let checked = feed.check(&token(&[]), strict, NOW + age);
        assert_eq!(checked.err().map(|refusal| refusal.code()), code);
    }
}

#[test]
fn a_failing_feed_is_asked_at_least_every_eight_seconds() {
    let mut feed = feed();
    let mut now = NOW;
    for pause in [1, 2, 4, 8, 8] {
        feed.started(now);
        assert!(!feed.wants_page(now + 9) && feed.wants_page(now + 10));
        feed.failed(now);
        assert!(!feed.wants_page(now + pause - 1) && feed.wants_page(now + pause));
        now += pause;
    }
    assert_eq!(feed.take(b"", now).unwrap_err(), PageError::Form(Code::NoCredentials));
    assert!(!feed.wants_page(now + 7));
    feed.take(page(("", "1.1"), "", now).as_bytes(), now).unwrap();
    feed.failed(now);
    assert!(feed.wants_page(now + 1));
}

#[test]
fn a_page_of_an_unknown_key_asks_for_the_feeds_keys() {
    let mut feed = feed();
    let page = sign(&FEED_HEADER.replace("k1", "k2"), "{}");

    assert!(!feed.keys().wants_fetch(NOW));
    assert_eq!(feed.take(page.as_bytes(), NOW), Err(PageError::UnknownKey));
    assert!(feed.keys().wants_fetch(NOW));
}

#[test]
fn ended_revocations_make_room_for_others() {
    let mut feed = feed();
    let mut cursor = String::new();
    // Of sixteen places half are used.
    for (number, (how_many, drop_after, known)) in
        [(2, NOW - 100, 2), (5, NOW + 100, 7), (1, NOW + 100, 8), (1, NOW + 100, 7)].into_iter().enumerate()
    {
        let event = |at: usize| format!(r#"["jti","{number}.{at}",null,{drop_after}]"#);
        let events: Vec<_> = (0..how_many).map(event).collect();
        let to = format!("{number}.1");
        feed.take(page((&cursor, &to), &events.join(","), NOW).as_bytes(), NOW).unwrap();
        cursor = to;
        assert_eq!(feed.len(), known, "after page {number}");
    }
}

#[test]
fn too_many_revocations_are_refused_and_none_is_dropped() {
    let mut feed = feed();
    let many = |first: u64, drop_after: Seconds| {
        let event = |number| format!(r#"["jti","{number}",null,{drop_after}]"#);
        let events: Vec<_> = (first..first + 1000).map(event).collect();
        events.join(",")
    };
    let mut at = (String::new(), 0);
    let mut follow = |feed: &mut Revocations, now: Seconds, drop_after: Seconds| {
        let to = format!("{}", at.1 + 1000);
        let page = page((&at.0, &to), &many(at.1, drop_after), now);
        let taken = feed.take(page.as_bytes(), now);
        if taken.is_ok() {
            at = (to, at.1 + 1000);
        }
        taken
    };
    for number in 0..100 {
        // Long after there was room made for as many as fit.
        let ends = if number == 90 { NOW - 100 } else { NOW + 100 };
        follow(&mut feed, NOW, ends).unwrap();
    }
    assert_eq!(feed.len(), MAX_EVENTS);
    follow(&mut feed, NOW, NOW + 100).unwrap();
    assert_eq!(feed.len(), MAX_EVENTS);
    assert_eq!(follow(&mut feed, NOW, NOW + 100), Err(PageError::TooMany));
    assert_eq!(feed.len(), MAX_EVENTS);

    feed.keys().replace(jwks().as_bytes(), NOW + 130).unwrap();
    follow(&mut feed, NOW + 130, NOW + 300).unwrap();
    assert_eq!(feed.len(), 1000);
}

/// By how much the clocks were ahead when a page was taken.
const AHEAD: Seconds = 7200;

/// A feed whose last page was taken while the issuer's clock and this one were ahead.
fn read_ahead() -> Revocations {
    let mut feed = feed();
    let later = NOW + AHEAD;
    feed.keys().replace(jwks().as_bytes(), later).unwrap();
    feed.take(page(("", "1.1"), "", later).as_bytes(), later).unwrap();
    feed
}

#[test]
fn a_clock_that_was_ahead_delays_no_page_and_makes_none_old() {
    let mut feed = read_ahead();
    assert!(feed.wants_page(NOW));
    feed.started(NOW);
    assert!(!feed.wants_page(NOW + 9) && feed.wants_page(NOW + 10));

    feed.take(page(("1.1", "2.1"), &event("jti", "j1", "null"), NOW).as_bytes(), NOW).unwrap();
    assert!(feed.revokes(&token(&[]), NOW));
    assert_eq!(feed.age(NOW + 5), Some(5));
    // Pages of an issuer that is ahead by what clocks may differ are taken as before.
    feed.take(page(("2.1", "2.1"), "", NOW + 20).as_bytes(), NOW).unwrap();
    feed.take(page(("2.1", "2.1"), "", NOW + 21).as_bytes(), NOW + 1).unwrap();

    let mut other = read_ahead();
    other.adopt(page(("1.1", "2.1"), &event("jti", "j1", "null"), NOW).as_bytes(), NOW).unwrap();
    assert!(other.revokes(&token(&[]), NOW));
    let mut failed = feed;
    failed.failed(NOW + AHEAD);
    assert!(failed.wants_page(NOW + 1));
}

#[test]
fn a_word_of_a_clock_that_was_ahead_grows_old_from_now_on() {
    let mut feed = read_ahead();
    feed.failed(NOW);

    assert!(feed.is_usable(NOW + 60) && !feed.is_usable(NOW + 61));
    assert_eq!(feed.usable_until(), NOW + 61);
}

#[test]
fn a_host_with_less_room_keeps_fewer() {
    let mut feed = feed();
    feed.set_max_events(2);
    let events =
        |names: &[&str]| names.iter().map(|name| event("jti", name, "null")).collect::<Vec<_>>().join(",");
    feed.take(page(("", "1.1"), &events(&["a", "b"]), NOW).as_bytes(), NOW).unwrap();

    let third = page(("1.1", "2.1"), &events(&["c"]), NOW);
    assert_eq!(feed.take(third.as_bytes(), NOW), Err(PageError::TooMany));
    assert_eq!(feed.len(), 2);
}

/// However pages are lost, repeated and mixed up, what was read is what the issuer wrote up to the cursor.
#[test]
fn a_token_is_refused_exactly_if_a_read_event_revokes_it() {
    const WRITTEN: usize = 6;
    let cursor = |at: usize| if at == 0 { String::new() } else { format!("{at}.1") };
    let revoked = |at: usize| event("sid", &format!("s{at}"), "null");
    let from_the_beginning = |read: usize| {
        let all: Vec<_> = (0..read).map(revoked).collect();
        page(("", &cursor(read)), &all.join(","), NOW)
    };
    let pages: Vec<_> =
        (0..WRITTEN).map(|at| page((&cursor(at), &cursor(at + 1)), &revoked(at), NOW)).collect();
    let whole: Vec<_> = (0..=WRITTEN).map(from_the_beginning).collect();
    let tokens: Vec<_> = (0..WRITTEN).map(|at| token(&[("sid", &format!("\"s{at}\""))])).collect();
    let new = feed();

    proptest!(|(deliveries in collection::vec((0..WRITTEN, any::<bool>()), 1..40))| {
        let (mut feed, mut read) = (new.clone(), 0);
        for (at, begins_anew) in deliveries {
            let taken = feed.take(pages[at].as_bytes(), NOW).is_ok();
            prop_assert_eq!(taken, at == read);
            read += usize::from(taken);
            if begins_anew {
                feed.restart(NOW);
                prop_assert!(feed.take(whole[read].as_bytes(), NOW).is_ok());
            }
            for (at, token) in tokens.iter().enumerate() {
                prop_assert_eq!(feed.revokes(token, NOW), at < read);
            }
        }
    });
}
