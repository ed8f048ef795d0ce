//! Verifies Ed25519 signatures (RFC 8032), strictly: a key, a message or a signature has one accepted encoding.
//!
//! - The public key is the canonical encoding of a point of large order.
//! - The first half of a signature, R, is canonical and not of small order; the second, S, is below the group order.
//! - The equation is the one without cofactor, R = S·B − h·A, compared as bytes.
//!
//! After some valid signatures a key gets tables of multiples of its point, so that later verifications are additions alone.
//! All values are public, so the code runs in variable time. It never handles a secret key: this crate does not sign.
//!
//! ```
//! let key = keystone_ed25519::PublicKey::from_bytes(&[
//!     0x3d, 0x40, 0x17, 0xc3, 0xe8, 0x43, 0x89, 0x5a, 0x92, 0xb7, 0x0a, 0xa7, 0x4d, 0x1b, 0x7e, 0xbc,
//!     0x9c, 0x98, 0x2c, 0xcf, 0x2e, 0xc4, 0x96, 0x8c, 0xc0, 0xcd, 0x55, 0xf1, 0x2a, 0xf4, 0x66, 0x0c,
//! ]).ok_or("not a key")?;
//! assert!(!key.verify(b"message", &[0; 64]));
//! # Ok::<(), &str>(())
//! ```

#![no_std]
#![warn(missing_docs)]

extern crate alloc;

mod comb;
mod field;
#[cfg(any(test, target_arch = "wasm32", feature = "wasm-arithmetic"))]
mod field29;
#[cfg(any(test, target_feature = "simd128", feature = "wasm-arithmetic"))]
mod field29x2;
mod inverse;
mod point;
#[cfg(any(target_feature = "simd128", feature = "wasm-arithmetic"))]
mod points_x2;
#[cfg(any(test, target_feature = "simd128", feature = "wasm-arithmetic"))]
mod simd;

use alloc::sync::Arc;
use core::fmt;
use core::sync::atomic::{AtomicU32, Ordering};

use curve25519_dalek::Scalar;
use sha2::{Digest as _, Sha512};

use self::comb::Comb;
use self::point::Point;

/// A public key: the canonical encoding of a point of large order. Clones share their tables.
#[derive(Clone)]
pub struct PublicKey(Arc<Key>);

struct Key {
    bytes: [u8; 32],
    /// The negated point, as the equation needs it.
    negated: Point,
    /// Counts valid signatures until the tables are made.
    accepted: AtomicU32,
    comb: Comb,
}

impl PublicKey {
    /// Reads the encoding of RFC 8032 §5.1.2.
    ///
    /// Returns `None` if y is p or more, if the point is not on the curve, and for the points of small order, with which
    /// one signature fits every message.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; 32] = bytes.try_into().ok()?;
        if !is_canonical(bytes) || is_of_small_order(bytes) {
            return None;
        }
        let negated = Point::decompress(bytes)?.negated();
        Some(Self(Arc::new(Key { bytes: *bytes, negated, accepted: AtomicU32::new(0), comb: Comb::new() })))
    }

    /// Returns the encoding that the key was read from.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0.bytes
    }

    /// Returns whether `signature` is a signature of this key over `message`.
    #[must_use]
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        let valid = self.0.verify(message, signature).unwrap_or(false);
        if valid {
            self.0.grow_tables();
        }
        valid
    }

    /// Returns whether tables made for one of the two keys serve the other, as those of a clone do.
    #[must_use]
    pub fn shares_tables_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// Returns whether `signature` passes the checks that need neither key nor message: R is canonical and not of small order, S
/// is below the group order. Other engines do not make all of them.
#[must_use]
pub fn is_well_formed(signature: &[u8]) -> bool {
    let halves = signature.first_chunk::<32>().zip(signature.last_chunk::<32>());
    signature.len() == 64
        && halves.is_some_and(|(r, s)| {
            is_canonical(r)
                && !is_of_small_order(r)
                && Scalar::from_canonical_bytes(*s).into_option().is_some()
        })
}

impl Key {
    /// Checks R = S·B − h·A on bytes: R is never decompressed.
    fn verify(&self, message: &[u8], signature: &[u8]) -> Option<bool> {
        let signature: &[u8; 64] = signature.try_into().ok()?;
        let (r, s) = (signature.first_chunk::<32>()?, signature.last_chunk::<32>()?);
        if is_of_small_order(r) {
            return None;
        }
        let s = Scalar::from_canonical_bytes(*s).into_option()?;
        let hash = Sha512::new().chain_update(r).chain_update(self.bytes).chain_update(message).finalize();
        let h = Scalar::from_bytes_mod_order_wide(&hash.into()).to_bytes();
        let s = s.to_bytes();
        let sum = match (self.comb.rows(), BASE.rows()) {
            (Some(key), Some(base)) => comb::sum_of_rows([(&key, &h), (&base, &s)]),
            _ => comb::sum_of_multiples([(&self.negated, &h), (&Point::base()?, &s)]),
        };
        Some(sum.compress() == *r)
    }

    /// Makes the next row of the tables once the key has proved to be in use. Only valid signatures count, so that nobody else
    /// can cause the work.
    fn grow_tables(&self) {
        if self.accepted.load(Ordering::Relaxed) < MIN_SIGNATURES_FOR_COMB {
            self.accepted.fetch_add(1, Ordering::Relaxed);
        } else if self.comb.rows().is_none() {
            self.comb.grow(&self.negated);
        } else if BASE.rows().is_none()
            && let Some(base) = Point::base()
        {
            BASE.grow(&base);
        }
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.bytes == other.0.bytes
    }
}

impl Eq for PublicKey {}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PublicKey").field(&self.0.bytes).finish()
    }
}

/// The comb of the base point, shared by all keys.
static BASE: Comb = Comb::new();

/// Returns whether y, the low 255 bits, is below p = 2^255 − 19 (RFC 8032 §5.1.3).
fn is_canonical(bytes: &[u8; 32]) -> bool {
    let [low, middle @ .., high] = bytes;
    *low < 0xed || high & 0x7f != 0x7f || middle.iter().any(|&byte| byte != 0xff)
}

/// Returns whether y is that of one of the eight points of small order, in its canonical spelling.
fn is_of_small_order(bytes: &[u8; 32]) -> bool {
    let mut y = *bytes;
    y[31] &= 0x7f;
    SMALL_ORDER.contains(&y)
}

/// The y coordinates of the points whose order divides 8: 1, −1, 0 and the two of order 8.
const SMALL_ORDER: [[u8; 32]; 5] = [
    [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    [
        0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
    ],
    [0; 32],
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5,
        0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a,
        0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
];

/// The number of valid signatures after which a key gets its comb.
const MIN_SIGNATURES_FOR_COMB: u32 = 16;

#[cfg(test)]
mod tests;
