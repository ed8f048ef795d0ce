//! C and D: key sets, and Ed25519 itself.

use serde_json::{Value, json};

use super::Case;
use super::forge::{HEADER, claims, decode, encode, jwk, jwk_with, public_key, segments, signed_by, valid};

pub(super) fn cases() -> Vec<Case> {
    let sets = [chosen(), unusable()].into_iter().flatten().map(|case| case.in_group('C'));
    let signatures = [lengths(), values(), changed()].into_iter().flatten().map(|case| case.in_group('D'));
    sets.chain(signatures).collect()
}

/// The key is the one that is named, and no other is tried.
fn chosen() -> Vec<Case> {
    let text = format!("{}.{}", encode(HEADER), encode(claims(&[])));
    let other = format!("{}.{}", encode(HEADER.replace("k1", "k2")), encode(claims(&[])));
    vec![
        Case::token("signed by k2 under the name k1", "RFC 8725 §3.1", signed_by(2, &text)).is("signature"),
        Case::token("signed by k1 under the name k2", "RFC 8725 §3.1", signed_by(1, &other)).is("signature"),
        Case::token("signed by k2 under its name", "RFC 7515 §4.1.4", signed_by(2, &other)),
        Case::token("signed by a key of nobody", "RFC 8725 §3.1", signed_by(9, &text)).is("signature"),
        Case::token("signed by a key that is gone", "RFC 7517 §5", valid())
            .with_keys(&[jwk("k2", 2)])
            .is("unknown_kid"),
        Case::token("two keys, the one that is named last", "RFC 7517 §5", valid())
            .with_keys(&[jwk("k2", 2), jwk("k1", 1)]),
    ]
}

/// Keys that are left out of their set, in which the others still work.
fn unusable() -> Vec<Case> {
    let x = |bytes: &[u8]| json!({ "x": encode(bytes) });
    let [first, ..] = public_key(1);
    let changes: Vec<(&str, Value)> = vec![
        ("is for encryption", json!({ "use": "enc" })),
        ("is for signing only", json!({ "key_ops": ["sign"] })),
        ("has key_ops that are no array", json!({ "key_ops": "verify" })),
        ("names another algorithm", json!({ "alg": "ES256" })),
        ("names HS256", json!({ "alg": "HS256" })),
        ("is of another curve", json!({ "crv": "X25519" })),
        ("is of Ed448", json!({ "crv": "Ed448" })),
        ("is of another type", json!({ "kty": "EC" })),
        ("has its type in lower case", json!({ "kty": "okp" })),
        ("has no type", json!({ "kty": null })),
        ("has no x", json!({ "x": null })),
        ("has an x of 31 bytes", x(&public_key(1)[..31])),
        ("has an x of 33 bytes", x(&[&public_key(1)[..], &[0]].concat())),
        ("has an empty x", json!({ "x": "" })),
        ("has a padded x", json!({ "x": format!("{}=", encode(public_key(1))) })),
        ("has an x in hexadecimal", json!({ "x": format!("{first:02x}").repeat(32) })),
        ("has an x that is a number", json!({ "x": 1 })),
        ("is all zeros", x(&[0; 32])),
        ("is the identity", x(&one(1))),
        (
            "is the identity with a sign",
            x(&{
                let mut bytes = one(1);
                bytes[31] = 0x80;
                bytes
            }),
        ),
        ("is the point of order two", x(&near_p(0xec))),
        ("is a point of order eight", x(&decode("JuiVj8KyJ7BFw_SJ8u-Y8NXfrAXTxjM5sTgCiG1T_AU"))),
        ("is the other point of order eight", x(&decode("xxdqcD1N2E-6PAt2DRBnDyogU_osOczGTsf9d5KsA3o"))),
        ("is p, for zero", x(&near_p(0xed))),
        ("is p + 1, for one", x(&near_p(0xee))),
        ("is p + 3, a point of large order", x(&near_p(0xf0))),
        ("is 2^255 - 1", x(&near_p(0xff))),
        ("is no point of the curve", x(&one(2))),
    ];
    let mut cases: Vec<Case> = changes
        .into_iter()
        .map(|(what, change)| {
            let keys = [jwk_with(change), jwk("k2", 2)];
            Case::token(format!("the key {what}"), "RFC 7517 §4, RFC 8032 §5.1.3", valid())
                .with_keys(&keys)
                .is("unknown_kid")
        })
        .collect();
    let others = [
        ("a shared secret", json!({ "kty": "oct", "kid": "s", "k": "AAAA" })),
        ("an RSA key", json!({ "kty": "RSA", "kid": "r", "n": "AQAB", "e": "AQAB" })),
        ("a key of an unknown type", json!({ "kty": "AKP", "kid": "m", "alg": "ML-DSA-44", "pub": "AAAA" })),
        ("a key without a name", json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(public_key(2)) })),
        ("what is no object", json!(1)),
    ];
    cases.extend(others.map(|(what, other)| {
        Case::token(format!("a good key beside {what}"), "RFC 7517 §5", valid())
            .with_keys(&[other, jwk("k1", 1)])
    }));
    cases
}

fn one(low: u8) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[0] = low;
    bytes
}

/// 2^255 - 256 + `low`.
fn near_p(low: u8) -> [u8; 32] {
    let mut bytes = [0xff; 32];
    (bytes[0], bytes[31]) = (low, 0x7f);
    bytes
}

fn lengths() -> Vec<Case> {
    let [header, payload, signature] = segments(&valid());
    let signature = decode(&signature);
    let with = |signature: &[u8]| format!("{header}.{payload}.{}", encode(signature));
    [0, 1, 32, 63, 65, 96, 128, 256]
        .map(|length| {
            let mut resized = signature.clone();
            resized.resize(length, 0);
            Case::token(format!("a signature of {length} bytes"), "RFC 8032 §5.1.7", with(&resized))
                .is("signature")
        })
        .into()
}

fn values() -> Vec<Case> {
    let [header, payload, signature] = segments(&valid());
    let signature = decode(&signature);
    let with = |r: &[u8], s: &[u8]| format!("{header}.{payload}.{}", encode([r, s].concat()));
    let (r, s) = signature.split_at(32);
    let order: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut larger = [0; 32];
    let mut carry = 0;
    for ((sum, s), order) in larger.iter_mut().zip(s).zip(order) {
        carry += u16::from(*s) + u16::from(order);
        *sum = u8::try_from(carry & 0xff).unwrap_or_default();
        carry >>= 8;
    }
    let top = |bits: u8| {
        let mut s = s.to_vec();
        if let Some(last) = s.last_mut() {
            *last |= bits;
        }
        s
    };
    let cases = [
        ("all zeros", with(&[0; 32], &[0; 32])),
        ("all ones", with(&[0xff; 32], &[0xff; 32])),
        ("the identity and zero", with(&one(1), &[0; 32])),
        ("R and zero", with(r, &[0; 32])),
        ("zero and S", with(&[0; 32], s)),
        ("S and R", with(s, r)),
        ("R twice", with(r, r)),
        ("S plus the group order", with(r, &larger)),
        ("S with its highest bit set", with(r, &top(0x80))),
        ("S with bit 253 set", with(r, &top(0x20))),
        ("S as the group order", with(r, &order)),
        ("R as p", with(&near_p(0xed), s)),
        ("R as p + 1", with(&near_p(0xee), s)),
        ("R as a point of order eight", with(&decode("JuiVj8KyJ7BFw_SJ8u-Y8NXfrAXTxjM5sTgCiG1T_AU"), s)),
        ("R as the point of order two", with(&near_p(0xec), s)),
        ("R as no point", with(&one(2), s)),
    ];
    let values = cases.map(|(what, token)| {
        Case::token(format!("a signature that is {what}"), "RFC 8032 §5.1.7, CVE-2022-21449", token)
            .is("signature")
    });
    values.into()
}

/// Single bits of a token's signature, header and claims; and segments of two tokens mixed.
fn changed() -> Vec<Case> {
    let valid = valid();
    let [header, payload, signature] = segments(&valid);
    let mut cases = Vec::new();
    for bit in [0, 1, 7, 100, 255, 256, 300, 383, 504, 511] {
        let mut bytes = decode(&signature);
        if let Some(byte) = bytes.get_mut(bit / 8) {
            *byte ^= 1 << (bit % 8);
        }
        let token = format!("{header}.{payload}.{}", encode(bytes));
        cases.push(
            Case::token(format!("bit {bit} of the signature changed"), "RFC 7515 §5.2", token)
                .is("signature"),
        );
    }
    for place in [3, 30, 77, 100, 140] {
        let mut bytes = decode(&payload);
        if let Some(byte) = bytes.get_mut(place) {
            *byte ^= 1;
        }
        let token = format!("{header}.{}.{signature}", encode(bytes));
        cases.push(
            Case::token(format!("a bit of byte {place} of the claims changed"), "RFC 7515 §5.2", token)
                .is("signature"),
        );
    }
    let other = super::forge::with_claims(&[("sub", r#""u2""#), ("scope", r#""admin""#)]);
    let [_, other_payload, other_signature] = segments(&other);
    let spaced = encode(format!("{HEADER} "));
    let mixed = [
        ("the claims of another token", format!("{header}.{other_payload}.{signature}")),
        ("the signature of another token", format!("{header}.{payload}.{other_signature}")),
        ("the header written with one more space", format!("{spaced}.{payload}.{signature}")),
        ("claims over which the issuer signed nothing", format!("{header}.{}.{signature}", encode("{}"))),
    ];
    cases.extend(mixed.map(|(what, token)| Case::token(what, "RFC 7515 §5.2", token).is("signature")));
    cases
}
