//! What is promised of the bootstrap, of clients, and of what replicas share.

use crate::identity::{manifest, users};
use tokio::task::JoinSet;

use super::Bed;
use super::world::*;
use crate::store::{
    Actor, Bootstrap, Declaration, DeclaredClient, GrantType, NewSigningKey, NewUser, Scope, StoreError,
};

pub(super) fn bootstrap(number: u128) -> Bootstrap {
    let administrator = NewUser {
        username: "admin".to_owned(),
        username_key: "admin".to_owned(),
        roles: vec!["administrator".to_owned()],
        ..user(number)
    };
    Bootstrap { administrator, console_client: "keystone-console".to_owned() }
}

/// B-01
pub(super) async fn the_first_of_many_bootstraps_wins(bed: &Bed) {
    bed.store.migrate().await.unwrap();

    let mut attempts = JoinSet::new();
    for turn in 0..20 {
        let replica = bed.replica(turn);
        let bootstrap = bootstrap(u128::try_from(turn).unwrap() + 1);
        attempts.spawn(async move { replica.bootstrap(&bootstrap).await.unwrap() });
    }

    assert_eq!(attempts.join_all().await.into_iter().filter(|done| *done).count(), 1);
    assert_eq!(bed.count("users").await, 1);
    let console = bed.store.client("keystone-console").await.unwrap().unwrap();
    assert!(console.public && console.enabled);
    assert_eq!(console.grants, [GrantType::Password, GrantType::RefreshToken].into());
    assert_eq!((console.scopes.len(), console.default_scopes.len()), (15, 14));
    manifest::apply(&bed.store, &Actor::Operator, &declaration()).await.unwrap().unwrap();
    let console = bed.store.client("keystone-console").await.unwrap().unwrap();
    assert_eq!(
        (console.scopes.len(), console.default_scopes.len()),
        (17, 14),
        "new scopes are for whoever asks"
    );
    let admin = bed.store.credential("admin").await.unwrap().unwrap();
    assert_eq!(bed.store.held_scopes(&Actor::User(admin.user_id)).await.unwrap().len(), 17);
    assert_eq!(audit(bed, "%").await.len(), 3 + 7);
}

/// B-01: whoever deletes the administrator must not become one.
pub(super) async fn a_bootstrap_is_done_for_ever(bed: &Bed) {
    bed.store.migrate().await.unwrap();
    assert!(bed.store.bootstrap(&bootstrap(1)).await.unwrap());

    bed.run("DELETE FROM users").await.unwrap();

    assert!(!bed.store.bootstrap(&bootstrap(2)).await.unwrap());
    assert_eq!(bed.count("users").await, 0);
}

pub(super) async fn a_bootstrap_that_fails_can_be_repeated(bed: &Bed) {
    world(bed).await;
    let squatted = NewUser { username_key: "admin".to_owned(), ..user(9) };
    users::create(&bed.store, &operator("keystone:users:write"), &squatted).await.settled().unwrap();

    let error = bed.store.bootstrap(&bootstrap(1)).await.unwrap_err();
    assert!(matches!(&error, StoreError::Inconsistent(why) if why.contains("`admin`")), "{error}");
    assert!(bed.store.client("keystone-console").await.unwrap().is_none());

    bed.run("DELETE FROM users WHERE username_key = 'admin'").await.unwrap();
    assert!(bed.store.bootstrap(&bootstrap(1)).await.unwrap());
}

pub(super) async fn a_client_is_read_as_it_was_declared(bed: &Bed) {
    world(bed).await;
    let scope = |name: &str| Scope { name: name.to_owned(), resource: "orders".to_owned() };

    let service = bed.store.client("service").await.unwrap().unwrap();
    assert_eq!((service.client_id.as_str(), service.enabled, service.public), ("service", true, false));
    assert_eq!(service.grants, [GrantType::ClientCredentials].into());
    assert_eq!(service.scopes, [scope("orders:read"), scope("orders:write")]);
    assert_eq!(service.default_scopes, set(&["orders:read"]));
    assert_eq!(service.origins, set(&["https://app.example.com", "http://localhost:3000"]));
    assert_eq!((service.secrets.as_slice(), service.epoch), ([[7; 32]].as_slice(), 0));
    assert!(!service.forwards_user_address && service.secrets_change_in.is_none());
    let forwarding = DeclaredClient { forwards_user_address: true, ..super::world::service() };
    let declaration = Declaration { clients: vec![forwarding], ..Declaration::default() };
    let applied = manifest::apply(&bed.store, &Actor::Operator, &declaration).await.unwrap().unwrap();
    assert_eq!(applied.updated.len(), 1);
    assert!(bed.store.client("service").await.unwrap().unwrap().forwards_user_address);
    bed.run(&format!("UPDATE client_secrets SET expires_at = {}", bed.at(60))).await.unwrap();
    let left = bed.store.client("service").await.unwrap().unwrap().secrets_change_in.unwrap();
    assert!((50..=60).contains(&left.as_secs()), "{left:?}");
    assert!(bed.store.client("app").await.unwrap().unwrap().secrets.is_empty());
    assert!(bed.store.client("nobody").await.unwrap().is_none());

    bed.run(&format!("UPDATE client_secrets SET expires_at = {}", bed.at(-1))).await.unwrap();
    assert!(bed.store.client("service").await.unwrap().unwrap().secrets.is_empty());
}

pub(super) async fn origins_are_those_of_enabled_clients(bed: &Bed) {
    world(bed).await;
    let with = |client: DeclaredClient, origins: &[&str]| Declaration {
        clients: vec![DeclaredClient { origins: set(origins), ..client }],
        ..Declaration::default()
    };
    let origins = || async { bed.store.browser_origins().await.unwrap() };
    assert_eq!(origins().await, set(&["https://app.example.com", "http://localhost:3000"]));

    for client in [DeclaredClient { client_id: "other".to_owned(), ..app() }, service()] {
        manifest::apply(&bed.store, &Actor::Operator, &with(client, &[])).await.unwrap().unwrap();
    }
    manifest::apply(&bed.store, &Actor::Operator, &with(app(), &["https://new.example.com"]))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(origins().await, set(&["https://new.example.com"]));
    assert_eq!(bed.store.client("app").await.unwrap().unwrap().origins, origins().await);

    let off = DeclaredClient { enabled: false, ..app() };
    manifest::apply(&bed.store, &Actor::Operator, &with(off, &["https://new.example.com"]))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(origins().await, set(&[]));
}

pub(super) fn keys(number: u8) -> [NewSigningKey; 2] {
    let key = |role: &str, active| NewSigningKey {
        kid: format!("{role}-{number}"),
        alg: "EdDSA".to_owned(),
        public_jwk: format!(r#"{{"kty":"OKP",  "kid":"{role}-{number}"}}"#),
        sealed: vec![number; 40],
        active,
    };
    [key("standby", false), key("active", true)]
}

pub(super) async fn replicas_agree_on_the_first_keys(bed: &Bed) {
    bed.store.migrate().await.unwrap();
    assert!(bed.store.signing_keys().await.unwrap().is_empty());

    let mut starts = JoinSet::new();
    for turn in 0..8 {
        let replica = bed.replica(turn);
        let keys = keys(u8::try_from(turn).unwrap());
        starts.spawn(async move { replica.first_signing_keys(&keys).await.unwrap() });
    }

    let starts = starts.join_all().await;
    let stored = bed.store.signing_keys().await.unwrap();
    let [active, standby] = stored.as_slice() else { panic!("{stored:?}") };
    assert_eq!(bed.count("signing_keys").await, 2);
    assert_eq!(active.activates_at, Some(active.published_at));
    assert_eq!(standby.activates_at, None);
    assert_eq!(active.public_jwk, format!(r#"{{"kty":"OKP",  "kid":"{}"}}"#, active.kid));
    for seen in starts {
        assert_eq!(seen.iter().map(|key| &key.kid).collect::<Vec<_>>(), [&active.kid, &standby.kid]);
        assert_eq!(seen[0].sealed, active.sealed);
    }
}

pub(super) async fn replicas_agree_on_a_server_secret(bed: &Bed) {
    bed.store.migrate().await.unwrap();

    let mut starts = JoinSet::new();
    for turn in 0..8 {
        let replica = bed.replica(turn);
        starts.spawn(async move {
            replica.server_secret("refresh", &[u8::try_from(turn).unwrap(); 40]).await.unwrap()
        });
    }

    let mut seen = starts.join_all().await;
    seen.dedup();
    assert_eq!(seen.len(), 1);
    assert_eq!(bed.store.server_secret("another", &[9; 40]).await.unwrap(), [9; 40]);
}

pub(super) async fn the_database_tells_the_time(bed: &Bed) {
    let before = bed.store.now().await.unwrap();
    let after = bed.other.now().await.unwrap();

    assert!(before <= after && after - before < time::Duration::MINUTE);
}
