//! What is promised of sessions and their refresh tokens.

use crate::identity::{manifest, scopes};
use std::time::Duration;

use tokio::task::JoinSet;

use super::Bed;
use super::world::*;
use crate::identity::Expected;
use crate::store::ScopeChange;
use crate::store::{
    Actor, AskedScope, Declaration, DeclaredScope, NewSession, Rotate, Rotation, RotationRefusal, Scope,
    SessionId,
};

pub(super) async fn a_login_opens_a_session_with_what_the_user_holds(bed: &Bed) {
    world(bed).await;

    let session = open(bed, 1).await;

    assert_eq!((session.id, session.salt, session.generation), (SessionId([1; 16]), [254; 16], 0));
    assert_eq!((session.user_id, session.client_id.as_str()), (ALICE, "app"));
    assert_eq!((session.user_epoch, session.client_epoch), (0, 0));
    assert_eq!(session.roles, ["customer"]);
    assert_eq!(session.scopes, [Scope { name: "orders:read".to_owned(), resource: "orders".to_owned() }]);
    assert_eq!(session.expires_at - session.auth_time, ABSOLUTE);
    assert_eq!(bed.store.session_salt(session.id).await.unwrap(), Some([254; 16]));
    assert_eq!(bed.count("users WHERE last_login IS NOT NULL").await, 1);
}

pub(super) async fn no_session_opens_for_whom_was_disabled_or_changed_meanwhile(bed: &Bed) {
    world(bed).await;
    let stale = NewSession { checked_hash: "older".to_owned(), ..login(1) };
    let stranger = NewSession { user_id: uuid::Uuid::from_u128(1), ..login(1) };
    let homeless = NewSession { client_id: "nobody".to_owned(), ..login(1) };

    for session in [stale, stranger, homeless] {
        assert!(bed.store.open_session(&session).await.unwrap().is_none());
    }
    bed.run("UPDATE users SET enabled = NOT enabled").await.unwrap();
    assert!(bed.store.open_session(&login(1)).await.unwrap().is_none());
    bed.run("UPDATE users SET enabled = NOT enabled").await.unwrap();
    bed.run("UPDATE service_clients SET enabled = NOT enabled").await.unwrap();
    assert!(bed.store.open_session(&login(1)).await.unwrap().is_none());

    assert_eq!(bed.count("refresh_tokens").await, 0);
}

pub(super) async fn a_session_moves_one_generation_at_a_time(bed: &Bed) {
    world(bed).await;
    let opened = open(bed, 1).await;
    bed.pass(Duration::from_secs(60)).await;

    let first = rotated(bed, &refresh(1, 0)).await;
    let second = rotated(bed, &refresh(1, 1)).await;

    assert_eq!((first.generation, second.generation), (1, 2));
    assert_eq!((second.id, second.salt, second.user_id), (opened.id, opened.salt, opened.user_id));
    assert_eq!(opened.auth_time - second.auth_time, Duration::from_secs(60));
    assert_eq!(second.expires_at - second.auth_time, ABSOLUTE);
    assert_eq!(second.scopes, opened.scopes);
}

///
pub(super) async fn many_refreshes_of_one_token_have_one_successor(bed: &Bed) {
    world(bed).await;
    open(bed, 1).await;

    let mut refreshes = JoinSet::new();
    for turn in 0..64 {
        let replica = bed.replica(turn);
        refreshes.spawn(async move { replica.rotate(&refresh(1, 0)).await.unwrap() });
    }

    let mut rotated = 0;
    for rotation in refreshes.join_all().await {
        rotated += usize::from(matches!(rotation, Rotation::Rotated(_)));
        let (Rotation::Rotated(session) | Rotation::Repeated(session)) = rotation else {
            panic!("{rotation:?}")
        };
        assert_eq!(session.generation, 1);
    }
    assert_eq!(rotated, 1);
    assert_eq!(bed.count("refresh_tokens WHERE generation = 1 AND ended_at IS NULL").await, 1);
    assert!(events(bed).await.is_empty());
}

pub(super) async fn a_lost_answer_is_given_again_within_the_grace_window(bed: &Bed) {
    world(bed).await;
    open(bed, 1).await;
    rotated(bed, &refresh(1, 0)).await;
    bed.pass(GRACE - Duration::from_secs(5)).await;

    let again = rotated(bed, &refresh(1, 0)).await;

    assert_eq!(again.generation, 1);
    assert_eq!(scope_names(&again), ["orders:read"]);
    assert_eq!(rotated(bed, &refresh(1, 1)).await.generation, 2);
}

pub(super) async fn a_predecessor_after_the_grace_window_ends_the_session(bed: &Bed) {
    world(bed).await;
    open(bed, 1).await;
    rotated(bed, &refresh(1, 0)).await;
    bed.pass(GRACE).await;

    assert_eq!(refused(bed, &refresh(1, 0)).await, RotationRefusal::Reused);

    assert_eq!(refused(bed, &refresh(1, 1)).await, RotationRefusal::Ended);
}

/// the grace window is the immediate predecessor's alone, however young it is.
pub(super) async fn an_older_token_ends_the_session_at_once(bed: &Bed) {
    world(bed).await;
    open(bed, 1).await;
    rotated(bed, &refresh(1, 0)).await;
    rotated(bed, &refresh(1, 1)).await;

    assert_eq!(refused(bed, &refresh(1, 0)).await, RotationRefusal::Reused);

    let sid = "01".repeat(16);
    assert_eq!(refused(bed, &refresh(1, 2)).await, RotationRefusal::Ended);
    assert_eq!(refused(bed, &refresh(1, 0)).await, RotationRefusal::Ended);
    assert_eq!(events(bed).await, [format!("sid {sid}")]);
    assert_eq!(audit(bed, "session.%").await, [format!("client:app session.reused {sid}")]);
    assert_eq!(bed.count("refresh_tokens WHERE end_reason = 'reused'").await, 1);
}

/// a restored backup forgets generations that its clients hold.
pub(super) async fn a_generation_never_handed_out_revokes_nothing(bed: &Bed) {
    world(bed).await;
    open(bed, 1).await;

    assert_eq!(refused(bed, &refresh(1, 1)).await, RotationRefusal::Unknown);
    assert_eq!(refused(bed, &refresh(1, u32::MAX)).await, RotationRefusal::Unknown);

    assert!(events(bed).await.is_empty());
    assert_eq!(rotated(bed, &refresh(1, 0)).await.generation, 1);
}

pub(super) async fn another_clients_token_ends_the_session(bed: &Bed) {
    world(bed).await;
    open(bed, 1).await;
    let foreign = Rotate { client_id: "other".to_owned(), ..refresh(1, 0) };

    assert_eq!(refused(bed, &foreign).await, RotationRefusal::ForeignClient);

    let sid = "01".repeat(16);
    assert_eq!(refused(bed, &refresh(1, 0)).await, RotationRefusal::Ended);
    assert_eq!(events(bed).await, [format!("sid {sid}")]);
    assert_eq!(audit(bed, "session.%").await, [format!("client:other session.foreign_client {sid}")]);
}

///
pub(super) async fn an_unused_session_expires(bed: &Bed) {
    world(bed).await;
    open(bed, 1).await;
    bed.pass(INACTIVITY - Duration::from_secs(5)).await;
    assert_eq!(rotated(bed, &refresh(1, 0)).await.generation, 1);
    bed.pass(INACTIVITY).await;

    assert_eq!(refused(bed, &refresh(1, 1)).await, RotationRefusal::Expired);
}

///
pub(super) async fn a_used_session_expires_at_last(bed: &Bed) {
    world(bed).await;
    open(bed, 1).await;

    for generation in 0..3 {
        bed.pass(ABSOLUTE / 4).await;
        rotated(bed, &refresh(1, generation)).await;
    }
    bed.pass(ABSOLUTE / 4).await;

    assert_eq!(refused(bed, &refresh(1, 3)).await, RotationRefusal::Expired);
}

pub(super) async fn a_disabled_user_or_client_refreshes_nothing(bed: &Bed) {
    world(bed).await;
    open(bed, 1).await;

    for table in ["users", "service_clients"] {
        bed.run(&format!("UPDATE {table} SET enabled = NOT enabled")).await.unwrap();
        assert_eq!(refused(bed, &refresh(1, 0)).await, RotationRefusal::Ended);
        bed.run(&format!("UPDATE {table} SET enabled = NOT enabled")).await.unwrap();
    }

    assert_eq!(rotated(bed, &refresh(1, 0)).await.generation, 1);
}

///
pub(super) async fn a_refresh_holds_what_the_user_holds_now_and_never_more_than_at_the_login(bed: &Bed) {
    world(bed).await;
    let become_a = |role: &str| format!("UPDATE user_roles SET role_name = '{role}'");
    open(bed, 1).await;
    bed.run(&become_a("clerk")).await.unwrap();
    open(bed, 2).await;

    assert_eq!(scope_names(&rotated(bed, &refresh(1, 0)).await), ["orders:read"]);
    assert_eq!(scope_names(&rotated(bed, &refresh(2, 0)).await), ["orders:read", "orders:write"]);

    bed.run(&become_a("customer")).await.unwrap();
    assert_eq!(scope_names(&rotated(bed, &refresh(2, 1)).await), ["orders:read"]);
    bed.run(&become_a("clerk")).await.unwrap();
    bed.run("DELETE FROM client_scopes WHERE scope_name = 'orders:read'").await.unwrap();
    assert_eq!(scope_names(&rotated(bed, &refresh(2, 2)).await), ["orders:write"]);

    bed.run("DELETE FROM user_roles").await.unwrap();
    for _ in 0..2 {
        assert_eq!(refused(bed, &refresh(2, 3)).await, RotationRefusal::NothingHeld);
    }
    bed.run("INSERT INTO user_roles (user_id, role_name) SELECT id, 'clerk' FROM users").await.unwrap();
    let only = |name: &str| Rotate { scope: AskedScope::Only(set(&[name])), ..refresh(2, 3) };
    // The client may not ask for it any more.
    assert_eq!(refused(bed, &only("orders:read")).await, RotationRefusal::NothingHeld);
    assert_eq!(scope_names(&rotated(bed, &only("orders:write")).await), ["orders:write"]);
}

/// RFC 6749 §6, and the order of RFC 9700 §4.14.2: a scope decides only about a token that is good.
pub(super) async fn a_scope_beyond_the_session_uses_nothing_up_and_hides_nothing(bed: &Bed) {
    world(bed).await;
    for number in 1..=2 {
        open(bed, number).await;
    }
    let asking = |number, presented, scope| Rotate { scope, ..refresh(number, presented) };
    let only = |name: &str| AskedScope::Only(set(&[name]));

    for scope in [only("orders:write"), only(""), AskedScope::Ungrantable] {
        assert_eq!(refused(bed, &asking(1, 0, scope.clone())).await, RotationRefusal::BeyondScope);
    }
    assert_eq!(rotated(bed, &asking(1, 0, only("orders:read"))).await.generation, 1);
    assert_eq!(rotated(bed, &asking(1, 0, only("orders:read"))).await.generation, 1);
    assert_eq!(refused(bed, &asking(1, 0, only("orders:write"))).await, RotationRefusal::BeyondScope);
    rotated(bed, &refresh(1, 1)).await;
    assert!(events(bed).await.is_empty());

    assert_eq!(refused(bed, &asking(1, 0, AskedScope::Ungrantable)).await, RotationRefusal::Reused);
    assert_eq!(refused(bed, &asking(1, 2, only("orders:write"))).await, RotationRefusal::Ended);
    let foreign = Rotate { client_id: "other".to_owned(), ..asking(2, 0, only("orders:write")) };
    assert_eq!(refused(bed, &foreign).await, RotationRefusal::ForeignClient);
    assert_eq!(events(bed).await.len(), 2);
}

/// The answer was lost, and for ten minutes nobody could give it again.
pub(super) async fn time_in_which_nobody_could_answer_does_not_count(bed: &Bed) {
    world(bed).await;
    let (due, outage) = (Duration::from_secs(5), Duration::from_secs(600));
    for number in 1..=3 {
        open(bed, number).await;
    }
    assert_eq!(bed.store.report_alive(due).await.unwrap(), None);
    for number in 1..=3 {
        rotated(bed, &refresh(number, 0)).await;
    }
    rotated(bed, &refresh(3, 1)).await;

    bed.pass(outage).await;

    // Before anybody has said that it is over, and after.
    assert_eq!(rotated(bed, &refresh(1, 0)).await.generation, 1);
    let ended = bed.other.report_alive(due).await.unwrap().expect("an outage has ended");
    assert!((outage..outage + Duration::from_secs(60)).contains(&ended), "{ended:?}");
    assert_eq!(bed.store.report_alive(due).await.unwrap(), None);
    assert_eq!(rotated(bed, &refresh(1, 0)).await.generation, 1);
    // Older than the predecessor: copied, whatever the time.
    assert_eq!(refused(bed, &refresh(3, 0)).await, RotationRefusal::Reused);

    for _ in 0..4 {
        bed.pass(Duration::from_secs(3)).await;
        assert_eq!(bed.store.report_alive(due).await.unwrap(), None);
    }
    assert_eq!(refused(bed, &refresh(1, 0)).await, RotationRefusal::Reused);
    assert_eq!(rotated(bed, &refresh(2, 1)).await.generation, 2);
}

pub(super) async fn an_unknown_session_is_unknown(bed: &Bed) {
    world(bed).await;

    assert_eq!(refused(bed, &refresh(9, 0)).await, RotationRefusal::Unknown);
    assert_eq!(bed.store.session_salt(SessionId([9; 16])).await.unwrap(), None);
}

/// Deleted and made again, for another resource or the same, or moved to another resource: each is another right.
pub(super) async fn a_scope_of_after_the_login_enters_no_session(bed: &Bed) {
    world(bed).await;
    let by = operator("keystone:scopes:write");
    let held = async |number: u8| match bed.store.rotate(&refresh(number, 0)).await.unwrap() {
        Rotation::Rotated(session) => {
            scope_names(&session).into_iter().map(str::to_owned).collect::<Vec<_>>()
        }
        Rotation::Refused(RotationRefusal::NothingHeld) => Vec::new(),
        other => panic!("{other:?}"),
    };
    let give_back = async || {
        let clerk = role("customer", &["orders:read"]);
        let again = Declaration { roles: vec![clerk], clients: vec![app()], ..declaration() };
        manifest::apply(&bed.store, &Actor::Operator, &again).await.unwrap().unwrap();
    };
    for number in 1..=3 {
        assert_eq!(scope_names(&open(bed, number).await), ["orders:read"]);
    }
    assert_eq!(held(1).await, ["orders:read"]);

    scopes::delete(&bed.store, &by, "orders:read", &Expected::Any).await.settled().unwrap();
    let other = DeclaredScope { resource: "billing".to_owned(), ..scope("orders:read") };
    scopes::create(&bed.store, &by, &other).await.settled().unwrap();
    let moved = ScopeChange {
        name: "orders:read".to_owned(),
        description: None,
        resource: Some("orders".to_owned()),
    };
    scopes::update(&bed.store, &by, &Expected::Any, &moved).await.settled().unwrap();
    give_back().await;
    assert!(held(2).await.is_empty());
    assert_eq!(scope_names(&open(bed, 4).await), ["orders:read"], "a login of now holds it");

    let words = ScopeChange { description: Some("See them".to_owned()), resource: None, ..moved.clone() };
    scopes::update(&bed.store, &by, &Expected::Any, &words).await.settled().unwrap();
    assert_eq!(held(4).await, ["orders:read"], "its description is no other right");
    open(bed, 5).await;
    let away = ScopeChange { resource: Some("billing".to_owned()), ..moved };
    scopes::update(&bed.store, &by, &Expected::Any, &away).await.settled().unwrap();
    assert!(held(5).await.is_empty());
}

/// As HTTP does when a client hangs up.
pub(super) async fn a_call_runs_to_its_end_when_its_caller_gives_up(bed: &Bed) {
    world(bed).await;
    let session = login(1);

    // On a busy machine the answer may come even so.
    drop(tokio::time::timeout(Duration::ZERO, bed.store.open_session(&session)).await);

    let opened = async {
        while bed.other.session_record(session.id).await.unwrap().is_none() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), opened).await.expect("the session was never opened");
}
