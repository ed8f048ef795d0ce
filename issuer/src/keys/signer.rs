//! One private signing key in memory, and the compact JWS it makes.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use time::OffsetDateTime;

use super::jwk::PublicJwk;
use super::kek::{CannotOpen, KeyEncryptionKey};
use super::pair::{Algorithm, Pair};
use crate::clock::World;
use crate::store::{KeyState, NewSigningKey, SigningKey};

/// Holds the pair as one value, so that a key never signs under another key's name.
pub struct Signer {
    kid: String,
    /// Of every token this key signs: encoded once.
    header: String,
    pair: Pair,
    pub published_at: OffsetDateTime,
    /// `None`: a standby.
    pub activates_at: Option<OffsetDateTime>,
    pub(super) retires_at: Option<OffsetDateTime>,
}

/// Why a stored key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error(transparent)]
    CannotOpen(#[from] CannotOpen),
    #[error("stored signing key `{0}`: the private key does not match the public key")]
    Mismatch(String),
    #[error("stored signing key `{0}`: this version does not support the algorithm `{1}`")]
    Algorithm(String, String),
    #[error("signing failed")]
    Signing,
    #[error("generating a signing key failed")]
    Generation,
}

impl Signer {
    pub(super) fn open(stored: &SigningKey, kek: &KeyEncryptionKey) -> Result<(Self, PublicJwk), KeyError> {
        let mismatch = || KeyError::Mismatch(stored.kid.clone());
        let unknown = |()| KeyError::Algorithm(stored.kid.clone(), stored.alg.clone());
        let algorithm: Algorithm = stored.alg.parse().map_err(unknown)?;
        let private = kek.open(&purpose(&stored.kid), &stored.sealed)?;
        let pair = Pair::open(algorithm, &private).ok_or_else(mismatch)?;
        let public = pair.public();
        // Whoever can write to the database must not be able to publish a key of theirs under our name.
        let published: Option<Value> = serde_json::from_str(&stored.public_jwk).ok();
        if published != serde_json::to_value(&public).ok() || stored.kid != public.kid {
            return Err(mismatch());
        }
        let header = header(algorithm, &stored.kid, "at+jwt");
        let &SigningKey { published_at, activates_at, retires_at, .. } = stored;
        Ok((Self { kid: stored.kid.clone(), header, pair, published_at, activates_at, retires_at }, public))
    }

    pub fn kid(&self) -> &str {
        &self.kid
    }

    pub fn state(&self, now: OffsetDateTime) -> KeyState {
        KeyState::of_known(self.activates_at, self.retires_at, now)
    }

    /// A compact JWS (RFC 7515 §7.1) over `claims`.
    pub fn sign(&self, claims: &[u8]) -> Result<String, KeyError> {
        sign(&self.pair, &self.header, claims)
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("kid", &self.kid)
            .field("activates_at", &self.activates_at)
            .finish_non_exhaustive()
    }
}

/// The protected header, encoded.
pub(super) fn header(algorithm: Algorithm, kid: &str, kind: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"{algorithm}","kid":"{kid}","typ":"{kind}"}}"#))
}

pub(super) fn sign(pair: &Pair, header: &str, claims: &[u8]) -> Result<String, KeyError> {
    let mut token = String::with_capacity(header.len() + claims.len() * 4 / 3 + LONGEST_SIGNATURE);
    token.push_str(header);
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(claims, &mut token);
    let signature = pair.sign(token.as_bytes()).ok_or(KeyError::Signing)?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Ok(token)
}

/// Two fresh keys, made on a thread that may take its time. More are never needed at once: one to sign, and one to stand by.
pub(super) async fn generate_two(
    kek: &KeyEncryptionKey,
    world: &World,
    algorithm: Algorithm,
) -> Result<[NewSigningKey; 2], KeyError> {
    let (kek, world) = (kek.clone(), world.clone());
    let both = move || Ok([generate(&kek, &world, algorithm)?, generate(&kek, &world, algorithm)?]);
    tokio::task::spawn_blocking(both).await.map_err(|_| KeyError::Generation)?
}

/// A fresh key, sealed for the database.
pub(super) fn generate(
    kek: &KeyEncryptionKey,
    world: &World,
    algorithm: Algorithm,
) -> Result<NewSigningKey, KeyError> {
    let private = Pair::generate(algorithm, world).ok_or(KeyError::Generation)?;
    let public = Pair::open(algorithm, &private).ok_or(KeyError::Generation)?.public();
    Ok(NewSigningKey {
        sealed: kek.seal(&purpose(&public.kid), &private, world)?,
        public_jwk: serde_json::to_string(&public).map_err(|_| KeyError::Generation)?,
        kid: public.kid,
        alg: algorithm.to_string(),
        active: false,
    })
}

/// The `kid` is bound to the sealed bytes: rows cannot be swapped.
pub(super) fn purpose(kid: &str) -> String {
    format!("keystone signing key {kid}")
}

/// Of RS256, with its full stop and some air.
const LONGEST_SIGNATURE: usize = 350;
