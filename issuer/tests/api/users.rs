//! Users made by administrators, and people's own passwords.

use keystone_issuer::identity::manifest;
use std::time::Duration;

use serde_json::json;

use crate::support::{PASSWORD, TestIssuer};

const KEEPER: &str = "keystone:users:write orders:read bills:read";

/// A-01, L-20, R-14
#[tokio::test]
async fn every_guarded_route_refuses_whoever_may_not() {
    let test = TestIssuer::start().await;
    let login = test.login("alice").await.success();
    let robot = test.client_token("robot", "orders:read").await;
    let old = test.client_token("robot", KEEPER).await;

    for path in ["/admin/users", "/users/me/password"] {
        let none = test.post(path, &[("content-type", "application/json".to_owned())], "{}").await;
        assert_eq!(none.header("www-authenticate"), "Bearer realm=\"keystone\"");
        none.refused(401, "no_credentials");
        for (token, status, code) in [
            (login.text("access_token"), 401, "audience"),
            (login.text("refresh_token"), 401, "malformed"),
            (robot.clone(), 401, "audience"),
            (format!("{robot}x"), 401, "signature"),
            ("x".to_owned(), 401, "malformed"),
        ] {
            let answer = test.call(path, &token, json!({})).await;
            if code == "signature" {
                assert_eq!(answer.status.as_u16(), status, "{answer:?}");
            } else {
                answer.refused(status, code);
            }
        }
        let headers =
            [("authorization", format!("Bearer {old}")), ("authorization", format!("Bearer {old}"))];
        assert_eq!(test.post(path, &headers, "{}").await.status.as_u16(), 400);
        let basic = test.post(path, &[test.basic("robot")], "{}").await;
        basic.refused(401, "no_credentials");
    }
    test.clock.advance(Duration::from_secs(1000));
    test.call("/admin/users", &old, json!({ "username": "bob" })).await.refused(401, "expired");
}

#[tokio::test]
async fn a_token_without_the_scope_is_told_which() {
    let test = TestIssuer::start().await;
    let file = "[[clients]]\nclient_id = \"reader\"\nname = \"r\"\ngrants = [\"client_credentials\"]\nscopes = [\"keystone:users:read\"]";
    let (declaration, secrets) = keystone_issuer::declaration::File::parse(file)
        .unwrap()
        .declare(&test.issuer.secrets, &test.issuer.world);
    manifest::apply(&test.issuer.store, &keystone_issuer::store::Actor::Operator, &declaration)
        .await
        .unwrap()
        .unwrap();
    let basic = crate::support::basic("reader", secrets["reader"].expose());
    let token =
        test.form_with(&[basic], "grant_type=client_credentials").await.success().text("access_token");

    let answer = test
        .call("/admin/users", &token, json!({ "username": "bob" }))
        .await
        .refused(403, "insufficient_scope");

    assert!(answer.header("www-authenticate").contains("scope=\"keystone:users:write\""), "{answer:?}");
}

#[tokio::test]
async fn a_user_is_made_as_asked() {
    let test = TestIssuer::start().await;
    let token = test.client_token("robot", KEEPER).await;

    let body = json!({ "username": " Bob ", "email": "Bob@Example.com", "password": PASSWORD, "roles": ["customer"] });
    let answer = test.call("/admin/users", &token, body).await;

    assert_eq!(answer.status.as_u16(), 201, "{answer:?}");
    let id = answer.text("id");
    assert_eq!(
        answer.body,
        json!({ "id": id, "username": "Bob", "email": "Bob@Example.com", "enabled": true, "roles": ["customer"] })
    );
    let login = test.login("bob").await.success();
    assert_eq!(login.claims()["sub"], id);
}

/// L-16
#[tokio::test]
async fn look_alikes_and_known_addresses_are_taken() {
    let test = TestIssuer::start().await;
    let token = test.client_token("robot", KEEPER).await;
    let first = json!({ "username": "bob", "email": "bob@example.com" });
    assert_eq!(test.call("/admin/users", &token, first).await.status.as_u16(), 201);

    for name in ["ALICE", " alice ", "ａlice"] {
        test.call("/admin/users", &token, json!({ "username": name })).await.refused(409, "username_taken");
    }
    let email = json!({ "username": "rob", "email": "BOB@EXAMPLE.com" });
    test.call("/admin/users", &token, email).await.refused(409, "email_taken");
    for name in ["аlice", "", " ", "a b", "a\u{0}b"] {
        test.call("/admin/users", &token, json!({ "username": name })).await.refused(422, "invalid_username");
    }
    test.call("/admin/users", &token, json!({ "username": "rob", "email": "x" }))
        .await
        .refused(422, "invalid_email");
}

///
#[tokio::test]
async fn nobody_hands_out_more_than_they_hold() {
    let test = TestIssuer::start().await;
    let all = test.client_token("robot", KEEPER).await;
    // The client holds more than this token does.
    let narrow = test.client_token("robot", "keystone:users:write orders:read").await;

    for (token, role, status, code) in [
        (&all, "administrator", 403, "beyond_caller"),
        (&narrow, "customer", 403, "beyond_caller"),
        (&all, "emperor", 422, "unknown_role"),
    ] {
        test.call("/admin/users", token, json!({ "username": "bob", "roles": [role] }))
            .await
            .refused(status, code);
    }
    assert_eq!(
        test.call("/admin/users", &all, json!({ "username": "bob", "roles": ["customer"] }))
            .await
            .status
            .as_u16(),
        201
    );
}

#[tokio::test]
async fn a_right_that_was_taken_away_cannot_be_used_with_an_old_token() {
    let test = TestIssuer::start().await;
    let token = test.client_token("robot", KEEPER).await;
    test.take_scopes_from_robot().await;

    test.call("/admin/users", &token, json!({ "username": "bob" })).await.refused(401, "revoked");
}

/// L-18
#[tokio::test]
async fn weak_passwords_are_refused_with_reasons() {
    let test = TestIssuer::start().await;
    let token = test.client_token("robot", KEEPER).await;

    for (password, reason) in [
        ("Sh0rt!", "too short"),
        ("alllowercase", "no uppercase letter"),
        ("P@ssw0rd1!", "common password"),
        ("Keystone-1!", "name of this service"),
        ("Bobby-77!", "username"),
    ] {
        let body = json!({ "username": "bobby", "password": password });
        let answer = test.call("/admin/users", &token, body).await.refused(422, "weak_password");
        assert!(answer.text("detail").contains(reason), "{answer:?}");
        assert!(!answer.text("detail").contains(password));
    }
}

///
#[tokio::test]
async fn bodies_are_closed_types() {
    let test = TestIssuer::start().await;
    let token = test.client_token("robot", KEEPER).await;
    let headers =
        |kind: &str| [("authorization", format!("Bearer {token}")), ("content-type", kind.to_owned())];

    for body in [
        "",
        "[]",
        "{",
        "{\"username\":1}",
        "{\"username\":\"a\",\"username\":\"a\"}",
        "{\"username\":\"a\",\"admin\":true}",
        "{\"roles\":[]}",
        "{\"username\":\"a\",\"roles\":\"customer\"}",
    ] {
        test.post("/admin/users", &headers("application/json"), body).await.refused(400, "invalid_request");
    }
    test.post("/admin/users", &headers("text/plain"), "{}").await.refused(415, "invalid_request");
}

/// L-08, L-20
#[tokio::test]
async fn a_password_change_needs_the_old_one_and_counts_guesses() {
    let test = TestIssuer::start_with("[limits]\nlogin_attempts = 4").await;
    test.user("kim", &["customer"]).await;
    let login =
        format!("grant_type=password&client_id=app&username=kim&password={PASSWORD}&scope=keystone:account");
    let token = test.form(login).await.success().text("access_token");
    let change = |old: Option<&str>, new: &str| {
        let mut body = json!({ "new_password": new });
        if let Some(old) = old {
            body["old_password"] = old.into();
        }
        test.call("/users/me/password", &token, body)
    };

    change(None, "eleven green boots").await.refused(403, "old_password");
    change(Some("wrong"), "eleven green boots").await.refused(403, "old_password");
    change(Some(PASSWORD), "Kim-1234").await.refused(422, "weak_password");
    for _ in 0..4 {
        change(Some("wrong"), "eleven green boots").await.refused(403, "old_password");
    }
    change(Some(PASSWORD), "eleven green boots").await.refused(429, "too_many_attempts");
    test.clock.advance(Duration::from_secs(61));
    assert_eq!(change(Some(PASSWORD), "eleven green boots").await.status.as_u16(), 204);
    test.login_as("app", "kim", "eleven green boots").await.success();
}

#[tokio::test]
async fn a_client_has_no_password() {
    let test = TestIssuer::start().await;
    let token = test.client_token("robot", "keystone:account").await;

    test.call("/users/me/password", &token, json!({ "new_password": "eleven green boots" }))
        .await
        .refused(403, "not_a_user");
}

#[tokio::test]
async fn after_a_one_time_password_the_first_own_one_needs_no_old_one() {
    let test = TestIssuer::start().await;
    let keeper = test.client_token("robot", KEEPER).await;
    let created =
        test.call("/admin/users", &keeper, json!({ "username": "bob", "roles": ["customer"] })).await;
    let login = format!(
        "grant_type=password&client_id=app&username=bob&password={}&scope=keystone:account",
        created.text("one_time_password")
    );
    let token = test.form(login).await.success().text("access_token");

    let first =
        test.call("/users/me/password", &token, json!({ "new_password": "eleven green boots" })).await;
    let second =
        test.call("/users/me/password", &token, json!({ "new_password": "twelve green boots" })).await;

    assert_eq!(first.status.as_u16(), 204);
    second.refused(401, "revoked");
    test.login_as("app", "bob", "eleven green boots").await.success();
}
