//! Ed25519 (RFC 8032), strict, with what a key's checks have in common worked out once.
//!
//! Everything here is public: keys, signatures, tokens. So nothing needs to take the same time.

mod comb;
mod field;
mod inverse;
#[cfg(any(test, target_feature = "simd128", feature = "wasm-arithmetic"))]
mod lanes;
#[cfg(any(test, target_arch = "wasm32", feature = "wasm-arithmetic"))]
mod nine;
#[cfg(any(test, target_feature = "simd128", feature = "wasm-arithmetic"))]
mod pair;
mod point;
#[cfg(any(target_feature = "simd128", feature = "wasm-arithmetic"))]
mod points;

use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;
use core::sync::atomic::{AtomicU32, Ordering};

use curve25519_dalek::Scalar;
use sha2::{Digest as _, Sha512};

use self::comb::Comb;
use self::point::Point;
use crate::base64url::encode;
use crate::text::text;

/// A public key that is a canonical encoding of a point of large order. Copies share what was worked out for it.
#[derive(Clone)]
pub(crate) struct PublicKey(Arc<Key>);

struct Key {
    bytes: [u8; 32],
    /// The point, negated, as the check needs it.
    negated: Point,
    /// Good signatures so far, up to where the comb is made.
    accepted: AtomicU32,
    comb: Comb,
}

impl PublicKey {
    /// `None` for a y of p or more, for a point that is not on the curve, and for the points of small order, with
    /// which one signature fits every message.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; 32] = bytes.try_into().ok()?;
        if !is_canonical(bytes) || is_of_small_order(bytes) {
            return None;
        }
        let negated = Point::decompress(bytes)?.negated();
        Some(Self(Arc::new(Key { bytes: *bytes, negated, accepted: AtomicU32::new(0), comb: Comb::new() })))
    }

    /// Whether `signature` is this key's over `message`: S below the group order, R canonical and not of small order,
    /// equation without cofactor.
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let verifies = self.0.verifies(message, signature).unwrap_or(false);
        if verifies {
            self.0.work_ahead();
        }
        verifies
    }

    /// Whether both have what was worked out for either.
    #[cfg(test)]
    pub(crate) fn shares_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(super) fn jwk(&self) -> String {
        text!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, encode(&self.0.bytes))
    }
}

/// What can be said of a signature without its key: S below the group order, R canonical and not of small order.
pub(super) fn is_well_formed(signature: &[u8]) -> bool {
    let halves = signature.first_chunk::<32>().zip(signature.last_chunk::<32>());
    signature.len() == 64
        && halves.is_some_and(|(r, s)| {
            is_canonical(r)
                && !is_of_small_order(r)
                && Scalar::from_canonical_bytes(*s).into_option().is_some()
        })
}

impl Key {
    /// R = s·B − h·A, compared as bytes: R itself is never decompressed.
    fn verifies(&self, message: &[u8], signature: &[u8]) -> Option<bool> {
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

    /// Makes the combs, row by row, once the key has proved to be in use. Only good signatures count: nobody else can ask for the work.
    fn work_ahead(&self) {
        if self.accepted.load(Ordering::Relaxed) < WORTH_A_COMB {
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

/// Of the base point, for all keys.
static BASE: Comb = Comb::new();

/// Whether y, the low 255 bits, is below p = 2^255 − 19 (RFC 8032 §5.1.3).
fn is_canonical(bytes: &[u8; 32]) -> bool {
    let [low, middle @ .., high] = bytes;
    *low < 0xed || high & 0x7f != 0x7f || middle.iter().any(|&byte| byte != 0xff)
}

/// Whether y is that of one of the eight points of small order, in its canonical spelling.
fn is_of_small_order(bytes: &[u8; 32]) -> bool {
    let mut y = *bytes;
    y[31] &= 0x7f;
    SMALL_ORDER.contains(&y)
}

/// The y of the points whose order divides 8: 1, −1, 0 and the two of order 8.
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

/// Good signatures before a key is worth its comb.
const WORTH_A_COMB: u32 = 16;

#[cfg(test)]
mod tests;
