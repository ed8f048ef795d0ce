use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::*;
use crate::compat;
use crate::fixture::{HEADER, NOW, claims, encode, jwks, rules, sign};
use crate::verify_cached;

const ALL: &[Algorithm] = &[Algorithm::Ed25519, Algorithm::Es256, Algorithm::Rs256];
/// The public key of RFC 7515 A.3.
const ES256: &str = r#""crv":"P-256","kty":"EC","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0""#;

fn delegation() -> ExternalVerifier {
    let mut keys = compat::remote_keys(ALL);
    let set = jwks().replace("]}", &format!(r#",{{"kid":"es",{ES256}}}]}}"#));
    keys.replace(set.as_bytes(), NOW).unwrap();
    ExternalVerifier { rules: rules(), keys }
}

fn code<T>(verdict: Result<T, Refusal>) -> String {
    verdict.map_or_else(|refusal| refusal.code().to_string(), |_| "right".into())
}

/// A well-formed signature that no key made.
fn es256(claims: &str) -> String {
    let header = r#"{"alg":"ES256","kid":"es","typ":"at+jwt"}"#;
    format!("{}.{}.{}", encode(header.as_bytes()), encode(claims.as_bytes()), encode(&[1; 64]))
}

#[test]
fn the_question_says_all_that_an_engine_needs() {
    let token = es256(&claims(&[]));
    let question = delegation().begin(token.as_bytes(), NOW).unwrap();

    assert_eq!(question.algorithm(), Algorithm::Es256);
    assert_eq!(question.jwk(), format!("{{{ES256}}}"));
    assert_eq!(question.message(), token.rsplit_once('.').unwrap().0.as_bytes());
    assert_eq!(question.signature(), [1; 64]);
}

#[test]
fn the_answer_decides_and_every_later_check_remains() {
    let verdict = |claims: &str, holds| {
        let (mut delegation, token) = (delegation(), es256(claims));
        let question = delegation.begin(token.as_bytes(), NOW).unwrap();
        code(delegation.resume(
            token.as_bytes(),
            SignatureAnswer { request: &question, is_valid: holds },
            NOW,
        ))
    };

    assert_eq!(verdict(&claims(&[]), true), "right");
    assert_eq!(verdict(&claims(&[]), false), "signature");
    assert_eq!(verdict(&claims(&[("aud", r#""x""#)]), true), "audience");
    assert_eq!(verdict("[]", true), "claims_json");
    assert_eq!(verdict("[]", false), "signature");
}

#[test]
fn an_answer_is_good_for_its_own_question_only() {
    let mut delegation = delegation();
    let (one, other) = (es256(&claims(&[])), es256(&claims(&[("sub", r#""root""#)])));
    let question = delegation.begin(one.as_bytes(), NOW).unwrap();
    let resigned = format!("{}.{}", one.rsplit_once('.').unwrap().0, encode(&[2; 64]));

    assert_eq!(
        code(delegation.resume(
            other.as_bytes(),
            SignatureAnswer { request: &question, is_valid: true },
            NOW
        )),
        "signature"
    );
    assert_eq!(
        code(delegation.resume(
            resigned.as_bytes(),
            SignatureAnswer { request: &question, is_valid: true },
            NOW
        )),
        "signature"
    );
    let ed25519 = sign(HEADER, &claims(&[]));
    assert_eq!(
        code(delegation.resume(
            ed25519.as_bytes(),
            SignatureAnswer { request: &question, is_valid: true },
            NOW
        )),
        "signature"
    );
}

#[test]
fn what_changed_since_the_question_counts() {
    let mut delegation = delegation();
    let token = es256(&claims(&[]));
    let question = delegation.begin(token.as_bytes(), NOW).unwrap();

    assert_eq!(
        code(delegation.resume(
            token.as_bytes(),
            SignatureAnswer { request: &question, is_valid: true },
            NOW + 330
        )),
        "expired"
    );
    delegation.keys.replace(jwks().as_bytes(), NOW + 1).unwrap();
    assert_eq!(
        code(delegation.resume(
            token.as_bytes(),
            SignatureAnswer { request: &question, is_valid: true },
            NOW + 1
        )),
        "unknown_kid"
    );
    assert_eq!(
        code(delegation.resume(
            token.as_bytes(),
            SignatureAnswer { request: &question, is_valid: true },
            NOW + 700
        )),
        "keys_unavailable"
    );
}

#[test]
fn what_a_strict_verifier_refuses_is_never_asked() {
    let token = sign(HEADER, &claims(&[]));
    let (signed, _) = token.rsplit_once('.').unwrap();
    let mut delegation = delegation();
    let mut begun =
        |signature: &[u8]| code(delegation.begin(format!("{signed}.{}", encode(signature)).as_bytes(), NOW));
    let good = crate::base64url::decode(token.rsplit_once('.').unwrap().1.as_bytes()).unwrap();
    let (r, s) = good.split_at(32);
    let with_r = |r: &[u8]| [r, s].concat();
    // The group order, little-endian: S of it or more is a second spelling.
    let order = [
        &[0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14][..],
        &[0; 15],
        &[0x10],
    ]
    .concat();
    let mut identity = [0; 32];
    identity[0] = 1;
    let mut beyond_p = [0xff; 32];
    (beyond_p[0], beyond_p[31]) = (0xf0, 0x7f);

    assert_eq!(begun(&good), "right");
    for wrong in [
        Vec::new(),
        good[..63].to_vec(),
        [&good[..], &[0]].concat(),
        [r, &order].concat(),
        with_r(&identity),
        with_r(&[0; 32]),
        with_r(&beyond_p),
    ] {
        assert_eq!(begun(&wrong), "signature", "{wrong:?}");
    }
}

#[test]
fn a_key_that_is_not_known_is_asked_for() {
    let mut delegation = delegation();
    let token = sign(&HEADER.replace("k1", "k9"), &claims(&[]));

    assert_eq!(code(delegation.begin(token.as_bytes(), NOW)), "unknown_kid");
    assert!(delegation.keys.wants_fetch(NOW));
}

#[test]
fn an_algorithm_that_is_not_built_in_needs_an_engine() {
    let mut delegation = delegation();
    let token = es256(&claims(&[]));

    let expected = if cfg!(feature = "aws-lc") { "signature" } else { "alg" };
    let verdict = verify_cached(token.as_bytes(), &delegation.rules, &mut delegation.keys, NOW);
    assert_eq!(code(verdict), expected);
    delegation.keys = KeyCache::remote();
    delegation.keys.replace(jwks().as_bytes(), NOW).unwrap();
    assert_eq!(code(delegation.begin(token.as_bytes(), NOW)), "alg");
}
