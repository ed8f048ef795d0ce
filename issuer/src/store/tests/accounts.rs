//! What is promised of users and their passwords.

use std::time::Duration;

use tokio::task::JoinSet;
use uuid::Uuid;

use super::Bed;
use super::world::*;
use crate::identity::{Expected, Refused, users};
use crate::store::{
    Actor, NewSession, NewUser, PasswordChange, RequestContext, RotationRefusal, SessionId, Skeletons,
};
use crate::store::{Identifier, UserChange};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn invited() -> NewUser {
    NewUser { one_time_for: Some(DAY), password_hash: "once".to_owned(), ..user(1) }
}

fn first_login(number: u8) -> NewSession {
    NewSession { user_id: invited().id, checked_hash: "once".to_owned(), ..login(number) }
}

pub(super) async fn a_one_time_password_opens_one_session(bed: &Bed) {
    world(bed).await;
    users::create(&bed.store, &operator("keystone:users:write"), &invited()).await.settled().unwrap();
    let before = bed.store.credential("user1").await.unwrap().unwrap();
    assert!(before.one_time && !before.expired && before.password_hash.is_some());

    let mut logins = JoinSet::new();
    for turn in 0..32 {
        let replica = bed.replica(turn);
        let session = first_login(u8::try_from(turn).unwrap());
        logins.spawn(async move { replica.open_session(&session).await.unwrap() });
    }

    assert_eq!(logins.join_all().await.into_iter().flatten().count(), 1);
    assert_eq!(bed.count("refresh_tokens").await, 1);
    let after = bed.store.credential("user1").await.unwrap().unwrap();
    assert!(!after.one_time && after.password_hash.is_none());
}

/// B-02
pub(super) async fn a_one_time_password_expires(bed: &Bed) {
    world(bed).await;
    users::create(&bed.store, &operator("keystone:users:write"), &invited()).await.settled().unwrap();
    bed.pass(DAY).await;

    assert!(bed.store.credential("user1").await.unwrap().unwrap().expired);
    assert!(bed.store.open_session(&first_login(1)).await.unwrap().is_none());
}

pub(super) async fn look_alike_names_collide(bed: &Bed) {
    world(bed).await;
    let name = NewUser { username: "ALICE".to_owned(), username_key: "alice".to_owned(), ..user(1) };
    let email = NewUser {
        email: Some("ALICE@example.com".to_owned()),
        email_key: Some("alice@example.com".to_owned()),
        ..user(1)
    };

    assert_eq!(
        users::create(&bed.store, &operator("keystone:users:write"), &name).await.settled().unwrap_err(),
        Refused::UsernameTaken
    );
    assert_eq!(
        users::create(&bed.store, &operator("keystone:users:write"), &email).await.settled().unwrap_err(),
        Refused::EmailTaken
    );

    assert_eq!(bed.count("users").await, 1);
    let alice = bed.store.credential("alice").await.unwrap().unwrap();
    assert_eq!((alice.user_id, alice.username.as_str(), alice.enabled), (ALICE, "Alice", true));
    assert_eq!(bed.store.credential_by_id(ALICE).await.unwrap().unwrap().username, "Alice");
    assert!(bed.store.credential("Alice").await.unwrap().is_none());
}

pub(super) async fn one_of_many_creations_of_a_name_succeeds(bed: &Bed) {
    world(bed).await;

    let mut creations = JoinSet::new();
    for turn in 0..16_u8 {
        let replica = bed.replica(usize::from(turn));
        let user = NewUser { id: Uuid::from_u128(100 + u128::from(turn)), ..user(1) };
        creations.spawn(async move {
            users::create(&replica, &operator("keystone:users:write"), &user).await.settled()
        });
    }

    let (made, refused): (Vec<_>, Vec<_>) = creations.join_all().await.into_iter().partition(Result::is_ok);
    assert_eq!((made.len(), refused.len()), (1, 15));
    let made = made.into_iter().next().unwrap().unwrap();
    assert_eq!((made.username.as_str(), made.enabled, made.roles), ("user1", true, set(&["customer"])));
    assert_eq!(audit(bed, "user.created").await[1..], [format!("operator user.created {}", made.id)]);
}

pub(super) async fn a_user_with_an_unknown_role_is_not_made(bed: &Bed) {
    world(bed).await;
    let strange = NewUser { roles: vec!["customer".to_owned(), "pirate".to_owned()], ..user(1) };

    let refused =
        users::create(&bed.store, &operator("keystone:users:write"), &strange).await.settled().unwrap_err();

    assert_eq!(refused, Refused::UnknownRole("pirate".to_owned()));
    assert_eq!(bed.count("users").await, 1);
}

pub(super) async fn a_password_change_ends_the_other_sessions(bed: &Bed) {
    world(bed).await;
    for number in 1..=3 {
        open(bed, number).await;
    }
    let change = PasswordChange {
        user_id: ALICE,
        expected: Some("hash".to_owned()),
        new_hash: "new".to_owned(),
        keep: Some(SessionId([2; 16])),
        context: RequestContext::default(),
    };

    assert!(bed.store.change_password(&change).await.unwrap());

    assert_eq!(refused(bed, &refresh(1, 0)).await, RotationRefusal::Ended);
    assert_eq!(refused(bed, &refresh(3, 0)).await, RotationRefusal::Ended);
    assert_eq!(rotated(bed, &refresh(2, 0)).await.user_epoch, 1);
    assert_eq!(events(bed).await, [format!("sub {ALICE} 1")]);
    assert_eq!(audit(bed, "user.password%").await, [format!("user:{ALICE} user.password_changed {ALICE}")]);
    assert!(bed.store.open_session(&login(4)).await.unwrap().is_none());
}

pub(super) async fn a_password_change_needs_the_expected_hash(bed: &Bed) {
    world(bed).await;
    users::create(&bed.store, &operator("keystone:users:write"), &invited()).await.settled().unwrap();
    bed.store.open_session(&first_login(1)).await.unwrap().unwrap();
    let change = |user_id, expected: Option<&str>| PasswordChange {
        user_id,
        expected: expected.map(str::to_owned),
        new_hash: "new".to_owned(),
        keep: Some(SessionId([1; 16])),
        context: RequestContext::default(),
    };

    assert!(!bed.store.change_password(&change(ALICE, Some("older"))).await.unwrap());
    assert!(!bed.store.change_password(&change(ALICE, None)).await.unwrap());
    assert!(!bed.store.change_password(&change(invited().id, Some("once"))).await.unwrap());
    assert!(events(bed).await.is_empty());

    assert!(bed.store.change_password(&change(invited().id, None)).await.unwrap());
    let changed = bed.store.credential("user1").await.unwrap().unwrap();
    assert_eq!((changed.password_hash.as_deref(), changed.one_time), (Some("new"), false));
}

pub(super) async fn stored_hashes_say_how_they_were_made(bed: &Bed) {
    world(bed).await;
    let schemes = ["$argon2id$v=19$m=65536,t=3,p=1", "$argon2id$v=19$m=8,t=1,p=1"];
    for (number, scheme) in (1..).zip([schemes[0], schemes[1], schemes[1]]) {
        let user = NewUser { password_hash: format!("{scheme}$c2FsdA$b3V0"), ..user(number) };
        users::create(&bed.store, &operator("keystone:users:write"), &user).await.settled().unwrap();
    }
    bed.run("UPDATE users SET password_hash = NULL WHERE username_key = 'alice'").await.unwrap();

    let mut found = bed.store.password_schemes().await.unwrap();

    found.sort();
    assert_eq!(found, schemes);
}

pub(super) async fn a_rehash_never_undoes_a_change(bed: &Bed) {
    world(bed).await;

    bed.store.rehash_password(ALICE, "older", "wrong").await.unwrap();
    bed.store.rehash_password(ALICE, "hash", "better").await.unwrap();

    let alice = bed.store.credential("alice").await.unwrap().unwrap();
    assert_eq!(alice.password_hash.as_deref(), Some("better"));
}

pub(super) async fn subjects_hold_what_they_were_given(bed: &Bed) {
    world(bed).await;
    let store = &bed.store;

    assert_eq!(
        store.held_scopes(&Actor::User(ALICE)).await.unwrap(),
        set(&["keystone:account", "orders:read"])
    );
    let service = Actor::Client("service".to_owned());
    assert_eq!(store.held_scopes(&service).await.unwrap(), set(&["orders:read", "orders:write"]));
    assert!(store.held_scopes(&Actor::Operator).await.unwrap().len() == 17);
    assert!(store.held_scopes(&Actor::User(Uuid::nil())).await.unwrap().is_empty());

    bed.run("UPDATE users SET enabled = NOT enabled").await.unwrap();
    assert!(store.held_scopes(&Actor::User(ALICE)).await.unwrap().is_empty());
}

pub(super) async fn a_nul_byte_names_nobody(bed: &Bed) {
    world(bed).await;

    assert!(bed.store.client("app\0").await.unwrap().is_none());
    assert!(bed.store.credential("alice\0").await.unwrap().is_none());
}

pub(super) async fn names_that_look_alike_collide(bed: &Bed) {
    world(bed).await;
    let by = operator("keystone:users:write");
    let named = |number: u128, key: &str, email: Option<&str>| NewUser {
        username: key.to_owned(),
        username_key: key.to_owned(),
        email: email.map(str::to_owned),
        email_key: email.map(str::to_owned),
        ..user(number)
    };
    users::create(&bed.store, &by, &named(1, "tom", Some("coco@example.com"))).await.settled().unwrap();

    for (key, email, refused) in [
        ("aiice", None, Refused::UsernameTaken),
        ("т\u{43e}м", None, Refused::UsernameTaken),
        ("torn", None, Refused::UsernameTaken),
        ("eve", Some("с\u{43e}с\u{43e}@example.com"), Refused::EmailTaken),
    ] {
        let made = users::create(&bed.other, &by, &named(2, key, email)).await.settled();
        assert_eq!(made.unwrap_err(), refused, "{key}");
    }
    users::create(&bed.store, &by, &named(2, "eve", Some("c0co@example.com"))).await.settled().unwrap();
    let rename = |text: &str| UserChange {
        id: uuid::Uuid::from_u128(2),
        username: Some(Identifier { text: text.to_owned(), key: text.to_owned() }),
        email: None,
        enabled: None,
    };
    assert_eq!(
        users::change(&bed.store, &by, &Expected::Any, &rename("t0m")).await.settled().unwrap_err(),
        Refused::UsernameTaken
    );
    users::change(&bed.store, &by, &Expected::Any, &rename("eva")).await.settled().unwrap();
    users::create(&bed.store, &by, &named(3, "eve", None)).await.settled().unwrap();
}

/// They log in as before, and whoever comes later must not look like them.
pub(super) async fn older_users_keep_their_names(bed: &Bed) {
    world(bed).await;
    let by = operator("keystone:users:write");
    let named = |number: u128, key: &str| NewUser {
        username: key.to_owned(),
        username_key: key.to_owned(),
        ..user(number)
    };
    for (number, key) in [(1, "adm\u{fe0f}in"), (2, "bob"), (3, "rob")] {
        users::create(&bed.store, &by, &named(number, key)).await.settled().unwrap();
    }
    bed.run("UPDATE users SET username_skeleton = NULL, username_capitals = NULL, email_skeleton = NULL")
        .await
        .unwrap();
    bed.run("UPDATE users SET username = 'b0b', username_key = 'b0b' WHERE username_key = 'rob'")
        .await
        .unwrap();

    let mut after = uuid::Uuid::nil();
    let mut alike = Vec::new();
    while let Skeletons { last: Some(last), alike: more } = bed.store.write_skeletons(after, 2).await.unwrap()
    {
        alike.extend(more);
        after = last;
    }

    assert_eq!(alike, [uuid::Uuid::from_u128(3)]);
    for key in ["adm\u{fe0f}in", "bob", "b0b", "alice"] {
        assert!(bed.store.credential(key).await.unwrap().is_some(), "{key:?}");
    }
    let late = users::create(&bed.other, &by, &named(4, "aiice")).await.settled();
    assert_eq!(late.unwrap_err(), Refused::UsernameTaken);
    assert_eq!(bed.count("users WHERE username_skeleton IS NULL").await, 1);
}
