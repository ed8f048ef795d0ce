//! A token: accepted exactly where a second reading of header and claims finds every rule kept, and told as it was signed.

use std::sync::LazyLock;

use curve25519_dalek::constants::ED25519_BASEPOINT_COMPRESSED;
use keystone_verifier::danger::verify_for_any_audience;
use keystone_verifier::{
    Authorizer, Code, Decision, Explanation, KeyCache, Policy, Refusal, RequestView, Verified, bearer_token,
    verify,
};
use serde_json::{Map, Value, json};

use crate::forge::{self, AUDIENCE, HEADER, ISSUER, NOW, keys, rules};
use crate::strict::{self, text};

/// Judges claims under a usual header, or header and claims with a zero byte between them; and both as bytes that
/// somebody sent.
pub fn check(input: &[u8]) {
    nobody_can_make_a_token(input);
    a_bearer_token_stands_alone(input);

    let mut parts = input.splitn(2, |&byte| byte == 0);
    let (header, claims) = match (parts.next(), parts.next()) {
        (Some(header), Some(claims)) => (header, claims),
        _ => (HEADER, input),
    };
    let token = forge::sign(header, claims);
    let verdict = verify(token.as_bytes(), &rules(), &keys(), NOW);
    // Where a date is no whole number, the last bit of a double may lie on either side of a second.
    let readings = [f64::next_down, |date| date, f64::next_up].map(|read: fn(f64) -> f64| {
        token.len() <= 8192 && is_sound_header(header) && are_sound_claims(claims, read)
    });
    if readings.iter().all(|sound| *sound == readings[0]) {
        assert_eq!(verdict.is_ok(), readings[0], "{verdict:?}");
    }

    match &verdict {
        Ok(verified) => tells_what_was_signed(verified, claims),
        Err(refusal) => can_be_answered(refusal),
    }
    a_gate_says_the_same(&token, &verdict);
    the_audience_is_the_only_difference(&token, &verdict, claims);
    if verdict.is_ok() {
        every_other_spelling_is_refused(&token, input.len());
    }
}

fn nobody_can_make_a_token(input: &[u8]) {
    let refusal = verify(input, &rules(), &keys(), NOW).expect_err("it was not signed");
    can_be_answered(&refusal);
}

fn a_bearer_token_stands_alone(input: &[u8]) {
    let token = match input.split_at_checked(7) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case(b"bearer ") && !token.is_empty() => {
            Some(token).filter(|token| !token.iter().any(|byte| b" \t,".contains(byte)))
        }
        _ => None,
    };
    assert_eq!(bearer_token(&[input]).ok(), token);
    assert_eq!(bearer_token(&[input, b""]), bearer_token(&[input]));
    if !input.is_empty() {
        assert_eq!(bearer_token(&[input, input]), Err(Code::MultipleCredentials));
    }
}

/// RFC 7515 §4.1, RFC 9068 §2.1.
fn is_sound_header(header: &[u8]) -> bool {
    let Some(Value::Object(header)) = strict::read(header) else { return false };
    let typ = text(&header, "typ").map(str::to_ascii_lowercase);
    matches!(text(&header, "alg"), Some("EdDSA" | "Ed25519"))
        && text(&header, "kid") == Some("k1")
        && matches!(typ.as_deref(), Some("at+jwt" | "application/at+jwt"))
        && !["crit", "b64", "zip"].iter().any(|name| header.contains_key(*name))
}

/// RFC 9068 §2.2 and §4, RFC 7519 §4.1.
fn are_sound_claims(claims: &[u8], read: fn(f64) -> f64) -> bool {
    let Some(Value::Object(claims)) = strict::read(claims) else { return false };
    let names = |name: &&str| text(&claims, name).is_some();
    let absent_or = |name: &&str, fits: &dyn Fn(&Value) -> bool| claims.get(*name).is_none_or(fits);
    let date = |name: &str| {
        let value = claims.get(name)?;
        value.as_u64().or_else(|| value.as_f64().map(|date| read(date) as u64))
    };
    let (Some(exp), Some(iat)) = (date("exp"), date("iat")) else { return false };

    ["sub", "client_id", "jti"].iter().all(names)
        && text(&claims, "iss") == Some(ISSUER)
        && audiences(&claims).is_some_and(|audiences| audiences.contains(&AUDIENCE))
        && ["nbf", "auth_time", "sv", "cv"].iter().all(|name| absent_or(name, &Value::is_number))
        && absent_or(&"sid", &|sid| sid.as_str().is_some_and(|sid| !sid.is_empty()))
        && absent_or(&"roles", &|roles| texts(roles).is_some())
        && absent_or(&"type", &|kind| kind == "access")
        && !claims.contains_key("cnf")
        && are_sound_scopes(&claims)
        && exp.saturating_add(30) > NOW
        && iat <= NOW + 30
        && date("nbf").is_none_or(|nbf| nbf <= NOW + 30)
        && exp > iat.max(date("nbf").unwrap_or_default())
        && exp - iat <= 86_400
}

/// RFC 6749 §3.3, and the forms that other gateways read.
fn are_sound_scopes(claims: &Map<String, Value>) -> bool {
    let scope = match claims.get("scope") {
        None | Some(Value::Null) => "",
        Some(Value::String(scope)) => scope,
        Some(_) => return false,
    };
    let is_token = |token: &str| {
        !token.is_empty()
            && token.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
    };
    if !scope.is_empty() && !scope.split(' ').all(is_token) {
        return false;
    }
    let sorted = |mut tokens: Vec<&str>| {
        tokens.retain(|token| !token.is_empty());
        tokens.sort_unstable();
        tokens.dedup();
        tokens.join(" ")
    };
    ["scopes", "scp"].iter().filter_map(|name| claims.get(*name)).all(|other| {
        let other = other.as_str().map(|other| other.split(' ').collect()).or_else(|| texts(other));
        other.is_some_and(|other| sorted(other) == sorted(scope.split(' ').collect()))
    })
}

fn texts(list: &Value) -> Option<Vec<&str>> {
    list.as_array()?.iter().map(Value::as_str).collect()
}

fn audiences(claims: &Map<String, Value>) -> Option<Vec<&str>> {
    let aud = claims.get("aud")?;
    aud.as_str().map(|one| vec![one]).or_else(|| texts(aud))
}

fn tells_what_was_signed(verified: &Verified, claims: &[u8]) {
    assert_eq!(verified.claims_json().as_bytes(), claims);
    let claims = strict::read(claims).expect("strict JSON");
    let claims = claims.as_object().expect("an object");
    for (told, name) in [
        (verified.issuer(), "iss"),
        (verified.subject(), "sub"),
        (verified.client_id(), "client_id"),
        (verified.token_id(), "jti"),
    ] {
        assert_eq!(Some(told), text(claims, name), "{name}");
    }
    assert_eq!(verified.session(), text(claims, "sid"));
    assert_eq!(Some(verified.audiences().iter().map(String::as_str).collect()), audiences(claims));
    assert_eq!(Some(verified.roles().collect()), claims.get("roles").map_or(Some(Vec::new()), texts));
    let scope = claims.get("scope").and_then(Value::as_str).unwrap_or_default();
    assert_eq!(verified.scope(), scope);
    assert!(verified.scopes().all(|token| verified.has(token)) && !verified.has("") && !verified.has(" "));
    for (told, name) in [(verified.expires_at(), "exp"), (verified.issued_at(), "iat")] {
        let date = claims.get(name).and_then(Value::as_f64).expect("a number");
        assert!((told as f64 - date.clamp(0.0, u64::MAX as f64)).abs() < 1.5, "{name}");
    }
}

fn can_be_answered(refusal: &Refusal) {
    let problem: Value = serde_json::from_str(&refusal.problem()).expect("JSON");
    assert_eq!(problem.get("code"), Some(&refusal.code().as_str().into()));
    assert_eq!(problem.get("status"), Some(&refusal.status().into()));
    let challenge = refusal.challenge().unwrap_or_default();
    assert!(challenge.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{challenge}");
}

/// For [`ISSUER`], and another with a key of its own before it.
fn authorizer(with_another: bool) -> Authorizer {
    let issuer = |name: &str, jwks: Value| json!({ "issuer": name, "audiences": [AUDIENCE], "keys": { "inline": jwks } });
    let another = json!({ "keys": [forge::jwk("k1", &ED25519_BASEPOINT_COMPRESSED.0)] });
    let mut issuers = vec![issuer(ISSUER, forge::jwks())];
    if with_another {
        issuers.insert(0, issuer("https://other.example", another));
    }
    let policy = json!({ "version": 1, "issuers": issuers,
        "routes": [{ "methods": ["GET"], "path": "/", "authenticated": true }] });
    let mut authorizer =
        Authorizer::new(Policy::parse(policy.to_string().as_bytes()).expect("a sound policy"));
    // The key that other checks have put to use already.
    *authorizer.keys(usize::from(with_another)).expect("an issuer") = KeyCache::pinned(keys());
    authorizer
}

fn a_gate_says_the_same(token: &str, verdict: &Result<Verified, Refusal>) {
    static ONE: LazyLock<Authorizer> = LazyLock::new(|| authorizer(false));
    static TWO: LazyLock<Authorizer> = LazyLock::new(|| authorizer(true));
    let bearer = format!("Bearer {token}");
    let request = RequestView { method: b"GET", path: b"/", authorization: &[bearer.as_bytes()] };
    let (mut one, mut two) = (ONE.clone(), TWO.clone());
    can_be_explained(&one.explain(&request, NOW), verdict, token);

    // The second time it is remembered.
    for _ in 0..2 {
        match (one.decide(&request, NOW), verdict) {
            (Decision::Allow(told), Ok(verified)) => assert_eq!(told.claims_json(), verified.claims_json()),
            (Decision::Deny(told), Err(refusal)) => assert_eq!(&told, refusal),
            (decision, _) => panic!("{decision:?} and {verdict:?}"),
        }
        assert_eq!(matches!(two.decide(&request, NOW), Decision::Allow(_)), verdict.is_ok());
    }
}

fn can_be_explained(explanation: &Explanation, verdict: &Result<Verified, Refusal>, token: &str) {
    assert_eq!(explanation.refusal(), verdict.as_ref().err());
    let json: Value = serde_json::from_str(&explanation.to_json()).expect("JSON");
    assert_eq!(json.get("verdict"), Some(&explanation.verdict().into()));
    let (_, signature) = token.rsplit_once('.').expect("it was signed");
    let texts = [explanation.to_string(), json.to_string()];
    assert!(texts.iter().all(|text| !text.contains(signature)));
    let lines = explanation.to_string().lines().count();
    assert_eq!(lines, explanation.steps().len() + 1, "a claim makes a line of its own");
}

fn the_audience_is_the_only_difference(token: &str, verdict: &Result<Verified, Refusal>, claims: &[u8]) {
    let for_anybody = verify_for_any_audience(token.as_bytes(), &rules(), &keys(), NOW);
    let claims = strict::read(claims).unwrap_or_default();
    let is_ours = claims.as_object().and_then(audiences).is_some_and(|aud| aud.contains(&AUDIENCE));
    assert_eq!(verdict.is_ok(), for_anybody.is_ok() && is_ours);
}

/// One character replaced, added or left out, at a place that follows from `seed`.
fn every_other_spelling_is_refused(token: &str, seed: usize) {
    let at = seed.wrapping_mul(0x9e37_79b9) % token.len();
    let (before, after) = token.split_at(at);
    let rest = after.get(1..).unwrap_or_default();
    let other = if after.starts_with('A') { 'B' } else { 'A' };
    for spelling in
        [format!("{before}{other}{rest}"), format!("{before}{other}{after}"), format!("{before}{rest}")]
    {
        assert!(verify(spelling.as_bytes(), &rules(), &keys(), NOW).is_err(), "{spelling}");
    }
}
