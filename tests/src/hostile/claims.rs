//! E: the claims and their values.

use super::Case;
use super::forge::{HEADER, NOW, claims, token, with_claims};

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

fn times() -> Vec<Case> {
    let dated = |name: &str, value: String| with_claims(&[(name, &value)]);
    let mut cases = vec![
        Case::token("expired beyond the leeway", "RFC 7519 §4.1.4", dated("exp", (NOW - 31).to_string()))
            .is("expired"),
        Case::token(
            "expired for exactly the leeway",
            "RFC 7519 §4.1.4",
            dated("exp", (NOW - 30).to_string()),
        )
        .is("expired"),
        Case::token("expired within the leeway", "RFC 7519 §4.1.4", dated("exp", (NOW - 29).to_string())),
        Case::token("expires now", "RFC 7519 §4.1.4", dated("exp", NOW.to_string())),
        Case::token("expires between two seconds", "RFC 7519 §2", dated("exp", format!("{}.5", NOW + 300))),
        Case::token(
            "expires at a number with an exponent",
            "RFC 7519 §2",
            dated("exp", "1.8000003e9".to_owned()),
        ),
        Case::token(
            "issued beyond the leeway from now",
            "RFC 7519 §4.1.6",
            dated("iat", (NOW + 31).to_string()),
        )
        .is("issued_in_future"),
        Case::token(
            "issued within the leeway from now",
            "RFC 7519 §4.1.6",
            dated("iat", (NOW + 30).to_string()),
        ),
        Case::token("not yet valid", "RFC 7519 §4.1.5", dated("nbf", (NOW + 31).to_string()))
            .is("not_yet_valid"),
        Case::token(
            "valid within the leeway from now",
            "RFC 7519 §4.1.5",
            dated("nbf", (NOW + 30).to_string()),
        ),
        Case::token("lives for exactly a day", "policy", dated("exp", (NOW + 86_400).to_string())),
        Case::token("lives for a second more than a day", "policy", dated("exp", (NOW + 86_401).to_string()))
            .is("lifetime"),
        Case::token("issued in 1970", "policy", dated("iat", "0".to_owned())).is("lifetime"),
        Case::token("issued before 1970", "policy", dated("iat", "-1".to_owned())).is("lifetime"),
    ];
    for exp in ["0", "-1", "-0", "-9999999999", "-1e308", "1e-5", "0.999"] {
        cases.push(
            Case::token(format!("expires at {exp}"), "Envoy reads 0 as never", dated("exp", exp.to_owned()))
                .is("expired"),
        );
    }
    for exp in [
        "1e308",
        "9007199254740992",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "1e19",
        "999999999999999999999999999999",
    ] {
        cases.push(
            Case::token(format!("expires at {exp}"), "integer overflow", dated("exp", exp.to_owned()))
                .is("lifetime"),
        );
    }
    for exp in ["1e400", "-1e400", "1e9999999"] {
        cases.push(
            Case::token(format!("expires at {exp}"), "RFC 8259 §6", dated("exp", exp.to_owned()))
                .is("claims_json"),
        );
    }
    let valid = with_claims(&[]);
    for (what, now, verdict) in [
        ("the clock at 1", 1, "issued_in_future"),
        ("the clock an hour back", NOW - 3600, "issued_in_future"),
        ("the clock in the year 2106", 4_294_967_296, "expired"),
        ("the clock in the year 2286", 9_999_999_999, "expired"),
        ("the clock 100 seconds on", NOW + 100, "allow"),
    ] {
        cases.push(Case::token(what, "clocks that jump", &valid).at(now).is(verdict));
    }
    let far = [("iat", "4294967296"), ("exp", "4294967596")];
    cases.push(
        Case::token("a token of the year 2106 in that year", "RFC 7519 §2", with_claims(&far))
            .at(4_294_967_300),
    );
    cases
}

fn issuers() -> Vec<Case> {
    [
        "https://other.example",
        "https://as.example/",
        "https://AS.example",
        "HTTPS://as.example",
        "https://as.example.evil.example",
        "https://as.exampl",
        "xhttps://as.example",
        "https://as.example\\u0000",
        "https://as.example ",
        "http://as.example",
        "as.example",
        "https://as.example:443",
        "https://as.example/x",
        "https://as.example?",
        "https://as.example#",
        "https://\\u0430s.example",
    ]
    .map(|issuer| {
        let token = with_claims(&[("iss", &format!("\"{issuer}\""))]);
        Case::token(format!("the issuer {issuer:?}"), "RFC 8725 §3.8", token).is("issuer")
    })
    .into()
}

fn audiences() -> Vec<Case> {
    let mut cases: Vec<Case> = [
        r#""https://other.example""#,
        "[]",
        r#"["https://other.example","https://third.example"]"#,
        r#""https://api.example.evil.example""#,
        r#""xhttps://api.example""#,
        r#""https://api.exampl""#,
        r#""https://API.example""#,
        r#""https://api.example/""#,
        r#""https://api.example https://other.example""#,
        r#"[""]"#,
        r#""*""#,
    ]
    .map(|aud| {
        Case::token(format!("the audience {aud}"), "RFC 8725 §3.9", with_claims(&[("aud", aud)]))
            .is("audience")
    })
    .into();
    cases.extend(
        [r#"[["https://api.example"]]"#, "[1]", "1", "{}", "null", "true", r#"["https://api.example",1]"#]
            .map(|aud| {
                Case::token(
                    format!("the audience {aud}"),
                    "RFC 7519 §4.1.3, CVE-2022-23541",
                    with_claims(&[("aud", aud)]),
                )
                .is("claim_type")
            }),
    );
    let many = format!("[{}\"https://api.example\"]", r#""a","#.repeat(500));
    cases.push(Case::token(
        "the right audience after 500 others",
        "RFC 7519 §4.1.3",
        with_claims(&[("aud", &many)]),
    ));
    cases.push(Case::token("the right audience twice", "RFC 7519 §4.1.3", {
        with_claims(&[("aud", r#"["https://api.example","https://api.example"]"#)])
    }));
    cases
}

fn scopes() -> Vec<Case> {
    let mut cases: Vec<Case> = [
        "orders:read  orders:write",
        " orders:read",
        "orders:read ",
        "orders:read\\torders:write",
        "orders:read\\norders:write",
        "orders:read\\u00a0orders:write",
        " ",
        "orders:r\\u00e9ad",
        "orders:\\\"read\\\"",
        "orders\\\\read",
        "orders:read\\u0000",
        "orders:read\\u007f",
    ]
    .map(|scope| {
        let token = with_claims(&[("scope", &format!("\"{scope}\""))]);
        Case::token(format!("the scope \"{scope}\""), "RFC 6749 §3.3", token).is("scope_syntax")
    })
    .into();
    for (name, value) in [
        ("scopes", r#"["orders:write"]"#),
        ("scopes", r#"["orders:read","admin"]"#),
        ("scopes", "[]"),
        ("scp", r#""admin""#),
        ("scp", r#"["orders:read","orders:write"]"#),
        ("scopes", r#"["orders:read orders:write"]"#),
    ] {
        let token = with_claims(&[(name, value)]);
        cases.push(
            Case::token(format!("{name} {value} beside another scope"), "two readers", token)
                .is("scope_mismatch"),
        );
    }
    for (name, value) in
        [("scopes", r#"["orders:read"]"#), ("scp", r#""orders:read""#), ("scp", r#"["orders:read"]"#)]
    {
        let token = with_claims(&[(name, value)]);
        cases.push(Case::token(format!("{name} {value} beside the same scope"), "two readers", token));
    }
    for (what, value) in
        [("no scope at all", ""), ("an empty scope", "\"\""), ("a scope that is null", "null")]
    {
        cases.push(Case::token(what, "RFC 9068 §2.2.3", with_claims(&[("scope", value)])));
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
