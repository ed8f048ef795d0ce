use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::*;
use crate::fixture::{HEADER, NOW, claims, encode, keys, rules, sign, sign_bytes, sign_segments};

fn code(token: impl AsRef<[u8]>) -> Option<Code> {
    verify(token.as_ref(), &rules(), &keys(), NOW).err().map(|refusal| refusal.code())
}

fn with_header(header: &str) -> Option<Code> {
    code(sign(header, &claims(&[])))
}

fn with_claim(name: &str, json: &str) -> Option<Code> {
    code(sign(HEADER, &claims(&[(name, json)])))
}

#[test]
fn a_valid_token_tells_its_claims() {
    let claims = claims(&[
        ("scope", r#""orders:read orders:write""#),
        ("scopes", r#"["orders:write","orders:read"]"#),
        ("roles", r#"["clerk"]"#),
        ("sid", r#""s1""#),
        ("type", r#""access""#),
    ]);
    let token = verify(sign(HEADER, &claims).as_bytes(), &rules(), &keys(), NOW).unwrap();

    assert_eq!((token.issuer(), token.subject(), token.client_id()), ("https://as.example", "u1", "c1"));
    assert_eq!((token.token_id(), token.session()), ("j1", Some("s1")));
    assert_eq!((token.issued_at(), token.expires_at()), (NOW, NOW + 300));
    assert_eq!(token.audiences(), ["https://api.example"]);
    assert_eq!(token.roles().collect::<Vec<_>>(), ["clerk"]);
    assert!(token.has("orders:read") && !token.has("orders") && !token.has("ORDERS:READ") && !token.has(""));
    assert!(token.has_all(&["orders:read", "orders:write"]) && !token.has_all(&["orders:read", "x"]));
    assert!(token.has_any(&["x", "orders:write"]) && !token.has_any(&[]));
    assert_eq!(token.claims_json(), claims);
}

#[test]
fn for_any_audience_every_other_check_remains() {
    let asked = |token: &str| {
        let refusal = verify_for_any_audience(token.as_bytes(), &rules(), &keys(), NOW).err();
        refusal.map(|refusal| refusal.code())
    };
    let with = |name: &str, json: &str| asked(&sign(HEADER, &claims(&[(name, json)])));

    assert_eq!(with("aud", r#""https://other.example""#), None);
    assert_eq!(with("aud", "1"), Some(Code::ClaimType));
    assert_eq!(with("iss", r#""https://other.example""#), Some(Code::Issuer));
    assert_eq!(with("exp", "1"), Some(Code::Expired));
    assert_eq!(asked("a.b"), Some(Code::Malformed));
    assert_eq!(asked(&format!("{}A", sign(HEADER, &claims(&[])))), Some(Code::Signature));
}

#[test]
fn only_three_segments_are_a_token() {
    let token = sign(HEADER, &claims(&[]));

    assert_eq!(code(""), Some(Code::NoCredentials));
    for text in ["a", "a.b", "a.b.c.d", "a.b.c.d.e", "..", "a..c", ".b.c"] {
        assert_eq!(code(text), Some(Code::Malformed), "{text}");
    }
    assert_eq!(code(format!(".{token}")), Some(Code::Malformed));
    assert_eq!(code(format!("{token}.")), Some(Code::Malformed));
    assert_eq!(code(token.replace('.', "%2E")), Some(Code::Malformed));
    assert_eq!(code(".".repeat(8193)), Some(Code::TooLarge));
    let at_most = |bytes| {
        let verdict = verify(token.as_bytes(), &Rules { max_token_bytes: bytes, ..rules() }, &keys(), NOW);
        verdict.err().map(|refusal| refusal.code())
    };
    assert_eq!([at_most(token.len()), at_most(token.len() - 1)], [None, Some(Code::TooLarge)]);
}

#[test]
fn every_segment_has_one_spelling() {
    let token = sign(HEADER, &claims(&[]));
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (header, payload) = signed.split_once('.').unwrap();

    for tail in ["=", "==", " ", "\t", "\r", "\n", "\u{a0}", "\u{200b}", "+", "/", "\0"] {
        assert_eq!(
            code(sign_segments(&format!("{header}{tail}"), payload)),
            Some(Code::Base64),
            "header {tail:?}"
        );
        assert_eq!(
            code(sign_segments(header, &format!("{payload}{tail}"))),
            Some(Code::Base64),
            "payload {tail:?}"
        );
        assert_eq!(code(format!("{token}{tail}")), Some(Code::Base64), "signature {tail:?}");
    }
    // The last of 86 characters carries four unused bits.
    let (kept, last) = signature.split_at(85);
    let next = char::from(last.as_bytes()[0] + 1);
    assert_eq!(code(format!("{signed}.{kept}{next}")), Some(Code::Base64));
    assert_eq!(code(b"\xff\xfe.\x80.\x81"), Some(Code::Base64));
}

#[test]
fn the_header_is_one_strict_json_object() {
    for header in ["", "[]", "\"x\"", "1", "null", "{}x", "{\"alg\":\"EdDSA\",}", "\u{feff}{}", "{'alg':1}"] {
        assert_eq!(
            with_header(header),
            if header.is_empty() { Some(Code::Malformed) } else { Some(Code::HeaderJson) },
            "{header}"
        );
    }
    assert_eq!(code(sign_bytes(b"{\"a\":\"\xff\"}", b"{}")), Some(Code::HeaderJson));
    assert_eq!(
        with_header(r#"{"alg":"none","alg":"EdDSA","kid":"k1","typ":"at+jwt"}"#),
        Some(Code::DuplicateMember)
    );
    assert_eq!(
        with_header(r#"{"alg":"EdDSA","\u0061lg":"none","kid":"k1","typ":"at+jwt"}"#),
        Some(Code::DuplicateMember)
    );
    let deep = format!(r#"{{"x":{}{}}}"#, "[".repeat(65), "]".repeat(65));
    assert_eq!(with_header(&deep), Some(Code::Limits));
}

#[test]
fn only_ed25519_under_its_two_names() {
    assert_eq!(with_header(r#"{"alg":"Ed25519","kid":"k1","typ":"at+jwt"}"#), None);
    let others = [
        "none",
        "None",
        "NONE",
        "noNE",
        "none ",
        "none\\u0000",
        "eddsa",
        "EDDSA",
        "ed25519",
        "EdDSA ",
        "Ed448",
        "ES256",
        "RS256",
        "PS256",
        "HS256",
        "ML-DSA-44",
        "",
    ];
    for alg in others {
        assert_eq!(with_header(&HEADER.replace("EdDSA", alg)), Some(Code::Alg), "{alg:?}");
    }
    assert_eq!(with_header(r#"{"kid":"k1","typ":"at+jwt"}"#), Some(Code::Alg));
    assert_eq!(with_header(r#"{"alg":["EdDSA"],"kid":"k1","typ":"at+jwt"}"#), Some(Code::Alg));
    let unsigned =
        format!("{}.{}.", encode(HEADER.replace("EdDSA", "none").as_bytes()), encode(claims(&[]).as_bytes()));
    assert_eq!(code(unsigned), Some(Code::Alg));
}

#[test]
fn only_access_tokens_by_their_type() {
    for typ in ["at+jwt", "AT+JWT", "at+JWT", "application/at+jwt", "Application/AT+jwt"] {
        assert_eq!(with_header(&HEADER.replace("at+jwt", typ)), None, "{typ}");
    }
    for typ in
        ["JWT", "jwt", "dpop+jwt", "logout+jwt", "secevent+jwt", "id_token", "at+jwt;v=1", "", " at+jwt"]
    {
        assert_eq!(with_header(&HEADER.replace("at+jwt", typ)), Some(Code::Typ), "{typ}");
    }
    assert_eq!(with_header(r#"{"alg":"EdDSA","kid":"k1"}"#), Some(Code::Typ));
    assert_eq!(with_header(r#"{"alg":"EdDSA","kid":"k1","typ":1}"#), Some(Code::Typ));
    assert_eq!(with_claim("type", r#""refresh""#), Some(Code::Typ));
}

#[test]
fn every_crit_is_refused() {
    for crit in [r#"["exp"]"#, r#"["x"],"x":1"#, "[]", "null", "false", r#""exp""#, "{}", "[1]", r#"["alg"]"#]
    {
        assert_eq!(
            with_header(&HEADER.replace('}', &format!(r#","crit":{crit}}}"#))),
            Some(Code::Crit),
            "{crit}"
        );
    }
    assert_eq!(with_header(&HEADER.replace('}', r#","b64":false}"#)), Some(Code::Crit));
    assert_eq!(with_header(&HEADER.replace('}', r#","zip":"DEF"}"#)), Some(Code::Crit));
}

#[test]
fn the_key_is_the_one_that_is_named() {
    for kid in ["1", "[]", "{}", "null", "\"\""] {
        assert_eq!(
            with_header(&format!(r#"{{"alg":"EdDSA","typ":"at+jwt","kid":{kid}}}"#)),
            Some(Code::Kid),
            "{kid}"
        );
    }
    assert_eq!(with_header(r#"{"alg":"EdDSA","typ":"at+jwt"}"#), Some(Code::Kid));
    for kid in ["../../dev/null", "' OR 1=1--", "__proto__", "constructor", "K1", "k1 ", "k2", "k1\\u0000"] {
        assert_eq!(with_header(&HEADER.replace("k1", kid)), Some(Code::UnknownKid), "{kid}");
    }
}

#[test]
fn a_changed_bit_is_a_wrong_signature_or_no_token() {
    let token = sign(HEADER, &claims(&[]));
    let payload_at = token.find('.').unwrap() + 10;
    let mut changed = token.clone().into_bytes();
    changed[payload_at] = if changed[payload_at] == b'A' { b'B' } else { b'A' };
    assert_eq!(code(changed), Some(Code::Signature));

    let (rules, keys) = (rules(), keys());
    for at in 0..token.len() {
        for bit in 0..8 {
            let mut changed = token.clone().into_bytes();
            changed[at] ^= 1 << bit;
            assert!(verify(&changed, &rules, &keys, NOW).is_err(), "byte {at} bit {bit}");
        }
    }
    let other = sign(HEADER, &claims(&[("sub", r#""u2""#)]));
    let (mixed, _) = token.rsplit_once('.').unwrap();
    assert_eq!(code(format!("{mixed}.{}", other.rsplit_once('.').unwrap().1)), Some(Code::Signature));
    assert_eq!(code(format!("{mixed}.")), Some(Code::Signature));
    assert_eq!(code(format!("{mixed}.{}", encode(&[0; 64]))), Some(Code::Signature));
}

#[test]
fn the_claims_are_one_strict_json_object() {
    for payload in ["[]", "\"x\"", "1", "null", "{}x", "{\"exp\":01}", "{\"exp\":NaN}"] {
        assert_eq!(code(sign(HEADER, payload)), Some(Code::ClaimsJson), "{payload}");
    }
    for name in ["scope", "exp", "aud", "sub", "iss"] {
        let twice = claims(&[]).replace('}', &format!(",\"{name}\":1}}"));
        assert_eq!(code(sign(HEADER, &twice)), Some(Code::DuplicateMember), "{name}");
    }
    assert_eq!(code(sign(HEADER, "{}")), Some(Code::MissingClaim));
    assert_eq!(with_claim("__proto__", r#"{"admin":true}"#), None);
}

#[test]
fn the_seven_claims_are_required_and_typed() {
    for name in ["iss", "aud", "sub", "client_id", "iat", "exp", "jti"] {
        let refusal =
            verify(sign(HEADER, &claims(&[(name, "")])).as_bytes(), &rules(), &keys(), NOW).unwrap_err();
        assert_eq!(refusal.code(), Code::MissingClaim);
        assert!(refusal.problem().contains(&format!(r#""claim":"{name}""#)), "{}", refusal.problem());
        for json in ["null", "true", "{}", "[[1]]", "[1]"] {
            assert_eq!(with_claim(name, json), Some(Code::ClaimType), "{name}: {json}");
        }
    }
    for name in ["iat", "exp", "nbf", "auth_time", "sv", "cv"] {
        assert_eq!(with_claim(name, r#""123""#), Some(Code::ClaimType), "{name}");
    }
    for name in ["iss", "sub", "client_id", "jti", "sid", "type"] {
        assert_eq!(with_claim(name, "1"), Some(Code::ClaimType), "{name}");
        assert_eq!(with_claim(name, r#"["x"]"#), Some(Code::ClaimType), "{name}");
    }
    for name in ["iss", "sub", "client_id", "jti", "sid", "type"] {
        assert_eq!(with_claim(name, r#""""#), Some(Code::ClaimType), "{name}: empty");
    }
    assert_eq!(with_claim("roles", r#""clerk""#), Some(Code::ClaimType));
}

#[test]
fn the_issuer_is_compared_byte_by_byte() {
    let others = [
        "https://as.example/",
        "https://AS.example",
        "https://as.example.evil",
        "https://as.exampl",
        "https://as.example\\u0000",
    ];
    for issuer in others {
        assert_eq!(with_claim("iss", &format!("\"{issuer}\"")), Some(Code::Issuer), "{issuer}");
    }
}

#[test]
fn the_audience_must_hold_one_of_ours() {
    assert_eq!(with_claim("aud", r#"["other","https://api.example"]"#), None);
    for aud in [r#""other""#, "[]", r#""xhttps://api.examplex""#, r#"["https://api.example/"]"#] {
        assert_eq!(with_claim("aud", aud), Some(Code::Audience), "{aud}");
    }
}

/// B-18
#[test]
fn times_are_bounded_on_both_sides() {
    let at = |name, seconds: Seconds| with_claim(name, &format!("{seconds}"));

    for (exp, code) in [(NOW - 30, Some(Code::Expired)), (NOW - 29, None), (NOW, None)] {
        assert_eq!(with_claims(&[("exp", exp), ("iat", NOW - 300)]), code, "{exp}");
    }
    assert_eq!(with_claim("exp", &format!("{}.5", NOW + 300)), None);
    assert_eq!(at("nbf", NOW + 30), None);
    assert_eq!(at("nbf", NOW + 31), Some(Code::NotYetValid));
    assert_eq!(at("iat", NOW + 30), None);
    assert_eq!(at("iat", NOW + 31), Some(Code::IssuedInFuture));
    assert_eq!(at("exp", NOW + 86_400), None);
    assert_eq!(at("exp", NOW + 86_401), Some(Code::Lifetime));
    for exp in ["0", "-1", "-1e300"] {
        assert_eq!(with_claim("exp", exp), Some(Code::Expired), "{exp}");
    }
    for exp in ["1e308", "9007199254740992", "9223372036854775808", "18446744073709551616"] {
        assert_eq!(with_claim("exp", exp), Some(Code::Lifetime), "{exp}");
    }
    for exp in ["1e400", "-1e400", "1e9999999"] {
        assert_eq!(with_claim("exp", exp), Some(Code::ClaimsJson), "{exp}");
    }
    let token = sign(HEADER, &claims(&[]));
    assert!(verify(token.as_bytes(), &rules(), &keys(), 0).is_err());
    assert!(verify(token.as_bytes(), &rules(), &keys(), u64::MAX).is_err());
}

/// Returns the verdict on a token with these times.
fn with_claims(times: &[(&str, Seconds)]) -> Option<Code> {
    let times: Vec<_> = times.iter().map(|(name, seconds)| (*name, format!("{seconds}"))).collect();
    let times: Vec<_> = times.iter().map(|(name, json)| (*name, json.as_str())).collect();
    let verdict = verify(sign(HEADER, &claims(&times)).as_bytes(), &rules(), &keys(), NOW);
    verdict.err().map(|refusal| refusal.code())
}

#[test]
fn the_leeway_makes_no_token_valid_that_never_was() {
    for (begins, exp, code) in [
        (NOW + 25, NOW - 20, Some(Code::Expired)),
        (NOW + 25, NOW + 20, Some(Code::Expired)),
        (NOW + 25, NOW + 25, Some(Code::Expired)),
        (NOW - 10, NOW - 20, Some(Code::Expired)),
        (NOW + 25, NOW + 26, None),
        (NOW - 20, NOW - 19, None),
    ] {
        assert_eq!(
            with_claims(&[("nbf", begins), ("iat", NOW - 300), ("exp", exp)]),
            code,
            "nbf {begins} {exp}"
        );
        assert_eq!(with_claims(&[("iat", begins), ("exp", exp)]), code, "iat {begins} {exp}");
    }
}

#[test]
fn a_verdict_holds_as_long_as_it_says() {
    for times in [&[][..], &[("nbf", 10)], &[("nbf", -10)], &[("iat", 5), ("exp", 40)]] {
        let at = |offset: &i64| format!("{}", NOW.saturating_add_signed(*offset));
        let times: Vec<_> = times.iter().map(|(name, offset)| (*name, at(offset))).collect();
        let times: Vec<_> = times.iter().map(|(name, json)| (*name, json.as_str())).collect();
        let token = verify(sign(HEADER, &claims(&times)).as_bytes(), &rules(), &keys(), NOW).unwrap();

        for now in NOW - 400..NOW + 400 {
            let holds = token.check_times(&rules(), now).is_ok();
            assert_eq!(token.valid_during(&rules()).contains(&now), holds, "{times:?} at {now}");
        }
    }
}

#[test]
fn scope_is_a_list_with_single_spaces_and_agrees_with_its_array() {
    for scope in ["a  b", " a", "a ", "a\\tb", "a\\nb", "a\u{a0}b", "a\\\"b", "a\\\\b", " "] {
        assert_eq!(with_claim("scope", &format!("\"{scope}\"")), Some(Code::ScopeSyntax), "{scope:?}");
    }
    assert_eq!(with_claim("scope", r#"["orders:read"]"#), Some(Code::ClaimType));
    for scope in ["", r#""""#, "null"] {
        assert_eq!(with_claim("scope", scope), None, "{scope}");
    }
    for name in ["scopes", "scp"] {
        assert_eq!(with_claim(name, r#"["orders:read"]"#), None);
        assert_eq!(with_claim(name, r#"["orders:read","orders:write"]"#), Some(Code::ScopeMismatch));
        assert_eq!(with_claim(name, "[]"), Some(Code::ScopeMismatch));
        assert_eq!(with_claim(name, "[1]"), Some(Code::ClaimType));
    }
    let many: Vec<String> = (0..500).map(|n| format!("s{n}")).collect();
    let token = sign(HEADER, &claims(&[("scope", &format!("\"{}\"", many.join(" ")))]));
    assert!(verify(token.as_bytes(), &rules(), &keys(), NOW).unwrap().has("s499"));
}

#[test]
fn a_bound_token_is_not_accepted_from_a_bearer() {
    assert_eq!(with_claim("cnf", r#"{"jkt":"x"}"#), Some(Code::Binding));
}

#[test]
fn without_keys_only_a_well_formed_token_gets_503() {
    let cached = |token: &[u8]| {
        let verdict = verify_cached(token, &rules(), &mut KeyCache::remote(), NOW);
        verdict.unwrap_err().code()
    };

    assert_eq!(cached(sign(HEADER, &claims(&[])).as_bytes()), Code::KeysUnavailable);
    assert_eq!(cached(b"a.b"), Code::Malformed);
}
