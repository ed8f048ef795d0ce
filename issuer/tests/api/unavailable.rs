//! A database that is down: 503 with a time to come back, never an answer that blames the client.

use keystone_issuer::clients::Clients;

use crate::support::{PASSWORD, TestIssuer, unavailable};

/// An issuer that started well, and whose database then went away.
async fn without_database() -> TestIssuer {
    let test = TestIssuer::start().await;
    test.issuer.clients.find("robot").await.unwrap();
    test.without_database()
}

/// B-15
#[tokio::test]
async fn logins_and_refreshes_are_unavailable() {
    let test = TestIssuer::start().await;
    let token = test.login("alice").await.success().text("refresh_token");
    let test = test.without_database();

    unavailable(test.login_as("app", "alice", PASSWORD).await);
    unavailable(test.refresh("app", &token).await);
}

#[tokio::test]
async fn an_unknown_client_is_unavailable_and_not_unknown() {
    let test = without_database().await;
    let test = test.rebuilt(|issuer| {
        issuer.clients = Clients::new(issuer.store.clone(), issuer.world.clone());
    });

    unavailable(test.form_with(&[test.basic("robot")], "grant_type=client_credentials").await);
    unavailable(test.login_as("app", "alice", PASSWORD).await);
}

#[tokio::test]
async fn a_remembered_client_still_gets_tokens() {
    let test = without_database().await;

    test.form_with(&[test.basic("robot")], "grant_type=client_credentials").await.success();
}

/// B-15
#[tokio::test]
async fn keys_and_metadata_are_served_all_the_same() {
    let test = without_database().await;

    assert_eq!(test.get("/.well-known/jwks.json", &[]).await.body["keys"].as_array().unwrap().len(), 2);
    assert_eq!(test.get("/.well-known/oauth-authorization-server", &[]).await.status.as_u16(), 200);
    assert!(test.issuer.keys.refresh(&test.issuer.store).await.is_err());
    assert_eq!(test.get("/.well-known/jwks.json", &[]).await.status.as_u16(), 200);
}

/// B-20
#[tokio::test]
async fn health_tells_life_from_readiness() {
    let well = TestIssuer::start().await;
    let ill = without_database().await;

    assert_eq!(
        well.health("/health/ready").await.body,
        serde_json::json!({ "status": "ready", "store": "ok", "keys": "ok", "clock": "ok", "cache": "ok" })
    );
    let ready = ill.health("/health/ready").await;
    assert_eq!(ready.status.as_u16(), 503);
    assert_eq!(
        (ready.body["status"].as_str(), ready.body["store"].as_str()),
        (Some("not ready"), Some("failing"))
    );
    assert_eq!(ill.health("/health/live").await.status.as_u16(), 200);
    assert_eq!(well.health("/.well-known/jwks.json").await.status.as_u16(), 404);
}

#[tokio::test]
async fn administration_is_unavailable_too() {
    let test = TestIssuer::start().await;
    let token = test.client_token("robot", "keystone:users:write").await;
    let test = test.without_database();

    unavailable(test.call("/admin/users", &token, serde_json::json!({ "username": "bob" })).await);
}
