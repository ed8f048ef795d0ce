//! For issuers that sign with something else than Ed25519. Nothing else is looser: every other check remains.
//!
//! Ed25519 is checked everywhere. ES256 and RS256 are checked with feature `aws-lc`, which needs a native machine; without it a
//! token of theirs is refused as `alg`, unless a host checks signatures itself (see [`danger`](crate::danger)).
//!
//! A service names what it accepts of one issuer where it makes that issuer's keys. A key is used with one algorithm only,
//! the one that its type says, and a token that names another is refused as `alg` (RFC 8725 §3.1). Policy files know no such
//! switch.
//!
//! ```
//! use keystone_verifier::{Algorithm, Authorizer, Policy, compat};
//!
//! # let policy = br#"{"version":1,"issuers":[{"issuer":"https://as.example","audiences":["orders"],
//! # "keys":{"url":"https://as.example/jwks"}}],"routes":[{"methods":["GET"],"path":"/","authenticated":true}]}"#;
//! let mut authorizer = Authorizer::new(Policy::parse(policy)?);
//! if let Some(keys) = authorizer.keys(0) {
//!     *keys = compat::remote_keys(&[Algorithm::Ed25519, Algorithm::Rs256]);
//! }
//! # Ok::<(), keystone_verifier::PolicyError>(())
//! ```

use crate::key_cache::KeyCache;
use crate::keys::{KeySet, KeySetError};
use crate::signature::Algorithm;

/// Like [`KeySet::parse`], with the keys for all of `accepted`.
///
/// An ES256 key must be a point of P-256; an RS256 key must have 2,048 to 4,096 bits and an odd exponent of 3 or more.
pub fn key_set(accepted: &'static [Algorithm], jwks: &[u8]) -> Result<KeySet, KeySetError> {
    KeySet::accepting(accepted, jwks)
}

/// Like [`KeyCache::remote`], with the keys for all of `accepted`.
pub const fn remote_keys(accepted: &'static [Algorithm]) -> KeyCache {
    KeyCache::accepting(accepted)
}

#[cfg(test)]
#[cfg(feature = "aws-lc")]
mod tests;
