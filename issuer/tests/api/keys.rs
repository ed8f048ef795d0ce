//! The signing keys while the issuer runs: what is published follows what is in the database, without a restart.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use axum::http::StatusCode;
use keystone_issuer::http;
use keystone_issuer::http::server::{self, Admission, Stop, Terms};
use keystone_issuer::issuer::{Issuer, Parts};
use keystone_issuer::keys::{KeyEncryptionKey, KeysError, Lookout, reseal};
use keystone_issuer::store::{Actor, KeyChange, KeyRefusal, KeyState};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::{Answer, TestIssuer};

const JWKS: &str = "/.well-known/jwks.json";

async fn published(test: &TestIssuer) -> usize {
    test.get(JWKS, &[]).await.body["keys"].as_array().unwrap().len()
}

async fn states(test: &TestIssuer) -> Vec<KeyState> {
    let history = test.issuer.store.key_history().await.unwrap();
    history.keys.iter().map(|key| key.state(history.now)).collect()
}

#[tokio::test]
async fn what_is_due_is_done_once() {
    let test = TestIssuer::start().await;
    let (keys, store) = (&test.issuer.keys, &test.issuer.store);

    // The first keys do not know yet how long they must be kept.
    assert!(matches!(
        keys.tend(store).await.unwrap()[..],
        [KeyChange::Keep { .. }, KeyChange::Keep { .. }, KeyChange::Watch { .. }]
    ));
    assert!(keys.tend(store).await.unwrap().is_empty());
    assert_eq!(published(&test).await, 2);
}

#[tokio::test]
async fn a_planned_rotation_publishes_the_next_standby_at_once() {
    let test = TestIssuer::start().await;
    test.issuer.keys.look(&test.issuer.store, &lookout(&test).await).await.unwrap();

    let changes = test.issuer.keys.rotate(&test.issuer.store, &Actor::Operator.into()).await.unwrap();

    assert_eq!(changes.len(), 3);
    assert_eq!(states(&test).await, [KeyState::Active, KeyState::Planned, KeyState::Standby]);
    assert_eq!(published(&test).await, 3);
    assert!(test.issuer.keys.rotate(&test.issuer.store, &Actor::Operator.into()).await.unwrap().is_empty());
}

/// A look at `routes` on connections of its own.
async fn lookout_at(routes: axum::Router) -> Lookout {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}{JWKS}", listener.local_addr().unwrap());
    tokio::spawn(server::serve(
        listener,
        Terms { routes, tls: None, admission: Admission::new(10, 10, &[]) },
        Stop::never(),
    ));
    Lookout::new(&url).unwrap()
}

async fn lookout(test: &TestIssuer) -> Lookout {
    lookout_at(http::public(test.issuer.clone())).await
}

/// Every third answer is another one, as behind a load balancer.
fn third(other: (StatusCode, String), usual: String) -> axum::Router {
    let count = Arc::new(AtomicUsize::new(1));
    let answer = async move || match count.fetch_add(1, Ordering::Relaxed) % 3 {
        0 => other,
        _ => (StatusCode::OK, usual),
    };
    axum::Router::new().route(JWKS, axum::routing::get(answer))
}

async fn refusal(test: &TestIssuer) -> Option<KeyRefusal> {
    match test.issuer.keys.rotate(&test.issuer.store, &Actor::Operator.into()).await {
        Ok(_) => None,
        Err(KeysError::Refused(refusal)) => Some(refusal),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_standby_that_one_replica_does_not_publish_does_not_sign() {
    let test = TestIssuer::start().await;
    let (keys, store) = (&test.issuer.keys, &test.issuer.store);
    keys.tend(store).await.unwrap();
    let all = test.get(JWKS, &[]).await.body;
    let mut old = all.clone();
    old["keys"].as_array_mut().unwrap().truncate(1);
    let stuck = lookout_at(third((StatusCode::OK, old.to_string()), all.to_string())).await;

    assert_eq!(keys.look(store, &stuck).await.unwrap(), []);
    assert_eq!(refusal(&test).await, Some(KeyRefusal::NotSeen));

    let seen = keys.look(store, &lookout(&test).await).await.unwrap();
    assert!(matches!(&seen[..], [KeyChange::Sighted { .. }]), "{seen:?}");
    assert_eq!(refusal(&test).await, None);
    assert_eq!(states(&test).await, [KeyState::Active, KeyState::Planned, KeyState::Standby]);

    // The new standby is looked for, and what is planned is missed.
    let off = keys.look(store, &stuck).await.unwrap();
    assert!(
        matches!(
            &off[..],
            [KeyChange::CallOff { .. }, KeyChange::Retire { at: None, .. }, KeyChange::Missed { .. }]
        ),
        "{off:?}"
    );
    assert_eq!(states(&test).await, [KeyState::Active, KeyState::Standby, KeyState::Standby]);
    assert_eq!(refusal(&test).await, Some(KeyRefusal::NotSeen));
}

#[tokio::test]
async fn a_look_that_fails_says_nothing_of_any_key() {
    let test = TestIssuer::start().await;
    let (keys, store) = (&test.issuer.keys, &test.issuer.store);
    let all = test.get(JWKS, &[]).await.body.to_string();

    for (other, why) in [
        ((StatusCode::SERVICE_UNAVAILABLE, String::new()), "503"),
        ((StatusCode::OK, "<html>".to_owned()), "not strict JSON"),
        ((StatusCode::OK, " ".repeat(64 * 1024 + 1)), "too long or incomplete"),
    ] {
        let failed = keys.look(store, &lookout_at(third(other, all.clone())).await).await.unwrap_err();
        assert!(failed.to_string().contains(why), "{failed}");
    }
    let nobody = Lookout::new("http://127.0.0.1:1/").unwrap();
    assert!(matches!(keys.look(store, &nobody).await, Err(KeysError::Look(_))));
    let history = store.key_history().await.unwrap();
    assert!(history.keys.iter().all(|key| key.seen_at.is_none()));
}

/// B-08
#[tokio::test]
async fn a_compromised_key_is_published_and_accepted_no_more() {
    let test = TestIssuer::start().await;
    let token = test.client_token("robot", "keystone:users:write").await;
    let lost = test.issuer.store.key_history().await.unwrap().keys[0].kid.clone();

    let refused = test
        .issuer
        .keys
        .compromise(&test.issuer.store, &Actor::Operator.into(), (&lost, false))
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("would reject valid tokens"), "{refused}");
    test.issuer.keys.compromise(&test.issuer.store, &Actor::Operator.into(), (&lost, true)).await.unwrap();

    let jwks = test.get(JWKS, &[]).await;
    assert!(!String::from_utf8(jwks.bytes).unwrap().contains(&lost));
    assert_eq!(published(&test).await, 2);
    test.call("/admin/users", &token, serde_json::json!({ "username": "bob" }))
        .await
        .refused(401, "unknown_kid");
    let token = test.client_token("robot", "keystone:users:write").await;
    let made = test.call("/admin/users", &token, serde_json::json!({ "username": "bob" })).await;
    assert!(made.status.is_success(), "{made:?}");
}

const WELL: &str = r#"{"status":"ready","store":"ok","keys":"ok","clock":"ok","cache":"ok"}"#;

async fn readiness(test: &TestIssuer) -> (u16, serde_json::Value) {
    let answer = test.health("/health/ready").await;
    (answer.status.as_u16(), answer.body)
}

fn with(part: &str) -> (u16, serde_json::Value) {
    let mut body: serde_json::Value = serde_json::from_str(WELL).unwrap();
    body["status"] = "not ready".into();
    body[part] = "failing".into();
    (503, body)
}

#[tokio::test]
async fn a_replica_that_has_not_seen_the_keys_for_long_signs_nothing() {
    let test = TestIssuer::start_with("[keys]").await;
    let refresh = test.login("alice").await.success().text("refresh_token");
    test.clock.advance(Duration::from_secs(31));

    let refused = test.refresh("app", &refresh).await.refused(503, "temporarily_unavailable");
    assert!(refused.header("retry-after").parse::<u64>().unwrap() > 0);
    assert_eq!(readiness(&test).await, with("keys"));
    assert_eq!(published(&test).await, 2);

    // Nothing was spent meanwhile, and the clock is right again.
    test.clock.retreat(Duration::from_secs(31));
    test.issuer.keys.refresh(&test.issuer.store).await.unwrap();
    test.refresh("app", &refresh).await.success();
    assert_eq!(readiness(&test).await, (200, serde_json::from_str(WELL).unwrap()));
}

/// B-16: a time server steps one replica's clock by ten minutes.
#[tokio::test]
async fn a_replica_whose_clock_is_wrong_signs_nothing_until_it_is_right() {
    let test = TestIssuer::start_with("[keys]").await;
    let login = async || test.form_with(&[test.basic("robot")], "grant_type=client_credentials").await;
    test.clock.advance(Duration::from_secs(600));

    login().await.refused(503, "temporarily_unavailable");
    test.issuer.keys.refresh(&test.issuer.store).await.unwrap();
    login().await.refused(503, "temporarily_unavailable");
    assert_eq!(readiness(&test).await, with("clock"));

    test.clock.retreat(Duration::from_secs(600));
    login().await.refused(503, "temporarily_unavailable");
    test.issuer.keys.refresh(&test.issuer.store).await.unwrap();
    login().await.success();
}

/// B-15: 401 for a fault of ours, and what has expired taken for good.
#[tokio::test]
async fn a_replica_whose_clock_is_wrong_judges_no_token() {
    let test = TestIssuer::start_with("[keys]").await;
    let account = test.account_login("app").await.text("access_token");
    let token = test.client_token("shop", "orders:read").await;
    let robot = test.client_token("robot", "keystone:users:write").await;
    let asked = async || {
        let form = format!("token={token}");
        let introspected = test.form_to("/auth/introspect", &[test.basic("shop")], form.clone()).await;
        let headers = [("authorization", format!("Bearer {account}"))];
        [
            test.get_as("/users/me", &account).await,
            test.get_as("/admin/users", &robot).await,
            introspected,
            test.form_to("/auth/revoke", &[test.basic("shop")], form).await,
            test.post("/auth/logout", &headers, "").await,
        ]
    };

    for is_ahead in [true, false] {
        let step = Duration::from_secs(3600);
        if is_ahead {
            test.clock.advance(step)
        } else {
            test.clock.retreat(step)
        };
        test.issuer.keys.refresh(&test.issuer.store).await.unwrap();
        for answer in asked().await {
            assert_eq!(answer.status.as_u16(), 503, "{answer:?}");
            assert_eq!(answer.header("retry-after"), "2");
        }
        test.get("/users/me", &[]).await.refused(401, "no_credentials");
        if is_ahead {
            test.clock.retreat(step)
        } else {
            test.clock.advance(step)
        };
        test.issuer.keys.refresh(&test.issuer.store).await.unwrap();
    }

    let statuses = asked().await.map(|answer| answer.status.as_u16());
    assert_eq!(statuses, [200, 403, 200, 200, 204]);
}

fn kek(byte: &str) -> KeyEncryptionKey {
    KeyEncryptionKey::parse(&format!("kskek_{}", byte.repeat(32))).unwrap()
}

async fn starts_with(test: &TestIssuer, kek: KeyEncryptionKey) -> bool {
    let (world, store) = (test.issuer.world.clone(), test.issuer.store.clone());
    let parts = Parts { world, store, cache: test.issuer.attempts.cache.clone(), kek };
    Issuer::open(test.issuer.config.clone(), parts).await.is_ok()
}

#[tokio::test]
async fn a_key_encryption_key_is_changed_without_a_stop() {
    let test = TestIssuer::start().await;
    let (old, new) = (kek("5a"), kek("a5"));
    let both = new.clone().with_previous(&old);
    let refresh = test.login("alice").await.success().text("refresh_token");

    assert!(starts_with(&test, both.clone()).await);
    assert_eq!(reseal(&test.issuer.store, &both, &test.issuer.world).await.unwrap(), 6);

    assert!(starts_with(&test, new.clone()).await && starts_with(&test, both.clone()).await);
    assert!(!starts_with(&test, old.clone()).await);
    let foreign = reseal(&test.issuer.store, &old, &test.issuer.world).await.unwrap_err().to_string();
    assert!(foreign.contains("nothing was changed"), "{foreign}");
    test.refresh("app", &refresh).await.success();
}

#[tokio::test]
async fn administrators_see_keys_and_give_one_up() {
    let test = TestIssuer::with_administrators().await;
    let root = test.console("root").await;
    let states = |answer: &Answer| -> Vec<String> {
        let keys = answer.body["keys"].as_array().unwrap();
        keys.iter().map(|key| key["state"].as_str().unwrap().to_owned()).collect()
    };
    let listed = test.get_as("/admin/keys", &root).await.success();
    assert_eq!(states(&listed), ["active", "standby"]);
    assert!(!String::from_utf8(listed.bytes.clone()).unwrap().contains("sealed"));
    let kid = listed.body["keys"][0]["kid"].as_str().unwrap();
    let compromise = format!("POST /admin/keys/{kid}/compromise");

    // Nobody has looked at the published key set yet.
    test.ask_as(&root, "POST /admin/keys/rotate", "", Value::Null).await.refused(409, "no_standby");
    test.ask_as(&root, &compromise, "", json!({})).await.refused(409, "no_standby");
    test.ask_as(&root, "POST /admin/keys/nobody/compromise", "", json!({})).await.refused(404, "not_found");
    let done = test.ask_as(&root, &compromise, "", json!({ "now": true })).await.success();

    assert_eq!(states(&done), ["compromised", "active", "standby"]);
    test.get_as("/admin/keys", &root).await.refused(401, "unknown_kid");
    let root = test.console("root").await;
    test.ask_as(&root, &compromise, "", json!({ "now": true })).await.refused(409, "compromised");
    let audit = test.get_as("/admin/audit?action=key.compromised", &root).await.success();
    assert!(audit.body["entries"][0]["actor"].as_str().unwrap().starts_with("user:"), "{audit:?}");
}

/// The change is in the database, and the client that asked for it hears no answer.
#[tokio::test]
async fn a_key_given_up_by_a_client_that_hangs_up_is_dropped() {
    let test = TestIssuer::with_administrators().await;
    let root = test.console("root").await;
    let kid = test.issuer.keys.current().signers[0].kid().to_owned();
    let compromise = format!("POST /admin/keys/{kid}/compromise");
    let mut request = Box::pin(test.ask_as(&root, &compromise, "", json!({ "now": true })));

    while !states(&test).await.contains(&KeyState::Compromised) {
        let polled = poll_fn(|context| Poll::Ready(request.as_mut().poll(context).is_ready()));
        assert!(!polled.await || states(&test).await.contains(&KeyState::Compromised), "it was refused");
    }
    drop(request);

    let dropped = async {
        while test.get(JWKS, &[]).await.body.to_string().contains(&kid) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), dropped).await.expect("the key is still published");
}
