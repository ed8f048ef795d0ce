//! What `/metrics` counts, and whom it does not name.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Method, Request};
use hyper::body::Frame;
use keystone_issuer::clock::Entropy;
use keystone_issuer::sweep::sweep;
use serde_json::json;

use crate::support::{PASSWORD, TestIssuer};

/// The page, and its figures by what stands before them.
struct Page(String);

impl Page {
    async fn of(test: &TestIssuer) -> Self {
        let answer = test.health("/metrics").await.success();
        assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
        Self(String::from_utf8(answer.bytes).unwrap())
    }

    #[track_caller]
    fn figure(&self, series: &str) -> f64 {
        let found = self.0.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        found.unwrap_or_else(|| panic!("no {series} in\n{}", self.0)).parse().unwrap()
    }

    fn names(&self) -> BTreeSet<&str> {
        let helped = self.0.lines().filter_map(|line| line.strip_prefix("# HELP "));
        helped.map(|line| line.split(' ').next().unwrap()).collect()
    }
}

#[tokio::test]
async fn what_came_of_each_token_request_is_counted() {
    let test = TestIssuer::start_with("[limits]\nlogin_attempts = 2").await;
    test.login("alice").await.success();
    test.login_as("app", "alice", "wrong").await.refused(400, "invalid_grant");
    test.login_as("app", "nobody", PASSWORD).await.refused(400, "invalid_grant");
    test.login_as("nobody", "alice", PASSWORD).await.refused(401, "invalid_client");
    test.refresh("app", "ksrt_nonsense").await.refused(400, "invalid_grant");
    test.form("grant_type=magic").await.refused(400, "unsupported_grant_type");
    test.form("a=1&a=2").await.refused(400, "invalid_request");
    test.login_as("app", "alice", "wrong").await.refused(400, "invalid_grant");
    test.login_as("app", "alice", PASSWORD).await.refused(429, "temporarily_unavailable");
    test.client_token("robot", "orders:read").await;

    let page = Page::of(&test).await;

    for (result, count) in [
        ("success", 2.0),
        ("wrong_password", 3.0),
        ("invalid_client", 1.0),
        ("wrong_refresh_token", 1.0),
        ("unsupported_grant_type", 1.0),
        ("invalid_request", 1.0),
        ("too_many_attempts", 1.0),
    ] {
        assert_eq!(page.figure(&format!("auth_attempts_total{{result=\"{result}\"}}")), count, "{result}");
    }
    assert_eq!(page.figure("tokens_generated_total{type=\"access\"}"), 2.0);
    assert_eq!(page.figure("tokens_generated_total{type=\"refresh\"}"), 1.0);
    assert_eq!(page.figure("keystone_rate_limited_total{limit=\"login\"}"), 1.0);
    let token = "method=\"POST\",endpoint=\"/auth/token\"";
    assert_eq!(page.figure(&format!("http_requests_total{{{token},status=\"200\"}}")), 2.0);
    assert_eq!(page.figure(&format!("http_requests_total{{{token},status=\"429\"}}")), 1.0);
    assert_eq!(page.figure(&format!("http_request_duration_seconds_count{{{token}}}")), 10.0);
}

#[tokio::test]
async fn a_repeated_refresh_is_told_from_a_reused_token() {
    let test = TestIssuer::start().await;
    let first = test.login("alice").await.success().text("refresh_token");
    let second = test.refresh("app", &first).await.success().text("refresh_token");
    test.refresh("app", &first).await.success();
    test.refresh("app", &second).await.success();
    test.refresh("app", &first).await.refused(400, "invalid_grant");
    test.refresh("app", &second).await.refused(400, "invalid_grant");

    let page = Page::of(&test).await;

    for (outcome, count) in [("rotated", 2.0), ("repeated", 1.0), ("reused", 1.0), ("ended", 1.0)] {
        let series = format!("keystone_refreshes_total{{outcome=\"{outcome}\"}}");
        assert_eq!(page.figure(&series), count, "{outcome}");
    }
}

#[tokio::test]
async fn what_was_given_up_is_counted_once() {
    let test = TestIssuer::start().await;
    let token = test.login("alice").await.success().text("refresh_token");
    for _ in 0..2 {
        test.form_to("/auth/revoke", &[], format!("client_id=app&token={token}")).await.success();
    }
    let token = test.login("alice").await.success().text("access_token");
    test.call("/auth/logout", &token, serde_json::Value::Null).await;
    let token = test.client_token("robot", "orders:read").await;
    test.form_to("/auth/revoke", &[test.basic("robot")], format!("token={token}")).await.success();

    let page = Page::of(&test).await;

    for reason in ["revoked", "logged_out", "client_token"] {
        assert_eq!(
            page.figure(&format!("keystone_revocations_total{{reason=\"{reason}\"}}")),
            1.0,
            "{reason}"
        );
    }
}

#[tokio::test]
async fn a_client_is_looked_up_once_and_remembered() {
    let test = TestIssuer::start().await;
    for _ in 0..3 {
        test.client_token("robot", "orders:read").await;
    }

    let page = Page::of(&test).await;

    assert_eq!(page.figure("keystone_client_cache_total{result=\"miss\"}"), 1.0);
    assert_eq!(page.figure("keystone_client_cache_total{result=\"hit\"}"), 2.0);
}

#[tokio::test]
async fn the_moment_shows_keys_connections_and_the_lane() {
    let test = TestIssuer::start().await;
    test.login("alice").await.success();
    test.clock.advance(Duration::from_secs(100));

    let page = Page::of(&test).await;

    let ring = test.issuer.keys.current();
    let [active, standby] = ring.signers.as_slice() else { panic!("{ring:?}") };
    for (key, state) in [(active, "active"), (standby, "standby")] {
        let kid = key.kid();
        let age =
            page.figure(&format!("keystone_signing_key_age_seconds{{kid=\"{kid}\",state=\"{state}\"}}"));
        assert!((100.0..200.0).contains(&age), "{age}");
    }
    let activation =
        page.figure(&format!("keystone_signing_key_activation_seconds{{kid=\"{}\"}}", active.kid()));
    assert!((-200.0..=-100.0).contains(&activation), "{activation}");
    assert!(page.figure("keystone_keys_view_age_seconds") >= 100.0);
    assert!(page.figure("keystone_clock_skew_seconds") < 5.0);
    let pools = test.issuer.store.pools();
    for pool in pools.iter().map(|pool| pool.name) {
        let connections = |state| {
            page.figure(&format!("keystone_database_connections{{pool=\"{pool}\",state=\"{state}\"}}"))
        };
        let most = page.figure(&format!("keystone_database_connections_max{{pool=\"{pool}\"}}"));
        // A connection goes back to its pool a little after the answer.
        assert!((1.0..=most).contains(&(connections("idle") + connections("in_use"))), "{pool}");
    }
    for idle in ["keystone_password_waiting", "keystone_password_running", "keystone_password_refused_total"]
    {
        assert_eq!(page.figure(idle), 0.0, "{idle}");
    }
}

/// B-20: nothing that a request brings along becomes a label, and no label names anyone.
#[tokio::test]
async fn strangers_make_no_series_and_nobody_is_named() {
    let test = TestIssuer::start().await;
    let told = test.login("alice").await.success();
    test.client_token("robot", "orders:read").await;
    let ask = async |method: &str, path: &str| {
        let request = Request::builder().method(Method::from_bytes(method.as_bytes()).unwrap()).uri(path);
        test.send(request.body(Body::empty()).unwrap()).await
    };
    ask("GET", "/first/canary").await;
    let before = Page::of(&test).await.0.lines().count();
    for path in ["/second/canary", "/canary?canary", "/users/me/canary", "/auth/token/"] {
        ask("GET", path).await;
    }
    ask("CANARY", "/canary").await;
    let method = Page::of(&test).await.0.lines().count();
    ask("YELLOWCANARY", "/canary").await;

    let page = Page::of(&test).await;

    let nowhere = "endpoint=\"none\",status=\"404\"";
    assert_eq!(page.figure(&format!("http_requests_total{{method=\"GET\",{nowhere}}}")), 5.0);
    assert_eq!(page.figure(&format!("http_requests_total{{method=\"other\",{nowhere}}}")), 2.0);
    let series_of_a_method = 1 + 13 + 2;
    assert_eq!((method - before, page.0.lines().count() - method), (series_of_a_method, 0));
    for secret in ["alice", "robot", "canary", "192.0.2", "orders", "id.example.com", PASSWORD] {
        assert!(!page.0.to_lowercase().contains(secret), "{secret}");
    }
    assert!(!page.0.contains(&told.text("access_token")));
}

#[tokio::test]
async fn a_client_that_hangs_up_is_counted_too() {
    let test = TestIssuer::start().await;
    let request = Request::builder().method("POST").uri("/auth/token");
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    tokio::select! {
        biased;
        answer = test.send(request.body(Body::new(NeverSent)).unwrap()) => panic!("{answer:?}"),
        () = std::future::ready(()) => {}
    }

    let page = Page::of(&test).await;

    assert_eq!(page.figure("auth_attempts_total{result=\"hung_up\"}"), 1.0);
    let series = "http_requests_total{method=\"POST\",endpoint=\"/auth/token\",status=\"499\"}";
    assert_eq!(page.figure(series), 1.0);
}

/// Enough for a request's number, and for nothing that a handler needs.
#[derive(Debug)]
struct Scarce;

impl Entropy for Scarce {
    fn fill(&self, bytes: &mut [u8]) {
        assert!(bytes.len() <= 8, "a panic");
    }
}

#[tokio::test]
async fn a_panic_is_an_answer_and_is_counted() {
    let test = TestIssuer::with_administrators().await;
    let boss = test.console("boss").await;
    let test = test.rebuilt(|issuer| issuer.world.entropy = Arc::new(Scarce));

    test.login("alice").await.refused(500, "server_error");
    let user = json!({ "username": "eve", "password": PASSWORD, "roles": [] });
    let answer = test.ask_as(&boss, "POST /admin/users", "", user).await;

    assert_eq!((answer.status.as_u16(), &answer.body["code"]), (500, &json!("server_error")));
    assert_eq!(answer.header("x-request-id").len(), 16);
    let page = Page::of(&test).await;
    assert_eq!(page.figure("keystone_panics_total"), 2.0);
    assert_eq!(page.figure("auth_attempts_total{result=\"server_error\"}"), 1.0);
    let series = "http_requests_total{method=\"POST\",endpoint=\"/auth/token\",status=\"500\"}";
    assert_eq!(page.figure(series), 1.0);
}

#[tokio::test]
async fn a_sweep_that_leaves_nothing_over_resets_its_age() {
    let test = TestIssuer::start().await;
    test.clock.advance(Duration::from_secs(1000));
    let before = Page::of(&test).await.figure("keystone_sweep_age_seconds");

    sweep(&test.issuer.store, &test.issuer.world).await.unwrap();

    assert!((1000.0..1100.0).contains(&before), "{before}");
    assert!(Page::of(&test).await.figure("keystone_sweep_age_seconds") < 100.0);
}

/// A body that a client announces and keeps to itself.
struct NeverSent;

impl hyper::body::Body for NeverSent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
}

#[tokio::test]
async fn the_reference_names_every_metric_and_no_other() {
    let test = TestIssuer::start().await;
    test.login("alice").await.success();
    let page = Page::of(&test).await;
    let reference = include_str!("../../../docs/reference/metrics.md");
    let table =
        |head: &str| reference.split_once(head).unwrap().1.lines().take_while(|row| row.starts_with('|'));
    let rows = table("| name | what |\n").filter_map(|row| row.strip_prefix("| `"));
    let named: BTreeSet<&str> = rows.map(|row| row.split(['{', '`']).next().unwrap()).collect();

    assert_eq!(named, page.names());
    for alert in table("| when | because |\n").skip(1) {
        assert!(named.iter().any(|name| alert.contains(name)), "{alert}");
    }
}
