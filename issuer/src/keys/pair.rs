//! The private half of a signing key, whatever the algorithm: made, opened, signing.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::agreement::{self, ECDH_P256};
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use zeroize::Zeroizing;

use super::jwk::PublicJwk;
use crate::clock::World;

/// What tokens are signed with. HS256 is none: whoever could verify could sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// Ed25519 (RFC 8037).
    EdDsa,
    /// ECDSA with P-256 and SHA-256 (RFC 7518 §3.4).
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 §3.3).
    Rs256,
}

impl Algorithm {
    pub const ALL: [Self; 3] = [Self::EdDsa, Self::Es256, Self::Rs256];

    /// As in `alg`. `EdDSA` rather than RFC 9864's `Ed25519`: the name every verifier in the field knows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
        }
    }
}

impl FromStr for Algorithm {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == text).ok_or(())
    }
}

/// A private key that is ready to sign.
#[derive(Debug)]
pub(super) enum Pair {
    EdDsa(Ed25519KeyPair),
    Es256(EcdsaKeyPair),
    Rs256(RsaKeyPair),
}

impl Pair {
    /// A fresh private key in the form in which it is sealed. For RS256 this takes up to a second.
    pub(super) fn generate(algorithm: Algorithm, world: &World) -> Option<Zeroizing<Vec<u8>>> {
        match algorithm {
            Algorithm::EdDsa | Algorithm::Es256 => {
                // One in 2^32 is no number below the order of P-256 (FIPS 186-5 A.2.2).
                let mut drawn = std::iter::repeat_with(|| secret(world)).take(4);
                drawn.find(|secret| Self::open(algorithm, secret).is_some())
            }
            // The library finds the primes, with its own randomness: an `Entropy` cannot be handed in.
            Algorithm::Rs256 => {
                let der: Pkcs8V1Der<'_> = RsaKeyPair::generate(RSA_SIZE).ok()?.as_der().ok()?;
                Some(Zeroizing::new(der.as_ref().to_vec()))
            }
        }
    }

    /// `None`: it is no private key for this algorithm.
    pub(super) fn open(algorithm: Algorithm, private: &[u8]) -> Option<Self> {
        match algorithm {
            Algorithm::EdDsa => Ed25519KeyPair::from_seed_unchecked(private).ok().map(Self::EdDsa),
            Algorithm::Es256 => {
                let point = agreement::PrivateKey::from_private_key(&ECDH_P256, private).ok()?;
                let point = point.compute_public_key().ok()?;
                let pair = EcdsaKeyPair::from_private_key_and_public_key(
                    &ECDSA_P256_SHA256_FIXED_SIGNING,
                    private,
                    point.as_ref(),
                );
                pair.ok().map(Self::Es256)
            }
            Algorithm::Rs256 => RsaKeyPair::from_pkcs8(private).ok().map(Self::Rs256),
        }
    }

    pub(super) fn public(&self) -> PublicJwk {
        match self {
            Self::EdDsa(pair) => PublicJwk::ed25519(pair.public_key().as_ref()),
            Self::Es256(pair) => PublicJwk::p256(pair.public_key().as_ref()),
            Self::Rs256(pair) => {
                let public = pair.public_key();
                let [n, e] = [public.modulus(), public.exponent()];
                PublicJwk::rsa(n.big_endian_without_leading_zero(), e.big_endian_without_leading_zero())
            }
        }
    }

    /// The signature as JWS writes it. `None`: the library failed.
    pub(super) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        // The library draws ECDSA's secret number by itself, and asks for a source only to look like another.
        let random = SystemRandom::new();
        match self {
            Self::EdDsa(pair) => pair.try_sign(message).ok().map(|signature| signature.as_ref().to_vec()),
            Self::Es256(pair) => {
                pair.sign(&random, message).ok().map(|signature| signature.as_ref().to_vec())
            }
            Self::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).ok()?;
                Some(signature)
            }
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn secret(world: &World) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(vec![0; 32]);
    world.entropy.fill(&mut bytes);
    bytes
}

/// What every client takes, and the least that RFC 7518 §3.3 allows. A key signs for weeks and its tokens live for minutes, so
/// that nothing has to hold for decades; 3,072 bits take three times as long to sign, and 170 characters more of each token.
const RSA_SIZE: KeySize = KeySize::Rsa2048;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::testing::world;

    #[test]
    fn a_private_key_opens_as_what_it_was_made_for_only() {
        let (world, _) = world();
        for made in Algorithm::ALL {
            let private = Pair::generate(made, &world).unwrap();

            let public = Pair::open(made, &private).unwrap().public();
            assert_eq!(Pair::open(made, &private).unwrap().public(), public);
            for other in Algorithm::ALL.into_iter().filter(|other| *other != made) {
                let opened = Pair::open(other, &private).map(|pair| pair.public());
                assert_ne!(opened, Some(public.clone()), "{made} as {other}");
            }
            assert!(Pair::open(made, &private[1..]).is_none(), "{made}");
        }
    }

    #[test]
    fn signatures_have_the_length_that_jws_wants() {
        let (world, _) = world();
        for (algorithm, length) in [(Algorithm::EdDsa, 64), (Algorithm::Es256, 64), (Algorithm::Rs256, 256)] {
            let pair = Pair::open(algorithm, &Pair::generate(algorithm, &world).unwrap()).unwrap();
            for message in 0..64_u8 {
                assert_eq!(pair.sign(&[message]).unwrap().len(), length, "{algorithm}");
            }
        }
    }

    #[test]
    fn a_number_that_is_no_private_key_of_p256_is_not_one() {
        for wrong in [[0; 32], [0xff; 32]] {
            assert!(Pair::open(Algorithm::Es256, &wrong).is_none());
        }
    }

    #[test]
    fn a_private_key_does_not_show() {
        let (world, _) = world();
        for algorithm in Algorithm::ALL {
            let private = Pair::generate(algorithm, &world).unwrap();
            let shown = format!("{:?}", Pair::open(algorithm, &private).unwrap());

            let digits = |bytes: &[u8]| crate::hex::encode(bytes);
            assert!(!shown.contains(&digits(&private[private.len() - 16..])), "{shown}");
        }
    }
}
