//! What is promised of declarations: applied, rehearsed, and taken as all there is to be.

use super::Bed;
use super::setup::bootstrap;
use super::world::*;
use crate::identity::manifest;
use crate::store::{Actor, Applied, ApplyError, Declaration, DeclaredClient, GrantType};

pub(super) async fn a_declaration_is_applied_once(bed: &Bed) {
    bed.store.migrate().await.unwrap();

    let first = manifest::apply(&bed.store, &Actor::Operator, &declaration()).await.unwrap().unwrap();
    let second = manifest::apply(&bed.other, &Actor::Operator, &declaration()).await.unwrap().unwrap();

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

    let applied = manifest::apply(&bed.store, &Actor::Operator, &changed).await.unwrap().unwrap();

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

    manifest::apply(&bed.store, &Actor::Operator, &less).await.unwrap().unwrap();

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
        assert_eq!(manifest::apply(&bed.store, &Actor::Operator, &wrong).await.unwrap().unwrap_err(), why);
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

    let planned = manifest::dry_run(&bed.store, &Actor::Operator, &changed).await.unwrap().unwrap();

    for (table, count) in tables.into_iter().zip(before) {
        assert_eq!(bed.count(table).await, count, "{table}");
    }
    assert_eq!(bed.count("users WHERE epoch > 0").await, 0);
    let applied = manifest::apply(&bed.other, &Actor::Operator, &changed).await.unwrap().unwrap();
    assert_eq!(planned, applied);
    assert!(applied.changes() > 0);
    let again = manifest::dry_run(&bed.store, &Actor::Operator, &changed).await.unwrap().unwrap();
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

    let applied =
        manifest::apply(&bed.store, &Actor::Operator, &whole(&["orders:read"])).await.unwrap().unwrap();

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
    let again =
        manifest::apply(&bed.other, &Actor::Operator, &whole(&["orders:read"])).await.unwrap().unwrap();
    assert_eq!(again, Applied::default());
}

pub(super) async fn a_whole_declaration_keeps_what_is_built_in(bed: &Bed) {
    bed.store.migrate().await.unwrap();
    assert!(bed.store.bootstrap(&bootstrap(1)).await.unwrap());
    manifest::apply(&bed.store, &Actor::Operator, &declaration()).await.unwrap().unwrap();
    let nothing = Declaration { prune: true, ..Declaration::default() };

    let applied = manifest::apply(&bed.store, &Actor::Operator, &nothing).await.unwrap().unwrap();

    assert_eq!(applied.deleted.len(), 3 + 2 + 2);
    assert_eq!(bed.store.client("keystone-console").await.unwrap().unwrap().scopes.len(), 15);
    assert_eq!(bed.store.held_scopes(&Actor::User(uuid::Uuid::from_u128(1))).await.unwrap().len(), 15);
    assert_eq!(applied.revoked.users, 1, "the administrator held the scopes that went");
}

/// With the client of the console as with the role of the administrators.
pub(super) async fn a_declaration_leaves_administrators_a_way_in(bed: &Bed) {
    world(bed).await;
    let own = bed.store.held_scopes(&Actor::Operator).await.unwrap();
    let console = DeclaredClient {
        client_id: "keystone-console".to_owned(),
        default_scopes: set(&[]),
        scopes: own.clone(),
        ..app()
    };
    let with =
        |client: &DeclaredClient| Declaration { clients: vec![client.clone()], ..Declaration::default() };
    let without = |scope: &str| {
        let mut fewer = console.clone();
        fewer.scopes.remove(scope);
        fewer
    };
    let mistakes = || {
        [
            (DeclaredClient { enabled: false, ..console.clone() }, "`enabled = true`"),
            (DeclaredClient { public: false, ..console.clone() }, "`public = true`"),
            (
                DeclaredClient { grants: [GrantType::Password].into(), ..console.clone() },
                "the grant `refresh_token`",
            ),
            (without("keystone:account"), "the scope `keystone:account`"),
        ]
    };

    for (wrong, lacks) in mistakes() {
        let refused =
            manifest::apply(&bed.store, &Actor::Operator, &with(&wrong)).await.unwrap().unwrap_err();
        assert_eq!(refused, ApplyError::Console { lacks: lacks.to_owned() }, "before there is one");
    }
    manifest::apply(&bed.store, &Actor::Operator, &with(&console)).await.unwrap().unwrap();
    for (wrong, lacks) in mistakes() {
        let refused =
            manifest::apply(&bed.other, &Actor::Operator, &with(&wrong)).await.unwrap().unwrap_err();
        let kind = matches!(refused, ApplyError::ClientKind { .. }) && wrong.public != console.public;
        assert!(kind || refused == ApplyError::Console { lacks: lacks.to_owned() }, "{refused}");
    }

    // What only some administrators use may go, from the role too.
    manifest::apply(&bed.store, &Actor::Operator, &with(&without("keystone:grant"))).await.unwrap().unwrap();
    let mut administrator = bed.store.role("administrator").await.unwrap().unwrap();
    administrator.scopes.remove("keystone:grant");
    let role = Declaration { roles: vec![administrator], ..Declaration::default() };
    manifest::apply(&bed.store, &Actor::Operator, &role).await.unwrap().unwrap();
    let by_default = DeclaredClient { default_scopes: own, ..console.clone() };
    let refused =
        manifest::apply(&bed.store, &Actor::Operator, &with(&by_default)).await.unwrap().unwrap_err();
    assert_eq!(refused, ApplyError::GrantByDefault { client_id: console.client_id });
}

/// What was published of the one that was deleted must not match the tokens of the one that came back, nor let old ones live.
pub(super) async fn a_client_that_comes_back_stays_revoked(bed: &Bed) {
    world(bed).await;
    let without = Declaration { clients: vec![app()], prune: true, ..declaration() };

    manifest::apply(&bed.store, &Actor::Operator, &without).await.unwrap().unwrap();
    manifest::apply(&bed.store, &Actor::Operator, &declaration()).await.unwrap().unwrap();

    assert_eq!(events(bed).await, ["cid other 1", "cid service 1"]);
    assert_eq!(bed.store.client("service").await.unwrap().unwrap().epoch, 1);
}

/// Who administers may be kept from handing out what others own.
pub(super) async fn a_new_scope_is_the_administrators_unless_the_declaration_says_otherwise(bed: &Bed) {
    bed.store.migrate().await.unwrap();
    assert!(bed.store.bootstrap(&bootstrap(1)).await.unwrap());
    let mut administrator = bed.store.role("administrator").await.unwrap().unwrap();
    administrator.scopes.insert("orders:read".to_owned());
    let mut declared = declaration();
    declared.roles.push(administrator.clone());

    let applied = manifest::apply(&bed.store, &Actor::Operator, &declared).await.unwrap().unwrap();

    assert!(applied.updated.is_empty() && events(bed).await.is_empty(), "{applied:?}");
    assert_eq!(bed.store.role("administrator").await.unwrap().unwrap(), administrator);
    let console = bed.store.client_profile("keystone-console").await.unwrap().unwrap();
    assert!(console.scopes.contains("orders:read") && !console.scopes.contains("orders:write"));
    assert_eq!(
        manifest::apply(&bed.other, &Actor::Operator, &declared).await.unwrap().unwrap(),
        Applied::default()
    );
}
