use alloc::format;
use alloc::string::ToString;

use super::*;
use crate::Verified;
use crate::error::Code;
use crate::fixture::{HEADER, NOW, claims, jwks, keys, page, rules, sign};
use crate::verify;

fn event(kind: &str, value: &str, min_epoch: &str) -> String {
    format!(r#"["{kind}","{value}",{min_epoch},{}]"#, NOW + 1000)
}

/// Has read these events.
fn fed(events: &str) -> Revocations {
    let mut feed = Revocations::new(rules().issuer, 60);
    feed.keys().replace(jwks().as_bytes(), NOW).unwrap();
    feed.take(page(("", "1.1"), events, NOW).as_bytes(), NOW).unwrap();
    feed
}

fn numbered(count: usize) -> String {
    (0..count).map(|number| event("jti", &format!("j{number}"), "null")).collect::<Vec<_>>().join(",")
}

fn token(replace: &[(&str, &str)]) -> Verified {
    verify(sign(HEADER, &claims(replace)).as_bytes(), &rules(), &keys(), NOW).unwrap()
}

/// Another start, to which all pieces were handed.
fn restarted(feed: &Revocations, now: Seconds) -> Revocations {
    let mut other = Revocations::new(rules().issuer, 60);
    other.expect_restore();
    for at in 0..feed.pieces() {
        other.restore(feed.piece(at, feed.pieces()).as_bytes(), now).unwrap();
    }
    other.restored(NOW, now);
    other
}

#[test]
fn the_next_start_knows_every_revocation_and_its_age() {
    let events = [
        event("sid", "s\\\"1", "null"),
        event("jti", "j1", "null"),
        event("kid", "k9", "null"),
        event("sub", "u9", "5"),
        event("cid", "c9", "7"),
    ];
    let feed = fed(&events.join(","));

    let mut other = restarted(&feed, NOW + 20);

    assert_eq!((other.len(), other.age(NOW + 20), other.after()), (5, Some(20), ""));
    assert_eq!(other.piece(0, 1).len(), feed.piece(0, 1).len());
    for event in feed.known.iter() {
        assert_eq!(other.known.find(event.kind, &event.value), Some(event));
    }
    assert!(other.revokes(&token(&[]), NOW));
    // The feed itself is read from its beginning, and decides from then on.
    other.keys().replace(jwks().as_bytes(), NOW).unwrap();
    other.take(page(("", "1.1"), "", NOW + 21).as_bytes(), NOW + 21).unwrap();
    assert!(!other.revokes(&token(&[]), NOW) && other.is_empty());
}

#[test]
fn pieces_are_small_and_share_all_between_them() {
    let feed = fed(&numbered(700));

    assert_eq!((feed.pieces(), fed("").pieces()), (4, 1));
    let sizes: Vec<_> = (0..4).map(|at| feed.piece(at, 4).matches("jti").count()).collect();
    assert_eq!(sizes.iter().sum::<usize>(), 700);
    assert!(sizes.iter().all(|size| (100..250).contains(size)), "{sizes:?}");
    assert_eq!(restarted(&feed, NOW).len(), 700);
}

#[test]
fn only_pieces_that_changed_are_written_anew() {
    let mut feed = fed(&numbered(700));
    assert_eq!(feed.take_changed_pieces(4), [0, 1, 2, 3]);
    assert_eq!(feed.take_changed_pieces(4), [0; 0]);

    feed.take(page(("1.1", "2.1"), &event("jti", "new", "null"), NOW).as_bytes(), NOW).unwrap();

    let changed = feed.take_changed_pieces(4);
    assert_eq!(changed.len(), 1);
    assert!(feed.piece(changed[0], 4).contains("\"new\""));
    // What nobody asks for does not pile up.
    let mut cursor = String::from("2.1");
    for round in 0..3 {
        let events: Vec<_> = (0..500).map(|at| event("jti", &format!("n{round}.{at}"), "null")).collect();
        let to = format!("{}.1", round + 3);
        feed.take(page((&cursor, &to), &events.join(","), NOW).as_bytes(), NOW).unwrap();
        cursor = to;
    }
    assert_eq!(feed.unsaved, Unsaved::All);
}

#[test]
fn until_all_is_read_back_no_token_is_accepted() {
    let feed = fed(&event("jti", "j1", "null"));
    let mut other = Revocations::new(rules().issuer, 60);
    other.expect_restore();
    let innocent = token(&[("jti", "\"j2\"")]);
    let revoked = token(&[]);
    let asked = |feed: &Revocations, token: &Verified| {
        feed.check(token, false, NOW).map_err(|refusal| refusal.code())
    };
    assert_eq!(asked(&other, &innocent), Err(Code::RevocationsStale));
    assert!(other.describe(NOW).contains("not read back yet"));

    other.restore(feed.piece(0, 1).as_bytes(), NOW).unwrap();
    assert_eq!(asked(&other, &innocent), Err(Code::RevocationsStale));
    assert_eq!(asked(&other, &revoked), Err(Code::Revoked));
    let mut unread = other.clone();
    other.restored(NOW, NOW);
    assert_eq!((asked(&other, &innocent), asked(&other, &revoked)), (Ok(()), Err(Code::Revoked)));

    // What cannot be read back ends with the feed's own word.
    unread.keys().replace(jwks().as_bytes(), NOW).unwrap();
    unread.take(page(("", "1.1"), "", NOW).as_bytes(), NOW).unwrap();
    assert_eq!(asked(&unread, &innocent), Ok(()));
}

#[test]
fn no_time_beyond_now_is_believed_and_nothing_ended_returns() {
    let feed = fed(&event("jti", "j1", "null"));

    let mut early = Revocations::new(rules().issuer, 60);
    early.restored(NOW + 9000, NOW);
    assert_eq!((early.age(NOW), early.age(NOW + 61)), (Some(0), Some(61)));
    assert!(restarted(&feed, NOW + 1000 + LEEWAY).is_empty());
}

#[test]
fn what_is_no_piece_is_refused() {
    let mut feed = Revocations::new(rules().issuer, 60);
    for piece in ["", "{}", "[1]", r#"[["sid","s",1,1]]"#, r#"[["sid","s",null]]"#] {
        assert_eq!(feed.restore(piece.as_bytes(), NOW), Err(PageError::Claims), "{piece}");
    }
    let unknown = r#"[["role","s",null,1]]"#.to_string();
    assert_eq!(feed.restore(unknown.as_bytes(), NOW), Err(PageError::UnknownKind));
}
