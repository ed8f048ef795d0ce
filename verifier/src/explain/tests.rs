use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::*;
use crate::danger::explain_for_any_audience;
use crate::fixture::{HEADER, NOW, claims, jwks, keys, rules, sign};
use crate::{Authorizer, Code, KeyCache, Policy, RequestView, explain};

const POLICY: &str = r#"{"version":1,"issuers":[
    {"issuer":"https://as.example","audiences":["https://api.example"],"keys":{"url":"https://as.example/jwks"}},
    {"issuer":"https://other.example","audiences":["https://api.example"],"keys":{"url":"https://other.example/jwks"}}],
    "routes":[{"methods":["GET"],"path":"/about","public":true},
              {"methods":["GET"],"path":"/orders/{id}","require":{"all":["orders:read"]},"roles":["clerk"]}]}"#;

fn authorizer() -> Authorizer {
    Authorizer::new(Policy::parse(POLICY.as_bytes()).unwrap())
}

fn explained(authorizer: &Authorizer, path: &str, token: &str) -> Explanation {
    let value = format!("Bearer {token}");
    let request = RequestView { method: b"GET", path: path.as_bytes(), authorization: &[value.as_bytes()] };
    authorizer.explain(&request, NOW)
}

/// The failed check, and what it looked at.
fn failed(explanation: &Explanation) -> (&'static str, &str) {
    let step = explanation.steps().iter().find(|step| step.outcome == Outcome::Failed).unwrap();
    (step.check.as_str(), &step.seen)
}

#[test]
fn an_explanation_is_one_line_for_each_check_and_the_verdict() {
    let mut authorizer = authorizer();
    authorizer.keys(0).unwrap().replace(jwks().as_bytes(), NOW).unwrap();
    let explanation =
        explained(&authorizer, "/orders/7?token=secret", &sign(HEADER, &claims(&[("aud", r#""x""#)])));

    let text = explanation.to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[..3],
        [
            "passed       path         /orders/7",
            "passed       route        GET /orders/{id}: a valid token, all of orders:read, one of the roles clerk",
            &format!(
                "passed       credentials  an Authorization header of {} bytes",
                7 + sign(HEADER, &claims(&[("aud", r#""x""#)])).len()
            ),
        ]
    );
    assert_eq!(
        lines[16..],
        [
            r#"failed       audience     ["x"], expected one of ["https://api.example"]"#,
            "not_reached  exp",
            "not_reached  nbf",
            "not_reached  iat",
            "not_reached  lifetime",
            "not_reached  revocation",
            "not_reached  scopes",
            "not_reached  roles",
            "audience: the token is for another audience",
        ]
    );
    assert!(!text.contains("secret"));
}

#[test]
fn an_explanation_is_data_too() {
    let authorizer = authorizer();
    let request = RequestView { method: b"GET", path: b"/orders/7", authorization: &[] };

    let json: serde_json::Value = serde_json::from_str(&authorizer.explain(&request, NOW).to_json()).unwrap();

    assert_eq!(json["verdict"], "no_credentials");
    assert_eq!(json["status"], 401);
    assert_eq!(json["reason"], "a bearer token is required");
    let check = |at: usize| json["checks"][at].to_string();
    assert_eq!(check(0), r#"{"check":"path","outcome":"passed","seen":"/orders/7"}"#);
    assert_eq!(check(2), r#"{"check":"credentials","outcome":"failed","seen":"no Authorization header"}"#);
    assert_eq!(check(3), r#"{"check":"size","outcome":"not_reached","seen":""}"#);
}

#[test]
fn nothing_is_asked_of_a_token_on_a_public_route() {
    let explanation = explained(&authorizer(), "/about", "x");

    assert_eq!((explanation.verdict(), explanation.refusal()), ("public", None));
    assert!(explanation.verified().is_none());
    assert!(explanation.steps()[2..].iter().all(|step| step.outcome == Outcome::NotReached));
    assert!(!explanation.to_json().contains("reason"));
}

#[test]
fn explaining_asks_for_no_keys_and_remembers_no_token() {
    let mut authorizer = authorizer();
    authorizer.keys(0).unwrap().replace(jwks().as_bytes(), NOW).unwrap();
    let unknown = sign(&HEADER.replace("k1", "k9"), &claims(&[]));

    assert_eq!(failed(&explained(&authorizer, "/orders/7", &unknown)), ("key", "\"k9\""));
    assert!(!authorizer.keys(0).unwrap().wants_fetch(NOW));

    let before = format!("{authorizer:?}");
    let accepted = explained(&authorizer, "/orders/7", &sign(HEADER, &claims(&[("roles", r#"["clerk"]"#)])));
    assert_eq!(accepted.verified().map(Verified::subject), Some("u1"));
    assert_eq!(format!("{authorizer:?}"), before);
}

#[test]
fn the_state_of_the_keys_is_told() {
    let mut authorizer = authorizer();
    let token = sign(HEADER, &claims(&[]));

    assert_eq!(failed(&explained(&authorizer, "/orders/7", &token)), ("keys", "never fetched"));
    authorizer.keys(0).unwrap().replace(jwks().as_bytes(), NOW - 600).unwrap();
    assert_eq!(failed(&explained(&authorizer, "/orders/7", &token)), ("keys", "too old: 600 seconds"));
    let foreign = sign(HEADER, &claims(&[("iss", r#""https://evil.example""#)]));
    let explanation = explained(&authorizer, "/orders/7", &foreign);
    assert_eq!(failed(&explanation), ("rules", r#"claims to be from "https://evil.example""#));
    assert_eq!(explanation.refusal().unwrap().code(), Code::Issuer);
}

#[test]
fn a_token_alone_has_no_route_and_no_scopes() {
    let cache = KeyCache::pinned(keys());
    let token = sign(HEADER, &claims(&[("aud", r#""x""#)]));

    let asked = explain(token.as_bytes(), &rules(), &cache, NOW);
    let any = explain_for_any_audience(token.as_bytes(), &rules(), &cache, NOW);

    let checks = |explanation: &Explanation| -> Vec<&str> {
        explanation.steps().iter().map(|step| step.check.as_str()).collect()
    };
    assert_eq!((asked.verdict(), any.verdict()), ("audience", "allow"));
    assert_eq!(
        checks(&asked),
        [
            "size",
            "form",
            "header",
            "alg",
            "typ",
            "crit",
            "kid",
            "keys",
            "key",
            "signature",
            "claims",
            "issuer",
            "audience",
            "exp",
            "nbf",
            "iat",
            "lifetime"
        ]
    );
    assert!(!checks(&any).contains(&"audience"));
}

#[test]
fn what_a_sender_wrote_cannot_end_a_line_or_turn_it_around() {
    let header = "{\"alg\":\"EdDSA\",\"kid\":\"k1\u{202e}\\nallow\",\"typ\":\"at+jwt\",\r\n\"x\":1}";
    let explanation =
        explain(sign(header, &claims(&[])).as_bytes(), &rules(), &KeyCache::pinned(keys()), NOW);

    let text: String = explanation.to_string();
    assert_eq!(text.lines().count(), explanation.steps().len() + 1);
    assert!(!text.contains(['\r', '\u{202e}']), "{text}");
}
