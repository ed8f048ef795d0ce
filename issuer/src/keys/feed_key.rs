//! The key of the revocation feed. It signs no tokens, and token keys sign no feed: whoever steals one of them can neither
//! bring revoked tokens back with it, nor make any.

use std::fmt;

use serde_json::json;

use super::jwk::Jwks;
use super::kek::{CannotOpen, KeyEncryptionKey};
use super::pair::{Algorithm, Pair};
use super::signer::{self, KeyError};
use super::{Document, KeysError};
use crate::clock::World;
use crate::secrets;
use crate::store::Store;

pub struct FeedKey {
    header: String,
    pair: Pair,
    pub jwks: Document,
}

impl FeedKey {
    /// One more secret of the server: its 32 bytes are the private key (RFC 8032 §5.1.5).
    pub(super) async fn open(
        store: &Store,
        kek: &KeyEncryptionKey,
        world: &World,
    ) -> Result<Self, KeysError> {
        let seed = secrets::shared(NAME, store, kek, world).await?;
        Ok(Self::of(&seed).ok_or(KeyError::from(CannotOpen))?)
    }

    fn of(seed: &[u8]) -> Option<Self> {
        let pair = Pair::open(Algorithm::EdDsa, seed)?;
        let public = pair.public();
        let header = signer::header(Algorithm::EdDsa, &public.kid, "keystone-revocations+jwt");
        let jwks = Document::new(json!(Jwks { keys: vec![public] }).to_string());
        Some(Self { header, pair, jwks })
    }

    /// A page as a compact JWS (RFC 7515 §7.1).
    pub fn sign(&self, claims: &[u8]) -> Result<String, KeyError> {
        signer::sign(&self.pair, &self.header, claims)
    }
}

impl fmt::Debug for FeedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FeedKey").finish_non_exhaustive()
    }
}

const NAME: &str = "revocation feed";

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    #[test]
    fn a_page_is_signed_by_the_one_key_that_is_published_for_it() {
        let key = FeedKey::of(&[7; 32]).unwrap();

        let page = key.sign(br#"{"iss":"me"}"#).unwrap();

        let jwks: serde_json::Value = serde_json::from_str(&key.jwks.body).unwrap();
        let [published] = jwks["keys"].as_array().unwrap().as_slice() else { panic!("{jwks}") };
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
        let (signed, signature) = page.rsplit_once('.').unwrap();
        let (header, claims) = signed.split_once('.').unwrap();
        let kid = published["kid"].as_str().unwrap();
        let expected = format!(r#"{{"alg":"EdDSA","kid":"{kid}","typ":"keystone-revocations+jwt"}}"#);
        assert_eq!(decode(header), expected.as_bytes());
        assert_eq!(decode(claims), br#"{"iss":"me"}"#);
        UnparsedPublicKey::new(&ED25519, decode(published["x"].as_str().unwrap()))
            .verify(signed.as_bytes(), &decode(signature))
            .unwrap();
    }

    #[test]
    fn only_32_bytes_are_a_key() {
        assert!(FeedKey::of(&[7; 31]).is_none() && FeedKey::of(&[7; 33]).is_none());
    }
}
