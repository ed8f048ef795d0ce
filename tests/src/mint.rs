//! Tokens of an issuer that is nothing but keys, for tests of verifiers. Keys are numbers.

use serde_json::{Value, json};

use crate::cast::AUDIENCE;
use crate::hostile::forge::{encode, jwk, signed_by};
use crate::wait::unix_time;

/// The key set that publishes these keys.
pub fn key_set(keys: &[u8]) -> Value {
    json!({ "keys": keys.iter().map(|key| jwk(&kid(*key), *key)).collect::<Vec<_>>() })
}

/// A token of alice for the orders API, good for five minutes from now, signed by this key.
pub fn token(issuer: &str, key: u8, scope: &str) -> String {
    named(issuer, &kid(key), (key, scope))
}

/// Returns a token whose header names this key.
pub fn named(issuer: &str, kid: &str, (key, scope): (u8, &str)) -> String {
    with_roles(issuer, kid, (key, scope), (&format!("{kid}-{}", unix_time()), &json!([])))
}

/// As [`token`], another one for each number.
pub fn numbered(issuer: &str, key: u8, number: usize) -> String {
    with_roles(issuer, &kid(key), (key, "orders:read"), (&format!("numbered-{number}"), &json!([])))
}

/// A token of alice whose claims take the most memory for its size, one for each number.
pub fn large(issuer: &str, key: u8, number: usize) -> String {
    let roles: Value = (0..1400).map(|_| "r").collect();
    with_roles(issuer, &kid(key), (key, "orders:read"), (&format!("large-{number}"), &roles))
}

/// A token of key 1 with these claims in place of the usual ones, or besides them.
pub fn with(changes: &Value) -> String {
    signed(changes, &kid(1), 1)
}

/// Returns a token as [`with`] does, under an `alg` of this name.
pub fn with_algorithm(changes: &Value, algorithm: &str) -> String {
    let header = json!({ "alg": algorithm, "kid": kid(1), "typ": "at+jwt" });
    signed_under(&header, changes, 1)
}

fn with_roles(issuer: &str, kid: &str, (key, scope): (u8, &str), (jti, roles): (&str, &Value)) -> String {
    let mut changes = json!({ "iss": issuer, "jti": jti, "sid": "session-1", "scope": scope });
    if let Some(claims) = changes.as_object_mut().filter(|_| roles != &json!([])) {
        claims.insert("roles".to_owned(), roles.clone());
    }
    signed(&changes, kid, key)
}

fn signed(changes: &Value, kid: &str, key: u8) -> String {
    signed_under(&json!({ "alg": "EdDSA", "kid": kid, "typ": "at+jwt" }), changes, key)
}

fn signed_under(header: &Value, changes: &Value, key: u8) -> String {
    let now = unix_time();
    let mut claims = json!({
        "aud": AUDIENCE,
        "sub": "alice",
        "client_id": "orders-app",
        "iat": now,
        "exp": now + 300,
        "jti": format!("{key}-{now}"),
    });
    if let (Some(claims), Some(changes)) = (claims.as_object_mut(), changes.as_object()) {
        claims.extend(changes.clone());
    }
    signed_by(key, &format!("{}.{}", encode(header.to_string()), encode(claims.to_string())))
}

/// Returns the first page of an empty revocation feed, signed now by key 1.
pub fn empty_page(issuer: &str) -> String {
    let now = unix_time();
    let header = json!({ "alg": "EdDSA", "kid": kid(1), "typ": "keystone-revocations+jwt" });
    let claims =
        json!({ "iss": issuer, "iat": now, "exp": now + 10, "from": "", "to": "", "more": false, "ev": [] });
    signed_by(1, &format!("{}.{}", encode(header.to_string()), encode(claims.to_string())))
}

/// Returns a token that names this key and has no valid signature.
pub fn unsigned(kid: &str) -> String {
    let header = json!({ "alg": "EdDSA", "kid": kid, "typ": "at+jwt" });
    format!("{}.{}.{}", encode(header.to_string()), encode("{}"), "A".repeat(86))
}

fn kid(key: u8) -> String {
    format!("key-{key}")
}
