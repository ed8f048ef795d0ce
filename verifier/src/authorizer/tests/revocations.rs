use alloc::format;
use alloc::string::ToString;

use super::super::*;
use super::bearer;
use crate::FeedState;
use crate::fixture::{NOW, jwks, page};

const POLICY: &str = r#"{"version":1,"issuers":[{"issuer":"https://as.example","audiences":["https://api.example"],
    "keys":{"url":"https://as.example/jwks"},
    "revocation":{"url":"https://as.example/feed","keys_url":"https://as.example/feed-jwks","max_stale_seconds":60}}],
    "routes":[{"methods":["GET"],"path":"/","public":true},
              {"methods":["GET"],"path":"/orders","authenticated":true},
              {"methods":["POST"],"path":"/payments","authenticated":true,"revocation":"strict"}]}"#;

fn authorizer() -> Authorizer {
    let mut authorizer = Authorizer::new(Policy::parse(POLICY.as_bytes()).unwrap());
    authorizer.keys(0).unwrap().replace(jwks().as_bytes(), NOW).unwrap();
    authorizer.revocations(0).unwrap().keys().replace(jwks().as_bytes(), NOW).unwrap();
    authorizer
}

fn take(authorizer: &mut Authorizer, span: (&str, &str), events: &str, now: Seconds) {
    authorizer.revocations(0).unwrap().take(page(span, events, now).as_bytes(), now).unwrap();
}

fn decide(authorizer: &mut Authorizer, line: &str, token: &str, now: Seconds) -> String {
    let (method, path) = line.split_once(' ').unwrap();
    let (method, path) = (method.as_bytes(), path.as_bytes());
    let request = RequestView { method, path, authorization: &[token.as_bytes()] };
    authorizer.decide(&request, now).as_str().to_string()
}

fn event(kind: &str, value: &str) -> String {
    format!(r#"["{kind}","{value}",null,{}]"#, NOW + 1000)
}

#[test]
fn a_revocation_removes_only_the_cached_tokens_that_it_names() {
    let mut authorizer = authorizer();
    let (one, other) = (bearer(&[("sid", r#""s1""#)]), bearer(&[("sid", r#""s2""#)]));
    take(&mut authorizer, ("", "1.1"), "", NOW);
    for token in [&one, &other, &one, &other] {
        assert_eq!(decide(&mut authorizer, "GET /orders", token, NOW), "allow");
    }
    assert_eq!(authorizer.cache_hits(), 2);

    take(&mut authorizer, ("1.1", "2.1"), &event("sid", "s1"), NOW + 1);

    for _ in 0..2 {
        assert_eq!(decide(&mut authorizer, "GET /orders", &one, NOW + 1), "revoked");
        assert_eq!(decide(&mut authorizer, "GET /orders", &other, NOW + 1), "allow");
    }
    assert_eq!(authorizer.cache_hits(), 4);
    assert_eq!(decide(&mut authorizer, "GET /", &one, NOW + 1), "public");
}

#[test]
fn only_strict_routes_answer_503_without_revocations() {
    let mut authorizer = authorizer();
    let (token, revoked) = (bearer(&[]), bearer(&[("jti", r#""gone""#)]));
    let both = |authorizer: &mut Authorizer, token: &str, now| {
        ["GET /orders", "POST /payments"].map(|line| decide(authorizer, line, token, now))
    };

    assert_eq!(both(&mut authorizer, &token, NOW), ["allow", "revocations_stale"]);
    take(&mut authorizer, ("", "1.1"), &event("jti", "gone"), NOW);
    for now in [NOW, NOW + 60] {
        assert_eq!(both(&mut authorizer, &token, now), ["allow", "allow"]);
        assert_eq!(both(&mut authorizer, &revoked, now), ["revoked", "revoked"]);
    }
    assert_eq!(authorizer.revocations(0).unwrap().state(NOW + 61), FeedState::Expired);
    assert_eq!(both(&mut authorizer, &token, NOW + 61), ["allow", "revocations_stale"]);
    assert_eq!(both(&mut authorizer, &revoked, NOW + 61), ["revoked", "revoked"]);
    take(&mut authorizer, ("1.1", "1.1"), "", NOW + 62);
    assert_eq!(both(&mut authorizer, &token, NOW + 62), ["allow", "allow"]);
}

#[test]
fn a_token_that_is_wrong_besides_is_refused_for_that() {
    let mut authorizer = authorizer();
    take(&mut authorizer, ("", "1.1"), &event("jti", "gone"), NOW);
    let expired = bearer(&[("jti", r#""gone""#), ("exp", &format!("{}", NOW - 31))]);

    assert_eq!(decide(&mut authorizer, "POST /payments", &expired, NOW), "expired");
}

#[test]
fn an_explanation_shows_the_age_of_the_revocations() {
    let mut authorizer = authorizer();
    let token = bearer(&[]);
    let line = |authorizer: &mut Authorizer, path: &str, now| {
        let method = if path == "/orders" { &b"GET"[..] } else { b"POST" };
        let request = RequestView { method, path: path.as_bytes(), authorization: &[token.as_bytes()] };
        let explanation = authorizer.explain(&request, now).to_string();
        explanation.lines().find(|line| line.contains("revocation ")).unwrap().to_string()
    };

    assert_eq!(line(&mut authorizer, "/orders", NOW), "passed       revocation   never read");
    assert_eq!(line(&mut authorizer, "/payments", NOW), "failed       revocation   never read");
    take(&mut authorizer, ("", "1.1"), &event("jti", "j1"), NOW);
    assert_eq!(
        line(&mut authorizer, "/orders", NOW + 11),
        "failed       revocation   stale, of 11 seconds ago, 1 in all"
    );
}

#[test]
fn an_issuer_of_both_policies_has_one_feed() {
    let mut authorizer = authorizer().with_shadow(Policy::parse(POLICY.as_bytes()).unwrap());
    take(&mut authorizer, ("", "1.1"), &event("jti", "j1"), NOW);
    let token = bearer(&[]);
    let request = RequestView { method: b"GET", path: b"/orders", authorization: &[token.as_bytes()] };
    let enforced = authorizer.decide(&request, NOW);

    assert_eq!(enforced.as_str(), "revoked");
    assert!(authorizer.shadow(&request, &enforced, NOW).is_none());
    assert!(authorizer.revocations(1).is_none());
}
