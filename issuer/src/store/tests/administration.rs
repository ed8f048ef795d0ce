//! What is promised of administrators' changes.

use std::time::Duration;

use tokio::task::JoinSet;
use uuid::Uuid;

use super::Bed;
use super::world::*;
use crate::clients::Clients;
use crate::clock::{World, testing};
use crate::identity::{self, Authority, ClientChange, Expected, NewSecret, Refused, RoleChange, RoleSet};
use crate::store::{Actor, DeclaredScope, NewUser, RotationRefusal};
use crate::store::{AuditSearch, Identifier, Page, Reset, UserChange, UserSearch};

fn users() -> Authority {
    operator("keystone:users:write")
}

fn change(id: Uuid) -> UserChange {
    UserChange { id, username: None, email: None, enabled: None }
}

fn roles(id: Uuid, roles: &[&str]) -> RoleSet {
    RoleSet { id, expected: Expected::Any, roles: set(roles) }
}

fn search() -> UserSearch {
    UserSearch { prefix: String::new(), enabled: None, after: String::new(), limit: 100 }
}

async fn administrators(bed: &Bed, numbers: &[u128]) {
    for number in numbers {
        let admin = NewUser { roles: vec!["administrator".to_owned()], ..user(*number) };
        identity::users::create(&bed.store, &operator("keystone:users:write"), &admin)
            .await
            .settled()
            .unwrap();
    }
}

pub(super) async fn a_disabled_user_is_revoked_with_an_audit_row(bed: &Bed) {
    world(bed).await;
    open(bed, 1).await;

    let disable = UserChange { enabled: Some(false), ..change(ALICE) };
    let after =
        identity::users::change(&bed.store, &users(), &Expected::Any, &disable).await.settled().unwrap();
    identity::users::change(&bed.other, &users(), &Expected::Any, &disable).await.settled().unwrap();

    assert!(!after.enabled);
    assert_eq!(events(bed).await, [format!("sub {ALICE} 1")]);
    assert_eq!(audit(bed, "user.disabled").await, [format!("operator user.disabled {ALICE}")]);
    assert_eq!(refused(bed, &refresh(1, 0)).await, RotationRefusal::Ended);
}

///
pub(super) async fn a_change_of_names_keeps_what_it_does_not_name(bed: &Bed) {
    world(bed).await;
    identity::users::create(&bed.store, &operator("keystone:users:write"), &user(1)).await.settled().unwrap();
    let name = |text: &str, key: &str| Identifier { text: text.to_owned(), key: key.to_owned() };

    let rename = UserChange { username: Some(name("Alicia", "alicia")), ..change(ALICE) };
    let after =
        identity::users::change(&bed.store, &users(), &Expected::Any, &rename).await.settled().unwrap();
    assert_eq!((after.username.as_str(), after.email.as_deref()), ("Alicia", Some("Alice@example.com")));
    let strip = UserChange { email: Some(None), ..change(ALICE) };
    assert_eq!(
        identity::users::change(&bed.store, &users(), &Expected::Any, &strip).await.settled().unwrap().email,
        None
    );
    let taken = UserChange { username: Some(name("user1", "user1")), ..change(ALICE) };
    assert_eq!(
        identity::users::change(&bed.store, &users(), &Expected::Any, &taken).await.settled().unwrap_err(),
        Refused::UsernameTaken
    );

    assert_eq!(bed.store.credential("alicia").await.unwrap().unwrap().user_id, ALICE);
    assert!(events(bed).await.is_empty());
    let found = bed.store.users(&UserSearch { prefix: "ali".to_owned(), ..search() }).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].version(), bed.other.user(ALICE).await.unwrap().unwrap().version());
    assert!(bed.store.users(&UserSearch { enabled: Some(false), ..search() }).await.unwrap().is_empty());
    let rest = bed.store.users(&UserSearch { after: "alicia".to_owned(), ..search() }).await.unwrap();
    assert_eq!(rest.iter().map(|user| user.username.as_str()).collect::<Vec<_>>(), ["user1"]);
}

pub(super) async fn lost_roles_are_revoked_and_gained_ones_are_not(bed: &Bed) {
    world(bed).await;

    identity::users::set_roles(&bed.store, &users(), &roles(ALICE, &["customer", "clerk"]))
        .await
        .settled()
        .unwrap();
    assert!(events(bed).await.is_empty());
    let after =
        identity::users::set_roles(&bed.store, &users(), &roles(ALICE, &["clerk"])).await.settled().unwrap();
    assert_eq!(after.roles, set(&["clerk"]));
    assert_eq!(events(bed).await, [format!("sub {ALICE} 1")]);

    let unknown = identity::users::set_roles(&bed.store, &users(), &roles(ALICE, &["emperor"]))
        .await
        .settled()
        .unwrap_err();
    assert_eq!(unknown, Refused::UnknownRole("emperor".to_owned()));
    let by_alice = Authority { actor: Actor::User(ALICE), ..users() };
    let beyond =
        identity::users::set_roles(&bed.store, &by_alice, &roles(ALICE, &[])).await.settled().unwrap_err();
    assert_eq!(beyond, Refused::BeyondCaller(vec!["keystone:users:write".to_owned()]));
    assert_eq!(audit(bed, "user.roles_changed").await.len(), 2);
}

pub(super) async fn one_administrator_survives_any_race(bed: &Bed) {
    world(bed).await;
    administrators(bed, &[1, 2, 3, 4]).await;

    let mut attempts = JoinSet::new();
    for number in 1..=4_u128 {
        let (replica, id) = (bed.replica(usize::try_from(number).unwrap()), Uuid::from_u128(number));
        attempts.spawn(async move {
            match number {
                1 | 2 => identity::users::delete(&replica, &users(), id, &Expected::Any).await.settled(),
                3 => identity::users::set_roles(&replica, &users(), &roles(id, &[]))
                    .await
                    .settled()
                    .map(|_| ()),
                _ => {
                    let disable = UserChange { enabled: Some(false), ..change(id) };
                    identity::users::change(&replica, &users(), &Expected::Any, &disable)
                        .await
                        .settled()
                        .map(|_| ())
                }
            }
        });
    }
    let outcomes = attempts.join_all().await;

    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Err(Refused::LastAdministrator)).count(), 1);
    let left = "user_roles JOIN users ON id = user_id WHERE role_name = 'administrator' AND enabled";
    assert_eq!(bed.count(left).await, 1);
}

pub(super) async fn a_reset_ends_everything_and_opens_one_session(bed: &Bed) {
    world(bed).await;
    open(bed, 1).await;

    let reset = Reset { id: ALICE, password_hash: "once".to_owned(), good_for: Duration::from_secs(60) };
    identity::users::reset(&bed.store, &users(), &Expected::Any, &reset).await.settled().unwrap();

    assert_eq!(refused(bed, &refresh(1, 0)).await, RotationRefusal::Ended);
    let credential = bed.store.credential("alice").await.unwrap().unwrap();
    assert!(credential.one_time && !credential.expired);
    assert_eq!(events(bed).await, [format!("sub {ALICE} 1")]);
    bed.pass(Duration::from_secs(60)).await;
    assert!(bed.store.credential("alice").await.unwrap().unwrap().expired);
}

pub(super) async fn a_deleted_user_stays_revoked(bed: &Bed) {
    world(bed).await;
    open(bed, 1).await;

    identity::users::delete(&bed.store, &users(), ALICE, &Expected::Any).await.settled().unwrap();

    assert_eq!(bed.count("refresh_tokens").await, 0);
    assert_eq!(events(bed).await, [format!("sub {ALICE} 1")]);
    assert_eq!(audit(bed, "user.deleted").await, [format!("operator user.deleted {ALICE}")]);
    let again = identity::users::delete(&bed.other, &users(), ALICE, &Expected::Any).await.settled();
    assert_eq!(again.unwrap_err(), Refused::Missing);
}

pub(super) async fn what_a_role_or_scope_takes_away_is_revoked(bed: &Bed) {
    world(bed).await;
    let (roles, scopes) = (operator("keystone:roles:write"), operator("keystone:scopes:write"));
    let change = |names: &[&str]| RoleChange {
        name: "customer".to_owned(),
        expected: Expected::Any,
        description: None,
        scopes: Some(set(names)),
    };

    identity::roles::update(&bed.store, &roles, &change(&["orders:read", "orders:write"]))
        .await
        .settled()
        .unwrap();
    assert!(events(bed).await.is_empty());
    identity::roles::update(&bed.store, &roles, &change(&["orders:write"])).await.settled().unwrap();
    assert_eq!(events(bed).await, [format!("sub {ALICE} 1")]);
    identity::scopes::delete(&bed.store, &scopes, "orders:write", &Expected::Any).await.settled().unwrap();
    let after = events(bed).await;
    assert_eq!(after.len(), 5, "{after:?}");
    assert!(after.contains(&format!("sub {ALICE} 2")) && after.contains(&"cid service 1".to_owned()));
    identity::roles::delete(&bed.store, &roles, "customer", &Expected::Any).await.settled().unwrap();

    assert_eq!(events(bed).await.last().unwrap(), &format!("sub {ALICE} 3"));
    assert!(bed.other.user(ALICE).await.unwrap().unwrap().roles.is_empty());
    assert_eq!(audit(bed, "role.%").await.len(), 2 + 3);
    let page = Page { after: "a".to_owned(), limit: 1 };
    assert_eq!(bed.store.roles(&page).await.unwrap()[0].name, "administrator");
    assert_eq!(bed.store.scopes(&page).await.unwrap()[0].name, "keystone:account");
}

pub(super) async fn a_new_scope_belongs_to_the_administrator(bed: &Bed) {
    world(bed).await;
    let by = operator("keystone:scopes:write");
    let scope = DeclaredScope {
        name: "refunds:write".to_owned(),
        description: String::new(),
        resource: "orders".to_owned(),
    };

    identity::scopes::create(&bed.store, &by, &scope).await.settled().unwrap();

    assert_eq!(
        identity::scopes::create(&bed.other, &by, &scope).await.settled().unwrap_err(),
        Refused::Exists
    );
    let administrator = bed.store.role("administrator").await.unwrap().unwrap();
    assert!(administrator.scopes.contains("refunds:write"));
}

pub(super) async fn a_client_keeps_its_place_in_the_feed(bed: &Bed) {
    world(bed).await;
    let by = operator("keystone:clients:write");
    let secret = |old_valid_for| NewSecret { client_id: "service".to_owned(), hash: [8; 32], old_valid_for };

    assert_eq!(
        identity::clients::add_secret(&bed.store, &by, &secret(Some(Duration::from_secs(60))))
            .await
            .settled(),
        Ok(2)
    );
    assert_eq!(
        identity::clients::add_secret(&bed.other, &by, &secret(None)).await.settled(),
        Err(Refused::TwoSecrets)
    );
    let slots = bed.store.client_secrets("service").await.unwrap();
    assert_eq!(slots.iter().map(|slot| slot.expires_at.is_some()).collect::<Vec<_>>(), [true, false]);
    identity::clients::remove_secret(&bed.store, &by, "service", 1).await.settled().unwrap();
    identity::clients::delete(&bed.store, &by, "service", &Expected::Any).await.settled().unwrap();
    identity::clients::create(&bed.store, &by, &service()).await.settled().unwrap();

    assert_eq!(events(bed).await, ["cid service 1", "cid service 2"]);
    assert_eq!(bed.store.client("service").await.unwrap().unwrap().epoch, 2);
    let after = identity::clients::update(&bed.store, &by, &disabled_service()).await.settled().unwrap();
    assert_eq!(
        (after.enabled, after.scopes, after.default_scopes, after.origins),
        (false, service().scopes, service().default_scopes, service().origins)
    );
    assert_eq!(events(bed).await.last().unwrap(), "cid service 3");
    let page = Page { after: "app".to_owned(), limit: 10 };
    assert_eq!(bed.store.clients(&page).await.unwrap().len(), 2);
}

/// C-03: whatever a replica remembers of a client that it knew a moment before.
pub(super) async fn a_replica_keeps_the_deadline_another_set(bed: &Bed) {
    world(bed).await;
    let clients = Clients::new(bed.store.clone(), World::system());
    let secrets = async || clients.find("service").await.unwrap().unwrap().secrets.clone();
    let first = secrets().await;

    let second = second_secret(Duration::from_secs(1));
    identity::clients::add_secret(&bed.other, &operator("keystone:clients:write"), &second)
        .await
        .settled()
        .unwrap();

    assert_eq!(secrets().await, first, "it is remembered");
    let ended = async {
        while secrets().await != [[8; 32]] {
            tokio::task::yield_now().await;
        }
    };
    // The database's time passes, and a second for a busy machine.
    tokio::time::timeout(Duration::from_secs(2), ended).await.expect("the old secret still works");
}

pub(super) async fn a_change_acts_though_its_caller_gave_up(bed: &Bed) {
    world(bed).await;
    let clients = Clients::new(bed.store.clone(), World::system());
    assert_eq!(clients.find("service").await.unwrap().unwrap().secrets.len(), 1);
    let (by, secret) = (operator("keystone:clients:write"), second_secret(DAY));
    let before = bed.store.client_revision();

    drop(tokio::time::timeout(Duration::ZERO, identity::clients::add_secret(&bed.store, &by, &secret)).await);

    let changed = async {
        while bed.store.client_revision() == before {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), changed).await.expect("the change was never made");
    assert_eq!(clients.find("service").await.unwrap().unwrap().secrets.len(), 2);
}

pub(super) async fn a_busy_client_is_read_again_in_the_background(bed: &Bed) {
    world(bed).await;
    let (surroundings, clock) = testing::world();
    let clients = Clients::new(bed.store.clone(), surroundings.clone());
    let is_enabled = async || clients.find("service").await.unwrap().unwrap().enabled;
    let misses = || surroundings.metrics.client_cache.counted("miss");
    assert!(is_enabled().await);
    let by = operator("keystone:clients:write");
    identity::clients::update(&bed.other, &by, &disabled_service()).await.settled().unwrap();

    clock.advance(Duration::from_millis(700));
    assert!(is_enabled().await, "nobody waits");
    let seen = async {
        while is_enabled().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(4), seen).await.expect("the change is not seen");

    assert_eq!(misses(), 1);
    clock.advance(Duration::from_secs(1));
    assert!(!is_enabled().await);
    assert_eq!(misses(), 2);
}

fn disabled_service() -> ClientChange {
    ClientChange {
        client_id: "service".to_owned(),
        expected: Expected::Any,
        name: None,
        enabled: Some(false),
        grants: None,
        scopes: None,
        default_scopes: None,
        origins: None,
        forwards_user_address: None,
    }
}

pub(super) async fn a_copy_ends_with_the_first_of_its_secrets(bed: &Bed) {
    world(bed).await;
    let (surroundings, clock) = testing::world();
    let clients = Clients::new(bed.store.clone(), surroundings.clone());
    let (by, left) = (operator("keystone:clients:write"), Duration::from_millis(900));
    identity::clients::add_secret(&bed.other, &by, &second_secret(left)).await.settled().unwrap();
    assert_eq!(clients.find("service").await.unwrap().unwrap().secrets.len(), 2);

    clock.advance(left);
    clients.find("service").await.unwrap();

    assert_eq!(surroundings.metrics.client_cache.counted("miss"), 2);
}

fn second_secret(old_valid_for: Duration) -> NewSecret {
    NewSecret { client_id: "service".to_owned(), hash: [8; 32], old_valid_for: Some(old_valid_for) }
}

pub(super) async fn the_audit_log_is_read_from_its_end(bed: &Bed) {
    world(bed).await;
    let all = AuditSearch {
        actor: None,
        action: String::new(),
        target: None,
        since: None,
        until: None,
        before: None,
        limit: 100,
    };
    let now = bed.store.now().await.unwrap();

    let entries = bed.store.audit(&all).await.unwrap();
    assert_eq!((entries.len(), entries[0].action.as_str()), (8, "user.created"));
    let role = AuditSearch { action: "role.".to_owned(), until: Some(now + DAY), ..all.clone() };
    assert_eq!(bed.store.audit(&role).await.unwrap().len(), 2);
    let older =
        AuditSearch { before: Some(entries[6].id), actor: Some("operator".to_owned()), ..all.clone() };
    assert_eq!(bed.store.audit(&older).await.unwrap().len(), 1);
    let later = AuditSearch { since: Some(now + DAY), ..all };
    assert!(bed.store.audit(&later).await.unwrap().is_empty());
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Users change their own addresses beside each other, without the lock of everybody's rights.
pub(super) async fn one_of_many_changes_to_an_address_succeeds(bed: &Bed) {
    world(bed).await;
    let people: Vec<Uuid> = (1..=8).map(Uuid::from_u128).collect();
    for id in &people {
        let name = format!("user-{id}");
        let user = NewUser {
            id: *id,
            username: name.clone(),
            username_key: name,
            email: None,
            email_key: None,
            ..alice()
        };
        identity::users::create(&bed.store, &operator("keystone:users:write"), &user)
            .await
            .settled()
            .unwrap();
    }

    let mut changes = JoinSet::new();
    for (turn, id) in people.into_iter().enumerate() {
        let replica = bed.replica(turn);
        changes.spawn(async move {
            let by = Authority { actor: Actor::User(id), ..own_account() };
            let change = UserChange { id, ..address("wanted@example.com") };
            identity::users::change(&replica, &by, &Expected::Any, &change).await.settled()
        });
    }
    let outcomes = changes.join_all().await;

    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{outcomes:?}");
    let refused = outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
    assert!(refused.into_iter().all(|why| *why == Refused::EmailTaken), "{outcomes:?}");
}
