//! B: the protected header.

use super::Case;
use super::forge::{HEADER, claims, encode, public_key, token, with_header};

pub(super) fn cases() -> Vec<Case> {
    let all = [json(), algorithms(), macs(), critical(), types(), smuggled_keys(), names_of_keys()];
    all.into_iter().flatten().map(|case| case.in_group('B')).collect()
}

fn json() -> Vec<Case> {
    let wrong: [(&str, &str); 24] = [
        ("an array", "[]"),
        ("an array with the header in it", r#"[{"alg":"EdDSA","kid":"k1","typ":"at+jwt"}]"#),
        ("a string", r#""EdDSA""#),
        ("a number", "1"),
        ("null", "null"),
        ("true", "true"),
        ("no JSON", "alg=EdDSA"),
        ("cut short", r#"{"alg":"EdDSA","kid":"k1","typ":"at+jwt""#),
        ("two values", r#"{"alg":"EdDSA","kid":"k1","typ":"at+jwt"}{}"#),
        ("garbage after it", r#"{"alg":"EdDSA","kid":"k1","typ":"at+jwt"}x"#),
        ("a trailing comma", r#"{"alg":"EdDSA","kid":"k1","typ":"at+jwt",}"#),
        ("a leading comma", r#"{,"alg":"EdDSA","kid":"k1","typ":"at+jwt"}"#),
        ("single quotes", "{'alg':'EdDSA','kid':'k1','typ':'at+jwt'}"),
        ("names without quotes", r#"{alg:"EdDSA",kid:"k1",typ:"at+jwt"}"#),
        ("a comment", r#"{"alg":"EdDSA",/**/"kid":"k1","typ":"at+jwt"}"#),
        ("NaN in it", r#"{"alg":"EdDSA","kid":"k1","typ":"at+jwt","x":NaN}"#),
        ("Infinity in it", r#"{"alg":"EdDSA","kid":"k1","typ":"at+jwt","x":Infinity}"#),
        ("a number with a leading zero", r#"{"alg":"EdDSA","kid":"k1","typ":"at+jwt","x":01}"#),
        ("a number that ends with a dot", r#"{"alg":"EdDSA","kid":"k1","typ":"at+jwt","x":1.}"#),
        ("a number without an end", r#"{"alg":"EdDSA","kid":"k1","typ":"at+jwt","x":1e400}"#),
        ("a hexadecimal number", r#"{"alg":"EdDSA","kid":"k1","typ":"at+jwt","x":0x10}"#),
        ("a lone surrogate", r#"{"alg":"EdDSA","kid":"k1","typ":"at+jwt","x":"\ud800"}"#),
        ("an unknown escape", r#"{"alg":"EdDSA","kid":"k1","typ":"at+jwt","x":"\q"}"#),
        ("a raw control character", "{\"alg\":\"EdDSA\",\"kid\":\"k1\",\"typ\":\"at+jwt\",\"x\":\"\u{1}\"}"),
    ];
    let mut cases: Vec<Case> = wrong
        .into_iter()
        .map(|(what, header)| {
            Case::token(format!("a header that is {what}"), "RFC 7515 §4, RFC 8259", with_header(header))
                .is("header_json")
        })
        .collect();
    let bytes: [(&str, &[u8]); 6] = [
        ("a byte order mark", b"\xef\xbb\xbf"),
        ("a byte that is no UTF-8", b"\xff"),
        ("an overlong slash", b"\xc0\xaf"),
        ("a surrogate in UTF-8", b"\xed\xa0\x80"),
        ("a character beyond U+10FFFF", b"\xf4\x90\x80\x80"),
        ("UTF-16", b"\xff\xfe{\0}\0"),
    ];
    cases.extend(bytes.map(|(what, bytes)| {
        let header = [bytes, HEADER.as_bytes()].concat();
        Case::token(format!("a header after {what}"), "RFC 8259 §8.1", token(header, claims(&[])))
            .is("header_json")
    }));
    let twice: [(&str, &str); 7] = [
        ("alg, none first", r#"{"alg":"none","alg":"EdDSA","kid":"k1","typ":"at+jwt"}"#),
        ("alg, none last", r#"{"alg":"EdDSA","kid":"k1","typ":"at+jwt","alg":"none"}"#),
        ("alg, once escaped", r#"{"alg":"EdDSA","\u0061lg":"none","kid":"k1","typ":"at+jwt"}"#),
        ("kid with another value", r#"{"alg":"EdDSA","kid":"k1","kid":"k2","typ":"at+jwt"}"#),
        ("kid with the same value", r#"{"alg":"EdDSA","kid":"k1","kid":"k1","typ":"at+jwt"}"#),
        ("typ", r#"{"alg":"EdDSA","kid":"k1","typ":"JWT","typ":"at+jwt"}"#),
        ("a member that nobody reads", r#"{"alg":"EdDSA","kid":"k1","typ":"at+jwt","x":1,"x":1}"#),
    ];
    cases.extend(twice.map(|(what, header)| {
        Case::token(format!("a header that names {what} twice"), "RFC 7515 §4", with_header(header))
            .is("duplicate_member")
    }));
    cases.extend(wide());
    cases
}

fn wide() -> Vec<Case> {
    let more = |member: String| HEADER.replace('}', &format!(",{member}}}"));
    let nested = |depth: usize| more(format!(r#""x":{}{}"#, "[".repeat(depth), "]".repeat(depth)));
    let members =
        |count: usize| more((0..count).map(|n| format!(r#""m{n}":1"#)).collect::<Vec<_>>().join(","));
    let limits = [
        ("33 arrays in each other", nested(33)),
        ("65 arrays in each other", nested(65)),
        ("1,000 arrays in each other", nested(1000)),
        (
            "1,000 objects in each other",
            more(format!(r#""x":{}1{}"#, r#"{"a":"#.repeat(500), "}".repeat(500))),
        ),
        ("400 members", members(400)),
        ("a name of 2 KiB", more(format!(r#""{}":1"#, "n".repeat(2048)))),
    ];
    let mut cases: Vec<Case> = limits
        .into_iter()
        .map(|(what, header)| {
            Case::token(format!("a header with {what}"), "denial of service", with_header(&header))
                .is("limits")
        })
        .collect();
    cases.push(Case::token("a header with some unknown members", "RFC 7515 §4", with_header(&members(20))));
    cases.push(Case::token("a header with 20 arrays in each other", "RFC 8259 §9", with_header(&nested(20))));
    cases.push(Case::token(
        "a header with spaces, tabs and line feeds between its members",
        "RFC 8259 §2",
        with_header(" {\n\t\"alg\" : \"EdDSA\" , \"kid\":\"k1\",\r\n\"typ\":\"at+jwt\" } "),
    ));
    cases
}

fn algorithms() -> Vec<Case> {
    let named = [
        "none",
        "None",
        "NONE",
        "noNE",
        "nOnE",
        "none ",
        "none\\u0000",
        "eddsa",
        "EDDSA",
        "EdDSA ",
        " EdDSA",
        "ed25519",
        "ED25519",
        "Ed25519ph",
        "Ed25519ctx",
        "Ed448",
        "ES256",
        "ES256K",
        "ES384",
        "ES512",
        "RS256",
        "RS384",
        "RS512",
        "PS256",
        "PS512",
        "HS256",
        "HS384",
        "HS512",
        "ML-DSA-44",
        "RSA-OAEP",
        "dir",
        "A256GCM",
        "",
        "EdDSA\\u0000",
        "\\u0415dDSA",
    ];
    let mut cases: Vec<Case> = named
        .into_iter()
        .map(|alg| {
            let header = HEADER.replace("EdDSA", alg);
            Case::token(format!("the algorithm {alg:?}"), "RFC 8725 §3.1", with_header(&header)).is("alg")
        })
        .collect();
    let odd = [
        ("no algorithm", None),
        ("an array", Some(r#"["EdDSA"]"#)),
        ("null", Some("null")),
        ("a number", Some("1")),
        ("an object", Some(r#"{"EdDSA":1}"#)),
        ("true", Some("true")),
    ];
    cases.extend(odd.map(|(what, alg)| {
        let alg = alg.map(|alg| format!(r#""alg":{alg},"#)).unwrap_or_default();
        let header = format!(r#"{{{alg}"kid":"k1","typ":"at+jwt"}}"#);
        Case::token(format!("an algorithm that is {what}"), "RFC 7515 §4.1.1", with_header(&header)).is("alg")
    }));
    cases.push(Case::token(
        "the algorithm Ed25519",
        "RFC 9864 §2.2",
        with_header(&HEADER.replace("EdDSA", "Ed25519")),
    ));
    cases
}

/// A public key taken for a shared secret. The verifier must refuse before it looks at the MAC, so the tag is the
/// Ed25519 signature's place filled with what each key spelling would give.
fn macs() -> Vec<Case> {
    let x = encode(public_key(1));
    let der = [&[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00][..], &public_key(1)]
        .concat();
    let base64 = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &der);
    let secrets: [(&str, Vec<u8>); 7] = [
        ("its 32 bytes", public_key(1).to_vec()),
        ("its x", x.clone().into_bytes()),
        ("its JWK", format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}"}}"#).into_bytes()),
        ("its DER", der),
        ("its PEM", format!("-----BEGIN PUBLIC KEY-----\n{base64}\n-----END PUBLIC KEY-----\n").into_bytes()),
        (
            "its PEM with CRLF",
            format!("-----BEGIN PUBLIC KEY-----\r\n{base64}\r\n-----END PUBLIC KEY-----\r\n").into_bytes(),
        ),
        (
            "its PEM after a space",
            format!(" -----BEGIN PUBLIC KEY-----\n{base64}\n-----END PUBLIC KEY-----").into_bytes(),
        ),
    ];
    let signed = format!("{}.{}", encode(HEADER.replace("EdDSA", "HS256")), encode(claims(&[])));
    let cases = secrets.into_iter().map(|(what, secret)| {
        let token = format!("{signed}.{}", encode(hmac_sha256(&secret, signed.as_bytes())));
        Case::token(
            format!("a MAC whose secret is the public key as {what}"),
            "CVE-2015-9235, CVE-2023-48223",
            token,
        )
        .is("alg")
    });
    cases.collect()
}

/// RFC 2104.
fn hmac_sha256(secret: &[u8], message: &[u8]) -> [u8; 32] {
    use sha2::{Digest as _, Sha256};

    let mut block = [0; 64];
    let short = if secret.len() > 64 { Sha256::digest(secret).to_vec() } else { secret.to_vec() };
    block.iter_mut().zip(short).for_each(|(byte, secret)| *byte = secret);
    let inner = Sha256::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(block.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize().into()
}

fn critical() -> Vec<Case> {
    let values = [
        r#"["exp"]"#,
        r#"["x"]"#,
        "[]",
        "null",
        "false",
        r#""exp""#,
        "{}",
        "[1]",
        r#"["alg"]"#,
        r#"["x","x"]"#,
        r#"["absent"]"#,
        r#"["b64"]"#,
        "0",
        r#"[""]"#,
    ];
    let mut cases: Vec<Case> = values
        .into_iter()
        .map(|crit| {
            let header = HEADER.replace('}', &format!(r#","x":1,"crit":{crit}}}"#));
            Case::token(format!("crit {crit}"), "RFC 7515 §4.1.11, CVE-2026-32597", with_header(&header))
                .is("crit")
        })
        .collect();
    let others = [
        ("b64 false", r#""b64":false"#),
        ("b64 true", r#""b64":true"#),
        ("b64 false and critical", r#""b64":false,"crit":["b64"]"#),
        ("compressed claims", r#""zip":"DEF""#),
    ];
    cases.extend(others.map(|(what, members)| {
        let header = HEADER.replace('}', &format!(",{members}}}"));
        Case::token(what, "RFC 7797 §7, RFC 8725 §3.6", with_header(&header)).is("crit")
    }));
    cases
}

fn types() -> Vec<Case> {
    let wrong = [
        "JWT",
        "jwt",
        "at+JWT?",
        "dpop+jwt",
        "logout+jwt",
        "secevent+jwt",
        "id_token",
        "at+jwt;v=1",
        "at+jwt ",
        " at+jwt",
        "application/jwt",
        "application/application/at+jwt",
        "at jwt",
        "at+jwt\\u0000",
        "",
        "statuslist+jwt",
        "token-introspection+jwt",
        "keystone-revocations+jwt",
        "text/at+jwt",
        "at+jwt, JWT",
    ];
    let mut cases: Vec<Case> = wrong
        .into_iter()
        .map(|typ| {
            let header = HEADER.replace("at+jwt", typ);
            Case::token(format!("the type {typ:?}"), "RFC 9068 §4, RFC 8725 §3.11", with_header(&header))
                .is("typ")
        })
        .collect();
    for (what, typ) in [
        ("no type", ""),
        ("a type that is a number", r#","typ":1"#),
        ("a type that is null", r#","typ":null"#),
        ("a type that is an array", r#","typ":["at+jwt"]"#),
    ] {
        let header = format!(r#"{{"alg":"EdDSA","kid":"k1"{typ}}}"#);
        cases.push(Case::token(what, "RFC 9068 §4", with_header(&header)).is("typ"));
    }
    cases.extend(["application/at+jwt", "AT+JWT", "Application/At+Jwt", "at+JWT"].map(|typ| {
        let header = HEADER.replace("at+jwt", typ);
        Case::token(format!("the type {typ}"), "RFC 7515 §4.1.9", with_header(&header))
    }));
    cases
}

/// Keys that a token brings along or points to are never looked at.
fn smuggled_keys() -> Vec<Case> {
    let own = encode(public_key(9));
    let jwk = format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"k1","x":"{own}"}}"#);
    let members = [
        ("its own key", format!(r#""jwk":{jwk}"#)),
        ("the address of a key set", r#""jku":"https://evil.example/jwks""#.to_owned()),
        ("the address of a key set on this machine", r#""jku":"http://127.0.0.1/jwks""#.to_owned()),
        ("a file with keys", r#""jku":"file:///etc/keys""#.to_owned()),
        ("the address of a certificate", r#""x5u":"https://evil.example/cert""#.to_owned()),
        ("a certificate", format!(r#""x5c":["{own}"]"#)),
        ("a certificate's thumbprint", r#""x5t#S256":"AAAA""#.to_owned()),
    ];
    let by_the_key = members.iter().map(|(what, member)| {
        let header = HEADER.replace('}', &format!(",{member}}}"));
        let text = format!("{}.{}", encode(&header), encode(claims(&[])));
        let forged = super::forge::signed_by(9, &text);
        Case::token(
            format!("a header with {what}, signed by another key"),
            "CVE-2018-0114, RFC 8725 §3.10",
            forged,
        )
        .is("signature")
    });
    let ignored = members.iter().map(|(what, member)| {
        let header = HEADER.replace('}', &format!(",{member}}}"));
        Case::token(format!("a header with {what}, rightly signed"), "RFC 7515 §4.1", with_header(&header))
    });
    by_the_key.chain(ignored).collect()
}

fn names_of_keys() -> Vec<Case> {
    let odd = [
        ("none", ""),
        ("empty", r#","kid":"""#),
        ("a number", r#","kid":1"#),
        ("an array", r#","kid":["k1"]"#),
        ("an object", r#","kid":{"k1":1}"#),
        ("null", r#","kid":null"#),
        ("true", r#","kid":true"#),
    ];
    let mut cases: Vec<Case> = odd
        .into_iter()
        .map(|(what, kid)| {
            let header = format!(r#"{{"alg":"EdDSA","typ":"at+jwt"{kid}}}"#);
            Case::token(format!("a kid that is {what}"), "RFC 7515 §4.1.4", with_header(&header)).is("kid")
        })
        .collect();
    let long = "k".repeat(4000);
    let unknown = [
        "../../dev/null",
        "' OR 1=1--",
        "__proto__",
        "constructor",
        "toString",
        "hasOwnProperty",
        "K1",
        "k1 ",
        " k1",
        "k1\\u0000",
        "k\\u0131",
        "\\u212a1",
        "k1\\u0301",
        "\\ud83d\\ude00",
        "k1\\r\\nx: y",
        "${jndi:ldap://x}",
        "*",
        "k",
        "k3",
        "k1,k2",
        "[\\\"k1\\\"]",
        "%6b1",
        &long,
    ];
    cases.extend(unknown.map(|kid| {
        let header = HEADER.replace("k1", kid);
        let shown: String = kid.chars().take(40).collect();
        Case::token(format!("the kid {shown:?}"), "RFC 8725bis §3.10", with_header(&header)).is("unknown_kid")
    }));
    cases.push(Case::token(
        "an escaped spelling of the right kid",
        "RFC 8259 §8.3",
        with_header(&HEADER.replace("k1", "\\u006b1")),
    ));
    cases
}
