//! E: times, issuers, audiences and scopes, each of the right type.

use super::super::Case;
use super::super::forge::{NOW, with_claims};

/// A token that begins then, by one of its claims, and has this `exp`.
fn lived((name, begins): (&str, u64), exp: u64) -> String {
    let (issued, begins, exp) = ((NOW - 300).to_string(), begins.to_string(), exp.to_string());
    let earlier = (name != "iat").then_some(("iat", issued.as_str()));
    with_claims(
        &earlier.into_iter().chain([(name, begins.as_str()), ("exp", exp.as_str())]).collect::<Vec<_>>(),
    )
}

/// The leeway is for clocks that differ, not for tokens that no clock ever found valid.
fn never_valid() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, rule) in [("nbf", "RFC 7519 §4.1.4 and §4.1.5"), ("iat", "RFC 7519 §4.1.4 and §4.1.6")] {
        for (what, begins, exp, verdict) in [
            ("comes after exp, both within the leeway", NOW + 25, NOW - 20, "expired"),
            ("comes after exp, both to come", NOW + 25, NOW + 20, "expired"),
            ("comes after exp, both past", NOW - 10, NOW - 20, "expired"),
            ("is exp", NOW + 20, NOW + 20, "expired"),
            ("comes a second before exp, both to come", NOW + 20, NOW + 21, "allow"),
            ("comes a second before exp, both past", NOW - 20, NOW - 19, "allow"),
        ] {
            cases.push(Case::token(format!("{name} {what}"), rule, lived((name, begins), exp)).is(verdict));
        }
    }
    cases
}

pub(super) fn times() -> Vec<Case> {
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
        Case::token("expired within the leeway", "RFC 7519 §4.1.4", lived(("iat", NOW - 300), NOW - 29)),
        Case::token("expires now", "RFC 7519 §4.1.4", lived(("iat", NOW - 300), NOW)),
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
    cases.extend(never_valid());
    let far = [("iat", "4294967296"), ("exp", "4294967596")];
    cases.push(
        Case::token("a token of the year 2106 in that year", "RFC 7519 §2", with_claims(&far))
            .at(4_294_967_300),
    );
    cases
}

pub(super) fn issuers() -> Vec<Case> {
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

pub(super) fn audiences() -> Vec<Case> {
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

pub(super) fn scopes() -> Vec<Case> {
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
