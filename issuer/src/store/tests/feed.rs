//! What is promised of the revocation feed as verifiers read it.

use std::time::Duration;

use tokio::task::JoinSet;

use super::Bed;
use super::world::*;
use crate::store::RETENTION;
use crate::store::{
    Actor, EndReason, EndSession, FeedPage, Position, RequestContext, SessionId, Store, Swept,
};

async fn page(store: &Store, after: Option<Position>, most: u32) -> FeedPage {
    store.revoked_after(after, most).await.unwrap().expect("a place that is there")
}

fn values(page: &FeedPage) -> Vec<&str> {
    page.events.iter().map(|event| event.value.as_str()).collect()
}

async fn revoke(bed: &Bed, token_id: &str) {
    bed.store.revoke_token(&Actor::Client("service".to_owned()).into(), token_id).await.unwrap();
}

/// An event from an hour ago, to be dropped `seconds` from now.
async fn insert(bed: &Bed, value: &str, seconds: i64) {
    let (at, drop_after) = (bed.at(-3600), bed.at(seconds));
    let row = format!("('jti', '{value}', {at}, {drop_after})");
    bed.run(&format!("INSERT INTO revocation_events (kind, value, at, drop_after) VALUES {row}"))
        .await
        .unwrap();
}

async fn expire(bed: &Bed) {
    bed.run(&format!("UPDATE revocation_events SET drop_after = {}", bed.at(-1))).await.unwrap();
}

pub(super) async fn pages_follow_each_other_without_a_gap(bed: &Bed) {
    world(bed).await;
    let empty = FeedPage { events: Vec::new(), to: None, more: false };
    assert_eq!(page(&bed.store, None, 3).await, empty);
    for number in 1..=7 {
        revoke(bed, &format!("token{number}")).await;
    }

    let mut after = None;
    for (turn, (expected, more)) in [
        (&["token1", "token2", "token3"][..], true),
        (&["token4", "token5", "token6"], true),
        (&["token7"], false),
        (&[], false),
    ]
    .into_iter()
    .enumerate()
    {
        let page = page(&bed.replica(turn), after, 3).await;
        assert_eq!((values(&page).as_slice(), page.more), (expected, more));
        assert_eq!(page.to, page.events.last().map(|event| event.position).or(after));
        after = page.to;
    }

    revoke(bed, "token8").await;
    assert_eq!(values(&page(&bed.other, after, 3).await), ["token8"]);
    let whole = page(&bed.store, None, 8).await;
    assert_eq!((whole.events.len(), whole.more), (8, false), "as many as fit");
}

pub(super) async fn an_event_is_read_as_it_was_written(bed: &Bed) {
    world(bed).await;
    open(bed, 1).await;
    let end = EndSession {
        id: SessionId([1; 16]),
        actor: Actor::User(ALICE),
        reason: EndReason::LoggedOut,
        context: RequestContext::default(),
    };
    let before = bed.store.now().await.unwrap();

    assert!(bed.store.end_session(&end).await.unwrap());
    revoke(bed, "token1").await;
    bed.run(&format!(
        "INSERT INTO revocation_events (kind, value, min_epoch, drop_after)
         VALUES ('sub', '{ALICE}', 3, {0}), ('cid', 'app', 4, {0}), ('kid', 'key', NULL, {0})",
        bed.at(3600)
    ))
    .await
    .unwrap();

    let page = page(&bed.store, None, 100).await;
    let read: Vec<_> =
        page.events.iter().map(|event| (event.kind, event.value.as_str(), event.min_epoch)).collect();
    let (sid, sub) = (SessionId([1; 16]).to_string(), ALICE.to_string());
    assert_eq!(
        read,
        [
            ("sid", sid.as_str(), None),
            ("jti", "token1", None),
            ("sub", &sub, Some(3)),
            ("cid", "app", Some(4)),
            ("kid", "key", None),
        ]
    );
    let kept = page.events[0].drop_after - before;
    assert!(kept >= RETENTION && kept < RETENTION + Duration::from_secs(60), "{kept}");
    assert!(page.events.iter().all(|event| event.drop_after > before));
}

pub(super) async fn what_no_token_can_match_any_more_is_left_out(bed: &Bed) {
    world(bed).await;
    for (value, seconds) in [("over1", -60), ("live1", 60), ("over2", -1), ("live2", 60), ("over3", -1)] {
        insert(bed, value, seconds).await;
    }

    let first = page(&bed.store, None, 1).await;
    assert_eq!((values(&first), first.more), (vec!["live1"], true));
    let second = page(&bed.store, first.to, 1).await;
    assert_eq!((values(&second), second.more), (vec!["live2"], false));
    assert_eq!(page(&bed.store, second.to, 1).await, FeedPage { events: Vec::new(), ..second });

    expire(bed).await;
    assert_eq!(page(&bed.store, first.to, 9).await.to, first.to, "its row is over, and still there");
    assert_eq!(page(&bed.store, None, 9).await, FeedPage { events: Vec::new(), to: None, more: false });
}

/// Whoever has read everything may go on, however long nothing happens.
pub(super) async fn the_last_place_survives_every_sweep(bed: &Bed) {
    world(bed).await;
    for number in 1..=3 {
        insert(bed, &format!("token{number}"), 60).await;
    }
    let first = page(&bed.store, None, 1).await.to;
    let last = page(&bed.store, None, 9).await.to;
    expire(bed).await;

    let swept = Swept { sessions: 0, events: 2, behind: false };
    assert_eq!(bed.store.sweep(100).await.unwrap(), swept);
    for turn in 0..4 {
        assert_eq!(bed.replica(turn).sweep(100).await.unwrap(), Swept::default());
    }

    assert_eq!(bed.store.revoked_after(first, 9).await.unwrap(), None);
    assert_eq!(page(&bed.store, last, 9).await, FeedPage { events: Vec::new(), to: last, more: false });
    revoke(bed, "token4").await;
    assert_eq!(values(&page(&bed.store, last, 9).await), ["token4"]);
    assert_eq!(bed.store.sweep(100).await.unwrap(), Swept { events: 1, ..swept }, "it has a successor now");
}

/// A database that was restored from a backup gives the numbers of what it lost to other events.
pub(super) async fn a_place_of_another_history_is_unknown(bed: &Bed) {
    world(bed).await;
    for number in 1..=2 {
        revoke(bed, &format!("token{number}")).await;
    }
    let last = page(&bed.store, None, 9).await.to.unwrap();

    for other in [
        Position { at: last.at - 1, ..last },
        Position { at: last.at + 1, ..last },
        Position { at: i64::MAX, ..last },
        Position { seq: last.seq + 1, ..last },
        Position { seq: i64::MAX, ..last },
    ] {
        assert_eq!(bed.store.revoked_after(Some(other), 9).await.unwrap(), None, "{other:?}");
    }
    assert!(page(&bed.store, Some(last), 9).await.events.is_empty());
}

/// Numbers become visible in their order, so that a reader skips none.
pub(super) async fn a_reader_misses_nothing_while_others_write(bed: &Bed) {
    world(bed).await;
    let mut writers = JoinSet::new();
    for turn in 0..40 {
        let replica = bed.replica(turn);
        let service = Actor::Client("service".to_owned()).into();
        writers.spawn(async move { replica.revoke_token(&service, &format!("token{turn}")).await.unwrap() });
    }

    let mut read = Vec::new();
    let mut after = None;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    while read.len() < 40 && tokio::time::Instant::now() < deadline {
        let page = page(&bed.replica(read.len()), after, 7).await;
        read.extend(page.events.iter().map(|event| format!("{} {}", event.kind, event.value)));
        after = page.to;
    }
    writers.join_all().await;

    assert_eq!(read, events(bed).await);
    assert_eq!(read.len(), 40);
}

/// A row from before the rule, or from somebody's hand.
pub(super) async fn a_row_that_cannot_be_said_holds_up_no_other(bed: &Bed) {
    world(bed).await;
    bed.allow_any_revocation().await;
    revoke(bed, "before").await;
    let far = bed.at(10_000_000);
    bed.run(&format!(
        "INSERT INTO revocation_events (kind, value, min_epoch, drop_after) VALUES ('iss', 'x', 1, {far})"
    ))
    .await
    .unwrap();
    revoke(bed, "after").await;

    let page = bed.store.revoked_after(None, 100).await.unwrap().unwrap();
    assert_eq!(page.events.iter().map(|event| event.value.as_str()).collect::<Vec<_>>(), ["before", "after"]);
    let first = bed.store.revoked_after(None, 2).await.unwrap().unwrap();
    assert_eq!((first.events.len(), first.more), (1, true));
    let rest = bed.store.revoked_after(first.to, 2).await.unwrap().unwrap();
    assert_eq!(rest.events[0].value, "after", "the place of such a row is a place like others");
}
