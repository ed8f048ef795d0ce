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

fn gate() -> Gate {
    let mut gate = Gate::new(Policy::parse(POLICY.as_bytes()).unwrap());
    gate.keys(0).unwrap().replace(jwks().as_bytes(), NOW).unwrap();
    gate.revocations(0).unwrap().keys().replace(jwks().as_bytes(), NOW).unwrap();
    gate
}

fn take(gate: &mut Gate, span: (&str, &str), events: &str, now: Seconds) {
    gate.revocations(0).unwrap().take(page(span, events, now).as_bytes(), now).unwrap();
}

fn decide(gate: &mut Gate, line: &str, token: &str, now: Seconds) -> String {
    let (method, path) = line.split_once(' ').unwrap();
    let (method, path) = (method.as_bytes(), path.as_bytes());
    let request = RequestView { method, path, authorization: &[token.as_bytes()] };
    gate.decide(&request, now).word().to_string()
}

fn event(kind: &str, value: &str) -> String {
    format!(r#"["{kind}","{value}",null,{}]"#, NOW + 1000)
}

#[test]
fn a_revocation_takes_the_remembered_verdicts_that_it_names_and_leaves_the_others_without_a_new_signature() {
    let mut gate = gate();
    let (one, other) = (bearer(&[("sid", r#""s1""#)]), bearer(&[("sid", r#""s2""#)]));
    take(&mut gate, ("", "1.1"), "", NOW);
    for token in [&one, &other, &one, &other] {
        assert_eq!(decide(&mut gate, "GET /orders", token, NOW), "allow");
    }
    assert_eq!(gate.reused(), 2);

    take(&mut gate, ("1.1", "2.1"), &event("sid", "s1"), NOW + 1);

    for _ in 0..2 {
        assert_eq!(decide(&mut gate, "GET /orders", &one, NOW + 1), "revoked");
        assert_eq!(decide(&mut gate, "GET /orders", &other, NOW + 1), "allow");
    }
    assert_eq!(gate.reused(), 4);
    assert_eq!(decide(&mut gate, "GET /", &one, NOW + 1), "public");
}

#[test]
fn a_strict_route_answers_503_while_revocations_are_not_known_and_every_other_goes_by_what_is_known() {
    let mut gate = gate();
    let (token, revoked) = (bearer(&[]), bearer(&[("jti", r#""gone""#)]));
    let both = |gate: &mut Gate, token: &str, now| {
        ["GET /orders", "POST /payments"].map(|line| decide(gate, line, token, now))
    };

    assert_eq!(both(&mut gate, &token, NOW), ["allow", "revocations_stale"]);
    take(&mut gate, ("", "1.1"), &event("jti", "gone"), NOW);
    for now in [NOW, NOW + 60] {
        assert_eq!(both(&mut gate, &token, now), ["allow", "allow"]);
        assert_eq!(both(&mut gate, &revoked, now), ["revoked", "revoked"]);
    }
    assert_eq!(gate.revocations(0).unwrap().state(NOW + 61), FeedState::Expired);
    assert_eq!(both(&mut gate, &token, NOW + 61), ["allow", "revocations_stale"]);
    assert_eq!(both(&mut gate, &revoked, NOW + 61), ["revoked", "revoked"]);
    take(&mut gate, ("1.1", "1.1"), "", NOW + 62);
    assert_eq!(both(&mut gate, &token, NOW + 62), ["allow", "allow"]);
}

#[test]
fn a_token_that_is_wrong_besides_is_refused_for_that() {
    let mut gate = gate();
    take(&mut gate, ("", "1.1"), &event("jti", "gone"), NOW);
    let expired = bearer(&[("jti", r#""gone""#), ("exp", &format!("{}", NOW - 31))]);

    assert_eq!(decide(&mut gate, "POST /payments", &expired, NOW), "expired");
}

#[test]
fn an_explanation_says_how_old_the_revocations_are_and_which_check_refused() {
    let mut gate = gate();
    let token = bearer(&[]);
    let line = |gate: &mut Gate, path: &str, now| {
        let method = if path == "/orders" { &b"GET"[..] } else { b"POST" };
        let request = RequestView { method, path: path.as_bytes(), authorization: &[token.as_bytes()] };
        let explanation = gate.explain(&request, now).to_string();
        explanation.lines().find(|line| line.contains("revocation ")).unwrap().to_string()
    };

    assert_eq!(line(&mut gate, "/orders", NOW), "passed       revocation   never read");
    assert_eq!(line(&mut gate, "/payments", NOW), "failed       revocation   never read");
    take(&mut gate, ("", "1.1"), &event("jti", "j1"), NOW);
    assert_eq!(
        line(&mut gate, "/orders", NOW + 11),
        "failed       revocation   stale, of 11 seconds ago, 1 in all"
    );
}

#[test]
fn an_issuer_of_both_policies_has_one_feed() {
    let mut gate = gate().shadowing(Policy::parse(POLICY.as_bytes()).unwrap());
    take(&mut gate, ("", "1.1"), &event("jti", "j1"), NOW);
    let token = bearer(&[]);
    let request = RequestView { method: b"GET", path: b"/orders", authorization: &[token.as_bytes()] };
    let enforced = gate.decide(&request, NOW);

    assert_eq!(enforced.word(), "revoked");
    assert!(gate.shadow(&request, &enforced, NOW).is_none());
    assert!(gate.revocations(1).is_none());
}
