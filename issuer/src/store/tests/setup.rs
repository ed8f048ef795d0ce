//! What is promised of the bootstrap, of declarations, and of what replicas share.

use tokio::task::JoinSet;

use super::Bed;
use super::world::*;
use crate::store::{
    Actor, ApplyError, Bootstrap, Declaration, DeclaredClient, GrantType, NewSigningKey, NewUser, Scope,
    StoreError,
};

fn bootstrap(number: u128) -> Bootstrap {
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
    assert_eq!((console.scopes.len(), console.default_scopes.len()), (14, 14));
    bed.store.apply(&Actor::Operator, &declaration()).await.unwrap().unwrap();
    let console = bed.store.client("keystone-console").await.unwrap().unwrap();
    assert_eq!(
        (console.scopes.len(), console.default_scopes.len()),
        (16, 14),
        "new scopes are for whoever asks"
    );
    let admin = bed.store.credential("admin").await.unwrap().unwrap();
    assert_eq!(bed.store.held_scopes(&Actor::User(admin.user_id)).await.unwrap().len(), 16);
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
    bed.store.create_user(&operator("keystone:users:write"), &squatted).await.unwrap().unwrap();

    let error = bed.store.bootstrap(&bootstrap(1)).await.unwrap_err();
    assert!(matches!(&error, StoreError::Inconsistent(why) if why.contains("`admin`")), "{error}");
    assert!(bed.store.client("keystone-console").await.unwrap().is_none());

    bed.run("DELETE FROM users WHERE username_key = 'admin'").await.unwrap();
    assert!(bed.store.bootstrap(&bootstrap(1)).await.unwrap());
}

pub(super) async fn a_declaration_is_applied_once(bed: &Bed) {
    bed.store.migrate().await.unwrap();

    let first = bed.store.apply(&Actor::Operator, &declaration()).await.unwrap().unwrap();
    let second = bed.other.apply(&Actor::Operator, &declaration()).await.unwrap().unwrap();

    assert_eq!(
        first.created,
        [
            "scope orders:read",
            "scope orders:write",
            "role customer",
            "role clerk",
            "client app",
            "client other",
            "client service"
        ]
    );
    assert_eq!(first.secrets_taken, ["service"]);
    assert!(first.updated.is_empty());
    assert!(second.created.is_empty() && second.updated.is_empty() && second.secrets_taken.is_empty());
    let administrator = bed.store.role("administrator").await.unwrap().unwrap().scopes;
    assert!(
        administrator.is_superset(&set(&["orders:read", "orders:write"])),
        "a new scope is theirs to give"
    );
    assert_eq!(audit(bed, "%.created").await.len(), 7);
    assert_eq!(audit(bed, "client.created").await[2], "operator client.created service");
    assert!(events(bed).await.is_empty());
}

pub(super) async fn a_declaration_changes_what_differs(bed: &Bed) {
    world(bed).await;
    let mut changed = declaration();
    changed.scopes[0].description = "See orders".to_owned();
    changed.roles[0].scopes = set(&["orders:read", "orders:write"]);
    changed.clients[0].default_scopes = set(&["orders:write"]);
    changed.clients[2].secret_if_new = [9; 32];

    let applied = bed.store.apply(&Actor::Operator, &changed).await.unwrap().unwrap();

    let updated: Vec<String> = applied.updated.iter().map(ToString::to_string).collect();
    assert_eq!(
        updated,
        [
            r#"scope orders:read: description "" becomes "See orders""#,
            "role customer: scopes +orders:write",
            "client app: default_scopes +orders:write -orders:read",
        ]
    );
    assert!(applied.created.is_empty() && applied.secrets_taken.is_empty());
    assert!(events(bed).await.is_empty());
    assert_eq!(audit(bed, "%.updated").await.len(), 3);
    assert_eq!(bed.store.client("app").await.unwrap().unwrap().default_scopes, set(&["orders:write"]));
    assert_eq!(bed.store.client("service").await.unwrap().unwrap().secrets, [[7; 32]]);
    let held = bed.store.held_scopes(&Actor::User(ALICE)).await.unwrap();
    assert_eq!(held, set(&["keystone:account", "orders:read", "orders:write"]));
}

pub(super) async fn what_a_declaration_takes_away_is_revoked(bed: &Bed) {
    world(bed).await;
    bed.run("UPDATE user_roles SET role_name = 'clerk'").await.unwrap();
    let less = Declaration {
        roles: vec![role("clerk", &["orders:read"])],
        clients: vec![
            DeclaredClient { scopes: set(&["orders:read"]), ..app() },
            DeclaredClient { enabled: false, ..service() },
        ],
        ..Declaration::default()
    };

    bed.store.apply(&Actor::Operator, &less).await.unwrap().unwrap();

    assert_eq!(
        events(bed).await,
        [format!("sub {ALICE} 1"), "cid app 1".to_owned(), "cid service 1".to_owned()]
    );
    let session = open(bed, 1).await;
    assert_eq!((session.user_epoch, session.client_epoch), (1, 1));
    assert!(!bed.store.client("service").await.unwrap().unwrap().enabled);
}

pub(super) async fn a_wrong_declaration_changes_nothing(bed: &Bed) {
    world(bed).await;
    let with_role = |role| Declaration { roles: vec![role], ..declaration() };
    let with_client = |client| Declaration { clients: vec![client], ..declaration() };
    let unknown =
        |holder: &str| ApplyError::UnknownScope { holder: holder.to_owned(), scope: "orders:eat".to_owned() };

    for (wrong, why) in [
        (with_role(role("cook", &["orders:eat"])), unknown("role `cook`")),
        (
            with_client(DeclaredClient { scopes: set(&["orders:eat"]), default_scopes: set(&[]), ..app() }),
            unknown("client `app`"),
        ),
        (
            with_client(DeclaredClient { default_scopes: set(&["orders:eat"]), ..app() }),
            ApplyError::DefaultScope { client_id: "app".to_owned(), scope: "orders:eat".to_owned() },
        ),
        (
            with_client(DeclaredClient { public: false, ..app() }),
            ApplyError::ClientKind {
                client_id: "app".to_owned(),
                stored: "public",
                declared: "confidential",
            },
        ),
        (
            Declaration { clients: vec![app(), app()], ..declaration() },
            ApplyError::Twice { what: "client `app`".to_owned() },
        ),
        (
            with_role(role("administrator", &["orders:read"])),
            ApplyError::Administrator { scope: "keystone:audit:read".to_owned() },
        ),
        (
            Declaration { scopes: vec![scope("orders:read"), scope("keystone:users:read")], ..declaration() },
            ApplyError::BuiltIn { what: "scope `keystone:users:read`".to_owned() },
        ),
        (
            Declaration { scopes: vec![scope("orders:read")], prune: true, ..declaration() },
            ApplyError::PrunedScope { holder: "role `clerk`".to_owned(), scope: "orders:write".to_owned() },
        ),
    ] {
        let mut wrong = wrong;
        wrong.scopes[0].description = "changed".to_owned();
        assert_eq!(bed.store.apply(&Actor::Operator, &wrong).await.unwrap().unwrap_err(), why);
    }

    assert_eq!(bed.count("scopes WHERE description = 'changed'").await, 0);
    assert!(audit(bed, "%.updated").await.is_empty());
}

pub(super) async fn a_rehearsal_says_what_would_be_done_and_does_nothing(bed: &Bed) {
    world(bed).await;
    let mut changed = whole(&["orders:read"]);
    changed.scopes[0].resource = "archive".to_owned();
    let tables = ["scopes", "roles", "service_clients", "audit_log", "revocation_events"];
    let mut before = Vec::new();
    for table in tables {
        before.push(bed.count(table).await);
    }

    let planned = bed.store.rehearse(&Actor::Operator, &changed).await.unwrap().unwrap();

    for (table, count) in tables.into_iter().zip(before) {
        assert_eq!(bed.count(table).await, count, "{table}");
    }
    assert_eq!(bed.count("users WHERE epoch > 0").await, 0);
    let applied = bed.other.apply(&Actor::Operator, &changed).await.unwrap().unwrap();
    assert_eq!(planned, applied);
    assert!(applied.changes() > 0);
    let again = bed.store.rehearse(&Actor::Operator, &changed).await.unwrap().unwrap();
    assert_eq!(again.changes(), 0);
}

/// The world with fewer scopes, the role `customer` and the client `app`, and nothing else.
fn whole(scopes: &[&str]) -> Declaration {
    let mut declaration = declaration();
    declaration.scopes.retain(|scope| scopes.contains(&scope.name.as_str()));
    Declaration {
        roles: vec![role("customer", scopes)],
        clients: vec![DeclaredClient { scopes: set(scopes), default_scopes: set(scopes), ..app() }],
        prune: true,
        ..declaration
    }
}

pub(super) async fn what_a_whole_declaration_does_not_name_goes(bed: &Bed) {
    world(bed).await;
    bed.run("UPDATE user_roles SET role_name = 'clerk'").await.unwrap();

    let applied = bed.store.apply(&Actor::Operator, &whole(&["orders:read"])).await.unwrap().unwrap();

    let deleted: Vec<String> = applied.deleted.iter().map(ToString::to_string).collect();
    assert_eq!(
        deleted,
        ["client other", "client service", "role clerk, which 1 user held", "scope orders:write"]
    );
    assert_eq!((applied.revoked.users, applied.revoked.clients.len()), (1, 3), "{applied:?}");
    assert!(bed.store.client("service").await.unwrap().is_none());
    assert_eq!(bed.store.held_scopes(&Actor::User(ALICE)).await.unwrap(), set(&["keystone:account"]));
    assert_eq!(
        events(bed).await,
        [
            format!("sub {ALICE} 1"),
            "cid app 1".to_owned(),
            "cid other 1".to_owned(),
            "cid service 1".to_owned()
        ]
    );
    assert_eq!(
        audit(bed, "%.deleted").await,
        [
            "operator client.deleted other",
            "operator client.deleted service",
            "operator role.deleted clerk",
            "operator scope.deleted orders:write"
        ]
    );
    let again = bed.other.apply(&Actor::Operator, &whole(&["orders:read"])).await.unwrap().unwrap();
    assert_eq!(again, crate::store::Applied::default());
}

pub(super) async fn a_whole_declaration_keeps_what_is_built_in(bed: &Bed) {
    bed.store.migrate().await.unwrap();
    assert!(bed.store.bootstrap(&bootstrap(1)).await.unwrap());
    bed.store.apply(&Actor::Operator, &declaration()).await.unwrap().unwrap();
    let nothing = Declaration { prune: true, ..Declaration::default() };

    let applied = bed.store.apply(&Actor::Operator, &nothing).await.unwrap().unwrap();

    assert_eq!(applied.deleted.len(), 3 + 2 + 2);
    assert_eq!(bed.store.client("keystone-console").await.unwrap().unwrap().scopes.len(), 14);
    assert_eq!(bed.store.held_scopes(&Actor::User(uuid::Uuid::from_u128(1))).await.unwrap().len(), 14);
    assert_eq!(applied.revoked.users, 1, "the administrator held the scopes that went");
}

/// What was published of the one that was deleted must not match the tokens of the one that came back, nor let old ones live.
pub(super) async fn a_client_that_comes_back_stays_revoked(bed: &Bed) {
    world(bed).await;
    let without = Declaration { clients: vec![app()], prune: true, ..declaration() };

    bed.store.apply(&Actor::Operator, &without).await.unwrap().unwrap();
    bed.store.apply(&Actor::Operator, &declaration()).await.unwrap().unwrap();

    assert_eq!(events(bed).await, ["cid other 1", "cid service 1"]);
    assert_eq!(bed.store.client("service").await.unwrap().unwrap().epoch, 1);
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
        bed.store.apply(&Actor::Operator, &with(client, &[])).await.unwrap().unwrap();
    }
    bed.store.apply(&Actor::Operator, &with(app(), &["https://new.example.com"])).await.unwrap().unwrap();
    assert_eq!(origins().await, set(&["https://new.example.com"]));
    assert_eq!(bed.store.client("app").await.unwrap().unwrap().origins, origins().await);

    let off = DeclaredClient { enabled: false, ..app() };
    bed.store.apply(&Actor::Operator, &with(off, &["https://new.example.com"])).await.unwrap().unwrap();
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
    bed.store.ping().await.unwrap();
    let before = bed.store.now().await.unwrap();
    let after = bed.other.now().await.unwrap();

    assert!(before <= after && after - before < time::Duration::MINUTE);
}
