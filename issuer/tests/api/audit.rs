//! The audit log as auditors read it.

use serde_json::{Value, json};

use crate::support::TestIssuer;

const NONE: Value = Value::Null;

#[tokio::test]
async fn the_audit_log_is_read_with_filters_newest_first() {
    let test = TestIssuer::with_administrators().await;
    let boss = test.console("boss").await;
    let body = json!({ "name": "packer", "scopes": [] });
    test.ask_as(&boss, "POST /admin/roles", "", body).await;
    test.ask_as(&boss, "PATCH /admin/roles/packer", "*", json!({ "description": "x" })).await.success();
    let read = |query: &str| {
        let line = format!("GET /admin/audit?{query}");
        let (test, boss) = (&test, &boss);
        async move { test.ask_as(boss, &line, "", NONE).await }
    };
    let actions = |page: &Value| -> Vec<String> {
        let entries = page["entries"].as_array().unwrap().iter();
        entries.map(|entry| entry["action"].as_str().unwrap().to_owned()).collect()
    };

    let page = read("target=packer").await.success().body;
    assert_eq!(actions(&page), ["role.updated", "role.created"]);
    let actor = page["entries"][0]["actor"].as_str().unwrap();
    assert!(actor.starts_with("user:"), "{page}");
    assert_eq!(
        actions(&read(&format!("actor={actor}&action=role.c")).await.success().body),
        ["role.created"]
    );
    let one = read("target=packer&limit=1").await.success().body;
    let older = read(&format!("target=packer&limit=1&cursor={}", one["next"])).await.success().body;
    assert_eq!(
        (actions(&one), actions(&older)),
        (vec!["role.updated".to_owned()], vec!["role.created".to_owned()])
    );
    assert!(actions(&read("since=2999-01-01T00:00:00Z").await.success().body).is_empty());
    assert!(actions(&read("until=2001-01-01T00:00:00Z").await.success().body).is_empty());
    assert_eq!(
        actions(
            &read("target=packer&since=2001-01-01T00:00:00Z&until=2999-01-01T00:00:00Z").await.success().body
        )
        .len(),
        2
    );
    for wrong in
        ["since=yesterday", "until=9999-12-31T23:59:59-01:00", "cursor=x", "limit=0", "order=at", "actor=%00"]
    {
        assert_eq!(read(wrong).await.status.as_u16(), 400, "{wrong}");
    }
}

/// The entries about `target`, the newest first.
async fn about(test: &TestIssuer, target: &str) -> Vec<Value> {
    let boss = test.console_for("boss", "keystone:audit:read").await;
    let page = test.ask_as(&boss, &format!("GET /admin/audit?limit=100&target={target}"), "", NONE).await;
    page.success().body["entries"].as_array().unwrap().clone()
}

#[tokio::test]
async fn each_entry_says_before_and_after_and_which_request() {
    let test = TestIssuer::with_administrators().await;
    let boss = test.console("boss").await;
    let body = json!({ "name": "packer", "scopes": ["orders:read"] });
    test.ask_as(&boss, "POST /admin/roles", "", body).await;
    let patch = json!({ "description": "Packs", "scopes": ["orders:write"] });
    let changed = test.ask_as(&boss, "PATCH /admin/roles/packer", "*", patch).await.success();
    test.ask_as(&boss, "DELETE /admin/roles/packer", "*", NONE).await;

    let entries = about(&test, "packer").await;
    let changes: Vec<&Value> = entries.iter().map(|entry| &entry["changes"]).collect();
    assert_eq!(
        changes,
        [
            &json!([
                { "member": "description", "from": "Packs", "to": null },
                { "member": "scopes", "added": [], "removed": ["orders:write"] },
            ]),
            &json!([
                { "member": "description", "from": "", "to": "Packs" },
                { "member": "scopes", "added": ["orders:write"], "removed": ["orders:read"] },
            ]),
            &json!([{ "member": "scopes", "added": ["orders:read"], "removed": [] }]),
        ]
    );
    let entry = &entries[1];
    assert_eq!(entry["request_id"], changed.header("x-request-id"));
    assert_eq!((&entry["actor_name"], &entry["target_name"]), (&json!("boss"), &NONE));
    assert_eq!(
        (&entry["client_id"], &entry["network"]),
        (&json!("keystone-console"), &json!("192.0.2.0/24"))
    );
}

#[tokio::test]
async fn every_kind_of_change_names_its_members() {
    let test = TestIssuer::with_administrators().await;
    let boss = test.console("boss").await;
    let ask = |line: String, body: Value| {
        let (test, boss) = (&test, &boss);
        async move { test.ask_as(boss, &line, "*", body).await }
    };
    let olaf = test.path_of("olaf").await;
    ask(
        format!("PATCH {olaf}"),
        json!({ "username": "Olav", "email": "olav@example.com", "enabled": false }),
    )
    .await;
    ask(format!("PUT {olaf}/roles"), json!({ "roles": ["customer"] })).await;
    ask("POST /admin/scopes".to_owned(), json!({ "name": "x:read", "resource": "x" })).await;
    let client = json!({ "client_id": "packer", "name": "Packs", "grants": ["client_credentials"], "scopes": ["orders:read"] });
    ask("POST /admin/clients".to_owned(), client).await;
    ask("PATCH /admin/clients/packer".to_owned(), json!({ "enabled": false, "default_scopes": [] })).await;

    let id = olaf.rsplit('/').next().unwrap();
    let members = |entries: Vec<Value>| -> Vec<String> {
        let name = |entry: &Value| {
            let members = entry["changes"].as_array().unwrap().iter();
            let members: Vec<_> =
                members.map(|change| change["member"].as_str().unwrap().to_owned()).collect();
            format!("{} {}: {}", entry["action"].as_str().unwrap(), entry["target_name"], members.join(" "))
        };
        entries.iter().map(name).collect()
    };
    assert_eq!(
        members(about(&test, id).await),
        [
            r#"user.roles_changed "Olav": roles"#,
            r#"user.disabled "Olav": enabled"#,
            r#"user.updated "Olav": username email"#,
            r#"user.created "olaf": username enabled roles"#,
        ]
    );
    assert_eq!(members(about(&test, "x:read").await), ["scope.created null: resource"]);
    assert_eq!(
        members(about(&test, "packer").await),
        [
            r#"client.disabled "Packs": enabled default_scopes"#,
            r#"client.created "Packs": name public enabled grants scopes default_scopes"#,
        ]
    );
    // A file is no request, and says as much of what it changed.
    let declared = about(&test, "shop").await;
    assert_eq!(declared[0]["actor"], "operator");
    assert_eq!((&declared[0]["request_id"], &declared[0]["network"]), (&NONE, &NONE));
    assert!(declared[0]["changes"].as_array().unwrap().len() > 3, "{declared:?}");
}

#[tokio::test]
async fn a_login_and_the_end_of_its_session_are_in_the_audit_log() {
    let test = TestIssuer::with_administrators().await;
    let login = test.account_login("app").await;
    let sid = login.claims()["sid"].as_str().unwrap().to_owned();
    test.refresh("app", &login.text("refresh_token")).await.success();
    let wrong = test.login_as("app", "alice", "wrong").await;
    assert_eq!(wrong.status.as_u16(), 400);
    let out = test
        .post("/auth/logout", &[("authorization", format!("Bearer {}", login.text("access_token")))], "")
        .await;

    let entries = about(&test, &sid).await;
    let [ended, opened] = entries.as_slice() else { panic!("{entries:?}") };
    for (entry, answer, action) in [(opened, &login, "session.opened"), (ended, &out, "session.logged_out")] {
        assert_eq!(
            (&entry["action"], &entry["request_id"]),
            (&json!(action), &json!(answer.header("x-request-id")))
        );
        assert_eq!((&entry["actor_name"], &entry["client_id"]), (&json!("alice"), &json!("app")));
        assert_eq!(entry["network"], "192.0.2.0/24");
    }
    assert_eq!((&opened["target_name"], &opened["changes"]), (&json!("alice"), &NONE));
}

#[tokio::test]
async fn the_audit_log_holds_no_secret_and_nothing_about_passwords() {
    let test = TestIssuer::with_administrators().await;
    let boss = test.console("boss").await;
    let client = json!({ "client_id": "packer", "name": "p", "grants": ["client_credentials"], "scopes": [], "default_scopes": [] });
    let made = test.ask_as(&boss, "POST /admin/clients", "", client).await;
    let more = test.ask_as(&boss, "POST /admin/clients/packer/secrets", "", json!({})).await;
    let body = json!({ "username": "kim", "password": "a password of somebody", "roles": [] });
    test.ask_as(&boss, "POST /admin/users", "", body).await;
    let reset =
        test.ask_as(&boss, &format!("POST {}/reset", test.path_of("olaf").await), "", NONE).await.success();
    let own = json!({ "old_password": crate::support::PASSWORD, "new_password": "another password of hers" });
    let alice = test.account_login("app").await.text("access_token");
    test.call("/users/me/password", &alice, own).await;

    let auditor = test.console_for("boss", "keystone:audit:read").await;
    let log = test.ask_as(&auditor, "GET /admin/audit?limit=100", "", NONE).await.success();
    let text = log.body.to_string();
    assert!(text.contains("user.password_changed") && text.contains("user.reset"), "{text}");
    let secrets = [made.text("client_secret"), more.text("client_secret"), reset.text("one_time_password")];
    let told = ["a password of somebody", "another password", "$argon2", "kscs_", "hash"];
    for secret in secrets.iter().map(String::as_str).chain(told) {
        assert!(!text.contains(secret), "{secret}");
    }
}
