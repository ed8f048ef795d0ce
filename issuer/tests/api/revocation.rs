//! Revocation (RFC 7009): a client gives up its own tokens, and nobody else's.

use serde_json::json;

use crate::support::{Answer, TestIssuer, unavailable};

async fn revoke(test: &TestIssuer, client_id: &str, token: &str) -> Answer {
    let body = format!("token={token}&client_id={client_id}");
    let is_public = client_id == "app";
    let headers = if is_public { Vec::new() } else { vec![test.basic(client_id)] };
    test.form_to("/auth/revoke", &headers, body).await
}

#[track_caller]
fn done(answer: &Answer) {
    assert_eq!((answer.status.as_u16(), answer.bytes.as_slice()), (200, &b""[..]), "{answer:?}");
    assert_eq!(answer.header("cache-control"), "no-store");
}

#[tokio::test]
async fn a_revoked_refresh_token_ends_its_session() {
    let test = TestIssuer::start().await;
    let login = test.account_login("app").await;
    let (access, refresh) = (login.text("access_token"), login.text("refresh_token"));

    done(&revoke(&test, "app", &refresh).await);

    test.refresh("app", &refresh).await.refused(400, "invalid_grant");
    test.get_as("/users/me/sessions", &access).await.refused(401, "revoked");
    // Again: what is gone is gone.
    done(&revoke(&test, "app", &refresh).await);
}

/// Its client lost the answer to a refresh, and gives up.
#[tokio::test]
async fn a_rotated_refresh_token_ends_its_session_too() {
    let test = TestIssuer::start().await;
    let first = test.login("alice").await.success().text("refresh_token");
    let second = test.refresh("app", &first).await.success().text("refresh_token");

    done(&revoke(&test, "app", &first).await);

    test.refresh("app", &second).await.refused(400, "invalid_grant");
}

#[tokio::test]
async fn a_revoked_access_token_ends_its_session_whatever_it_is_for() {
    let test = TestIssuer::start().await;
    let login = test.login("alice").await.success();
    assert_eq!(login.claims()["aud"], "orders");

    done(&revoke(&test, "app", &login.text("access_token")).await);

    test.refresh("app", &login.text("refresh_token")).await.refused(400, "invalid_grant");
}

#[tokio::test]
async fn a_clients_own_token_is_revoked_alone() {
    let test = TestIssuer::start().await;
    let token = test.client_token("robot", "keystone:account").await;
    let other = test.client_token("robot", "keystone:account").await;

    done(&revoke(&test, "robot", &token).await);
    done(&revoke(&test, "robot", &token).await);

    test.get_as("/users/me/sessions", &token).await.refused(401, "revoked");
    test.get_as("/users/me/sessions", &other).await.refused(403, "no_session");
}

/// V-01
#[tokio::test]
async fn another_clients_token_stays_valid() {
    let test = TestIssuer::start().await;
    let login = test.account_login("app").await;
    let (access, refresh) = (login.text("access_token"), login.text("refresh_token"));
    let robot = test.client_token("robot", "keystone:account").await;

    for token in [&access, &refresh, &robot] {
        done(&revoke(&test, "shop", token).await);
    }

    test.get_as("/users/me/sessions", &access).await.success();
    test.get_as("/users/me/sessions", &robot).await.refused(403, "no_session");
    test.refresh("app", &refresh).await.success();
}

/// V-02
#[tokio::test]
async fn what_is_unknown_expired_or_forged_is_answered_alike() {
    let test = TestIssuer::start_with("[tokens]\naccess_token_lifetime = 300").await;
    let other = TestIssuer::start_with("[sessions]\ngrace = 1").await;
    let _: [u8; 32] = other.issuer.world.bytes();
    let foreign = other.login("alice").await.success();
    let login = test.login("alice").await.success();
    let access = login.text("access_token");
    let forged = format!("{}A", login.text("refresh_token"));
    test.clock.advance(std::time::Duration::from_secs(400));

    for token in
        ["x", "a.b.c", "ksrt_", &forged, &access, &format!("{access}x"), &foreign.text("refresh_token")]
    {
        done(&revoke(&test, "app", token).await);
    }

    test.refresh("app", &login.text("refresh_token")).await.success();
}

#[tokio::test]
async fn a_hint_helps_and_never_harms() {
    let test = TestIssuer::start().await;

    for hint in ["refresh_token", "access_token", "something_else", ""] {
        for member in ["refresh_token", "access_token"] {
            let login = test.login("alice").await.success();
            let body = json!({ "client_id": "app", "token": login.text(member), "token_type_hint": hint });
            let json = [("content-type", "application/json".to_owned())];
            done(&test.post("/auth/revoke", &json, body.to_string()).await);
            test.refresh("app", &login.text("refresh_token")).await.refused(400, "invalid_grant");
        }
    }
}

#[tokio::test]
async fn the_client_authenticates_as_at_the_token_endpoint() {
    let test = TestIssuer::start().await;
    let body = format!("grant_type=password&username=alice&password={}", crate::support::PASSWORD);
    let login = test.form_with(&[test.basic("shop")], body).await.success();
    let token = login.text("refresh_token");
    let path = "/auth/revoke";
    let basic = |secret: &str| crate::support::basic("shop", secret);

    let wrong = test.form_to(path, &[basic("wrong")], format!("token={token}")).await;
    assert!(wrong.header("www-authenticate").starts_with("Basic "), "{wrong:?}");
    wrong.refused(401, "invalid_client");
    for body in ["token=x", "token=x&client_id=shop", "token=x&client_id=nobody"] {
        test.form_to(path, &[], body).await.refused(401, "invalid_client");
    }
    let twice = format!("token=x&client_id=shop&client_secret={}", test.secret("shop"));
    test.form_to(path, &[test.basic("shop")], twice).await.refused(400, "invalid_request");
    test.form_to(path, &[test.basic("shop")], "").await.refused(400, "invalid_request");
    test.form_to(path, &[test.basic("shop")], "token=&x=y").await.refused(400, "invalid_request");
    test.form_to(path, &[test.basic("shop")], "token=a&token=a").await.refused(400, "invalid_request");
    let get = test.get(path, &[]).await;
    assert_eq!((get.status.as_u16(), get.header("allow")), (405, "POST,OPTIONS"));

    test.form_with(&[test.basic("shop")], format!("grant_type=refresh_token&refresh_token={token}"))
        .await
        .success();
}

/// V-03, CVE-2020-15223: a client that hears 200 throws its token away.
#[tokio::test]
async fn without_a_database_nothing_counts_as_revoked() {
    let test = TestIssuer::start().await;
    let login = test.login("alice").await.success();
    let robot = test.client_token("robot", "orders:read").await;
    test.issuer.clients.find("app").await.unwrap();
    let test = test.without_database();

    unavailable(revoke(&test, "app", &login.text("refresh_token")).await);
    unavailable(revoke(&test, "app", &login.text("access_token")).await);
    unavailable(revoke(&test, "robot", &robot).await);
}
