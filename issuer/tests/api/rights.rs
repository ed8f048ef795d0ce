//! Roles and scopes: whoever changes them gives and takes only what they hold.

use serde_json::{Value, json};

use crate::support::TestIssuer;

const NONE: Value = Value::Null;

#[tokio::test]
async fn a_role_is_made_read_changed_and_deleted() {
    let test = TestIssuer::with_administrators().await;
    let boss = test.console("boss").await;

    let body = json!({ "name": "packer", "scopes": ["orders:read"] });
    let made = test.ask_as(&boss, "POST /admin/roles", "", body.clone()).await;
    assert_eq!(made.status.as_u16(), 201, "{made:?}");
    test.ask_as(&boss, "POST /admin/roles", "", body).await.refused(409, "exists");
    let patch = json!({ "description": "Packs", "scopes": ["orders:read", "orders:write"] });
    test.ask_as(&boss, "PATCH /admin/roles/packer", "", patch.clone())
        .await
        .refused(428, "precondition_required");
    let tag = made.header("etag").to_owned();
    test.ask_as(&boss, "PATCH /admin/roles/packer", &tag, patch.clone()).await.success();
    test.ask_as(&boss, "PATCH /admin/roles/packer", &tag, patch).await.refused(412, "stale");
    let read = test.ask_as(&boss, "GET /admin/roles/packer", "", NONE).await.success();
    assert_eq!(
        read.body,
        json!({ "name": "packer", "description": "Packs", "scopes": ["orders:read", "orders:write"] })
    );
    let page = test.ask_as(&boss, "GET /admin/roles?limit=1&cursor=nobody", "", NONE).await.success();
    assert_eq!((&page.body["roles"][0]["name"], &page.body["next"]), (&json!("packer"), &json!("packer")));
    let gone = test.ask_as(&boss, "DELETE /admin/roles/packer", "", NONE).await;
    assert_eq!(gone.status.as_u16(), 204);
    test.ask_as(&boss, "GET /admin/roles/packer", "", NONE).await.refused(404, "not_found");
    for (body, code) in [
        (json!({ "name": "a,b", "scopes": [] }), "invalid_name"),
        (json!({ "name": "a", "description": "a\nb", "scopes": [] }), "invalid_text"),
        (json!({ "name": "a", "scopes": ["x"] }), "unknown_scope"),
        (json!({ "name": "a", "scopes": ["a\0b"] }), "unknown_scope"),
    ] {
        test.ask_as(&boss, "POST /admin/roles", "", body).await.refused(422, code);
    }
}

///
#[tokio::test]
async fn nobody_gives_or_takes_through_a_role_what_they_do_not_hold() {
    let test = TestIssuer::with_administrators().await;
    let root = test.console("root").await;

    for (line, body) in [
        ("POST /admin/roles", json!({ "name": "x", "scopes": ["orders:read"] })),
        ("PATCH /admin/roles/customer", json!({ "scopes": ["orders:read", "bills:read", "orders:write"] })),
        ("PATCH /admin/roles/customer", json!({ "scopes": [] })),
        ("DELETE /admin/roles/customer", NONE),
        ("DELETE /admin/scopes/orders:read", NONE),
        ("PATCH /admin/scopes/orders:read", json!({ "resource": "bills" })),
    ] {
        test.ask_as(&root, line, "*", body).await.refused(403, "beyond_caller");
    }
    let words = json!({ "description": "Buys" });
    test.ask_as(&root, "PATCH /admin/roles/customer", "*", words).await.success();
}

#[tokio::test]
async fn what_is_built_in_stays() {
    let test = TestIssuer::with_administrators().await;
    let boss = test.console("boss").await;

    for (line, body) in [
        ("PATCH /admin/roles/administrator", json!({ "scopes": [] })),
        ("DELETE /admin/roles/administrator", NONE),
        ("PATCH /admin/scopes/keystone:users:read", json!({ "description": "x" })),
        ("DELETE /admin/scopes/keystone:account", NONE),
        ("POST /admin/scopes", json!({ "name": "keystone:all", "resource": "x" })),
        ("POST /admin/scopes", json!({ "name": "x", "resource": "keystone" })),
        ("PATCH /admin/scopes/orders:read", json!({ "resource": "keystone" })),
    ] {
        test.ask_as(&boss, line, "*", body).await.refused(409, "built_in");
    }
}

/// not only users are what nobody could administer without.
#[tokio::test]
async fn the_client_of_the_console_stays_what_administrators_need() {
    let test = TestIssuer::with_administrators().await;
    let boss = test.console("boss").await;
    let console = test.ask_as(&boss, "GET /admin/clients/keystone-console", "", NONE).await.success();
    let fewer = |member: &str, name: &str| {
        let left = console.body[member].as_array().unwrap().iter().filter(|scope| *scope != name);
        json!({ member: left.collect::<Vec<_>>() })
    };

    for (line, body) in [
        ("DELETE /admin/clients/keystone-console", NONE),
        ("PATCH /admin/clients/keystone-console", json!({ "enabled": false })),
        ("PATCH /admin/clients/keystone-console", json!({ "grants": [] })),
        ("PATCH /admin/clients/keystone-console", fewer("grants", "password")),
        ("PATCH /admin/clients/keystone-console", fewer("grants", "refresh_token")),
        ("PATCH /admin/clients/keystone-console", fewer("scopes", "keystone:users:write")),
        ("PATCH /admin/clients/keystone-console", fewer("scopes", "keystone:account")),
        ("POST /admin/clients", json!({ "client_id": "keystone-console", "name": "x" })),
    ] {
        test.ask_as(&boss, line, "*", body).await.refused(409, "built_in");
    }
    for body in [
        json!({ "name": "Ours", "origins": ["https://console.example.com"] }),
        json!({ "default_scopes": [] }),
        fewer("scopes", "orders:read"),
    ] {
        test.ask_as(&boss, "PATCH /admin/clients/keystone-console", "*", body).await.success();
    }
    test.console_for("boss", "keystone:users:write").await;
}

#[tokio::test]
async fn a_new_scope_is_the_administrators_to_give() {
    let test = TestIssuer::with_administrators().await;
    let root = test.console("root").await;

    let body = json!({ "name": "refunds:write", "resource": "orders" });
    let made = test.ask_as(&root, "POST /admin/scopes", "", body).await;
    assert_eq!(made.status.as_u16(), 201, "{made:?}");
    let role = json!({ "name": "refunder", "scopes": ["refunds:write"] });
    // The token is older than the scope.
    test.ask_as(&root, "POST /admin/roles", "", role.clone()).await.refused(403, "beyond_caller");
    let root = test.console_for("root", "keystone:roles:write keystone:scopes:write refunds:write").await;
    assert_eq!(test.ask_as(&root, "POST /admin/roles", "", role).await.status.as_u16(), 201);
    let patch = json!({ "description": "Gives money back" });
    test.ask_as(&root, "PATCH /admin/scopes/refunds:write", made.header("etag"), patch).await.success();
    let gone = test.ask_as(&root, "DELETE /admin/scopes/refunds:write", "", NONE).await;
    assert_eq!(gone.status.as_u16(), 204);
    // It was the administrators' too: their tokens that hold it are revoked.
    let root = test.console("root").await;
    let role = test.ask_as(&root, "GET /admin/roles/refunder", "", NONE).await.success();
    assert_eq!(role.body["scopes"], json!([]));
    let page = test.ask_as(&root, "GET /admin/scopes?limit=2", "", NONE).await.success();
    assert_eq!(page.body["next"], "keystone:account");
}

#[tokio::test]
async fn what_a_role_loses_its_users_lose() {
    let test = TestIssuer::with_administrators().await;
    let boss = test.console("boss").await;
    let login = test.login("alice").await.success();

    let body = json!({ "scopes": ["bills:read"] });
    test.ask_as(&boss, "PATCH /admin/roles/customer", "*", body).await.success();

    let less = test.refresh("app", &login.text("refresh_token")).await;
    assert!(less.status.as_u16() == 400 || less.claims()["sv"] == 1, "{less:?}");
}

/// boss holds everything; a token of his for one thing does that and no more (CVE-2026-57458).
#[tokio::test]
async fn a_token_for_little_makes_nothing_that_holds_more() {
    let test = TestIssuer::with_administrators().await;
    let users = test.console_for("boss", "keystone:users:write").await;
    let roles = test.console_for("boss", "keystone:roles:write").await;
    let clients = test.console_for("boss", "keystone:clients:write").await;
    let (alice, boss) = (test.path_of("alice").await, test.path_of("boss").await);

    for (token, line, body) in [
        (&users, "POST /admin/users".to_owned(), json!({ "username": "eve", "roles": ["customer"] })),
        (&users, "POST /admin/users".to_owned(), json!({ "username": "eve", "roles": ["administrator"] })),
        (&users, format!("PUT {alice}/roles"), json!({ "roles": ["customer", "clerk"] })),
        (&users, format!("PATCH {alice}"), json!({ "email": "eve@example.com" })),
        (&users, format!("POST {alice}/reset"), NONE),
        (&users, format!("POST {boss}/reset"), NONE),
        (&users, format!("DELETE {boss}"), NONE),
        (&roles, "POST /admin/roles".to_owned(), json!({ "name": "x", "scopes": ["orders:read"] })),
        (&roles, "PATCH /admin/roles/nobody".to_owned(), json!({ "scopes": ["keystone:keys:write"] })),
        (&clients, "PATCH /admin/clients/brief".to_owned(), json!({ "origins": ["https://evil.example"] })),
        (&clients, "POST /admin/clients/robot/secrets".to_owned(), json!({})),
        (
            &clients,
            "POST /admin/clients".to_owned(),
            json!({ "client_id": "eve", "name": "e", "grants": ["client_credentials"], "scopes": ["keystone:users:write"] }),
        ),
    ] {
        test.ask_as(token, &line, "*", body).await.refused(403, "beyond_caller");
    }
    let enough = test.console_for("boss", "keystone:users:write orders:read bills:read").await;
    let body = json!({ "username": "eve", "roles": ["customer"] });
    assert_eq!(test.ask_as(&enough, "POST /admin/users", "", body).await.status.as_u16(), 201);
}

#[tokio::test]
async fn a_body_that_nobody_reads_is_refused() {
    let test = TestIssuer::with_administrators().await;
    let boss = test.console("boss").await;
    let olaf = test.path_of("olaf").await;

    for line in [
        format!("POST {olaf}/reset"),
        format!("DELETE {olaf}"),
        "POST /admin/keys/rotate".to_owned(),
        "DELETE /admin/roles/nobody".to_owned(),
        "DELETE /admin/clients/brief".to_owned(),
    ] {
        let body = json!({ "password": "a password of mine" });
        test.ask_as(&boss, &line, "*", body).await.refused(400, "invalid_request");
    }
    test.ask_as(&boss, &format!("POST {olaf}/reset"), "", json!({})).await.success();
}
