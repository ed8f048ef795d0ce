//! `keystone:grant`: whoever holds it gives what they hold at that moment, whatever their token has.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{PASSWORD, TestIssuer};

const NONE: Value = Value::Null;
const USERS: &str = "keystone:users:write keystone:grant";
const ROLES: &str = "keystone:roles:write keystone:grant";
const CLIENTS: &str = "keystone:clients:write keystone:grant";

fn shop(id: &str, scopes: &[&str]) -> Value {
    json!({ "client_id": id, "name": id, "grants": ["client_credentials"], "scopes": scopes, "default_scopes": [] })
}

#[tokio::test]
async fn what_is_held_is_given_though_the_token_lacks_it() {
    let test = TestIssuer::with_administrators().await;
    let [users, roles, clients] = [
        test.console_for("boss", USERS).await,
        test.console_for("boss", ROLES).await,
        test.console_for("boss", CLIENTS).await,
    ];
    let olaf = test.path_of("olaf").await;

    for (token, line, body, status) in [
        (&users, "POST /admin/users".to_owned(), json!({ "username": "eve", "roles": ["customer"] }), 201),
        (&users, format!("PUT {olaf}/roles"), json!({ "roles": ["customer", "keeper"] }), 200),
        (&users, format!("POST {olaf}/reset"), NONE, 200),
        (&users, format!("DELETE {olaf}"), NONE, 204),
        (&roles, "POST /admin/roles".to_owned(), json!({ "name": "packer", "scopes": ["orders:read"] }), 201),
        (
            &roles,
            "PATCH /admin/roles/packer".to_owned(),
            json!({ "scopes": ["orders:write", "keystone:keys:read"] }),
            200,
        ),
        (&roles, "DELETE /admin/roles/packer".to_owned(), NONE, 204),
        (&clients, "POST /admin/clients".to_owned(), shop("kiosk", &["orders:read"]), 201),
        (&clients, "POST /admin/clients/kiosk/secrets".to_owned(), json!({}), 201),
        (
            &clients,
            "PATCH /admin/clients/kiosk".to_owned(),
            json!({ "scopes": ["orders:read", "bills:read"] }),
            200,
        ),
        (&clients, "DELETE /admin/clients/kiosk".to_owned(), NONE, 204),
    ] {
        let answer = test.ask_as(token, &line, "*", body).await;
        assert_eq!(answer.status.as_u16(), status, "{line}: {answer:?}");
    }
}

#[tokio::test]
async fn a_scope_of_a_minute_ago_is_given_without_a_new_login() {
    let test = TestIssuer::with_administrators().await;
    let scope = "keystone:scopes:write keystone:roles:write keystone:grant";
    let root = test.console_for("root", scope).await;

    let body = json!({ "name": "refunds:write", "resource": "orders" });
    assert_eq!(test.ask_as(&root, "POST /admin/scopes", "", body).await.status.as_u16(), 201);
    let role = json!({ "name": "refunder", "scopes": ["refunds:write"] });
    assert_eq!(test.ask_as(&root, "POST /admin/roles", "", role).await.status.as_u16(), 201);
}

/// The scope is looked at in the change, not in the token.
#[tokio::test]
async fn what_is_not_held_at_that_moment_is_not_given() {
    let test = TestIssuer::with_administrators().await;
    let root = test.console_for("root", USERS).await;
    let boss = test.console_for("boss", USERS).await;
    let customer = json!({ "username": "eve", "roles": ["customer"] });
    let elsewhere = test.console_for("boss", "keystone:roles:write keystone:users:write").await;

    test.ask_as(&root, "POST /admin/users", "", customer.clone()).await.refused(403, "beyond_caller");
    // Without the write scope of the route, and without the scope itself, nothing has changed.
    test.ask_as(&boss, "POST /admin/roles", "", json!({ "name": "x", "scopes": [] }))
        .await
        .refused(403, "insufficient_scope");
    test.ask_as(&elsewhere, "POST /admin/users", "", customer).await.refused(403, "beyond_caller");
}

#[tokio::test]
async fn the_grant_scope_gives_nothing_to_its_holders() {
    let test = TestIssuer::with_administrators().await;
    test.declare(r#"roles = [
        { name = "giver", scopes = ["keystone:users:write", "keystone:roles:write", "keystone:clients:write", "keystone:scopes:write", "keystone:grant", "bills:read"] },
        { name = "only-grant", scopes = ["keystone:grant"] },
        { name = "hall", scopes = [] },
        { name = "reads", scopes = ["orders:read"] },
    ]"#).await;
    test.user("gil", &["giver", "hall", "customer"]).await;
    test.user("mal", &["only-grant", "customer"]).await;
    let [users, roles, clients, scopes] = [
        test.console_for("gil", USERS).await,
        test.console_for("gil", ROLES).await,
        test.console_for("gil", CLIENTS).await,
        test.console_for("gil", "keystone:scopes:write keystone:grant").await,
    ];
    let [gil, mal, olaf] = [test.path_of("gil").await, test.path_of("mal").await, test.path_of("olaf").await];

    for (token, line, body) in [
        // To oneself, directly, through a role of one's own, and as one loses the scope.
        (&users, format!("PUT {gil}/roles"), json!({ "roles": ["giver", "hall", "customer", "reads"] })),
        (&users, format!("PUT {gil}/roles"), json!({ "roles": ["hall", "reads"] })),
        (&users, format!("POST {gil}/reset"), NONE),
        (&roles, "PATCH /admin/roles/hall".to_owned(), json!({ "scopes": ["orders:read"] })),
        (&scopes, "PATCH /admin/scopes/bills:read".to_owned(), json!({ "resource": "orders" })),
        // To another who holds it.
        (&users, format!("PUT {mal}/roles"), json!({ "roles": ["only-grant", "customer", "reads"] })),
        (&users, format!("PATCH {mal}"), json!({ "username": "moll", "enabled": true })),
        // Itself.
        (&users, format!("PUT {olaf}/roles"), json!({ "roles": ["giver"] })),
        (&users, "POST /admin/users".to_owned(), json!({ "username": "eve", "roles": ["giver"] })),
        (
            &roles,
            "POST /admin/roles".to_owned(),
            json!({ "name": "x", "scopes": ["keystone:grant", "bills:read"] }),
        ),
        (&clients, "POST /admin/clients".to_owned(), shop("kiosk", &["keystone:grant", "bills:read"])),
    ] {
        let answer = test.ask_as(token, &line, "*", body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.text("code").as_str()),
            (403, "beyond_caller"),
            "{line}: {answer:?}"
        );
    }
}

/// A thief of such a token must not make, in two steps, somebody who has the scope and all that the victim holds.
#[tokio::test]
async fn two_changes_make_no_second_holder_of_everything() {
    let test = TestIssuer::with_administrators().await;
    test.declare(
        r#"roles = [{ name = "only-grant", scopes = ["keystone:grant"] }, { name = "empty", scopes = [] }]"#,
    )
    .await;
    let boss = test.console_for("boss", "keystone:users:write keystone:roles:write keystone:grant").await;
    let olaf = test.path_of("olaf").await;

    let line = format!("PUT {olaf}/roles");
    let put = |roles: Value| test.ask_as(&boss, &line, "*", json!({ "roles": roles }));
    put(json!(["customer", "empty"])).await.success();
    put(json!(["customer", "empty", "only-grant"])).await.refused(403, "beyond_caller");
    let add = json!({ "scopes": ["keystone:grant"] });
    test.ask_as(&boss, "PATCH /admin/roles/empty", "*", add).await.refused(403, "beyond_caller");
    // With all of it in the token, today's rule stays.
    let all = test.console_for("boss", &test.every_scope().await).await;
    let body = json!({ "roles": ["administrator"] });
    test.ask_as(&all, &format!("PUT {olaf}/roles"), "*", body).await.success();
}

#[tokio::test]
async fn each_use_takes_a_recent_login() {
    let test = TestIssuer::with_administrators_and("[sessions]\nstep_up = 300").await;
    let body = format!(
        "grant_type=password&client_id=keystone-console&username=boss&password={PASSWORD}&scope={USERS} orders:read bills:read"
    );
    let login = test.form(body.clone()).await.success();
    test.clock.advance(Duration::from_secs(301));
    let old =
        test.refresh("keystone-console", &login.text("refresh_token")).await.success().text("access_token");
    let eve = json!({ "username": "eve", "roles": ["clerk"] });

    let answer = test.ask_as(&old, "POST /admin/users", "", eve.clone()).await;
    assert!(answer.header("www-authenticate").contains("max_age=\"300\""), "{answer:?}");
    answer.refused(401, "insufficient_user_authentication");
    // What the token has is given as ever.
    let ben = json!({ "username": "ben", "roles": ["customer"] });
    assert_eq!(test.ask_as(&old, "POST /admin/users", "", ben).await.status.as_u16(), 201);
    test.clock.retreat(Duration::from_secs(301));
    let new = test.form(body).await.success().text("access_token");
    assert_eq!(test.ask_as(&new, "POST /admin/users", "", eve).await.status.as_u16(), 201);
}

#[tokio::test]
async fn the_grant_scope_is_asked_for_by_name_and_by_users() {
    let test = TestIssuer::with_administrators().await;
    let boss = test.console_for("boss", &test.every_scope().await).await;

    let login = test.login_as("keystone-console", "boss", PASSWORD).await.success();
    assert!(!login.text("scope").contains("keystone:grant"), "{login:?}");
    let mut robot = shop("packer", &["keystone:grant", "keystone:users:write"]);
    let made = test.ask_as(&boss, "POST /admin/clients", "", robot.clone()).await;
    let basic = crate::support::basic("packer", &made.text("client_secret"));
    let asked = test.form_with(&[basic], "grant_type=client_credentials&scope=keystone:grant").await;
    asked.refused(400, "invalid_scope");
    robot["client_id"] = json!("other");
    robot["default_scopes"] = json!(["keystone:grant"]);
    test.ask_as(&boss, "POST /admin/clients", "", robot).await.refused(422, "invalid_client_settings");
    let defaults = json!({ "default_scopes": ["keystone:grant"] });
    test.ask_as(&boss, "PATCH /admin/clients/packer", "*", defaults).await.refused(422, "default_scope");
}
