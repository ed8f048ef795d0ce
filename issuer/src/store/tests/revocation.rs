//! What is promised of ended sessions, revoked tokens, and the question whether a token stands.

use std::time::Duration;

use tokio::task::JoinSet;
use uuid::Uuid;

use super::Bed;
use super::world::*;
use crate::store::RETENTION;
use crate::store::{
    Actor, EndReason, EndSession, Holder, IssuedToken, NewSession, RequestContext, RotationRefusal,
    SessionId, Standing, Swept,
};

fn end(number: u8, actor: Actor, reason: EndReason) -> EndSession {
    EndSession { id: SessionId([number; 16]), actor, reason, context: RequestContext::default() }
}

fn the_app() -> Actor {
    Actor::Client("app".to_owned())
}

/// The token that `open(bed, number)` gives.
fn of_alice(number: u8) -> IssuedToken {
    IssuedToken {
        token_id: format!("token{number}"),
        holder: Holder::User { id: ALICE, session: SessionId([number; 16]) },
        client_id: "app".to_owned(),
        subject_epoch: 0,
        client_epoch: 0,
    }
}

fn of_service() -> IssuedToken {
    IssuedToken { holder: Holder::Client, client_id: "service".to_owned(), ..of_alice(1) }
}

async fn stands(bed: &Bed, token: &IssuedToken) -> bool {
    bed.store.standing(token).await.unwrap().is_some()
}

async fn live(bed: &Bed) -> Vec<u8> {
    let sessions = bed.store.live_sessions(ALICE, INACTIVITY).await.unwrap();
    sessions.iter().map(|session| session.id.0[0]).collect()
}

pub(super) async fn a_session_ends_once_with_its_event_and_its_audit_row(bed: &Bed) {
    world(bed).await;
    open(bed, 1).await;
    let end = end(1, the_app(), EndReason::Revoked);

    let mut ends = JoinSet::new();
    for turn in 0..8 {
        let (replica, end) = (bed.replica(turn), end.clone());
        ends.spawn(async move { replica.end_session(&end).await.unwrap() });
    }

    assert_eq!(ends.join_all().await.into_iter().filter(|ended| *ended).count(), 1);
    let sid = "01".repeat(16);
    assert_eq!(events(bed).await, [format!("sid {sid}")]);
    assert_eq!(audit(bed, "session.%").await, [format!("client:app session.revoked {sid}")]);
    assert_eq!(refused(bed, &refresh(1, 0)).await, RotationRefusal::Ended);
    assert!(bed.store.live_session(SessionId([1; 16]), INACTIVITY).await.unwrap().is_none());
    assert!(!stands(bed, &of_alice(1)).await);
}

pub(super) async fn nobody_ends_what_is_not_theirs(bed: &Bed) {
    world(bed).await;
    open(bed, 1).await;

    for actor in [
        Actor::Client("other".to_owned()),
        Actor::Client(ALICE.to_string()),
        Actor::User(Uuid::nil()),
        Actor::Operator,
    ] {
        assert!(!bed.store.end_session(&end(1, actor, EndReason::Revoked)).await.unwrap());
    }
    assert!(!bed.store.end_session(&end(9, the_app(), EndReason::Revoked)).await.unwrap());

    assert!(events(bed).await.is_empty() && audit(bed, "session.%").await.is_empty());
    assert!(stands(bed, &of_alice(1)).await);
    let own = end(1, Actor::User(ALICE), EndReason::EndedByUser);
    assert!(bed.store.end_session(&own).await.unwrap());
}

pub(super) async fn a_token_without_a_session_is_revoked_by_its_own_id(bed: &Bed) {
    world(bed).await;
    let service = Actor::Client("service".to_owned());
    let other = IssuedToken { token_id: "token2".to_owned(), ..of_service() };
    assert_eq!(
        bed.store.standing(&of_service()).await.unwrap(),
        Some(Standing { username: None, password_must_change: false })
    );

    for _ in 0..2 {
        bed.store.revoke_token(&service.clone().into(), "token1").await.unwrap();
    }

    assert_eq!(events(bed).await, ["jti token1"]);
    assert_eq!(audit(bed, "token.%").await, ["client:service token.revoked token1"]);
    assert!(!stands(bed, &of_service()).await);
    assert!(stands(bed, &other).await);
}

pub(super) async fn a_users_token_stands_with_its_session_its_user_and_its_client(bed: &Bed) {
    world(bed).await;
    open(bed, 1).await;
    let token = of_alice(1);
    let standing = bed.store.standing(&token).await.unwrap();
    assert_eq!(standing, Some(Standing { username: Some("Alice".to_owned()), password_must_change: false }));

    for table in ["users", "service_clients"] {
        bed.run(&format!("UPDATE {table} SET enabled = NOT enabled")).await.unwrap();
        assert!(!stands(bed, &token).await, "{table}");
        bed.run(&format!("UPDATE {table} SET enabled = NOT enabled")).await.unwrap();
    }
    let stranger = Holder::User { id: Uuid::nil(), session: SessionId([1; 16]) };
    let elsewhere = Holder::User { id: ALICE, session: SessionId([9; 16]) };
    for foreign in [
        IssuedToken { holder: stranger, ..token.clone() },
        IssuedToken { holder: elsewhere, ..token.clone() },
        IssuedToken { client_id: "other".to_owned(), ..token.clone() },
    ] {
        assert!(!stands(bed, &foreign).await, "{foreign:?}");
    }

    assert!(stands(bed, &token).await);
}

/// V-08: of several rules the strictest wins (CVE-2026-8922): a token must be new enough for each of them.
pub(super) async fn a_token_from_before_an_epoch_does_not_stand(bed: &Bed) {
    world(bed).await;
    open(bed, 1).await;
    bed.run("UPDATE users SET epoch = 2").await.unwrap();
    bed.run("UPDATE service_clients SET epoch = 3").await.unwrap();

    for (subject_epoch, client_epoch, expected) in
        [(2, 3, true), (3, 4, true), (1, 3, false), (2, 2, false), (1, 9, false), (9, 2, false)]
    {
        let token = IssuedToken { subject_epoch, client_epoch, ..of_alice(1) };
        assert_eq!(stands(bed, &token).await, expected, "{token:?}");
    }
    for (subject_epoch, client_epoch, expected) in [(3, 3, true), (2, 3, false), (3, 2, false)] {
        let token = IssuedToken { subject_epoch, client_epoch, ..of_service() };
        assert_eq!(stands(bed, &token).await, expected, "{token:?}");
    }
}

pub(super) async fn a_clients_token_stands_with_its_client(bed: &Bed) {
    world(bed).await;
    let unknown = IssuedToken { client_id: "nobody".to_owned(), ..of_service() };

    assert!(!stands(bed, &unknown).await);
    bed.run("UPDATE service_clients SET enabled = NOT enabled").await.unwrap();
    assert!(!stands(bed, &of_service()).await);
}

pub(super) async fn live_sessions_are_those_that_have_not_ended_or_expired(bed: &Bed) {
    world(bed).await;
    open(bed, 1).await;
    bed.pass(Duration::from_secs(60)).await;
    open(bed, 2).await;
    bed.pass(Duration::from_secs(60)).await;
    open(bed, 3).await;
    assert_eq!(live(bed).await, [3, 2, 1]);

    bed.store.end_session(&end(3, the_app(), EndReason::Revoked)).await.unwrap();
    bed.pass(INACTIVITY - Duration::from_secs(90)).await;

    assert_eq!(live(bed).await, [2]);
    let two = bed.store.live_sessions(ALICE, INACTIVITY).await.unwrap().remove(0);
    assert_eq!((two.client_id.as_str(), two.last_used_at), ("app", two.created_at));
    assert_eq!(two.expires_at - two.created_at, ABSOLUTE);
    assert!(bed.store.live_session(SessionId([1; 16]), INACTIVITY).await.unwrap().is_none());
    let session = bed.store.live_session(SessionId([2; 16]), INACTIVITY).await.unwrap().unwrap();
    assert_eq!((session.username.as_str(), session.generation), ("Alice", 0));
    assert_eq!(scope_names(&session), ["orders:read"]);

    bed.run("UPDATE users SET enabled = NOT enabled").await.unwrap();
    assert!(bed.store.live_session(SessionId([2; 16]), INACTIVITY).await.unwrap().is_none());
    assert!(bed.store.live_sessions(Uuid::nil(), INACTIVITY).await.unwrap().is_empty());
}

pub(super) async fn the_oldest_session_ends_when_one_too_many_opens(bed: &Bed) {
    world(bed).await;
    for number in 1..=3 {
        let session = NewSession { most_live: 3, ..login(number) };
        bed.store.open_session(&session).await.unwrap().unwrap();
        bed.pass(Duration::from_secs(60)).await;
    }
    // Used last, and still the oldest.
    rotated(bed, &refresh(1, 0)).await;
    assert!(events(bed).await.is_empty());

    bed.store.open_session(&NewSession { most_live: 3, ..login(4) }).await.unwrap().unwrap();
    assert_eq!(live(bed).await, [4, 3, 2]);
    // A lower limit ends several at once.
    bed.store.open_session(&NewSession { most_live: 1, ..login(5) }).await.unwrap().unwrap();

    assert_eq!(live(bed).await, [5]);
    let sid = |number: u8| format!("{number:02x}").repeat(16);
    let mut ended = events(bed).await;
    ended.sort();
    assert_eq!(ended, [1, 2, 3, 4].map(|number| format!("sid {}", sid(number))));
    let first = format!("user:{ALICE} session.over_limit {}", sid(1));
    assert_eq!(audit(bed, "session.%").await[0], first);
    assert_eq!(refused(bed, &refresh(1, 1)).await, RotationRefusal::Ended);
}

pub(super) async fn logins_at_once_do_not_pass_the_limit(bed: &Bed) {
    world(bed).await;

    let mut logins = JoinSet::new();
    for turn in 0..24_u8 {
        let replica = bed.replica(usize::from(turn));
        let session = NewSession { most_live: 5, ..login(turn) };
        logins.spawn(async move { replica.open_session(&session).await.unwrap() });
    }

    assert_eq!(logins.join_all().await.into_iter().flatten().count(), 24);
    assert_eq!(live(bed).await.len(), 5);
    assert_eq!(events(bed).await.len(), 19);
}

/// A session that is used or may be used again stays, and so does its revocation while a token of it may live.
pub(super) async fn what_is_over_for_long_is_swept_and_nothing_else(bed: &Bed) {
    world(bed).await;
    for number in 1..=3 {
        open(bed, number).await;
    }
    assert!(bed.store.end_session(&end(1, the_app(), EndReason::Revoked)).await.unwrap());
    // The last event stays, whatever its age.
    bed.store.revoke_token(&the_app().into(), "last").await.unwrap();
    let nothing = Swept::default();

    bed.pass(RETENTION - Duration::from_secs(60)).await;
    open(bed, 4).await;
    assert_eq!(bed.store.sweep(100).await.unwrap(), nothing, "two have expired, one ended; tokens may live");
    assert_eq!(events(bed).await.len(), 2);
    bed.pass(Duration::from_secs(61)).await;
    assert_eq!(bed.store.sweep(100).await.unwrap(), Swept { sessions: 1, events: 1, behind: false });
    assert_eq!(refused(bed, &refresh(1, 0)).await, RotationRefusal::Unknown);
    bed.pass(ABSOLUTE).await;
    assert_eq!(bed.store.sweep(100).await.unwrap(), Swept { sessions: 2, events: 0, behind: false });

    assert_eq!(bed.store.sweep(100).await.unwrap(), nothing);
    assert_eq!(bed.count("refresh_tokens").await, 1, "the fourth has expired, but not for long");
    assert!(!audit(bed, "session.%").await.is_empty(), "the audit log is kept");
}

pub(super) async fn many_sweeps_at_once_take_a_step_each(bed: &Bed) {
    world(bed).await;
    for number in 1..=60 {
        open(bed, number).await;
    }
    bed.pass(ABSOLUTE + RETENTION).await;

    let mut sweeps = JoinSet::new();
    for turn in 0..6 {
        let replica = bed.replica(turn);
        sweeps.spawn(async move { replica.sweep(10).await.unwrap() });
    }
    let swept = sweeps.join_all().await;
    assert_eq!(swept.iter().map(|swept| swept.sessions).sum::<u64>(), 60);

    assert!(swept.iter().all(|swept| swept.sessions == 10 && swept.behind));
    assert!(!crate::sweep::sweep(&bed.store, &crate::clock::testing::world().0).await.unwrap().behind);
    assert_eq!(bed.count("refresh_tokens").await, 0);
}
