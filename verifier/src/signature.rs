//! Signatures and the keys that check them: nothing outside this file and its folder names a crypto crate.
//!
//! Ed25519 is checked here. ES256 and RS256 need a library that browsers and proxies do not have: with feature `aws-lc` they
//! are checked here too, without it their keys are only read.

use alloc::string::String;

use crate::base64url::encode;
use crate::text::text;

#[cfg(not(feature = "compat-keys"))]
mod absent;
#[cfg(feature = "compat-keys")]
mod ecdsa;
#[cfg(feature = "compat-keys")]
mod rsa;

#[cfg(not(feature = "compat-keys"))]
use {absent as ecdsa, absent as rsa};

/// A signature algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Algorithm {
    /// Ed25519 (RFC 8037), under its names `EdDSA` and `Ed25519` (RFC 9864 §2.2).
    Ed25519,
    /// ECDSA with P-256 and SHA-256 (RFC 7518 §3.4).
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 §3.3), with keys of 2,048 to 4,096 bits.
    Rs256,
}

impl Algorithm {
    /// By its name in JWS and JWK, which is compared with case.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "EdDSA" | "Ed25519" => Some(Self::Ed25519),
            "ES256" => Some(Self::Es256),
            "RS256" => Some(Self::Rs256),
            _ => None,
        }
    }

    /// Returns whether this build checks such signatures itself.
    pub(crate) const fn is_built_in(self) -> bool {
        matches!(self, Self::Ed25519) || cfg!(feature = "aws-lc")
    }
}

/// A public key for one algorithm, which no token can change (RFC 8725 §3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PublicKey {
    Ed25519(keystone_ed25519::PublicKey),
    Es256(ecdsa::PublicKey),
    Rs256(rsa::PublicKey),
}

impl PublicKey {
    /// `None`: not the canonical encoding of a point of large order.
    pub(crate) fn ed25519(x: &[u8]) -> Option<Self> {
        keystone_ed25519::PublicKey::from_bytes(x).map(Self::Ed25519)
    }

    /// `None`: not two coordinates of a point of P-256.
    pub(crate) fn es256(x: &[u8], y: &[u8]) -> Option<Self> {
        ecdsa::PublicKey::from_coordinates(x, y).map(Self::Es256)
    }

    /// `None`: too short, too long, not canonical, or not an RSA key.
    pub(crate) fn rs256(n: &[u8], e: &[u8]) -> Option<Self> {
        rsa::PublicKey::from_components(n, e).map(Self::Rs256)
    }

    pub(crate) const fn algorithm(&self) -> Algorithm {
        match self {
            Self::Ed25519(_) => Algorithm::Ed25519,
            Self::Es256(_) => Algorithm::Es256,
            Self::Rs256(_) => Algorithm::Rs256,
        }
    }

    /// Returns whether `signature` is this key's over `message`. Always `false` of an algorithm that is not built in.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Ed25519(key) => key.verify(message, signature),
            Self::Es256(key) => key.verify(message, signature),
            Self::Rs256(key) => key.verify(message, signature),
        }
    }

    /// Returns whether a signature passes the strict checks that need no message. Other engines do not make all of them.
    pub(crate) fn may_have_made(&self, signature: &[u8]) -> bool {
        match self {
            Self::Ed25519(_) => keystone_ed25519::is_well_formed(signature),
            Self::Es256(_) => ecdsa::is_well_formed(signature),
            Self::Rs256(key) => key.may_have_made(signature),
        }
    }

    /// The key as a JWK with the members of its thumbprint (RFC 7638 §3.2), in their order.
    pub(crate) fn jwk(&self) -> String {
        match self {
            Self::Ed25519(key) => {
                text!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, encode(key.as_bytes()))
            }
            Self::Es256(key) => key.jwk(),
            Self::Rs256(key) => key.jwk(),
        }
    }
}
