//! The signed revocation feed, as a verifier reads it: signed by its own key, without a gap, and never by guessing.

use std::collections::HashSet;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use keystone_issuer::issuer::{Issuer, Parts};
use keystone_issuer::keys::{KeyEncryptionKey, reseal};
use keystone_issuer::store::{Actor, SealedName};
use serde_json::{Value, json};

use crate::support::{Answer, ISSUER, TestIssuer, unavailable};

const FEED: &str = "/.well-known/keystone/revocations";
const FEED_KEYS: &str = "/.well-known/keystone/feed-jwks.json";
const JWKS: &str = "/.well-known/jwks.json";

async fn ask(test: &TestIssuer, after: &str) -> Answer {
    test.get(&format!("{FEED}?after={after}"), &[]).await
}

/// What the page after this cursor says, once another library has found it signed by the feed's own key.
async fn read(test: &TestIssuer, after: &str) -> Value {
    let answer = ask(test, after).await.success();
    let claims = verified(test, &answer).await;
    assert_eq!(claims["from"], after);
    claims
}

async fn verified(test: &TestIssuer, answer: &Answer) -> Value {
    let text = std::str::from_utf8(&answer.bytes).unwrap();
    let set: JwkSet = serde_json::from_value(test.get(FEED_KEYS, &[]).await.success().body).unwrap();
    let header = decode_header(text).unwrap();
    assert_eq!((header.alg, header.typ.as_deref()), (Algorithm::EdDSA, Some("keystone-revocations+jwt")));
    let key = set.find(&header.kid.unwrap()).expect("a key of the feed's own set");
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_issuer(&[ISSUER]);
    validation.set_required_spec_claims(&["iss", "exp"]);
    decode::<Value>(text, &DecodingKey::from_jwk(key).unwrap(), &validation).unwrap().claims
}

async fn kids(test: &TestIssuer, path: &str) -> HashSet<String> {
    let set = test.get(path, &[]).await.success();
    set.body["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

/// Kind, value and epoch of each event of this page.
fn events(page: &Value) -> Vec<Value> {
    let events = page["ev"].as_array().unwrap();
    events.iter().map(|event| json!([event[0], event[1], event[2]])).collect()
}

fn claims(token: &str) -> Value {
    use base64::Engine as _;
    let payload = token.split('.').nth(1).unwrap();
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[tokio::test]
async fn the_feed_of_a_fresh_issuer_is_empty_and_signed() {
    let test = TestIssuer::start().await;

    let answer = test.get(FEED, &[]).await.success();

    assert_eq!(answer.header("content-type"), "application/keystone-revocations+jwt");
    assert_eq!(answer.header("cache-control"), "public, max-age=1");
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert_eq!(answer.header("etag"), "");
    let page = verified(&test, &answer).await;
    let iat = page["iat"].as_i64().unwrap();
    let expected =
        json!({ "iss": ISSUER, "iat": iat, "exp": iat + 10, "from": "", "to": "", "more": false, "ev": [] });
    assert_eq!(page, expected);
    let again = test.get(FEED, &[("if-none-match", "*")]).await;
    assert_eq!(again.status.as_u16(), 200, "an old proof proves nothing");
}

/// A stolen token key must not be able to say that nothing is revoked, nor the feed's key to make a token.
#[tokio::test]
async fn the_feed_and_the_tokens_have_no_key_in_common() {
    let test = TestIssuer::start().await;

    let (feed, tokens) = (kids(&test, FEED_KEYS).await, kids(&test, JWKS).await);

    assert_eq!((feed.len(), tokens.len()), (1, 2));
    assert!(feed.is_disjoint(&tokens));
    let token = test.client_token("robot", "orders:read").await;
    assert!(tokens.contains(&decode_header(&token).unwrap().kid.unwrap()));
    let key = test.get(FEED_KEYS, &[]).await.body["keys"][0].clone();
    let members: Vec<_> = key.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x"]);
    assert_eq!((&key["kty"], &key["crv"], &key["alg"]), (&json!("OKP"), &json!("Ed25519"), &json!("EdDSA")));
}

/// With the very texts that stand in the tokens, and an epoch above theirs.
#[tokio::test]
async fn whatever_is_revoked_shows_up_after_the_last_cursor() {
    let test = TestIssuer::with_administrators().await;
    let root = test.console("boss").await;
    let alice = test.account_login("app").await;
    let robot = test.client_token("robot", "orders:read").await;
    let (alice_says, robot_says) = (alice.claims(), claims(&robot));
    assert_eq!(robot_says["sv"], robot_says["cv"], "a client's own tokens end with `cid`");
    let begin = read(&test, "").await["to"].as_str().unwrap().to_owned();

    test.call("/auth/logout", &alice.text("access_token"), json!({})).await;
    let page = read(&test, &begin).await;
    assert_eq!(events(&page), [json!(["sid", alice_says["sid"], null])]);
    let dropped = page["ev"][0][3].as_i64().unwrap() - page["iat"].as_i64().unwrap();
    assert!((3600..3800).contains(&dropped), "{dropped}");

    let second = test.login("alice").await.success();
    let body = format!("client_id=app&token={}", second.text("refresh_token"));
    test.form_to("/auth/revoke", &[], body).await.success();
    let page = read(&test, page["to"].as_str().unwrap()).await;
    assert_eq!(events(&page), [json!(["sid", second.claims()["sid"], null])]);

    test.form_to("/auth/revoke", &[test.basic("robot")], format!("token={robot}")).await.success();
    let page = read(&test, page["to"].as_str().unwrap()).await;
    assert_eq!(events(&page), [json!(["jti", robot_says["jti"], null])]);

    let path = test.path_of("alice").await;
    let off = json!({ "enabled": false });
    test.ask_as(&root, &format!("PATCH {path}"), "*", off).await.success();
    let page = read(&test, page["to"].as_str().unwrap()).await;
    let epoch = alice_says["sv"].as_i64().unwrap() + 1;
    assert_eq!(events(&page), [json!(["sub", alice_says["sub"], epoch])]);

    test.take_scopes_from_robot().await;
    let page = read(&test, page["to"].as_str().unwrap()).await;
    let epoch = robot_says["cv"].as_i64().unwrap() + 1;
    assert_eq!(events(&page), [json!(["cid", robot_says["client_id"], epoch])]);

    let kid = decode_header(&robot).unwrap().kid.unwrap();
    test.issuer.keys.compromise(&test.issuer.store, &Actor::Operator.into(), (&kid, true)).await.unwrap();
    let page = read(&test, page["to"].as_str().unwrap()).await;
    assert_eq!(events(&page), [json!(["kid", kid, null])]);

    let whole = read(&test, &begin).await;
    assert_eq!((events(&whole).len(), &whole["to"]), (6, &page["to"]));
    let nothing = read(&test, page["to"].as_str().unwrap()).await;
    assert_eq!((events(&nothing).len(), &nothing["to"], &nothing["more"]), (0, &page["to"], &json!(false)));
}

#[tokio::test]
async fn pages_follow_each_other_without_a_gap() {
    let test = TestIssuer::start().await;
    let robot = Actor::Client("robot".to_owned()).into();
    for number in 0..300 {
        test.issuer.store.revoke_token(&robot, &format!("token{number}")).await.unwrap();
    }

    let first = read(&test, "").await;
    let second = read(&test, first["to"].as_str().unwrap()).await;

    assert_eq!((events(&first).len(), &first["more"]), (256, &json!(true)));
    assert_eq!((events(&second).len(), &second["more"]), (44, &json!(false)));
    let all = [events(&first), events(&second)].concat();
    let expected: Vec<_> = (0..300).map(|number| json!(["jti", format!("token{number}"), null])).collect();
    assert_eq!(all, expected);
}

#[tokio::test]
async fn what_is_no_cursor_is_refused_and_an_unknown_one_starts_again() {
    let test = TestIssuer::start().await;
    test.issuer.store.revoke_token(&Actor::Operator.into(), "token").await.unwrap();
    let cursor = read(&test, "").await["to"].as_str().unwrap().to_owned();
    let (seq, at) = cursor.split_once('.').unwrap();

    for rubbish in ["x", "1", "1.", "01.1", "0.1", "-1.1", "1.1.1", "%001.1", "1.1%20", "a.b"] {
        ask(&test, rubbish).await.refused(400, "invalid_request");
    }
    for query in [format!("after={cursor}&after={cursor}"), format!("after={cursor}&x=y"), "x".to_owned()] {
        test.get(&format!("{FEED}?{query}"), &[]).await.refused(400, "invalid_request");
    }
    for unknown in [format!("{seq}.1"), format!("9{seq}.{at}"), format!("{seq}.{}", i64::MAX)] {
        let refused = ask(&test, &unknown).await;
        assert_eq!(refused.header("access-control-allow-origin"), "*", "a page has to see it as well");
        assert_eq!(refused.header("content-type"), "application/problem+json");
        let refused = refused.refused(409, "unknown_cursor");
        assert!(refused.text("detail").contains("start again without `after`"));
    }
    assert_eq!(events(&read(&test, &cursor).await).len(), 0);
    assert_eq!(events(&read(&test, "").await).len(), 1);
}

async fn replica(test: &TestIssuer, kek: KeyEncryptionKey) -> Issuer {
    let parts = Parts {
        world: test.issuer.world.clone(),
        store: test.issuer.store.clone(),
        cache: test.issuer.attempts.cache.clone(),
        kek,
    };
    Issuer::open(test.issuer.config.clone(), parts).await.unwrap()
}

fn kek(digits: &str) -> KeyEncryptionKey {
    KeyEncryptionKey::parse(&format!("kskek_{}", digits.repeat(32))).unwrap()
}

#[tokio::test]
async fn replicas_sign_the_feed_with_one_key_under_any_key_encryption_key() {
    let test = TestIssuer::start().await;
    test.issuer.store.revoke_token(&Actor::Operator.into(), "token").await.unwrap();
    let (keys, first) = (test.get(FEED_KEYS, &[]).await.bytes, read(&test, "").await);

    let new = kek("c7").with_previous(&kek("5a"));
    reseal(&test.issuer.store, &new, &test.issuer.world).await.unwrap();
    let sealed = test.issuer.store.sealed().await.unwrap();
    assert!(sealed.iter().any(|(name, _)| *name == SealedName::ServerSecret("revocation feed".to_owned())));
    let replica = replica(&test, kek("c7")).await;
    let test = test.rebuilt(|issuer| *issuer = replica);

    assert_eq!(test.get(FEED_KEYS, &[]).await.bytes, keys);
    let second = read(&test, "").await;
    assert_eq!((&second["ev"], &second["to"]), (&first["ev"], &first["to"]));
}

#[tokio::test]
async fn every_page_may_read_the_feed() {
    let test = TestIssuer::start().await;

    for path in [FEED, FEED_KEYS] {
        let answer = test.get(path, &[("origin", "https://anywhere.example.com")]).await.success();
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        let request = Request::builder().method("OPTIONS").uri(path).body(Body::empty()).unwrap();
        let preflight = test.send(request).await;
        assert_eq!(preflight.status.as_u16(), 204);
        assert_eq!(preflight.header("access-control-allow-origin"), "*");
    }
}

#[tokio::test]
async fn an_issuer_with_a_path_has_its_feed_under_it() {
    let test = TestIssuer::start().await.rebuilt(|issuer| issuer.config.issuer = format!("{ISSUER}/tenant"));
    let metadata = test.get("/.well-known/oauth-authorization-server/tenant", &[]).await.success().body;

    for (member, path) in [("keystone_revocations_uri", FEED), ("keystone_revocations_jwks_uri", FEED_KEYS)] {
        assert_eq!(metadata[member], format!("{ISSUER}/tenant{path}"));
        test.get(&format!("/tenant{path}"), &[]).await.success();
    }
    let page = test.get(&format!("/tenant{FEED}?after="), &[]).await.success();
    assert_eq!(claims(std::str::from_utf8(&page.bytes).unwrap())["iss"], format!("{ISSUER}/tenant"));
}

#[tokio::test]
async fn without_a_database_there_is_no_page_and_still_the_keys() {
    let test = TestIssuer::start().await.without_database();

    unavailable(test.get(FEED, &[]).await);
    test.get(FEED_KEYS, &[]).await.success();
}

/// A page from the future would make every later one look old.
#[tokio::test]
async fn a_replica_whose_clock_is_wrong_signs_no_page() {
    let test = TestIssuer::start_with("[keys]").await;
    test.clock.advance(Duration::from_secs(600));
    test.issuer.keys.refresh(&test.issuer.store).await.unwrap();

    unavailable(test.get(FEED, &[]).await);

    test.clock.retreat(Duration::from_secs(600));
    test.issuer.keys.refresh(&test.issuer.store).await.unwrap();
    test.get(FEED, &[]).await.success();
}
