//! Introspection (RFC 7662): the truth about a token, for whom it concerns, and nothing for anyone else.

use serde_json::{Value, json};

use crate::support::{Answer, ISSUER, PASSWORD, TestIssuer, basic, unavailable};

async fn introspect(test: &TestIssuer, client_id: &str, token: &str) -> Answer {
    let answer =
        test.form_to("/auth/introspect", &[test.basic(client_id)], format!("token={token}")).await.success();
    assert_eq!(answer.header("cache-control"), "no-store");
    answer
}

/// V-06: no reason, no echo.
async fn is_inactive(test: &TestIssuer, client_id: &str, token: &str) {
    let answer = introspect(test, client_id, token).await;
    assert_eq!(String::from_utf8(answer.bytes).unwrap(), r#"{"active":false}"#, "{client_id} {token}");
}

async fn shop_login(test: &TestIssuer) -> Answer {
    let body = format!("grant_type=password&username=alice&password={PASSWORD}&scope=orders:read");
    test.form_with(&[test.basic("shop")], body).await.success()
}

#[tokio::test]
async fn an_active_access_token_is_told_whole() {
    let test = TestIssuer::start().await;
    let login = shop_login(&test).await;
    let claims = login.claims();

    let answer = introspect(&test, "shop", &login.text("access_token")).await;

    let mut expected = json!({
        "active": true, "username": "alice", "token_type": "Bearer", "aud": ["orders"], "iss": ISSUER,
        "scope": "orders:read", "client_id": "shop",
    });
    for name in ["exp", "iat", "nbf", "sub", "jti", "sid"] {
        expected[name] = claims[name].clone();
    }
    assert_eq!(answer.body, expected);
}

#[tokio::test]
async fn a_clients_token_has_no_username() {
    let test = TestIssuer::start().await;
    let token = test.client_token("robot", "orders:read").await;

    let answer = introspect(&test, "robot", &token).await;

    assert_eq!((&answer.body["active"], &answer.body["sub"]), (&json!(true), &json!("client:robot")));
    assert_eq!(answer.body["username"], Value::Null);
}

#[tokio::test]
async fn a_refresh_token_is_active_for_its_own_client_while_it_is_the_newest() {
    let test = TestIssuer::start().await;
    let login = shop_login(&test).await;
    let first = login.text("refresh_token");

    let answer = introspect(&test, "shop", &first).await;
    let (sub, sid) = (login.claims()["sub"].clone(), login.claims()["sid"].clone());
    let exp = answer.body["exp"].clone();
    assert!(exp.as_u64() > login.claims()["exp"].as_u64(), "{answer:?}");
    assert_eq!(
        answer.body,
        json!({ "active": true, "scope": "orders:read", "client_id": "shop", "username": "alice", "sub": sub,
                "sid": sid, "iss": ISSUER, "exp": exp })
    );
    is_inactive(&test, "robot", &first).await;

    let body = format!("grant_type=refresh_token&refresh_token={first}");
    let second = test.form_with(&[test.basic("shop")], body).await.success().text("refresh_token");
    is_inactive(&test, "shop", &first).await;
    assert_eq!(introspect(&test, "shop", &second).await.body["active"], true);
}

/// V-05
#[tokio::test]
async fn a_client_sees_tokens_for_resources_it_works_with_and_no_others() {
    let test = TestIssuer::start().await;
    let orders = test.login("alice").await.success().text("access_token");
    let body =
        format!("grant_type=password&client_id=app&username=alice&password={PASSWORD}&scope=bills:read");
    let bills = test.form(body).await.success().text("access_token");

    assert_eq!(introspect(&test, "shop", &orders).await.body["client_id"], "app");
    assert_eq!(introspect(&test, "robot", &bills).await.body["aud"], json!(["billing"]));
    is_inactive(&test, "shop", &bills).await;
}

#[tokio::test]
async fn only_a_confidential_client_that_proves_itself_may_ask() {
    let test = TestIssuer::start().await;
    let token = test.login("alice").await.success().text("access_token");
    let body = format!("token={token}");
    let path = "/auth/introspect";

    for headers in [
        vec![],
        vec![basic("shop", "wrong")],
        vec![basic("nobody", "x")],
        vec![("authorization", format!("Bearer {token}"))],
        vec![test.basic("off")],
    ] {
        let answer = test.form_to(path, &headers, body.clone()).await;
        assert!(answer.header("www-authenticate").starts_with("Basic "), "{answer:?}");
        answer.refused(401, "invalid_client");
    }
    for client_id in ["app", "shop", "nobody"] {
        test.form_to(path, &[], format!("{body}&client_id={client_id}")).await.refused(401, "invalid_client");
    }
    test.form_to(path, &[test.basic("shop")], "").await.refused(400, "invalid_request");
    assert_eq!(test.get(path, &[]).await.status.as_u16(), 405);
}

/// V-06
#[tokio::test]
async fn what_is_expired_forged_foreign_or_no_token_is_inactive() {
    let test = TestIssuer::start().await;
    let other = TestIssuer::start_with("[tokens]\naccess_token_lifetime = 60").await;
    let _: [u8; 32] = other.issuer.world.bytes();
    let login = shop_login(&test).await;
    let access = login.text("access_token");
    let foreign = test.rebuilt(|issuer| issuer.config.issuer = "https://other.example.com".to_owned());
    is_inactive(&foreign, "shop", &access).await;
    let test = foreign.rebuilt(|issuer| issuer.config.issuer = ISSUER.to_owned());
    assert_eq!(introspect(&test, "shop", &access).await.body["active"], true);

    for token in [
        "x",
        "a.b.c",
        "ksrt_x",
        &format!("{access}x"),
        &login.text("refresh_token").replace("ksrt_", "kscs_"),
    ] {
        is_inactive(&test, "shop", token).await;
    }
    // Verifiers grant a leeway; an answer that says `exp` does not.
    let left = login.claims()["exp"].as_i64().unwrap() - test.issuer.world.now().unix_timestamp();
    test.clock.advance(std::time::Duration::from_secs(left.unsigned_abs()));
    is_inactive(&test, "shop", &access).await;
}

#[tokio::test]
async fn what_was_revoked_is_inactive() {
    let test = TestIssuer::start().await;

    for member in ["access_token", "refresh_token"] {
        let login = shop_login(&test).await;
        let body = format!("token={}", login.text(member));
        test.form_to("/auth/revoke", &[test.basic("shop")], body).await;
        is_inactive(&test, "shop", &login.text("access_token")).await;
        is_inactive(&test, "shop", &login.text("refresh_token")).await;
    }
    let token = test.client_token("robot", "orders:read").await;
    test.form_to("/auth/revoke", &[test.basic("robot")], format!("token={token}")).await;
    is_inactive(&test, "robot", &token).await;
}

#[tokio::test]
async fn a_moved_epoch_makes_older_tokens_inactive() {
    let test = TestIssuer::start().await;
    let robot = test.client_token("robot", "orders:read").await;
    let alice = shop_login(&test).await.text("access_token");
    let account = test.account_login("app").await.text("access_token");

    let body = json!({ "old_password": PASSWORD, "new_password": "eleven green boots" });
    assert_eq!(test.call("/users/me/password", &account, body).await.status.as_u16(), 204);
    is_inactive(&test, "robot", &alice).await;

    assert_eq!(introspect(&test, "shop", &robot).await.body["active"], true);
    test.take_scopes_from_robot().await;
    is_inactive(&test, "shop", &robot).await;
}

/// A database that is down must not make a token look revoked, or alive.
#[tokio::test]
async fn without_a_database_there_is_no_answer() {
    let test = TestIssuer::start().await;
    let login = shop_login(&test).await;
    let test = test.without_database();

    for member in ["access_token", "refresh_token"] {
        let body = format!("token={}", login.text(member));
        unavailable(test.form_to("/auth/introspect", &[test.basic("shop")], body).await);
    }
}
