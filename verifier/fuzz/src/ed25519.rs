//! Ed25519 beside two other implementations, with keys and commitments of mixed order and every change of a signature.

use std::sync::LazyLock;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use curve25519_dalek::Scalar;
use curve25519_dalek::constants::{ED25519_BASEPOINT_TABLE, EIGHT_TORSION};
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use ed25519_dalek::{Signature, VerifyingKey};
use keystone_ed25519::PublicKey;
use sha2::{Digest as _, Sha512};

/// Checks one signature. The first byte says how the next 64 become a signature, the second by which key.
pub fn check(input: &[u8]) {
    let Some((&[how, key], rest)) = input.split_first_chunk() else { return };
    let Some((bytes, message)) = rest.split_first_chunk::<64>() else { return };
    match how % 4 {
        0 => a_key_of_anybody(bytes, message),
        1 => says_the_same(pooled(key), message, bytes),
        2 => says_the_same(pooled(key), message, &pooled(key).sign(bytes, how >> 4, message)),
        _ => {
            let mut signature = pooled(key).sign(&[key; 64], how >> 4, message);
            signature.iter_mut().zip(bytes).for_each(|(byte, change)| *byte ^= change);
            says_the_same(pooled(key), message, &signature);
        }
    }
}

/// Returns whether `key` is the canonical encoding of a point of large order.
pub(crate) fn is_strict_key(key: &[u8]) -> bool {
    let Ok(point) = CompressedEdwardsY::from_slice(key) else { return false };
    point.decompress().is_some_and(|read| read.compress() == point && !read.is_small_order())
}

/// A key and a signature that nobody made.
fn a_key_of_anybody(bytes: &[u8; 64], message: &[u8]) {
    let key = bytes.first_chunk::<32>().expect("64 bytes");
    let read = PublicKey::from_bytes(key);
    assert_eq!(read.is_some(), is_strict_key(key), "{key:02x?}");
    if let Some(warm) = read {
        says_the_same(&Pair { secret: Scalar::ZERO, public: *key, warm }, message, bytes);
    }
}

fn says_the_same(pair: &Pair, message: &[u8], signature: &[u8; 64]) {
    let expected = dalek(&pair.public, message, signature);
    assert_eq!(aws_lc(&pair.public, message, signature), expected, "the others disagree");
    let cold = PublicKey::from_bytes(&pair.public).expect("a sound key");
    for key in [&pair.warm, &cold] {
        assert_eq!(key.verify(message, signature), expected, "{:02x?} {signature:02x?}", pair.public);
    }
}

/// R in its one spelling and of large order, S below the group order, no cofactor.
fn dalek(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    let key = VerifyingKey::from_bytes(key).expect("a point");
    is_strict_commitment(signature) && key.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
}

fn aws_lc(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    is_strict_commitment(signature)
        && UnparsedPublicKey::new(&ED25519, key).verify(message, signature).is_ok()
}

fn is_strict_commitment(signature: &[u8; 64]) -> bool {
    signature.first_chunk::<32>().is_some_and(|r| is_strict_key(r))
}

/// A key whose secret is known, and whose point may have a part of small order.
struct Pair {
    secret: Scalar,
    public: [u8; 32],
    /// With the tables of a key that is in use.
    warm: PublicKey,
}

static PAIRS: LazyLock<Vec<Pair>> = LazyLock::new(|| {
    let secrets =
        (0..16).map(|number: u8| Scalar::from_bytes_mod_order_wide(&Sha512::digest([number]).into()));
    secrets.zip(EIGHT_TORSION.iter().cycle()).map(|(secret, torsion)| Pair::new(secret, torsion)).collect()
});

fn pooled(number: u8) -> &'static Pair {
    PAIRS.get(usize::from(number) % PAIRS.len()).expect("below the length")
}

impl Pair {
    fn new(secret: Scalar, torsion: &EdwardsPoint) -> Self {
        let public = (&secret * ED25519_BASEPOINT_TABLE + torsion).compress().to_bytes();
        let warm = PublicKey::from_bytes(&public).expect("a sound key");
        let pair = Self { secret, public, warm };
        // One in eight is good where the key has a part of order 8.
        for number in 0..400_u16 {
            let message = number.to_le_bytes();
            let _ = pair.warm.verify(&message, &pair.sign(&[1; 64], 0, &message));
        }
        pair
    }

    /// R is the multiple that `seed` gives, and the point of small order that `torsion` chooses.
    fn sign(&self, seed: &[u8; 64], torsion: u8, message: &[u8]) -> [u8; 64] {
        let r = Scalar::from_bytes_mod_order_wide(seed);
        let torsion = EIGHT_TORSION.get(usize::from(torsion % 8)).expect("eight");
        let commitment = (&r * ED25519_BASEPOINT_TABLE + torsion).compress().to_bytes();
        let hash = Sha512::new().chain_update(commitment).chain_update(self.public).chain_update(message);
        let s = r + Scalar::from_bytes_mod_order_wide(&hash.finalize().into()) * self.secret;
        let mut signature = [0; 64];
        let (first, second) = signature.split_at_mut(32);
        first.copy_from_slice(&commitment);
        second.copy_from_slice(s.as_bytes());
        signature
    }
}
