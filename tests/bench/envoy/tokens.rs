//! Tokens with the claims that Keystone's issuer writes, signed here.

use std::time::SystemTime;

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::{Value, json};

pub(super) const ISSUER: &str = "https://login.example";
pub(super) const AUDIENCE: &str = "orders";
pub(super) const SCOPE: &str = "orders:read";

/// The issuer that signs the tokens.
#[derive(Debug)]
pub(super) struct Issuer {
    key: SigningKey,
    now: u64,
}

impl Issuer {
    pub(super) fn new() -> Result<Self> {
        Ok(Self { key: SigningKey::from_bytes(&[7; 32]), now: now()? })
    }

    pub(super) fn jwks(&self) -> Value {
        let x = encode(self.key.verifying_key().as_bytes());
        json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "k1", "x": x }] })
    }

    /// The token of this number, valid for an hour.
    pub(super) fn token(&self, number: usize, scope: &str) -> String {
        let jti = format!("{number:032x}");
        let claims = json!({
            "iss": ISSUER,
            "sub": "0197a3c2-54b1-7cc0-9d6e-0b2f7f3d8a11",
            "aud": AUDIENCE,
            "exp": self.now + 3600,
            "iat": self.now,
            "nbf": self.now,
            "jti": jti,
            "client_id": "orders-app",
            "sid": jti,
            "sv": 1,
            "cv": 1,
            "type": "access",
            "scope": scope,
            "scopes": scope.split(' ').collect::<Vec<_>>(),
            "roles": ["clerk"],
            "auth_time": self.now,
        });
        let header = json!({ "alg": "EdDSA", "kid": "k1", "typ": "at+jwt" });
        let signed = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
        let signature = encode(self.key.sign(signed.as_bytes()).to_bytes());
        format!("{signed}.{signature}")
    }
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[expect(clippy::disallowed_methods, reason = "Envoy compares the tokens' times with the real one")]
fn now() -> Result<u64> {
    Ok(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs())
}
