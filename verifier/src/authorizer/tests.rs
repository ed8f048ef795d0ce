use alloc::format;
use alloc::string::ToString;

use super::*;
use crate::fixture::{HEADER, NOW, claims, jwks, sign};

fn authorizer(issuers: &str) -> Authorizer {
    let policy = format!(
        r#"{{"version":1,"issuers":[{issuers}],
        "routes":[
          {{"methods":["GET"],"path":"/","public":true}},
          {{"methods":["GET","DELETE"],"path":"/orders","require":{{"all":["orders:read"]}}}},
          {{"methods":["POST"],"path":"/orders","require":{{"all":["orders:read","orders:write"]}}}},
          {{"methods":["PUT"],"path":"/orders/{{id}}","require":{{"any":["orders:write","orders:read"]}}}},
          {{"methods":["GET"],"path":"/me","authenticated":true}},
          {{"methods":["GET"],"path":"/desk","authenticated":true,"roles":["clerk","chief"]}}],
        "identity_headers":{{"subject":"x-keystone-subject","scope":"x-keystone-scope","session":"x-keystone-session","roles":"x-keystone-roles"}}}}"#
    );
    Authorizer::new(Policy::parse(policy.as_bytes()).unwrap())
}

fn inline(issuer: &str) -> String {
    format!(r#"{{"issuer":"{issuer}","audiences":["https://api.example"],"keys":{{"inline":{}}}}}"#, jwks())
}

const REMOTE: &str = r#"{"issuer":"https://as.example","audiences":["https://api.example"],"keys":{"url":"https://as.example/jwks","cluster":"as"}}"#;

fn decide(authorizer: &mut Authorizer, line: &str, authorization: &[&[u8]]) -> String {
    let (method, path) = line.split_once(' ').unwrap();
    let request = RequestView { method: method.as_bytes(), path: path.as_bytes(), authorization };
    match authorizer.decide(&request, NOW) {
        Decision::Public => "public".to_string(),
        Decision::Allow(token) => token.subject().to_string(),
        Decision::Deny(refusal) => refusal.code().to_string(),
    }
}

fn bearer(replace: &[(&str, &str)]) -> String {
    format!("Bearer {}", sign(HEADER, &claims(replace)))
}

#[test]
fn a_policy_may_take_only_the_forms_of_tokens_that_envoy_knows() {
    let issuer = inline("https://as.example");
    let old = sign(HEADER, &claims(&[]));
    let new = sign(&HEADER.replace("EdDSA", "Ed25519"), &claims(&[]));
    let forms = [("Bearer", &old), ("bearer", &old), ("BEARER", &old), ("Bearer", &new)];
    let verdicts = |members: &str| {
        let routes = r#"[{"methods":["GET"],"path":"/me","authenticated":true}]"#;
        let policy = format!(r#"{{"version":1,{members}"issuers":[{issuer}],"routes":{routes}}}"#);
        let mut authorizer = Authorizer::new(Policy::parse(policy.as_bytes()).unwrap());
        forms.map(|(scheme, token)| {
            decide(&mut authorizer, "GET /me", &[b"", format!("{scheme} {token}").as_bytes()])
        })
    };

    assert_eq!(verdicts(""), ["u1"; 4]);
    assert_eq!(verdicts(r#""jwt_authn_compatible":false,"#), ["u1"; 4]);
    let compatible = ["u1", "no_credentials", "no_credentials", "alg"];
    assert_eq!(verdicts(r#""jwt_authn_compatible":true,"#), compatible);
}

#[test]
fn every_route_gets_what_it_asks_for_and_nothing_else_passes() {
    let mut authorizer = authorizer(&inline("https://as.example"));
    let reader = bearer(&[]);
    let reader: &[&[u8]] = &[reader.as_bytes()];

    assert_eq!(decide(&mut authorizer, "GET /", &[]), "public");
    assert_eq!(decide(&mut authorizer, "GET /orders?x=1", reader), "u1");
    assert_eq!(decide(&mut authorizer, "POST /orders", reader), "insufficient_scope");
    assert_eq!(decide(&mut authorizer, "PUT /orders/7", reader), "u1");
    assert_eq!(decide(&mut authorizer, "GET /me", reader), "u1");
    assert_eq!(decide(&mut authorizer, "GET /orders", &[]), "no_credentials");
    assert_eq!(decide(&mut authorizer, "GET /me", &[b"Bearer x"]), "malformed");
    for line in ["PATCH /orders", "get /orders", "GET /order", "GET /orders/7", "OPTIONS /"] {
        assert_eq!(decide(&mut authorizer, line, reader), "no_route", "{line}");
    }
    assert_eq!(decide(&mut authorizer, "GET /orders/../admin", reader), "bad_path");
}

#[test]
fn a_lacking_scope_is_answered_with_all_that_the_route_needs() {
    let mut authorizer = authorizer(&inline("https://as.example"));
    let value = bearer(&[]);
    let request = RequestView { method: b"POST", path: b"/orders", authorization: &[value.as_bytes()] };

    let Decision::Deny(refusal) = authorizer.decide(&request, NOW) else { panic!("must be denied") };
    assert_eq!(refusal.required_scope(), Some("orders:read orders:write"));
}

#[test]
fn one_of_the_roles_is_enough_and_needed() {
    let mut authorizer = authorizer(&inline("https://as.example"));
    let clerk = bearer(&[("roles", r#"["clerk"]"#)]);
    let other = bearer(&[("roles", r#"["clerks"]"#)]);

    assert_eq!(decide(&mut authorizer, "GET /desk", &[clerk.as_bytes()]), "u1");
    assert_eq!(decide(&mut authorizer, "GET /desk", &[other.as_bytes()]), "insufficient_role");
}

#[test]
fn without_keys_the_answer_is_503_and_never_401() {
    let mut authorizer = authorizer(REMOTE);
    let value = bearer(&[]);

    assert_eq!(decide(&mut authorizer, "GET /orders", &[value.as_bytes()]), "keys_unavailable");
    assert_eq!(decide(&mut authorizer, "GET /orders", &[]), "no_credentials");
    authorizer.keys(0).unwrap().replace(jwks().as_bytes(), NOW).unwrap();
    assert_eq!(decide(&mut authorizer, "GET /orders", &[value.as_bytes()]), "u1");
}

#[test]
fn an_unknown_kid_asks_for_keys_once() {
    let mut authorizer = authorizer(REMOTE);
    authorizer.keys(0).unwrap().replace(jwks().as_bytes(), NOW).unwrap();
    let value = format!("Bearer {}", sign(&HEADER.replace("k1", "k9"), &claims(&[])));

    assert_eq!(decide(&mut authorizer, "GET /orders", &[value.as_bytes()]), "unknown_kid");
    assert!(authorizer.keys(0).unwrap().wants_fetch(NOW));
    authorizer.keys(0).unwrap().replace(jwks().as_bytes(), NOW).unwrap();
    assert_eq!(decide(&mut authorizer, "GET /orders", &[value.as_bytes()]), "unknown_kid");
    assert!(!authorizer.keys(0).unwrap().wants_fetch(NOW));
}

#[test]
fn the_exact_issuer_chooses_the_rules() {
    let both = format!("{},{}", inline("https://other.example"), inline("https://as.example"));
    let mut authorizer = authorizer(&both);
    let (ours, foreign) = (bearer(&[]), bearer(&[("iss", r#""https://evil.example""#)]));

    assert_eq!(decide(&mut authorizer, "GET /orders", &[ours.as_bytes()]), "u1");
    assert_eq!(decide(&mut authorizer, "GET /orders", &[foreign.as_bytes()]), "issuer");
}

#[test]
fn identity_values_cannot_end_a_header_or_split_a_list() {
    let authorizer = authorizer(&inline("https://as.example"));
    let token = sign(HEADER, &claims(&[("sub", r#""a\r\nb%,\u00e9""#), ("roles", r#"["x,y","z"]"#)]));
    let token =
        crate::verify(token.as_bytes(), &crate::fixture::rules(), &crate::fixture::keys(), NOW).unwrap();

    assert_eq!(
        authorizer.identity(&token),
        [
            ("x-keystone-subject", "a%0D%0Ab%25%2C%C3%A9".to_string()),
            ("x-keystone-scope", "orders:read".to_string()),
            ("x-keystone-roles", "x%2Cy,z".to_string()),
        ]
    );
    assert_eq!(authorizer.identity_headers().count(), 4);
}

#[test]
fn a_claim_that_the_token_lacks_sets_no_header() {
    let authorizer = authorizer(&inline("https://as.example"));
    for lacking in [&[("scope", "")][..], &[("scope", r#""""#), ("roles", "[]")]] {
        let token = sign(HEADER, &claims(lacking));
        let token =
            crate::verify(token.as_bytes(), &crate::fixture::rules(), &crate::fixture::keys(), NOW).unwrap();

        assert_eq!(authorizer.identity(&token), [("x-keystone-subject", "u1".to_string())]);
    }
}

#[test]
fn a_token_in_the_query_goes_nowhere() {
    let mut authorizer = authorizer(&inline("https://as.example"));
    let bearer = format!("Bearer {}", sign(HEADER, &claims(&[])));
    let mut decide = |path: &str, authorization: &[&[u8]]| {
        let request = RequestView { method: b"GET", path: path.as_bytes(), authorization };
        authorizer.decide(&request, NOW).as_str()
    };

    assert_eq!(decide("/?a=b", &[]), "public");
    assert_eq!(decide("/?access_token=T0", &[]), "bad_authorization");
    assert_eq!(decide("/me?access_token=T0", &[]), "no_credentials");
    assert_eq!(decide("/me?access_token=T0", &[bearer.as_bytes()]), "multiple_credentials");
    assert_eq!(decide("/me?access_tokens=T0", &[bearer.as_bytes()]), "allow");
}

fn decide_at(authorizer: &mut Authorizer, authorization: &str, now: Seconds) -> String {
    let request = RequestView { method: b"GET", path: b"/me", authorization: &[authorization.as_bytes()] };
    match authorizer.decide(&request, now) {
        Decision::Deny(refusal) => refusal.code().to_string(),
        Decision::Allow(token) => token.subject().to_string(),
        Decision::Public => "public".to_string(),
    }
}

#[test]
fn an_identity_header_is_known_in_every_spelling_of_its_name() {
    let authorizer = authorizer(&inline("https://as.example"));

    for name in ["x-keystone-subject", "X_Keystone-SUBJECT", "x_keystone_roles"] {
        assert!(authorizer.is_identity_header(name.as_bytes()), "{name}");
    }
    for name in ["x-keystone-client", "x-keystone-subject-", "x.keystone.subject", ""] {
        assert!(!authorizer.is_identity_header(name.as_bytes()), "{name}");
    }
}

#[test]
fn a_remembered_token_is_judged_by_the_clock_again() {
    let mut authorizer = authorizer(&inline("https://as.example"));
    let token = bearer(&[]);

    assert_eq!(decide_at(&mut authorizer, &token, NOW), "u1");
    assert_eq!(decide_at(&mut authorizer, &token, NOW + 329), "u1");
    assert_eq!(decide_at(&mut authorizer, &token, NOW + 330), "expired");
    assert_eq!(decide_at(&mut authorizer, &token, NOW - 31), "issued_in_future");
    assert_eq!(decide_at(&mut authorizer, &token, NOW), "u1");
}

#[test]
fn a_gate_counts_whom_it_remembered() {
    let mut authorizer = authorizer(&inline("https://as.example"));
    let token = bearer(&[]);

    let counted: Vec<_> =
        (0..3).map(|_| (decide_at(&mut authorizer, &token, NOW), authorizer.cache_hits())).collect();

    assert_eq!(counted, [0, 1, 2].map(|reused| ("u1".to_owned(), reused)));
    assert_eq!(decide_at(&mut authorizer, &token, NOW + 330), "expired");
    assert_eq!(authorizer.cache_hits(), 2);
}

#[test]
fn a_remembered_token_is_compared_whole() {
    let mut authorizer = authorizer(&inline("https://as.example"));
    let token = bearer(&[]);
    assert_eq!(decide_at(&mut authorizer, &token, NOW), "u1");

    let (signed, signature) = token.rsplit_once('.').unwrap();
    let other = bearer(&[("sub", r#""u2""#)]);
    let (other, _) = other.rsplit_once('.').unwrap();

    assert_eq!(decide_at(&mut authorizer, &format!("{other}.{signature}"), NOW), "signature");
    assert_eq!(decide_at(&mut authorizer, &format!("{signed}.{signature}="), NOW), "base64");
    assert_eq!(decide_at(&mut authorizer, &token, NOW), "u1");
}

#[test]
fn a_key_that_goes_takes_its_remembered_tokens_along() {
    let mut authorizer = authorizer(REMOTE);
    let token = bearer(&[]);
    authorizer.keys(0).unwrap().replace(jwks().as_bytes(), NOW).unwrap();
    assert_eq!(decide_at(&mut authorizer, &token, NOW), "u1");

    authorizer.keys(0).unwrap().replace(jwks().as_bytes(), NOW + 1).unwrap();
    assert_eq!(decide_at(&mut authorizer, &token, NOW + 1), "u1");
    authorizer.keys(0).unwrap().replace(jwks().replace("k1", "k2").as_bytes(), NOW + 2).unwrap();
    assert_eq!(decide_at(&mut authorizer, &token, NOW + 2), "unknown_kid");
}

#[test]
fn keys_that_are_too_old_serve_no_remembered_token_either() {
    let mut authorizer = authorizer(REMOTE);
    let token = bearer(&[("exp", "1800002000")]);
    authorizer.keys(0).unwrap().replace(jwks().as_bytes(), NOW).unwrap();
    assert_eq!(decide_at(&mut authorizer, &token, NOW + 599), "u1");

    assert_eq!(decide_at(&mut authorizer, &token, NOW + 600), "keys_unavailable");
}

#[test]
fn a_remembered_token_is_judged_without_an_allocation() {
    let mut authorizer = authorizer(&inline("https://as.example"));
    let token = bearer(&[]);
    let request = RequestView { method: b"GET", path: b"/orders?x=1", authorization: &[token.as_bytes()] };
    let allows = |authorizer: &mut Authorizer| matches!(authorizer.decide(&request, NOW), Decision::Allow(_));
    assert!(allows(&mut authorizer));

    let used = allocation_counter::measure(|| assert!(allows(&mut authorizer)));

    assert_eq!(used.count_total, 0);
    let first =
        allocation_counter::measure(|| assert!(allows(&mut self::authorizer(&inline("https://as.example")))));
    assert!(first.count_total > 0);
}

mod shadow {
    use super::*;

    const OTHER: &str = r#"{"version":1,"issuers":[
        {"issuer":"https://new.example","audiences":["https://api.example"],"keys":{"url":"https://new.example/jwks"}},
        {"issuer":"https://as.example","audiences":["https://api.example"],"keys":{"url":"https://as.example/jwks"}}],
        "routes":[
          {"methods":["GET"],"path":"/","authenticated":true},
          {"methods":["GET"],"path":"/orders","require":{"all":["orders:admin"]}},
          {"methods":["GET"],"path":"/me","authenticated":true},
          {"methods":["GET"],"path":"/desk","public":true}]}"#;

    fn shadowed() -> Authorizer {
        authorizer(REMOTE).with_shadow(Policy::parse(OTHER.as_bytes()).unwrap())
    }

    /// Returns the enforced decision and the difference.
    fn both(
        authorizer: &mut Authorizer,
        path: &str,
        authorization: &[&[u8]],
    ) -> (&'static str, Option<String>) {
        let request = RequestView { method: b"GET", path: path.as_bytes(), authorization };
        let decision = authorizer.decide(&request, NOW);
        let difference = authorizer.shadow(&request, &decision, NOW);
        (decision.as_str(), difference.map(|difference| difference.to_string()))
    }

    #[test]
    fn a_shadow_reports_what_it_would_have_done_and_changes_nothing() {
        let mut authorizer = shadowed();
        authorizer.keys(0).unwrap().replace(jwks().as_bytes(), NOW).unwrap();
        let token = bearer(&[]);
        let token: &[&[u8]] = &[token.as_bytes()];

        assert_eq!(both(&mut authorizer, "/me", token), ("allow", None));
        assert_eq!(both(&mut authorizer, "/me", &[]), ("no_credentials", None));
        let public = "enforced public, shadow no_credentials (a bearer token is required)";
        assert_eq!(both(&mut authorizer, "/", &[]), ("public", Some(public.into())));
        assert_eq!(
            both(&mut authorizer, "/", token),
            ("public", Some("enforced public, shadow allow".into()))
        );
        assert_eq!(
            both(&mut authorizer, "/desk", &[]),
            ("no_credentials", Some("enforced no_credentials, shadow public".into()))
        );
        let (enforced, difference) = both(&mut authorizer, "/orders", token);
        assert_eq!(enforced, "allow");
        assert!(difference.unwrap().starts_with("enforced allow, shadow insufficient_scope ("));
    }

    #[test]
    fn without_a_shadow_there_is_no_difference() {
        assert_eq!(both(&mut authorizer(REMOTE), "/", &[]), ("public", None));
    }

    #[test]
    fn issuers_of_both_policies_share_their_keys() {
        let mut authorizer = shadowed();
        let names = |authorizer: &Authorizer| -> Vec<String> {
            authorizer.issuers().map(|issuer| issuer.rules.issuer.clone()).collect()
        };
        let token = bearer(&[("iss", r#""https://new.example""#)]);

        assert_eq!(names(&authorizer), ["https://as.example", "https://new.example"]);
        assert!(authorizer.keys(2).is_none());
        authorizer.keys(0).unwrap().replace(jwks().as_bytes(), NOW).unwrap();
        let (_, difference) = both(&mut authorizer, "/me", &[token.as_bytes()]);
        assert!(difference.unwrap().starts_with("enforced issuer, shadow keys_unavailable"));
        authorizer.keys(1).unwrap().replace(jwks().as_bytes(), NOW).unwrap();
        let (_, difference) = both(&mut authorizer, "/me", &[token.as_bytes()]);
        assert_eq!(difference.unwrap(), "enforced issuer, shadow allow");

        let again = authorizer.with_shadow(Policy::parse(OTHER.as_bytes()).unwrap());
        assert_eq!(names(&again), ["https://as.example", "https://new.example"]);
    }

    #[test]
    fn an_unknown_key_of_a_shadow_issuer_is_asked_for() {
        let mut authorizer = shadowed();
        authorizer.keys(1).unwrap().replace(jwks().as_bytes(), NOW).unwrap();
        let value = format!(
            "Bearer {}",
            sign(&HEADER.replace("k1", "k9"), &claims(&[("iss", r#""https://new.example""#)]))
        );
        both(&mut authorizer, "/me", &[value.as_bytes()]);

        assert!(authorizer.keys(1).unwrap().wants_fetch(NOW));
    }
}

#[test]
fn a_gate_remembers_no_more_tokens_than_it_was_told() {
    let mut authorizer = authorizer(&inline("https://as.example")).with_cache_size(4);
    let tokens: Vec<String> = (0..5).map(|number| bearer(&[("jti", &format!("\"j{number}\""))])).collect();
    let mut costs = |token: &String| {
        let request = RequestView { method: b"GET", path: b"/me", authorization: &[token.as_bytes()] };
        let judged = || assert!(matches!(authorizer.decide(&request, NOW), Decision::Allow(_)));
        allocation_counter::measure(judged).count_total
    };

    assert!(tokens.iter().all(|token| costs(token) > 0));
    assert!(tokens.iter().any(|token| costs(token) > 0));
    assert_eq!(costs(&tokens[4]), 0);
}

#[test]
fn with_one_issuer_unsigned_claims_are_not_read() {
    let mut authorizer = authorizer(&inline("https://as.example"));
    let foreign = bearer(&[("iss", r#""https://evil.example""#)]);
    let (signed, _) = foreign.rsplit_once('.').unwrap();

    assert_eq!(decide_at(&mut authorizer, &foreign, NOW), "issuer");
    assert_eq!(decide_at(&mut authorizer, &format!("{signed}.AAAA"), NOW), "signature");
}

mod revocations;
