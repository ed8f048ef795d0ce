//! Tokens that are signed for real, so that a defect is the only one.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer as _, SigningKey};
use keystone_verifier::{KeySet, Rules, Seconds};
use serde_json::{Value, json};

pub(crate) const NOW: Seconds = 1_800_000_000;
pub(crate) const ISSUER: &str = "https://as.example";
pub(crate) const AUDIENCE: &str = "https://api.example";
pub(crate) const HEADER: &[u8] = br#"{"alg":"EdDSA","kid":"k1","typ":"at+jwt"}"#;

static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::from_bytes(&[7; 32]));
static KEYS: LazyLock<KeySet> =
    LazyLock::new(|| KeySet::parse(jwks().to_string().as_bytes()).expect("one sound key"));

/// The key that signs, under the name `k1`.
pub(crate) fn jwks() -> Value {
    json!({ "keys": [jwk("k1", KEY.verifying_key().as_bytes())] })
}

pub(crate) fn jwk(kid: &str, key: &[u8]) -> Value {
    json!({ "kty": "OKP", "crv": "Ed25519", "kid": kid, "x": encoded(key) })
}

/// Copies share what was worked out for the key.
pub(crate) fn keys() -> KeySet {
    KEYS.clone()
}

pub(crate) fn rules() -> Rules {
    Rules::new(ISSUER.into(), vec![AUDIENCE.into()])
}

pub(crate) fn sign(header: &[u8], claims: &[u8]) -> String {
    let signed = format!("{}.{}", encoded(header), encoded(claims));
    let signature = KEY.sign(signed.as_bytes());
    format!("{signed}.{}", encoded(&signature.to_bytes()))
}

pub(crate) fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// `None`: not canonical.
pub(crate) fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}
