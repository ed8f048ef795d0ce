//! Which pages a browser lets read an answer: those of the client that asked.

use keystone_issuer::identity::manifest;

use axum::body::Body;
use axum::http::Request;
use keystone_issuer::clients::Clients;
use keystone_issuer::declaration::File;
use keystone_issuer::http::guarded_routes;
use keystone_issuer::store::Actor;
use keystone_issuer::store::Store;
use serde_json::json;

use crate::support::{Answer, PASSWORD, TestIssuer, basic};

const METADATA: &str = "/.well-known/oauth-authorization-server";
const JWKS: &str = "/.well-known/jwks.json";

const PAGE: &str = "https://page.example.com";
const OTHER: &str = "http://localhost:3000";
const OFF: &str = "https://off.example.com";

/// `page` and `other` are clients with pages of their own, `gone` had some.
const CLIENTS: &str = r#"
    [[clients]]
    client_id = "page"
    name = "A page"
    public = true
    grants = ["password", "refresh_token"]
    scopes = ["orders:read"]
    origins = ["https://page.example.com"]

    [[clients]]
    client_id = "other"
    name = "A page with a server"
    grants = ["client_credentials"]
    scopes = ["orders:read"]
    origins = ["http://localhost:3000"]

    [[clients]]
    client_id = "gone"
    name = "Switched off"
    public = true
    enabled = false
    grants = ["password"]
    scopes = ["orders:read"]
    origins = ["https://off.example.com"]
"#;

async fn declare(test: &TestIssuer, file: &str) -> (&'static str, String) {
    let (declaration, secrets) = File::parse(file).unwrap().declare(&test.issuer.secrets, &test.issuer.world);
    manifest::apply(&test.issuer.store, &Actor::Operator, &declaration).await.unwrap().unwrap();
    basic("other", secrets["other"].expose())
}

fn preflight(path: &str, origin: &str, method: &str) -> Request<Body> {
    let request = Request::builder().method("OPTIONS").uri(path).header("origin", origin);
    request.header("access-control-request-method", method).body(Body::empty()).unwrap()
}

/// The origin that may read the answer; never with credentials, and no cache may hand it to another.
#[track_caller]
fn readable_by(answer: &Answer) -> &str {
    assert_eq!(answer.header("access-control-allow-credentials"), "", "{answer:?}");
    assert_eq!(answer.header("vary"), "origin", "{answer:?}");
    answer.header("access-control-allow-origin")
}

fn login(client_id: &str, password: &str) -> String {
    format!("grant_type=password&client_id={client_id}&username=alice&password={password}")
}

fn from(origin: &str) -> [(&'static str, String); 1] {
    [("origin", origin.to_owned())]
}

#[tokio::test]
async fn a_token_is_read_by_the_pages_of_its_client_alone() {
    let test = TestIssuer::start().await;
    let other = declare(&test, CLIENTS).await;

    for (origin, expected) in [
        (PAGE, PAGE),
        (OTHER, ""),
        (OFF, ""),
        ("null", ""),
        ("https://page.example.com:443", ""),
        ("https://PAGE.example.com", ""),
        ("https://page.example.com.evil.com", ""),
        ("http://page.example.com", ""),
    ] {
        let good = test.form_with(&from(origin), login("page", PASSWORD)).await.success();
        let wrong = test.form_with(&from(origin), login("page", "wrong")).await.refused(400, "invalid_grant");
        let token = good.text("refresh_token");
        let revoked = test
            .form_to("/auth/revoke", &from(origin), format!("client_id=page&token={token}"))
            .await
            .success();
        for answer in [good, wrong, revoked] {
            assert_eq!(readable_by(&answer), expected, "{origin}");
        }
    }
    let itself = "grant_type=client_credentials";
    let [origin] = from(OTHER);
    assert_eq!(readable_by(&test.form_with(&[origin, other], itself).await.success()), OTHER);
}

/// Otherwise a page would learn which clients exist, and which origins are theirs.
#[tokio::test]
async fn no_page_reads_the_answer_to_whoever_is_no_client() {
    let test = TestIssuer::start().await;
    declare(&test, CLIENTS).await;

    for (origin, body) in [
        (OFF, login("gone", PASSWORD)),
        (OTHER, "grant_type=client_credentials&client_id=other&client_secret=wrong".to_owned()),
        (PAGE, login("nobody", PASSWORD)),
    ] {
        let refused = test.form_with(&from(origin), body).await.refused(401, "invalid_client");
        assert_eq!(readable_by(&refused), "");
    }
    let twice = [from(PAGE), from(PAGE)].concat();
    assert_eq!(readable_by(&test.form_with(&twice, login("page", PASSWORD)).await.success()), "");
}

#[tokio::test]
async fn a_preflight_and_the_metadata_are_for_the_pages_of_every_enabled_client() {
    let test = TestIssuer::start().await;
    declare(&test, CLIENTS).await;

    for (origin, expected) in
        [(PAGE, PAGE), (OTHER, OTHER), (OFF, ""), ("https://evil.com", ""), ("null", "")]
    {
        let metadata = test.get(METADATA, &[("origin", origin)]).await.success();
        let again = [("origin", origin), ("if-none-match", metadata.header("etag"))];
        assert_eq!(readable_by(&test.get(METADATA, &again).await), expected, "{origin}");
        assert_eq!(readable_by(&metadata), expected, "{origin}");
        for (path, method, headers) in [
            ("/auth/token", "POST", "authorization, content-type"),
            ("/auth/revoke", "POST", "authorization, content-type"),
            (METADATA, "GET", "if-none-match"),
        ] {
            let answer = test.send(preflight(path, origin, method)).await;
            assert_eq!(answer.status.as_u16(), 204);
            assert_eq!(readable_by(&answer), expected, "{path} {origin}");
            let told = if expected.is_empty() { ("", "") } else { (method, headers) };
            let methods = answer.header("access-control-allow-methods");
            assert_eq!((methods, answer.header("access-control-allow-headers")), told);
        }
    }
    assert_eq!(readable_by(&test.get(METADATA, &[]).await), "");
}

#[tokio::test]
async fn keys_are_read_by_every_page() {
    let test = TestIssuer::start().await;

    for answer in [
        test.get(JWKS, &[("origin", "https://evil.com")]).await,
        test.send(preflight(JWKS, "https://evil.com", "GET")).await,
    ] {
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        assert_eq!(answer.header("access-control-allow-credentials"), "");
    }
}

/// P-23: RFC 9700 §2.6.
#[tokio::test]
async fn a_preflight_to_anything_else_gets_no_cors_header() {
    let test = TestIssuer::start().await;
    declare(&test, CLIENTS).await;
    let guarded = guarded_routes();
    let guarded = guarded.iter().map(|(method, path, _)| (method.as_str(), path.as_str()));
    let others = [("POST", "/auth/introspect"), ("POST", "/auth/logout"), ("GET", "/nowhere")];

    for (method, path) in guarded.chain(others) {
        let actual = Request::builder().method(method).uri(path).header("origin", PAGE);
        for request in [preflight(path, PAGE, method), actual.body(Body::empty()).unwrap()] {
            let answer = test.send(request).await;
            let cors = answer.headers.keys().find(|name| name.as_str().starts_with("access-control-"));
            assert_eq!(cors, None, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn a_client_that_is_switched_off_takes_its_origins_along() {
    let test = TestIssuer::with_administrators().await;
    declare(&test, CLIENTS).await;
    let boss = test.console("boss").await;
    let may_read =
        async |test: &TestIssuer| readable_by(&test.get(METADATA, &[("origin", PAGE)]).await) == PAGE;
    assert!(may_read(&test).await);

    let path = "/admin/clients/page";
    let client = test.get_as(path, &boss).await.success();
    assert_eq!(client.body["origins"], json!([PAGE]));
    let tag = client.header("etag").to_owned();
    let off = json!({ "enabled": false });
    test.ask_as(&boss, &format!("PATCH {path}"), &tag, off).await.success();

    assert!(!may_read(&test).await);
    let on = json!({ "enabled": true });
    test.ask_as(&boss, &format!("PATCH {path}"), "*", on).await.success();
    assert!(may_read(&test).await);
}

#[tokio::test]
async fn administrators_keep_the_origins_of_clients() {
    let test = TestIssuer::with_administrators().await;
    let boss = test.console("boss").await;
    let create = |origins: serde_json::Value| json!({ "client_id": "new", "name": "n", "public": true, "grants": [], "scopes": [], "origins": origins });

    for wrong in ["null", "https://*.example.com", "https://page.example.com/", "page.example.com"] {
        let refused = test.ask_as(&boss, "POST /admin/clients", "", create(json!([PAGE, wrong]))).await;
        let refused = refused.refused(422, "invalid_client_settings");
        assert!(refused.text("detail").contains(wrong), "{refused:?}");
    }
    // Remembered for a while, and forgotten when a client comes.
    assert_eq!(readable_by(&test.get(METADATA, &[("origin", PAGE)]).await), "");
    let made = test.ask_as(&boss, "POST /admin/clients", "", create(json!([PAGE]))).await;
    assert_eq!((made.status.as_u16(), &made.body["origins"]), (201, &json!([PAGE])));
    assert_eq!(readable_by(&test.get(METADATA, &[("origin", PAGE)]).await), PAGE);

    let (line, tag) = ("PATCH /admin/clients/new", made.header("etag"));
    let wrong = json!({ "origins": ["null"] });
    test.ask_as(&boss, line, tag, wrong).await.refused(422, "invalid_client_settings");
    let changed = test.ask_as(&boss, line, tag, json!({ "origins": [OTHER] })).await.success();
    assert_eq!(changed.body["origins"], json!([OTHER]));
    assert_ne!(changed.header("etag"), tag);
    assert_eq!(readable_by(&test.get(METADATA, &[("origin", PAGE)]).await), "");
}

#[tokio::test]
async fn without_the_database_no_origin_outlives_its_client() {
    let test = TestIssuer::start().await;
    declare(&test, CLIENTS).await;
    // Nothing listens on port 1.
    let gone = Store::postgres("postgres://keystone@127.0.0.1:1/keystone", 2).unwrap();
    let test = test.rebuilt(|issuer| {
        issuer.clients = Clients::new(gone, issuer.world.clone());
    });

    let answer = test.get(METADATA, &[("origin", PAGE)]).await.success();

    assert_eq!(readable_by(&answer), "");
}
