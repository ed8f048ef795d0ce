//! What most tests need: two scopes, two roles, two clients, and alice.

use std::collections::BTreeSet;
use std::time::Duration;

use uuid::Uuid;

use super::Bed;
use crate::identity::{Authority, ChangeError, Refused, manifest, users};
use crate::store::{
    Actor, AskedScope, Declaration, DeclaredClient, DeclaredRole, DeclaredScope, GrantType, Lifetimes,
    NewSession, NewUser, RequestContext, Rotate, Rotation, RotationRefusal, Session, SessionId,
};
use crate::store::{Identifier, UserChange};

pub(super) const ALICE: Uuid = Uuid::from_u128(0xa11ce);
pub(super) const GRACE: Duration = Duration::from_secs(10);
pub(super) const INACTIVITY: Duration = Duration::from_secs(1000);
pub(super) const ABSOLUTE: Duration = Duration::from_secs(3000);

/// Migrated, declared, and alice is there: a customer with the password hash `hash`.
pub(super) async fn world(bed: &Bed) {
    bed.store.migrate().await.unwrap();
    manifest::apply(&bed.store, &Actor::Operator, &declaration()).await.unwrap().unwrap();
    users::create(&bed.store, &operator("keystone:users:write"), &alice()).await.settled().unwrap();
}

pub(super) fn operator(scope: &'static str) -> Authority {
    Authority {
        actor: Actor::Operator,
        scope,
        token: None,
        login_older_than: None,
        context: RequestContext::default(),
    }
}

/// Alice, with a token for her own account.
pub(super) fn own_account() -> Authority {
    Authority { actor: Actor::User(ALICE), ..operator("keystone:account") }
}

pub(super) fn address(text: &str) -> UserChange {
    let address = Identifier { text: text.to_owned(), key: text.to_owned() };
    UserChange { id: ALICE, username: None, email: Some(Some(address)), enabled: None }
}

pub(super) fn declaration() -> Declaration {
    Declaration {
        scopes: vec![scope("orders:read"), scope("orders:write")],
        roles: vec![role("customer", &["orders:read"]), role("clerk", &["orders:read", "orders:write"])],
        clients: vec![app(), DeclaredClient { client_id: "other".to_owned(), ..app() }, service()],
        prune: false,
    }
}

pub(super) fn scope(name: &str) -> DeclaredScope {
    DeclaredScope { name: name.to_owned(), description: String::new(), resource: "orders".to_owned() }
}

pub(super) fn role(name: &str, scopes: &[&str]) -> DeclaredRole {
    DeclaredRole { name: name.to_owned(), description: String::new(), scopes: set(scopes) }
}

pub(super) fn app() -> DeclaredClient {
    DeclaredClient {
        client_id: "app".to_owned(),
        name: "The app".to_owned(),
        public: true,
        enabled: true,
        grants: BTreeSet::from([GrantType::Password, GrantType::RefreshToken]),
        scopes: set(&["orders:read", "orders:write"]),
        default_scopes: set(&["orders:read"]),
        origins: set(&["https://app.example.com", "http://localhost:3000"]),
        forwards_user_address: false,
        secret_if_new: [0; 32],
    }
}

pub(super) fn service() -> DeclaredClient {
    DeclaredClient {
        client_id: "service".to_owned(),
        name: "The service".to_owned(),
        public: false,
        grants: BTreeSet::from([GrantType::ClientCredentials]),
        secret_if_new: [7; 32],
        ..app()
    }
}

pub(super) fn alice() -> NewUser {
    NewUser {
        id: ALICE,
        username: "Alice".to_owned(),
        username_key: "alice".to_owned(),
        email: Some("Alice@example.com".to_owned()),
        email_key: Some("alice@example.com".to_owned()),
        password_hash: "hash".to_owned(),
        one_time_for: None,
        password_must_change: false,
        roles: vec!["customer".to_owned()],
    }
}

/// Someone else than alice.
pub(super) fn user(number: u128) -> NewUser {
    NewUser {
        id: Uuid::from_u128(number),
        username: format!("user{number}"),
        username_key: format!("user{number}"),
        email: None,
        email_key: None,
        ..alice()
    }
}

pub(super) fn login(number: u8) -> NewSession {
    NewSession {
        id: SessionId([number; 16]),
        salt: [number ^ 0xff; 16],
        user_id: ALICE,
        client_id: "app".to_owned(),
        scope: set(&["orders:read", "orders:write"]),
        checked_hash: "hash".to_owned(),
        lifetimes: Lifetimes { inactivity: INACTIVITY, absolute: ABSOLUTE },
        most_live: 100,
        context: RequestContext::default(),
    }
}

pub(super) async fn open(bed: &Bed, number: u8) -> Session {
    bed.store.open_session(&login(number)).await.unwrap().expect("alice may log in")
}

pub(super) fn refresh(number: u8, presented: u32) -> Rotate {
    Rotate {
        id: SessionId([number; 16]),
        presented,
        client_id: "app".to_owned(),
        grace: GRACE,
        inactivity: INACTIVITY,
        scope: AskedScope::All,
        context: RequestContext::default(),
    }
}

pub(super) async fn rotated(bed: &Bed, rotate: &Rotate) -> Session {
    match bed.store.rotate(rotate).await.unwrap() {
        Rotation::Rotated(session) | Rotation::Repeated(session) => *session,
        Rotation::Refused(refusal) => panic!("refused: {refusal:?}"),
    }
}

pub(super) async fn refused(bed: &Bed, rotate: &Rotate) -> RotationRefusal {
    match bed.store.rotate(rotate).await.unwrap() {
        Rotation::Refused(refusal) => refusal,
        rotation => panic!("not refused: {rotation:?}"),
    }
}

/// `kind value min_epoch`, in order.
pub(super) async fn events(bed: &Bed) -> Vec<String> {
    bed.text(
        "SELECT kind || ' ' || value || coalesce(' ' || min_epoch, '')
         FROM revocation_events
         ORDER BY seq",
    )
    .await
}

/// `actor action target` of what the audit log says, but for logins, in order.
pub(super) async fn audit(bed: &Bed, action: &str) -> Vec<String> {
    bed.text(&format!(
        "SELECT actor || ' ' || action || ' ' || target
         FROM audit_log
         WHERE action LIKE '{action}' AND action <> 'session.opened'
         ORDER BY id"
    ))
    .await
}

pub(super) fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

pub(super) fn scope_names(session: &Session) -> Vec<&str> {
    session.scopes.iter().map(|scope| scope.name.as_str()).collect()
}

/// Outcomes of changes, of which a test expects no failure of the database.
pub(super) trait Settled<T> {
    fn settled(self) -> std::result::Result<T, Refused>;
}

impl<T> Settled<T> for std::result::Result<T, ChangeError> {
    fn settled(self) -> std::result::Result<T, Refused> {
        self.map_err(|error| match error {
            ChangeError::Refused(refused) => refused,
            ChangeError::Store(error) => panic!("{error}"),
        })
    }
}
