//! Users as administrators see and change them, and as they see themselves.

use serde_json::{Value, json};

use crate::support::{PASSWORD, TestIssuer, all};

const NONE: Value = Value::Null;

#[tokio::test]
async fn users_are_found_by_the_beginning_of_their_name_or_address() {
    let test = TestIssuer::with_administrators().await;
    let root = test.console("root").await;
    let list = |query: &str| {
        let line = format!("GET /admin/users{query}");
        let (test, root) = (&test, &root);
        async move { test.ask_as(root, &line, "", NONE).await.success().body }
    };
    let names = |page: &Value| -> Vec<String> {
        page["users"]
            .as_array()
            .unwrap()
            .iter()
            .map(|user| user["username"].as_str().unwrap().to_owned())
            .collect()
    };
    let boss = test.console("boss").await;
    let body = json!({ "email": "Zoe@Example.com" });
    test.ask_as(&boss, &format!("PATCH {}", test.path_of("olaf").await), "*", body).await.success();

    assert_eq!(names(&list("").await), ["alice", "boss", "olaf", "root"]);
    assert_eq!(names(&list("?search=AL").await), ["alice"]);
    assert_eq!(names(&list("?search=zoe@").await), ["olaf"]);
    assert!(names(&list("?search=%25").await).is_empty());
    assert!(names(&list("?enabled=false").await).is_empty());
    let page = list("?limit=2").await;
    assert_eq!((names(&page), &page["next"]), (vec!["alice".to_owned(), "boss".to_owned()], &json!("boss")));
    assert_eq!(names(&list("?limit=2&cursor=boss").await), ["olaf", "root"]);
    assert!(!page.to_string().contains("hash"));
}

///
#[tokio::test]
async fn a_query_is_a_closed_type() {
    let test = TestIssuer::with_administrators().await;
    let root = test.console("root").await;

    for query in [
        "limit=0",
        "limit=101",
        "limit=-1",
        "limit=x",
        "enabled=1",
        "sort=password_hash",
        "cursor=%00",
        "search=a%00",
        "limit=1&limit=1",
        "cursor=%ff",
    ] {
        let answer = test.ask_as(&root, &format!("GET /admin/users?{query}"), "", NONE).await;
        assert!(answer.status.is_client_error(), "{query}: {answer:?}");
    }
    test.ask_as(
        &root,
        "GET /admin/users?cursor=' OR 1=1 --".replace(' ', "+").replacen('+', " ", 1).as_str(),
        "",
        NONE,
    )
    .await
    .success();
}

///
#[tokio::test]
async fn a_change_starts_from_the_version_that_was_read() {
    let test = TestIssuer::with_administrators().await;
    let boss = test.console("boss").await;
    let path = test.path_of("alice").await;
    let read = test.ask_as(&boss, &format!("GET {path}"), "", NONE).await.success();
    let tag = read.header("etag").to_owned();
    let patch = |condition: &str, body: Value| {
        let (line, condition) = (format!("PATCH {path}"), condition.to_owned());
        let (test, boss) = (&test, &boss);
        async move { test.ask_as(boss, &line, &condition, body).await }
    };

    patch("", json!({ "username": "alicia" })).await.refused(428, "precondition_required");
    let changed = patch(&tag, json!({ "username": "Alicia", "email": "a@b.org" })).await.success();
    assert_eq!(
        (changed.text("username"), changed.text("email")),
        ("Alicia".to_owned(), "a@b.org".to_owned())
    );
    for stale in [tag.as_str(), "W/\"x\"", "x", &format!("W/{}", changed.header("etag"))] {
        patch(stale, json!({ "username": "x" })).await.refused(412, "stale");
    }
    let listed = format!("\"x\", {}", changed.header("etag"));
    let changed = patch(&listed, json!({ "email": null })).await.success();
    assert_eq!(changed.body["email"], NONE);
    patch("*", json!({ "username": "BOSS" })).await.refused(409, "username_taken");
    patch("*", json!({ "username": "a b" })).await.refused(422, "invalid_username");
    patch("*", json!({ "password": "x" })).await.refused(400, "invalid_request");
    test.ask_as(&boss, &format!("DELETE {path}"), &tag, NONE).await.refused(412, "stale");
    for line in ["GET /admin/users/x", "GET /admin/users/00000000-0000-0000-0000-000000000000"] {
        test.ask_as(&boss, line, "", NONE).await.refused(404, "not_found");
    }
}

/// of changes that start from one version, one is made.
#[tokio::test]
async fn of_many_changes_to_one_version_one_is_made() {
    let test = TestIssuer::with_administrators().await;
    let boss = test.console("boss").await;
    let path = test.path_of("alice").await;
    let read = test.ask_as(&boss, &format!("GET {path}"), "", NONE).await.success();
    let lines: Vec<String> = (0..8).map(|_| format!("PATCH {path}")).collect();

    let changes = lines.iter().enumerate().map(|(number, line)| {
        test.ask_as(&boss, line, read.header("etag"), json!({ "username": format!("alice{number}") }))
    });
    let answers = all(changes.collect()).await;

    assert_eq!(answers.iter().filter(|answer| answer.status.as_u16() == 200).count(), 1);
    assert_eq!(answers.iter().filter(|answer| answer.status.as_u16() == 412).count(), 7);
}

///
#[tokio::test]
async fn whoever_is_disabled_or_deleted_is_out_at_once() {
    let test = TestIssuer::with_administrators().await;
    let boss = test.console("boss").await;
    let path = test.path_of("alice").await;
    let refresh = test.login("alice").await.success().text("refresh_token");

    test.ask_as(&boss, &format!("PATCH {path}"), "*", json!({ "enabled": false })).await.success();
    test.refresh("app", &refresh).await.refused(400, "invalid_grant");
    test.login("alice").await.refused(400, "invalid_grant");

    test.ask_as(&boss, &format!("PATCH {path}"), "*", json!({ "enabled": true })).await.success();
    let login = test.login("alice").await.success();
    assert_eq!(login.claims()["sv"], 1);
    test.refresh("app", &refresh).await.refused(400, "invalid_grant");

    let gone = test.ask_as(&boss, &format!("DELETE {path}"), "", NONE).await;
    assert_eq!(gone.status.as_u16(), 204);
    test.refresh("app", &login.text("refresh_token")).await.refused(400, "invalid_grant");
    test.ask_as(&boss, &format!("DELETE {path}"), "", NONE).await.refused(404, "not_found");
}

/// L-23: for one login, and nobody else knows it.
#[tokio::test]
async fn a_reset_gives_a_password_for_one_login_and_ends_the_sessions() {
    let test = TestIssuer::with_administrators().await;
    let boss = test.console("boss").await;
    let path = test.path_of("alice").await;
    let refresh = test.login("alice").await.success().text("refresh_token");

    let reset = test.ask_as(&boss, &format!("POST {path}/reset"), "", NONE).await.success();

    let secret = reset.text("one_time_password");
    assert!(secret.starts_with("ksop_"));
    test.refresh("app", &refresh).await.refused(400, "invalid_grant");
    test.login("alice").await.refused(400, "invalid_grant");
    test.login_as("app", "alice", &secret).await.success();
    test.login_as("app", "alice", &secret).await.refused(400, "invalid_grant");
}

/// grants, removals, and every other way to an account that holds more.
#[tokio::test]
async fn nobody_touches_an_account_that_holds_more_than_they_do() {
    let test = TestIssuer::with_administrators().await;
    test.user("kim", &["keeper"]).await;
    let (root, kim) = (test.console("root").await, test.console("kim").await);
    let (alice, olaf, boss) =
        (test.path_of("alice").await, test.path_of("olaf").await, test.path_of("boss").await);
    let own = test.path_of("kim").await;

    for (token, line, body) in [
        (&root, format!("PUT {olaf}/roles"), json!({ "roles": ["customer"] })),
        (&root, format!("PUT {alice}/roles"), json!({ "roles": [] })),
        (&root, format!("DELETE {alice}"), NONE),
        (&root, format!("POST {alice}/reset"), NONE),
        (&root, format!("PATCH {alice}"), json!({ "email": "root@example.com" })),
        (&root, format!("PATCH {alice}"), json!({ "enabled": false })),
        (&kim, format!("PUT {own}/roles"), json!({ "roles": ["keeper", "administrator"] })),
        (&kim, format!("PUT {olaf}/roles"), json!({ "roles": ["clerk"] })),
        (&kim, format!("POST {boss}/reset"), NONE),
        (&kim, format!("PUT {boss}/roles"), json!({ "roles": ["customer", "clerk"] })),
    ] {
        test.ask_as(token, &line, "*", body).await.refused(403, "beyond_caller");
    }
    let roles = json!({ "roles": ["emperor"] });
    test.ask_as(&root, &format!("PUT {olaf}/roles"), "*", roles).await.refused(422, "unknown_role");
    test.ask_as(&kim, &format!("PUT {olaf}/roles"), "*", json!({ "roles": ["keeper"] })).await.success();
}

///
#[tokio::test]
async fn a_role_that_is_taken_away_revokes_the_tokens_and_keeps_the_session() {
    let test = TestIssuer::with_administrators().await;
    let boss = test.console("boss").await;
    let path = test.path_of("alice").await;
    let body = json!({ "roles": ["customer", "clerk"] });
    test.ask_as(&boss, &format!("PUT {path}/roles"), "*", body).await.success();
    let more = test.login("alice").await.success();
    assert_eq!(
        (&more.claims()["sv"], &more.claims()["scope"]),
        (&json!(0), &json!("orders:read orders:write"))
    );

    test.ask_as(&boss, &format!("PUT {path}/roles"), "*", json!({ "roles": ["customer"] })).await.success();
    let less = test.refresh("app", &more.text("refresh_token")).await.success();
    assert_eq!((&less.claims()["sv"], &less.claims()["scope"]), (&json!(1), &json!("orders:read")));
}

/// and by no race either.
#[tokio::test]
async fn the_last_administrator_stays() {
    let test = TestIssuer::with_administrators().await;
    let boss = test.console("boss").await;
    let root = test.console("root").await;
    let (path, other) = (test.path_of("boss").await, test.path_of("root").await);

    let lines = [format!("DELETE {other}"), format!("DELETE {path}")];
    let at_once = all(vec![
        test.ask_as(&boss, &lines[0], "", NONE),
        test.ask_as(&boss, &lines[1], "", NONE),
        test.ask_as(&boss, &lines[0], "", NONE),
    ])
    .await;
    assert!(at_once.iter().any(|answer| answer.status.as_u16() == 204), "{at_once:?}");

    let (token, last) = match test.issuer.store.credential("boss").await.unwrap() {
        Some(_) => (boss, path),
        None => (root, other),
    };
    for (line, body) in [
        (format!("DELETE {last}"), NONE),
        (format!("PATCH {last}"), json!({ "enabled": false })),
        (format!("PUT {last}/roles"), json!({ "roles": [] })),
    ] {
        let answer = test.ask_as(&token, &line, "*", body).await;
        let code = answer.text("code");
        assert!(
            code == "last_administrator" || (code == "beyond_caller" && line.starts_with("PUT")),
            "{answer:?}"
        );
    }
}

/// Whoever tries addresses learns which are taken, so they are not tried without end.
#[tokio::test]
async fn changes_of_ones_own_address_are_limited() {
    let test = TestIssuer::with_administrators_and("[limits]\nlogin_attempts = 3").await;
    let boss = test.console("boss").await;
    let taken = json!({ "email": "zoe@example.com" });
    test.ask_as(&boss, &format!("PATCH {}", test.path_of("olaf").await), "*", taken.clone()).await.success();
    let token = test.account_login("app").await.text("access_token");
    let patch = |body: Value| {
        let (test, token) = (&test, &token);
        async move { test.ask_as(token, "PATCH /users/me", "*", body).await }
    };

    for _ in 0..3 {
        patch(taken.clone()).await.refused(409, "email_taken");
    }
    let limited = patch(taken.clone()).await.refused(429, "too_many_attempts");
    let seconds: u64 = limited.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
    patch(json!({ "email": "free@example.com" })).await.refused(429, "too_many_attempts");
    // To give an address up tells nothing.
    patch(json!({ "email": null })).await.success();
    test.clock.advance(std::time::Duration::from_secs(61));
    patch(json!({ "email": "free@example.com" })).await.success();
}

#[tokio::test]
async fn people_see_and_change_their_own_account_and_no_other() {
    let test = TestIssuer::with_administrators().await;
    let login =
        format!("grant_type=password&client_id=app&username=olaf&password={PASSWORD}&scope=keystone:account");
    let token = test.form(login).await.success().text("access_token");

    let me = test.ask_as(&token, "GET /users/me", "", NONE).await.success();
    assert_eq!((me.text("username"), &me.body["roles"]), ("olaf".to_owned(), &json!(["nobody"])));
    test.ask_as(&token, "PATCH /users/me", "", json!({})).await.refused(428, "precondition_required");
    for body in [json!({ "username": "x" }), json!({ "enabled": true }), json!({ "roles": ["clerk"] })] {
        test.ask_as(&token, "PATCH /users/me", "*", body).await.refused(400, "invalid_request");
    }
    let patch = json!({ "email": "Olaf@Example.com" });
    let me = test.ask_as(&token, "PATCH /users/me", me.header("etag"), patch).await.success();
    assert_eq!(me.text("email"), "Olaf@Example.com");
    test.ask_as(&token, "GET /admin/users", "", NONE).await.refused(403, "insufficient_scope");
    let robot = test.client_token("robot", "keystone:account").await;
    test.ask_as(&robot, "GET /users/me", "", NONE).await.refused(403, "not_a_user");
}
