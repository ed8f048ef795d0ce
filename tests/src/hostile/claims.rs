//! E: the claims and their values.

use super::Case;
use super::forge::{HEADER, claims, token, with_claims};

mod values;

use values::{audiences, issuers, scopes, times};

pub(super) fn cases() -> Vec<Case> {
    let all =
        [json(), missing(), types(), times(), issuers(), audiences(), scopes(), other_tokens(), unknown()];
    all.into_iter().flatten().map(|case| case.in_group('E')).collect()
}

fn json() -> Vec<Case> {
    let whole = claims(&[]);
    let wrong = [
        ("an array", "[]".to_owned()),
        ("the claims in an array", format!("[{whole}]")),
        ("a string", "\"u1\"".to_owned()),
        ("a number", "1".to_owned()),
        ("null", "null".to_owned()),
        ("no JSON", "sub=u1".to_owned()),
        ("cut short", whole.trim_end_matches('}').to_owned()),
        ("two objects", format!("{whole}{{}}")),
        ("followed by garbage", format!("{whole}x")),
        ("with a trailing comma", whole.replace('}', ",}")),
        ("with a comment", whole.replace("\"sub\"", "/**/\"sub\"")),
        ("with NaN", whole.replace("1800000300", "NaN")),
        ("with a number that begins with a plus", whole.replace("1800000300", "+1800000300")),
        ("with a number that begins with a zero", whole.replace("1800000300", "01800000300")),
        ("with a lone surrogate", whole.replace("u1", "\\ud800")),
    ];
    let mut cases: Vec<Case> = wrong
        .into_iter()
        .map(|(what, payload)| {
            Case::token(format!("claims that are {what}"), "RFC 7519 §7.2", token(HEADER, payload))
                .is("claims_json")
        })
        .collect();
    for (what, bytes) in [("a byte order mark", &b"\xef\xbb\xbf"[..]), ("a byte that is no UTF-8", b"\xff")] {
        let payload = [bytes, whole.as_bytes()].concat();
        cases.push(
            Case::token(format!("claims after {what}"), "RFC 8259 §8.1", token(HEADER, payload))
                .is("claims_json"),
        );
    }
    cases.push(
        Case::token("claims that are an empty object", "RFC 9068 §2.2", token(HEADER, "{}"))
            .is("missing_claim"),
    );
    for (name, value) in [
        ("scope", r#""admin""#),
        ("exp", "9999999999"),
        ("aud", r#""https://api.example""#),
        ("sub", r#""u2""#),
        ("iss", r#""https://evil.example""#),
        ("jti", r#""j1""#),
    ] {
        let twice = whole.replace('}', &format!(",\"{name}\":{value}}}"));
        cases.push(
            Case::token(format!("claims that name {name} twice"), "RFC 7519 §4", token(HEADER, twice))
                .is("duplicate_member"),
        );
        let mut letters = name.chars();
        let escaped = letters.next().map(|first| format!("\\u{:04x}{}", u32::from(first), letters.as_str()));
        let twice = whole.replace('}', &format!(",\"{}\":{value}}}", escaped.unwrap_or_default()));
        cases.push(
            Case::token(
                format!("claims that name {name} twice, once escaped"),
                "RFC 8259 §8.3",
                token(HEADER, twice),
            )
            .is("duplicate_member"),
        );
    }
    let nested = format!("{}{}", "[".repeat(600), "]".repeat(600));
    cases.push(
        Case::token(
            "claims with 600 arrays in each other",
            "denial of service",
            with_claims(&[("x", &nested)]),
        )
        .is("limits"),
    );
    cases
}

fn missing() -> Vec<Case> {
    ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"]
        .map(|name| {
            Case::token(format!("no {name}"), "RFC 9068 §2.2", with_claims(&[(name, "")])).is("missing_claim")
        })
        .into()
}

fn types() -> Vec<Case> {
    let mut cases = Vec::new();
    for name in ["exp", "iat", "nbf", "auth_time"] {
        for value in [r#""1800000300""#, "null", "true", "[1800000300]", "{}", r#""""#] {
            let token = with_claims(&[(name, value)]);
            cases.push(
                Case::token(format!("{name} as {value}"), "RFC 7519 §2, CVE-2026-25537", token)
                    .is("claim_type"),
            );
        }
    }
    for name in ["iss", "sub", "client_id", "jti", "sid"] {
        for value in ["1", "null", r#"["u1"]"#, "{}", "true", r#""""#] {
            let token = with_claims(&[(name, value)]);
            cases.push(
                Case::token(format!("{name} as {value}"), "RFC 7519 §4.1, CVE-2025-30144", token)
                    .is("claim_type"),
            );
        }
    }
    for (name, value) in [
        ("sv", r#""1""#),
        ("cv", "[1]"),
        ("roles", r#""clerk""#),
        ("roles", "[1]"),
        ("roles", "{}"),
        ("scope", "1"),
        ("scope", "true"),
        ("scope", "{}"),
        ("scope", r#"["orders:read"]"#),
        ("scopes", "[1]"),
        ("scopes", "{}"),
        ("scp", "1"),
    ] {
        let token = with_claims(&[(name, value)]);
        cases.push(Case::token(format!("{name} as {value}"), "RFC 9068 §2.2.3", token).is("claim_type"));
    }
    cases
}

/// Tokens of the same issuer for another purpose.
fn other_tokens() -> Vec<Case> {
    let header = |typ: &str| HEADER.replace("at+jwt", typ);
    let id = claims(&[("aud", r#""c1""#), ("nonce", r#""n""#), ("at_hash", r#""h""#), ("scope", "")]);
    let logout =
        claims(&[("events", r#"{"http://schemas.openid.net/event/backchannel-logout":{}}"#), ("scope", "")]);
    let proof = r#"{"jti":"j","htm":"GET","htu":"https://api.example/me","iat":1800000000}"#.to_owned();
    let assertion = claims(&[("iss", r#""c1""#), ("sub", r#""c1""#), ("aud", r#""https://as.example""#)]);
    let mut cases: Vec<Case> = [
        ("an ID token", header("JWT"), id),
        ("a logout token", header("logout+jwt"), logout),
        ("a DPoP proof", header("dpop+jwt"), proof),
        ("a client's assertion", header("JWT"), assertion),
    ]
    .map(|(what, header, payload)| {
        Case::token(what, "RFC 8725 §2.8, RFC 9068 §4", token(header, payload)).is("typ")
    })
    .into();
    for kind in ["refresh", "id", "ACCESS", "access ", "Access"] {
        let token = with_claims(&[("type", &format!("\"{kind}\""))]);
        cases.push(
            Case::token(format!("a token that calls itself {kind:?}"), "RFC 8725 §3.12", token).is("typ"),
        );
    }
    cases.push(Case::token(
        "a token that calls itself access",
        "RFC 8725 §3.12",
        with_claims(&[("type", r#""access""#)]),
    ));
    for cnf in [
        r#"{"jkt":"x"}"#,
        r#"{"x5t#S256":"x"}"#,
        r#"{"jkt":"x","x5t#S256":"y"}"#,
        r#"{"unknown":1}"#,
        "{}",
        "null",
        "1",
    ] {
        let token = with_claims(&[("cnf", cnf)]);
        cases.push(
            Case::token(
                format!("a token bound by {cnf} without a proof"),
                "RFC 7800 §3.1, RFC 9449 §7.1",
                token,
            )
            .is("binding"),
        );
    }
    cases
}

fn unknown() -> Vec<Case> {
    let digits = "9".repeat(250);
    [
        ("__proto__", r#"{"admin":true}"#),
        ("constructor", r#""x""#),
        ("toString", "1"),
        ("prototype", "{}"),
        ("admin", "true"),
        ("https://example.com/claim", "[1,2,3]"),
        ("number", &digits),
        ("text", r#""\ud83d\ude00""#),
        ("empty", r#""""#),
        ("nothing", "null"),
        ("act", r#"{"sub":"other"}"#),
        ("events", "{}"),
    ]
    .map(|(name, value)| {
        let token = with_claims(&[(name, value)]);
        Case::token(format!("the unknown claim {name}"), "RFC 7519 §4", token)
    })
    .into()
}
