//! A change to Keystone itself takes a recent login (ASVS 7.5.3, RFC 9470).

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{PASSWORD, TestIssuer};

const AGE: Duration = Duration::from_secs(400);
const SETTINGS: &str = "[sessions]\nstep_up = 300";

/// A new token of a session whose login is too old.
async fn old_login(test: &TestIssuer, username: &str) -> String {
    let scope = test.every_scope().await;
    let body = format!(
        "grant_type=password&client_id=keystone-console&username={username}&password={PASSWORD}&scope={scope}"
    );
    let login = test.form(body).await.success();
    test.clock.advance(AGE);
    test.refresh("keystone-console", &login.text("refresh_token")).await.success().text("access_token")
}

///
#[tokio::test]
async fn a_17_changes_to_keystone_itself_take_a_recent_login() {
    let test = TestIssuer::with_administrators_and(SETTINGS).await;
    let old = old_login(&test, "boss").await;
    let [olaf, root] = [test.path_of("olaf").await, test.path_of("root").await];
    let kid = test.get_as("/admin/keys", &old).await.success().body["keys"][0]["kid"].clone();

    let changes = [
        (format!("PUT {olaf}/roles"), json!({ "roles": ["administrator"] })),
        (format!("PUT {root}/roles"), json!({ "roles": [] })),
        (format!("PATCH {root}"), json!({ "enabled": false })),
        (format!("POST {root}/reset"), Value::Null),
        (format!("DELETE {root}"), Value::Null),
        ("POST /admin/users".to_owned(), json!({ "username": "mallory", "roles": ["administrator"] })),
        ("POST /admin/roles".to_owned(), json!({ "name": "x", "scopes": ["keystone:audit:read"] })),
        ("PATCH /admin/roles/keeper".to_owned(), json!({ "scopes": [] })),
        ("PATCH /admin/clients/keystone-console".to_owned(), json!({ "name": "x" })),
        ("POST /admin/keys/rotate".to_owned(), Value::Null),
        (format!("POST /admin/keys/{}/compromise", kid.as_str().unwrap()), json!({ "now": true })),
    ];
    for (line, body) in &changes {
        let answer = test.ask_as(&old, line, "*", body.clone()).await;
        let challenge = answer.header("www-authenticate").to_owned();
        answer.refused(401, "insufficient_user_authentication");
        assert!(challenge.contains("error=\"insufficient_user_authentication\""), "{challenge}");
        assert!(challenge.ends_with("max_age=\"300\""), "{challenge}");
    }

    test.clock.retreat(AGE);
    let recent = test.console_for("boss", &test.every_scope().await).await;
    for (line, body) in changes {
        let answer = test.ask_as(&recent, &line, "*", body).await;
        assert_ne!(answer.status.as_u16(), 401, "{line}: {answer:?}");
    }
}

#[tokio::test]
async fn everything_else_goes_on_with_an_old_login() {
    let test = TestIssuer::with_administrators_and(SETTINGS).await;
    let old = old_login(&test, "boss").await;
    let olaf = test.path_of("olaf").await;

    for (line, body, status) in [
        (format!("PUT {olaf}/roles"), json!({ "roles": ["customer"] }), 200),
        (format!("POST {olaf}/reset"), Value::Null, 200),
        ("POST /admin/roles".to_owned(), json!({ "name": "x", "scopes": ["orders:read"] }), 201),
        ("PATCH /admin/roles/keeper".to_owned(), json!({ "description": "Keeps" }), 200),
        (format!("DELETE {olaf}/sessions"), Value::Null, 204),
    ] {
        let answer = test.ask_as(&old, &line, "*", body).await;
        assert_eq!(answer.status.as_u16(), status, "{line}: {answer:?}");
    }
}

#[tokio::test]
async fn a_client_has_no_login_that_could_be_too_old() {
    let test = TestIssuer::start_with(SETTINGS).await;
    test.clock.advance(AGE);
    let robot = test.client_token("robot", "keystone:users:write%20orders:read").await;

    let body = json!({ "username": "kim", "roles": ["keeper"] });
    assert_eq!(test.ask_as(&robot, "POST /admin/users", "", body).await.status.as_u16(), 201);
}
