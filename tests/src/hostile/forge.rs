//! Makes tokens with a defect, and the keys and the policy they are judged by.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::{Value, json};

pub(crate) const NOW: u64 = 1_800_000_000;
pub(super) const HEADER: &str = r#"{"alg":"EdDSA","kid":"k1","typ":"at+jwt"}"#;

/// The claims of the valid token, in their order.
const CLAIMS: [(&str, &str); 8] = [
    ("iss", r#""https://as.example""#),
    ("aud", r#""https://api.example""#),
    ("sub", r#""u1""#),
    ("client_id", r#""c1""#),
    ("iat", "1800000000"),
    ("exp", "1800000300"),
    ("jti", r#""j1""#),
    ("scope", r#""orders:read""#),
];

/// The valid token.
pub(super) fn valid() -> String {
    with_claims(&[])
}

/// The valid token with some claims replaced by this JSON, or left out where it is empty, and new ones at the end.
pub(super) fn with_claims(changes: &[(&str, &str)]) -> String {
    token(HEADER, claims(changes))
}

pub(super) fn with_header(header: &str) -> String {
    token(header, claims(&[]))
}

pub(super) fn claims(changes: &[(&str, &str)]) -> String {
    let kept = CLAIMS.iter().filter(|(name, _)| !changes.iter().any(|(changed, _)| name == changed));
    let members = kept.chain(changes).filter(|(_, json)| !json.is_empty());
    let members: Vec<String> = members.map(|(name, json)| format!("\"{name}\":{json}")).collect();
    format!("{{{}}}", members.join(","))
}

/// Signed by `k1`.
pub(super) fn token(header: impl AsRef<[u8]>, claims: impl AsRef<[u8]>) -> String {
    signed_by(1, &format!("{}.{}", encode(header), encode(claims)))
}

/// A signature by the key of this number over text as it is; a character is a byte.
pub(crate) fn signed_by(key: u8, text: &str) -> String {
    format!("{text}.{}", encode(signing_key(key).sign(&bytes(text)).to_bytes()))
}

/// Converts a text in which each character stands for a byte.
pub(crate) fn bytes(text: &str) -> Vec<u8> {
    text.chars().map(|character| u32::from(character) as u8).collect()
}

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(super) fn decode(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap_or_default()
}

pub(super) fn public_key(key: u8) -> [u8; 32] {
    signing_key(key).verifying_key().to_bytes()
}

pub(crate) fn jwk(kid: &str, key: u8) -> Value {
    json!({ "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": kid, "x": encode(public_key(key)) })
}

/// The key set with other members in its first key.
pub(super) fn jwk_with(changes: Value) -> Value {
    let mut key = jwk("k1", 1);
    if let (Value::Object(key), Value::Object(changes)) = (&mut key, changes) {
        key.extend(changes);
        key.retain(|_, value| !value.is_null());
    }
    key
}

pub(super) fn policy(keys: &[Value]) -> Value {
    let keys = json!({ "inline": { "keys": keys } });
    json!({
        "version": 1,
        "issuers": [{ "issuer": "https://as.example", "audiences": ["https://api.example"], "keys": keys }],
        "routes": [
            { "methods": ["GET"], "path": "/about", "public": true },
            { "methods": ["GET"], "path": "/assets/{*rest}", "public": true },
            { "methods": ["GET"], "path": "/me", "authenticated": true },
            { "methods": ["GET"], "path": "/desk", "authenticated": true, "roles": ["clerk", "chief"] },
            { "methods": ["GET"], "path": "/orders", "require": { "all": ["orders:read"] } },
            { "methods": ["POST"], "path": "/orders", "require": { "all": ["orders:read", "orders:write"] } },
            { "methods": ["PUT"], "path": "/orders/{id}", "require": { "any": ["orders:admin", "orders:write"] } },
            {
                "methods": ["DELETE"],
                "path": "/orders/{id}",
                "require": { "all": ["orders:read"], "any": ["orders:admin", "orders:write"] },
            },
            { "methods": ["GET"], "path": "/admin", "require": { "all": ["admin"] } },
            { "methods": ["GET"], "path": "/site/{*rest}", "public": true },
            { "methods": ["GET"], "path": "/site/admin", "require": { "all": ["admin"] } },
            { "methods": ["GET"], "path": "/site/admin/{*rest}", "require": { "all": ["admin"] } },
            { "methods": ["GET"], "path": "/site/@keys", "authenticated": true },
            { "methods": ["GET"], "path": "/site/Files/", "authenticated": true },
            { "methods": ["GET"], "path": "/site/shut/{*rest}", "authenticated": true, "roles": ["clerk"] },
        ],
    })
}

/// The three segments of a token.
pub(super) fn segments(token: &str) -> [String; 3] {
    let mut parts = token.splitn(3, '.').map(str::to_owned);
    [0; 3].map(|_| parts.next().unwrap_or_default())
}

/// A character as it is named in the cases.
pub(super) fn named(character: char) -> String {
    match character {
        ' ' => "a space".to_owned(),
        '\t' => "a tab".to_owned(),
        '\r' => "a carriage return".to_owned(),
        '\n' => "a line feed".to_owned(),
        other => format!("U+{:04X}", u32::from(other)),
    }
}

fn signing_key(key: u8) -> SigningKey {
    SigningKey::from_bytes(&[key; 32])
}
