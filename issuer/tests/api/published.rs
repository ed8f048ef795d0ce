//! The key set and the metadata: the same bytes for everyone.

use axum::body::Body;
use axum::http::Request;

use crate::support::{ISSUER, TestIssuer};

const JWKS: &str = "/.well-known/jwks.json";
const FEED_KEYS: &str = "/.well-known/keystone/feed-jwks.json";
const METADATA: &str = "/.well-known/oauth-authorization-server";

#[tokio::test]
async fn the_metadata_comes_from_the_configured_issuer_alone() {
    let test = TestIssuer::start().await;

    let answer = test.get(METADATA, &[]).await;

    assert_eq!(
        String::from_utf8(answer.bytes).unwrap(),
        format!(
            r#"{{"grant_types_supported":["password","client_credentials","refresh_token"],"introspection_endpoint":"{ISSUER}/auth/introspect","introspection_endpoint_auth_methods_supported":["client_secret_basic","client_secret_post"],"issuer":"{ISSUER}","jwks_uri":"{ISSUER}/.well-known/jwks.json","keystone_revocations_jwks_uri":"{ISSUER}/.well-known/keystone/feed-jwks.json","keystone_revocations_uri":"{ISSUER}/.well-known/keystone/revocations","revocation_endpoint":"{ISSUER}/auth/revoke","revocation_endpoint_auth_methods_supported":["client_secret_basic","client_secret_post","none"],"token_endpoint":"{ISSUER}/auth/token","token_endpoint_auth_methods_supported":["client_secret_basic","client_secret_post","none"]}}"#
        )
    );
}

/// B-04
#[tokio::test]
async fn nothing_a_request_says_changes_a_byte() {
    let test = TestIssuer::start().await;

    for path in [JWKS, FEED_KEYS, METADATA] {
        let plain = test.get(path, &[]).await;
        let headers = [
            ("host", "evil.com"),
            ("x-forwarded-host", "evil.com"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-prefix", "/evil"),
            ("forwarded", "host=evil.com"),
        ];
        let evil = test.get(path, &headers).await;
        let absolute =
            Request::builder().uri(format!("http://evil.com{path}?a=b")).body(Body::empty()).unwrap();

        assert_eq!(evil.bytes, plain.bytes);
        assert_eq!(test.send(absolute).await.bytes, plain.bytes);
        assert_eq!(evil.header("etag"), plain.header("etag"));
    }
}

/// B-06
#[tokio::test]
async fn copies_are_kept_for_a_while_and_confirmed_by_their_tag() {
    let test = TestIssuer::start().await;

    for path in [JWKS, FEED_KEYS, METADATA] {
        let answer = test.get(path, &[]).await;
        let tag = answer.header("etag");
        assert!(tag.starts_with('"') && tag.ends_with('"'), "{tag}");
        assert_eq!(answer.header("cache-control"), "public, max-age=300");
        assert!(answer.headers.get("set-cookie").is_none());

        for (condition, expected) in
            [(tag, 304), (&format!("\"x\", W/{tag}"), 304), ("*", 304), ("\"x\"", 200), ("", 200)]
        {
            let again = test.get(path, &[("if-none-match", condition)]).await;
            assert_eq!(again.status.as_u16(), expected, "{condition}");
            assert_eq!(again.header("etag"), tag);
            assert_eq!(again.bytes.is_empty(), expected == 304);
        }
    }
}

/// B-03
#[tokio::test]
async fn the_key_set_holds_a_standby_and_nothing_private() {
    let test = TestIssuer::start().await;

    let answer = test.get(JWKS, &[]).await;

    assert_eq!(answer.header("content-type"), "application/jwk-set+json");
    let keys = answer.body["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 2);
    for key in keys {
        let members: Vec<_> = key.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x"]);
    }
}

#[tokio::test]
async fn an_issuer_with_a_path_has_its_metadata_behind_the_host() {
    let test = TestIssuer::start().await.rebuilt(|issuer| issuer.config.issuer = format!("{ISSUER}/tenant"));

    let inserted = test.get(&format!("{METADATA}/tenant"), &[]).await;

    assert_eq!(inserted.body["issuer"], format!("{ISSUER}/tenant"));
    assert_eq!(inserted.bytes, test.get(METADATA, &[]).await.bytes);
}

/// Some proxies take the path away before they ask, and some do not.
#[tokio::test]
async fn an_issuer_with_a_path_answers_with_it_and_without() {
    let test = TestIssuer::start().await.rebuilt(|issuer| issuer.config.issuer = format!("{ISSUER}/tenant"));
    let account = test.account_login("app").await.text("access_token");
    let metadata = test.get(METADATA, &[]).await.body;

    for (member, path) in [("jwks_uri", JWKS), ("token_endpoint", "/auth/token")] {
        assert_eq!(metadata[member], format!("{ISSUER}/tenant{path}"));
    }
    assert_eq!(test.get(&format!("/tenant{JWKS}"), &[]).await.bytes, test.get(JWKS, &[]).await.bytes);
    let form = [("content-type", "application/x-www-form-urlencoded".to_owned()), test.basic("robot")];
    test.post("/tenant/auth/token", &form, "grant_type=client_credentials").await.success();
    assert_eq!(test.get_as("/tenant/users/me", &account).await.success().body["username"], "alice");
    assert_eq!(test.get("/tenant/users/me", &[]).await.status.as_u16(), 401);
    for nowhere in ["/other/users/me", "/tenant/tenant/users/me", "/tenant/tenant"] {
        assert_eq!(test.get_as(nowhere, &account).await.status.as_u16(), 404, "{nowhere}");
    }
}

#[tokio::test]
async fn replicas_on_one_database_have_the_same_keys_and_secrets() {
    let test = TestIssuer::start().await;
    let before = test.get(JWKS, &[]).await.bytes;
    let refresh = test.login("alice").await.success().text("refresh_token");

    test.issuer.keys.refresh(&test.issuer.store).await.unwrap();
    let parts = keystone_issuer::issuer::Parts {
        world: test.issuer.world.clone(),
        store: test.issuer.store.clone(),
        cache: test.issuer.attempts.cache.clone(),
        kek: keystone_issuer::keys::KeyEncryptionKey::parse(&format!("kskek_{}", "5a".repeat(32))).unwrap(),
    };
    let config = test.issuer.config.clone();
    let replica = keystone_issuer::issuer::Issuer::open(config, parts).await.unwrap();
    let replica = test.rebuilt(|issuer| *issuer = replica);

    assert_eq!(replica.get(JWKS, &[]).await.bytes, before);
    replica.refresh("app", &refresh).await.success();
}

/// B-09
#[tokio::test]
async fn another_key_encryption_key_does_not_start() {
    let test = TestIssuer::start().await;
    let parts = keystone_issuer::issuer::Parts {
        world: test.issuer.world.clone(),
        store: test.issuer.store.clone(),
        cache: test.issuer.attempts.cache.clone(),
        kek: keystone_issuer::keys::KeyEncryptionKey::parse(&format!("kskek_{}", "a5".repeat(32))).unwrap(),
    };

    let refused = keystone_issuer::issuer::Issuer::open(test.issuer.config.clone(), parts).await.unwrap_err();

    assert!(refused.to_string().contains("set the key that this database was set up with"), "{refused}");
}
