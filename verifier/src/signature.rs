//! Signatures and the keys that check them: nothing outside this file and its folder names a crypto crate.

#[cfg(feature = "aws-lc")]
mod ecdsa;
mod ed25519;
#[cfg(feature = "aws-lc")]
mod rsa;

/// A signature algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Algorithm {
    /// Ed25519 (RFC 8037), under its names `EdDSA` and `Ed25519` (RFC 9864 §2.2).
    Ed25519,
    /// ECDSA with P-256 and SHA-256 (RFC 7518 §3.4).
    #[cfg(feature = "aws-lc")]
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 §3.3), with keys of 2,048 to 4,096 bits.
    #[cfg(feature = "aws-lc")]
    Rs256,
}

impl Algorithm {
    /// By its name in JWS and JWK, which is compared with case.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "EdDSA" | "Ed25519" => Some(Self::Ed25519),
            #[cfg(feature = "aws-lc")]
            "ES256" => Some(Self::Es256),
            #[cfg(feature = "aws-lc")]
            "RS256" => Some(Self::Rs256),
            _ => None,
        }
    }
}

/// A public key for one algorithm, which no token can change (RFC 8725 §3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PublicKey {
    Ed25519(ed25519::PublicKey),
    #[cfg(feature = "aws-lc")]
    Es256(ecdsa::PublicKey),
    #[cfg(feature = "aws-lc")]
    Rs256(rsa::PublicKey),
}

impl PublicKey {
    /// `None`: not the canonical encoding of a point of large order.
    pub(crate) fn ed25519(x: &[u8]) -> Option<Self> {
        ed25519::PublicKey::from_bytes(x).map(Self::Ed25519)
    }

    /// `None`: not two coordinates of a point of P-256.
    #[cfg(feature = "aws-lc")]
    pub(crate) fn es256(x: &[u8], y: &[u8]) -> Option<Self> {
        ecdsa::PublicKey::from_coordinates(x, y).map(Self::Es256)
    }

    /// `None`: too short, too long, not canonical, or not an RSA key.
    #[cfg(feature = "aws-lc")]
    pub(crate) fn rs256(n: &[u8], e: &[u8]) -> Option<Self> {
        rsa::PublicKey::from_components(n, e).map(Self::Rs256)
    }

    pub(crate) const fn algorithm(&self) -> Algorithm {
        match self {
            Self::Ed25519(_) => Algorithm::Ed25519,
            #[cfg(feature = "aws-lc")]
            Self::Es256(_) => Algorithm::Es256,
            #[cfg(feature = "aws-lc")]
            Self::Rs256(_) => Algorithm::Rs256,
        }
    }

    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Ed25519(key) => key.verifies(message, signature),
            #[cfg(feature = "aws-lc")]
            Self::Es256(key) => key.verifies(message, signature),
            #[cfg(feature = "aws-lc")]
            Self::Rs256(key) => key.verifies(message, signature),
        }
    }
}
