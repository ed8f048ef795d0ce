//! The token endpoint as RFC 6749 and OAuth 2.1 want it, and what is refused.

use axum::body::Body;
use axum::http::{Method, Request};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use keystone_issuer::identity::manifest;
use serde_json::Value;

use crate::support::{Answer, ISSUER, PASSWORD, TestIssuer, basic};

const CLIENT: &str = "grant_type=client_credentials";

fn json() -> (&'static str, String) {
    ("content-type", "application/json".to_owned())
}

#[tokio::test]
async fn an_independent_library_verifies_the_tokens() {
    for (name, algorithm) in
        [("EdDSA", Algorithm::EdDSA), ("ES256", Algorithm::ES256), ("RS256", Algorithm::RS256)]
    {
        let test = TestIssuer::start_with(&format!("[keys]\nalgorithm = '{name}'")).await;
        verified_independently(&test, algorithm).await;
    }
}

async fn verified_independently(test: &TestIssuer, algorithm: Algorithm) {
    let token = test.login("alice").await.success().text("access_token");

    let jwks: JwkSet = serde_json::from_slice(&test.get("/.well-known/jwks.json", &[]).await.bytes).unwrap();
    let header = decode_header(&token).unwrap();
    let key = DecodingKey::from_jwk(jwks.find(header.kid.as_deref().unwrap()).unwrap()).unwrap();
    let mut rules = Validation::new(algorithm);
    rules.set_issuer(&[ISSUER]);
    rules.set_audience(&["orders"]);
    rules.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
    let claims = decode::<Value>(&token, &key, &rules).unwrap().claims;

    assert_eq!(header.typ.as_deref(), Some("at+jwt"));
    let members: Vec<_> = claims.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        members,
        [
            "aud",
            "auth_time",
            "client_id",
            "cv",
            "exp",
            "iat",
            "iss",
            "jti",
            "nbf",
            "roles",
            "scope",
            "scopes",
            "sid",
            "sub",
            "sv",
            "type",
        ]
    );
    assert_eq!(claims["scope"], "orders:read");
    assert_eq!(claims["type"], "access");
    let lifetime = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
    assert!((855..=900).contains(&lifetime), "{lifetime}");
}

#[tokio::test]
async fn a_service_gets_a_token_for_what_it_asked() {
    let test = TestIssuer::start().await;

    let answer = test
        .form_with(&[test.basic("robot")], format!("{CLIENT}&scope=bills:read orders:write"))
        .await
        .success();
    let claims = answer.claims();

    assert_eq!(answer.text("token_type"), "Bearer");
    assert_eq!(answer.text("scope"), "bills:read orders:write");
    assert!(answer.body["refresh_token"].is_null());
    assert_eq!(claims["sub"], "client:robot");
    assert_eq!(claims["aud"], serde_json::json!(["billing", "orders"]));
    assert_eq!(claims["sid"], claims["jti"]);
    assert!(claims["roles"].is_null() && claims["auth_time"].is_null());
}

/// C-01
#[tokio::test]
async fn scopes_default_to_the_clients_default_ones() {
    let test = TestIssuer::start().await;

    let none = test.form_with(&[test.basic("robot")], CLIENT).await.success();
    let empty = test.form_with(&[test.basic("robot")], format!("{CLIENT}&scope=")).await.success();

    assert_eq!((none.text("scope").as_str(), empty.text("scope").as_str()), ("orders:read", "orders:read"));
}

/// C-01
#[tokio::test]
async fn scopes_that_a_client_may_not_ask_are_refused() {
    let test = TestIssuer::start().await;

    for scope in [
        "keystone:users:read",
        "orders:read nonsense",
        "ORDERS:READ",
        "orders",
        "orders:read%20%20orders:write",
        "orders:read%09",
        "%C3%A9",
    ] {
        let answer = test.form_with(&[test.basic("robot")], format!("{CLIENT}&scope={scope}")).await;
        answer.refused(400, "invalid_scope");
    }
}

/// P-21
#[tokio::test]
async fn every_good_answer_is_kept_by_nobody() {
    let test = TestIssuer::start().await;

    let answer = test.login("alice").await.success();

    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.header("content-type"), "application/json");
    assert!(answer.headers.get("set-cookie").is_none() && answer.headers.get("server").is_none());
    assert!(answer.headers.get("access-control-allow-origin").is_none());
}

/// P-01, P-25
#[tokio::test]
async fn only_post_is_allowed_and_the_query_is_never_read() {
    let test = TestIssuer::start().await;

    for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE, Method::TRACE] {
        let request =
            Request::builder().method(method.clone()).uri("/auth/token").body(Body::empty()).unwrap();
        let answer = test.send(request).await;
        assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, "POST,OPTIONS"), "{method}");
        assert_eq!(answer.header("cache-control"), "no-store", "{method}");
        let code = if method == Method::HEAD { Value::Null } else { "method_not_allowed".into() };
        assert_eq!(
            (&answer.body["code"], answer.header("content-type")),
            (&code, "application/problem+json")
        );
    }
    let query = format!("/auth/token?client_id=robot&client_secret={}&{CLIENT}", test.secret("robot"));
    let form = ("content-type", "application/x-www-form-urlencoded".to_owned());
    test.post(&query, std::slice::from_ref(&form), "").await.refused(400, "invalid_request");
    test.post(&query, &[form], CLIENT).await.refused(401, "invalid_client");
}

/// P-02
#[tokio::test]
async fn other_content_types_are_refused_before_any_credential_is_looked_at() {
    let test = TestIssuer::start().await;
    let body = format!("{CLIENT}&client_id=robot&client_secret={}", test.secret("robot"));

    for kind in [
        "text/plain",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded; charset=utf-16",
        "application/x-www-form-urlencoded; charset =utf-16",
        "application/jsonp",
        "application/json; charset=latin1",
        "",
    ] {
        let answer = test.post("/auth/token", &[("content-type", kind.to_owned())], body.clone()).await;
        answer.refused(415, "invalid_request");
    }
    test.post("/auth/token", &[], body.clone()).await.refused(415, "invalid_request");
    let form = ("content-type", "application/x-www-form-urlencoded".to_owned());
    test.post("/auth/token", &[form, json()], body.clone()).await.refused(415, "invalid_request");
    let spelled = ("content-type", "Application/X-WWW-Form-Urlencoded;charset=\"UTF-8\"".to_owned());
    test.post("/auth/token", &[spelled], body).await.success();
}

/// P-03
#[tokio::test]
async fn repeated_parameters_are_refused_even_if_equal() {
    let test = TestIssuer::start().await;
    let login = format!("grant_type=password&client_id=app&username=alice&password={PASSWORD}");

    for again in [
        "grant_type=password",
        "username=alice",
        "username=olaf",
        "scope=orders:read&scope=orders:read",
        "client_id=app",
        "foo=1&foo=1",
        "scope=&scope=",
    ] {
        let answer = test.form(format!("{login}&{again}")).await.refused(400, "invalid_request");
        assert!(answer.text("error_description").contains("is repeated"), "{answer:?}");
    }
}

/// P-05
#[tokio::test]
async fn unknown_parameters_are_ignored() {
    let test = TestIssuer::start().await;

    test.form(format!(
        "grant_type=password&client_id=app&username=alice&password={PASSWORD}&foo=bar&__proto__=1"
    ))
    .await
    .success();
}

#[tokio::test]
async fn missing_parameters_are_named() {
    let test = TestIssuer::start().await;

    for (body, missing) in [
        ("client_id=app", "grant_type"),
        ("client_id=app&grant_type=", "grant_type"),
        ("client_id=app&grant_type=password&password=x", "username"),
        ("client_id=app&grant_type=password&username=alice", "password"),
        ("client_id=app&grant_type=password&username=alice&password=", "password"),
        ("client_id=app&grant_type=refresh_token", "refresh_token"),
        ("client_secret=x&grant_type=client_credentials", "client_id"),
    ] {
        let answer = test.form(body).await.refused(400, "invalid_request");
        assert_eq!(
            answer.text("error_description"),
            format!("the parameter `{missing}` is missing"),
            "{body}"
        );
    }
    for kind in ["implicit", "authorization_code", "PASSWORD", "urn:ietf:params:oauth:grant-type:jwt-bearer"]
    {
        test.form(format!("client_id=app&grant_type={kind}")).await.refused(400, "unsupported_grant_type");
    }
}

///
#[tokio::test]
async fn json_must_be_an_object_of_strings() {
    let test = TestIssuer::start().await;

    for body in [
        "",
        "{",
        "null",
        "[]",
        "{\"grant_type\":1}",
        "{\"grant_type\":null}",
        "{\"username\":{}}",
        "{\"grant_type\":\"password\"}{}",
        "{\"a\":\"\\ud800\"}",
    ] {
        test.post("/auth/token", &[json()], body).await.refused(400, "invalid_request");
    }
    let twice = "{\"grant_type\":\"password\",\"grant_type\":\"password\"}";
    test.post("/auth/token", &[json()], twice).await.refused(400, "invalid_request");
    let deep = "[".repeat(30_000);
    test.post("/auth/token", &[json()], deep).await.refused(400, "invalid_request");
}

/// P-12, P-13
#[tokio::test]
async fn a_grant_that_a_client_may_not_use_is_refused_before_any_password_work() {
    let test = TestIssuer::start_with("[limits]\nlogin_attempts = 1").await;

    for _ in 0..3 {
        let body = format!("grant_type=password&username=alice&password={PASSWORD}");
        test.form_with(&[test.basic("robot")], body).await.refused(400, "unauthorized_client");
    }
    test.form("grant_type=client_credentials&client_id=app").await.refused(400, "unauthorized_client");
    test.form_with(&[test.basic("robot")], "grant_type=refresh_token&refresh_token=x")
        .await
        .refused(400, "unauthorized_client");
    test.login("alice").await.success();
}

/// P-17, A-14
#[tokio::test]
async fn too_much_is_refused() {
    let test = TestIssuer::start().await;
    let many = (0..10_000).map(|number| format!("p{number}=1")).collect::<Vec<_>>().join("&");

    test.form("a".repeat(1 << 20)).await.refused(413, "invalid_request");
    test.form(format!("scope={}", "a".repeat(1 << 16))).await.refused(413, "invalid_request");
    test.form(many).await.refused(413, "invalid_request");
    test.form((0..100).map(|number| format!("p{number}=1")).collect::<Vec<_>>().join("&"))
        .await
        .refused(400, "invalid_request");
}

#[tokio::test]
async fn a_token_beyond_its_budget_is_not_issued() {
    let test = TestIssuer::start_with("[tokens]\nbyte_budget = 1024").await;
    let long: String = (0..40)
        .map(|number| format!("{{ name = \"resource:number:{number}\", resource = \"r{number}\" }},"))
        .collect();
    let names: String = (0..40).map(|number| format!("\"resource:number:{number}\",")).collect();
    let file = format!(
        "scopes = [{long}]\n[[clients]]\nclient_id = \"wide\"\nname = \"w\"\ngrants = [\"client_credentials\"]\nscopes = [{names}]"
    );
    let (declaration, secrets) = keystone_issuer::declaration::File::parse(&file)
        .unwrap()
        .declare(&test.issuer.secrets, &test.issuer.world);
    manifest::apply(&test.issuer.store, &keystone_issuer::store::Actor::Operator, &declaration)
        .await
        .unwrap()
        .unwrap();

    let wide = basic("wide", secrets["wide"].expose());
    let all = test.form_with(std::slice::from_ref(&wide), CLIENT).await.refused(400, "invalid_scope");
    let one = test.form_with(&[wide], format!("{CLIENT}&scope=resource:number:7")).await;

    assert!(all.text("error_description").ends_with("maximum of 1024; request fewer scopes"), "{all:?}");
    one.success();
}

#[tokio::test]
async fn the_array_of_scopes_can_be_switched_off() {
    let test = TestIssuer::start_with("[tokens]\nscopes_array = false").await;

    assert!(test.login("alice").await.success().claims()["scopes"].is_null());
}

/// P-21
#[tokio::test]
async fn error_texts_hold_what_rfc_6749_allows() {
    let test = TestIssuer::start().await;
    let allowed = |answer: &Answer| {
        answer
            .text("error_description")
            .bytes()
            .all(|byte| matches!(byte, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e))
    };

    let name = "%22%5C%0A%C3%A9%1B[31m";
    let answer = test.form(format!("{name}=1&{name}=2")).await.refused(400, "invalid_request");

    assert!(allowed(&answer), "{answer:?}");
}

#[tokio::test]
async fn paths_that_lead_nowhere_are_not_found() {
    let test = TestIssuer::start().await;

    for path in ["/", "/auth", "/auth/token/", "/health/ready", "/metrics", "/admin"] {
        assert_eq!(test.get(path, &[]).await.status.as_u16(), 404, "{path}");
    }
}
