//! Each algorithm that tokens may be signed with: they come back to every route, and keys of several live side by side.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keystone_issuer::issuer::{Issuer, Parts};
use keystone_issuer::keys::{Algorithm, KeyEncryptionKey};
use keystone_issuer::store::Actor;
use serde_json::json;

use crate::support::{PASSWORD, TestIssuer};

/// The header says what `algorithm` says, and its key's is published under that.
async fn signed_with(test: &TestIssuer, token: &str, algorithm: Algorithm) {
    let header = jsonwebtoken::decode_header(token).unwrap();
    let jwks = test.get("/.well-known/jwks.json", &[]).await.body;
    let key = jwks["keys"].as_array().unwrap().iter().find(|key| key["kid"] == *header.kid.as_ref().unwrap());

    assert_eq!(format!("{:?}", header.alg), algorithm.as_str());
    assert_eq!(key.unwrap()["alg"], algorithm.as_str());
}

#[tokio::test]
async fn tokens_of_every_algorithm_come_back_to_every_route() {
    for algorithm in Algorithm::ALL {
        let test =
            TestIssuer::start_with(&format!("[keys]\nalgorithm = '{algorithm}'\npropagation = 600")).await;
        let introspect = async |token: &str| {
            test.form_to("/auth/introspect", &[test.basic("shop")], format!("token={token}")).await.body
        };

        let body = format!("grant_type=password&username=alice&password={PASSWORD}&scope=orders:read");
        let login = test.form_with(&[test.basic("shop")], body).await.success();
        let access = login.text("access_token");
        signed_with(&test, &access, algorithm).await;
        let refresh = format!("grant_type=refresh_token&refresh_token={}", login.text("refresh_token"));
        let refreshed = test.form_with(&[test.basic("shop")], refresh).await.success().text("access_token");
        signed_with(&test, &refreshed, algorithm).await;
        assert_eq!(introspect(&refreshed).await["active"], true, "{algorithm}");

        let robot = test.client_token("robot", "keystone:users:write").await;
        let made = test.call("/admin/users", &robot, json!({ "username": "bob" })).await;
        assert!(made.status.is_success(), "{algorithm}: {made:?}");
        let account = test.account_login("app").await.text("access_token");
        assert_eq!(test.get_as("/users/me", &account).await.body["username"], "alice");
        let bearer = ("authorization", format!("Bearer {refreshed}"));
        assert!(test.post("/auth/logout", &[bearer], "").await.status.is_success());
        assert_eq!(introspect(&access).await, json!({ "active": false }), "{algorithm}");
    }
}

#[tokio::test]
async fn a_token_is_read_by_the_algorithm_of_its_key_alone() {
    for algorithm in Algorithm::ALL {
        let test = TestIssuer::start_with(&format!("[keys]\nalgorithm = '{algorithm}'")).await;
        let token = test.client_token("robot", "keystone:users:write").await;
        let kid = jsonwebtoken::decode_header(&token).unwrap().kid.unwrap();
        let (_, rest) = token.split_once('.').unwrap();

        for alg in ["none", "HS256", "EdDSA", "ES256", "RS256", "PS256"] {
            let header = format!(r#"{{"alg":"{alg}","kid":"{kid}","typ":"at+jwt"}}"#);
            let forged = format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header));
            let refused = test.call("/admin/users", &forged, json!({ "username": "bob" })).await;
            if alg == algorithm.as_str() {
                assert!(refused.status.is_success(), "the header is the issuer's own: {refused:?}");
            } else {
                refused.refused(401, "alg");
            }
        }
    }
}

/// I11 and I12: a deployment in which some replicas know the new setting and others do not yet.
#[tokio::test]
async fn replicas_that_differ_in_the_algorithm_publish_and_accept_the_same_keys() {
    let old = TestIssuer::start().await;
    let token = old.client_token("robot", "keystone:users:write").await;
    let kek = KeyEncryptionKey::parse(&format!("kskek_{}", "5a".repeat(32))).unwrap();
    let (world, store) = (old.issuer.world.clone(), old.issuer.store.clone());
    let parts = Parts { world, store, cache: old.issuer.attempts.cache.clone(), kek };
    let mut config = old.issuer.config.clone();
    config.keys.algorithm = Algorithm::Es256;
    let new = Issuer::open(config, parts).await.unwrap();

    new.keys.tend(&new.store).await.unwrap();
    old.issuer.keys.refresh(&old.issuer.store).await.unwrap();
    old.issuer.keys.tend(&old.issuer.store).await.unwrap();
    assert!(new.keys.tend(&new.store).await.unwrap().is_empty());
    let jwks = old.get("/.well-known/jwks.json", &[]).await;
    let algorithms: Vec<_> = jwks.body["keys"].as_array().unwrap().iter().map(|key| &key["alg"]).collect();
    assert_eq!(algorithms, ["EdDSA", "EdDSA", "ES256"]);
    assert_eq!(new.keys.current().jwks.body.as_bytes(), jwks.bytes);

    // Verifiers know none of the standbys yet, so the one that is wanted follows.
    let lost = new.store.key_history().await.unwrap().keys[0].kid.clone();
    new.keys.compromise(&new.store, &Actor::Operator.into(), (&lost, true)).await.unwrap();
    old.issuer.keys.refresh(&old.issuer.store).await.unwrap();
    old.call("/admin/users", &token, json!({ "username": "bob" })).await.refused(401, "unknown_kid");
    let token = old.client_token("robot", "keystone:users:write").await;
    signed_with(&old, &token, Algorithm::Es256).await;
    let made = old.call("/admin/users", &token, json!({ "username": "bob" })).await;
    assert!(made.status.is_success(), "{made:?}");
    // And another for it stands by.
    let last = new.store.key_history().await.unwrap().keys.pop().unwrap();
    assert_eq!((last.alg.as_str(), last.activates_at), ("ES256", None));
}
