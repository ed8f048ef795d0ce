//! One private signing key in memory, and the compact JWS it makes.

use std::fmt;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::jwk::{ALGORITHM, PublicJwk};
use super::kek::{CannotOpen, KeyEncryptionKey};
use crate::clock::World;
use crate::store::{KeyState, NewSigningKey, SigningKey};

/// Holds the pair as one value, so that a key never signs under another key's name.
pub struct Signer {
    kid: String,
    /// Of every token this key signs: encoded once.
    header: String,
    pair: Ed25519KeyPair,
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
    #[error("the stored signing key `{0}` is not what its public half says")]
    Mismatch(String),
    #[error("the stored signing key `{0}` is for the algorithm `{1}`, which this version does not know")]
    Algorithm(String, String),
    #[error("signing failed")]
    Signing,
}

impl Signer {
    pub(super) fn open(stored: &SigningKey, kek: &KeyEncryptionKey) -> Result<(Self, PublicJwk), KeyError> {
        let mismatch = || KeyError::Mismatch(stored.kid.clone());
        if stored.alg != ALGORITHM {
            return Err(KeyError::Algorithm(stored.kid.clone(), stored.alg.clone()));
        }
        let seed = kek.open(&purpose(&stored.kid), &stored.sealed)?;
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| mismatch())?;
        let public = PublicJwk::ed25519(pair.public_key().as_ref());
        // Whoever can write to the database must not be able to publish a key of theirs under our name.
        let published: PublicJwk = serde_json::from_str(&stored.public_jwk).map_err(|_| mismatch())?;
        if published != public || stored.kid != public.kid {
            return Err(mismatch());
        }
        let header = format!(r#"{{"alg":"{ALGORITHM}","kid":"{}","typ":"at+jwt"}}"#, stored.kid);
        let header = URL_SAFE_NO_PAD.encode(header);
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
        let mut token = String::with_capacity(self.header.len() + claims.len() * 4 / 3 + 92);
        token.push_str(&self.header);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let signature = self.pair.try_sign(token.as_bytes()).map_err(|_| KeyError::Signing)?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
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

/// A fresh key, sealed for the database.
pub(super) fn generate(
    kek: &KeyEncryptionKey,
    world: &World,
    active: bool,
) -> Result<NewSigningKey, KeyError> {
    let seed = Zeroizing::new(world.bytes::<32>());
    let pair = Ed25519KeyPair::from_seed_unchecked(&*seed).map_err(|_| KeyError::Signing)?;
    let public = PublicJwk::ed25519(pair.public_key().as_ref());
    Ok(NewSigningKey {
        sealed: kek.seal(&purpose(&public.kid), &*seed, world)?,
        public_jwk: serde_json::to_string(&public).map_err(|_| KeyError::Signing)?,
        kid: public.kid,
        alg: ALGORITHM.to_owned(),
        active,
    })
}

/// The `kid` is bound to the sealed bytes: rows cannot be swapped.
pub(super) fn purpose(kid: &str) -> String {
    format!("keystone signing key {kid}")
}
