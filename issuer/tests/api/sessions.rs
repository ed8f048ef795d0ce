//! One's own sessions: seen, ended, logged out of, and at an end at once where Keystone itself is asked.

use serde_json::{Value, json};

use crate::support::{PASSWORD, TestIssuer, unavailable};

const SESSIONS: &str = "/users/me/sessions";

async fn log_out(test: &TestIssuer, token: &str) -> crate::support::Answer {
    test.post("/auth/logout", &[("authorization", format!("Bearer {token}"))], "").await
}

#[tokio::test]
async fn users_see_their_own_live_sessions() {
    let test = TestIssuer::start().await;
    test.login_as("brief", "alice", PASSWORD).await.success();
    test.login("olaf").await;
    let ended = test.login("alice").await.success().text("access_token");
    assert_eq!(log_out(&test, &ended).await.status.as_u16(), 204);
    let login = test.account_login("app").await;

    let answer = test.get_as(SESSIONS, &login.text("access_token")).await.success();

    assert_eq!(answer.header("cache-control"), "no-store");
    let sessions = answer.body["sessions"].as_array().unwrap();
    let summary: Vec<_> =
        sessions.iter().map(|session| (&session["client_id"], &session["current"])).collect();
    assert_eq!(summary, [(&json!("app"), &json!(true)), (&json!("brief"), &json!(false))]);
    assert_eq!(sessions[0]["id"], login.claims()["sid"]);
    let members: Vec<_> = sessions[0].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["client_id", "created_at", "current", "expires_at", "id", "last_used_at"]);
    for name in ["created_at", "expires_at", "last_used_at"] {
        assert!(sessions[0][name].as_str().unwrap().ends_with('Z'), "{answer:?}");
    }
}

#[tokio::test]
async fn users_end_their_own_sessions() {
    let test = TestIssuer::start().await;
    let other = test.login("alice").await.success();
    let login = test.account_login("app").await;
    let token = login.text("access_token");
    let path = |sid: &Value| format!("{SESSIONS}/{}", sid.as_str().unwrap());

    let answer = test.delete_as(&path(&other.claims()["sid"]), &token).await;
    assert_eq!((answer.status.as_u16(), answer.bytes.len()), (204, 0), "{answer:?}");
    test.refresh("app", &other.text("refresh_token")).await.refused(400, "invalid_grant");
    test.delete_as(&path(&other.claims()["sid"]), &token).await.refused(404, "unknown_session");

    // The current one is a session like the others.
    assert_eq!(test.delete_as(&path(&login.claims()["sid"]), &token).await.status.as_u16(), 204);
    test.get_as(SESSIONS, &token).await.refused(401, "revoked");
}

///
#[tokio::test]
async fn foreign_sessions_are_not_there() {
    let test = TestIssuer::start().await;
    test.user("kim", &["customer"]).await;
    let kim = test.login("kim").await.success();
    let sid = kim.claims()["sid"].as_str().unwrap().to_owned();
    let token = test.account_login("app").await.text("access_token");

    for id in [sid.as_str(), &"0".repeat(32), &sid.to_uppercase(), "x", "%00"] {
        let answer = test.delete_as(&format!("{SESSIONS}/{id}"), &token).await;
        assert!([400, 404].contains(&answer.status.as_u16()), "{id}: {answer:?}");
    }
    test.delete_as(&format!("{SESSIONS}/{sid}"), &token).await.refused(404, "unknown_session");

    test.refresh("app", &kim.text("refresh_token")).await.success();
}

///
#[tokio::test]
async fn the_session_routes_need_the_account_scope_and_a_user() {
    let test = TestIssuer::start().await;
    let orders = test.login("alice").await.success();
    let robot = test.client_token("robot", "keystone:account").await;
    let keeper = test.client_token("robot", "keystone:users:write").await;
    let one = format!("{SESSIONS}/{}", "0".repeat(32));

    for (token, status, code) in [
        (orders.text("access_token"), 401, "audience"),
        (orders.text("refresh_token"), 401, "malformed"),
        (keeper, 403, "insufficient_scope"),
        (robot, 403, "no_session"),
    ] {
        test.get_as(SESSIONS, &token).await.refused(status, code);
        test.delete_as(&one, &token).await.refused(status, code);
    }
    test.get(SESSIONS, &[]).await.refused(401, "no_credentials");
}

#[tokio::test]
async fn a_logout_ends_the_session_of_a_token_for_any_resource() {
    let test = TestIssuer::start().await;
    let other = test.login("alice").await.success();
    let login = test.login("alice").await.success();
    let token = login.text("access_token");
    assert_eq!(login.claims()["aud"], "orders");

    let answer = log_out(&test, &token).await;
    assert_eq!((answer.status.as_u16(), answer.bytes.len()), (204, 0), "{answer:?}");
    assert_eq!(answer.header("cache-control"), "no-store");

    test.refresh("app", &login.text("refresh_token")).await.refused(400, "invalid_grant");
    test.refresh("app", &other.text("refresh_token")).await.success();
    // The answer was lost, and the client tries again.
    assert_eq!(log_out(&test, &token).await.status.as_u16(), 204);
}

#[tokio::test]
async fn a_logout_needs_a_users_access_token() {
    let test = TestIssuer::start().await;
    let login = test.login("alice").await.success();
    let robot = test.client_token("robot", "orders:read").await;
    let token = login.text("access_token");

    log_out(&test, &robot).await.refused(403, "no_session");
    log_out(&test, &login.text("refresh_token")).await.refused(401, "malformed");
    log_out(&test, "x").await.refused(401, "malformed");
    let none = test.post("/auth/logout", &[], "").await;
    assert_eq!(none.header("www-authenticate"), "Bearer realm=\"keystone\"");
    none.refused(401, "no_credentials");
    let twice = [("authorization", format!("Bearer {token}")), ("authorization", format!("Bearer {token}"))];
    test.post("/auth/logout", &twice, "").await.refused(400, "multiple_credentials");
    test.clock.advance(std::time::Duration::from_secs(1000));
    log_out(&test, &token).await.refused(401, "expired");
}

/// V-09
#[tokio::test]
async fn a_logout_cannot_be_caused_by_a_link_or_an_image() {
    let test = TestIssuer::start().await;
    let login = test.login("alice").await.success();
    let token = login.text("access_token");

    let bearer = format!("Bearer {token}");
    let answer = test.get("/auth/logout", &[("authorization", &bearer)]).await;
    assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, "POST"));
    let query = test.post(&format!("/auth/logout?access_token={token}"), &[], "").await;
    query.refused(401, "no_credentials");
    let form = [("content-type", "application/x-www-form-urlencoded".to_owned())];
    let body = format!("access_token={token}&logout_token={token}");
    test.post("/auth/logout", &form, body).await.refused(401, "no_credentials");

    test.refresh("app", &login.text("refresh_token")).await.success();
}

///
#[tokio::test]
async fn a_reused_refresh_token_ends_the_access_tokens_of_its_session_too() {
    let test = TestIssuer::start().await;
    let login = test.account_login("app").await;
    let first = login.text("refresh_token");
    let second = test.refresh("app", &first).await.success();
    let third = test.refresh("app", &second.text("refresh_token")).await.success();
    test.get_as(SESSIONS, &third.text("access_token")).await.success();

    test.refresh("app", &first).await.refused(400, "invalid_grant");

    for answer in [login, second, third] {
        test.get_as(SESSIONS, &answer.text("access_token")).await.refused(401, "revoked");
    }
}

///
#[tokio::test]
async fn the_oldest_session_ends_at_the_limit() {
    let test = TestIssuer::start_with("[sessions]\nmax_per_user = 2").await;
    let mut logins = Vec::new();
    for _ in 0..3 {
        logins.push(test.account_login("app").await);
    }

    test.refresh("app", &logins[0].text("refresh_token")).await.refused(400, "invalid_grant");
    test.get_as(SESSIONS, &logins[0].text("access_token")).await.refused(401, "revoked");
    let answer = test.get_as(SESSIONS, &logins[2].text("access_token")).await.success();
    assert_eq!(answer.body["sessions"].as_array().unwrap().len(), 2);
    test.refresh("app", &logins[1].text("refresh_token")).await.success();
}

#[tokio::test]
async fn a_revoked_token_opens_no_guarded_route() {
    let test = TestIssuer::start().await;
    let robot = test.client_token("robot", "keystone:users:write").await;
    let first = test.account_login("app").await.text("access_token");
    let second = test.account_login("app").await.text("access_token");
    test.get_as(SESSIONS, &second).await.success();

    let body = json!({ "old_password": PASSWORD, "new_password": "eleven green boots" });
    assert_eq!(test.call("/users/me/password", &first, body.clone()).await.status.as_u16(), 204);
    for token in [&first, &second] {
        let answer = test.get_as(SESSIONS, token).await;
        assert!(answer.header("www-authenticate").contains("invalid_token"), "{answer:?}");
        answer.refused(401, "revoked");
        test.call("/users/me/password", token, body.clone()).await.refused(401, "revoked");
    }
    test.take_scopes_from_robot().await;
    test.call("/admin/users", &robot, json!({ "username": "bob" })).await.refused(401, "revoked");
}

#[tokio::test]
async fn without_a_database_sessions_are_neither_seen_nor_ended() {
    let test = TestIssuer::start().await;
    let token = test.account_login("app").await.text("access_token");
    let test = test.without_database();

    unavailable(test.get_as(SESSIONS, &token).await);
    unavailable(test.delete_as(&format!("{SESSIONS}/{}", "0".repeat(32)), &token).await);
    unavailable(log_out(&test, &token).await);
}
