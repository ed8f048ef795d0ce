//! The key-encryption key: what must be kept outside the database, so that a copy of the database signs nothing.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

use crate::clock::World;
use crate::hex;
use crate::secret::Secret;

/// Seals the private keys and server secrets in the database with AES-256-GCM.
#[derive(Clone)]
pub struct KeyEncryptionKey {
    key: Arc<LessSafeKey>,
    /// Opens what was sealed before the last change of keys.
    previous: Option<Arc<LessSafeKey>>,
    development: bool,
}

/// The sealed bytes were sealed under another key, for another purpose, or were changed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "the key-encryption key does not decrypt the secrets in the database; set the key that this database was set up with"
)]
pub struct CannotOpen;

impl KeyEncryptionKey {
    /// `kskek_` or `kskek_dev_`, then 64 hexadecimal digits, in lower case or upper case as tools write them.
    pub fn parse(text: &str) -> Option<Self> {
        let (development, digits) = match text.strip_prefix(DEVELOPMENT) {
            Some(digits) => (true, digits),
            None => (false, text.strip_prefix(PRODUCTION)?),
        };
        let digits = Zeroizing::new(digits.to_ascii_lowercase());
        let bytes = Zeroizing::new(hex::decode::<32>(&digits)?);
        let key = UnboundKey::new(&AES_256_GCM, &*bytes).ok()?;
        Some(Self { key: Arc::new(LessSafeKey::new(key)), previous: None, development })
    }

    /// Seals like `self`, and also opens what `previous` sealed.
    pub fn with_previous(self, previous: &Self) -> Self {
        Self { previous: Some(previous.key.clone()), ..self }
    }

    /// The key that seals, alone.
    pub fn without_previous(&self) -> Self {
        Self { previous: None, ..self.clone() }
    }

    /// A fresh key as text, marked so that production refuses it.
    pub fn generate_development(world: &World) -> Secret {
        Secret::new(format!("{DEVELOPMENT}{}", hex::encode(&*Zeroizing::new(world.bytes::<32>()))))
    }

    pub fn is_development(&self) -> bool {
        self.development
    }

    /// `purpose` is bound to the result: what is sealed for one does not open for another.
    pub fn seal(&self, purpose: &str, plain: &[u8], world: &World) -> Result<Vec<u8>, CannotOpen> {
        let nonce = world.bytes::<NONCE>();
        let mut sealed = plain.to_vec();
        self.key
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(purpose.as_bytes()),
                &mut sealed,
            )
            .map_err(|_| CannotOpen)?;
        Ok([&[VERSION], nonce.as_slice(), &sealed].concat())
    }

    pub fn open(&self, purpose: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, CannotOpen> {
        let (version, rest) = sealed.split_first().ok_or(CannotOpen)?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE>().ok_or(CannotOpen)?;
        if *version != VERSION {
            return Err(CannotOpen);
        }
        let keys = [Some(&self.key), self.previous.as_ref()];
        keys.into_iter().flatten().find_map(|key| open_with(key, purpose, (nonce, sealed))).ok_or(CannotOpen)
    }
}

fn open_with(
    key: &LessSafeKey,
    purpose: &str,
    (nonce, sealed): (&[u8; NONCE], &[u8]),
) -> Option<Zeroizing<Vec<u8>>> {
    let mut buffer = Zeroizing::new(sealed.to_vec());
    let plain = key
        .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(purpose.as_bytes()), &mut buffer)
        .ok()?
        .len();
    buffer.truncate(plain);
    Some(buffer)
}

impl fmt::Debug for KeyEncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyEncryptionKey").field("development", &self.development).finish_non_exhaustive()
    }
}

const PRODUCTION: &str = "kskek_";
const DEVELOPMENT: &str = "kskek_dev_";
/// Of the sealed form: this byte, the nonce, the ciphertext with its tag.
const VERSION: u8 = 1;
const NONCE: usize = 12;

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::clock::testing::world;

    pub(crate) fn kek() -> KeyEncryptionKey {
        KeyEncryptionKey::parse(&format!("kskek_{}", "5a".repeat(32))).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_for_its_purpose_only() {
        let (world, _) = world();
        let sealed = kek().seal("signing key a", b"private", &world).unwrap();

        assert_eq!(**kek().open("signing key a", &sealed).unwrap(), *b"private");
        assert_eq!(kek().open("signing key b", &sealed), Err(CannotOpen));
    }

    #[test]
    fn another_key_opens_nothing() {
        let (world, _) = world();
        let sealed = kek().seal("p", b"private", &world).unwrap();
        let other = KeyEncryptionKey::parse(KeyEncryptionKey::generate_development(&world).expose()).unwrap();

        assert_eq!(other.open("p", &sealed), Err(CannotOpen));
    }

    #[test]
    fn the_previous_key_opens_and_seals_no_more() {
        let (world, _) = world();
        let other = KeyEncryptionKey::parse(KeyEncryptionKey::generate_development(&world).expose()).unwrap();
        let both = other.clone().with_previous(&kek());
        let old = kek().seal("p", b"private", &world).unwrap();

        let fresh = both.seal("p", &both.open("p", &old).unwrap(), &world).unwrap();

        assert_eq!(**other.open("p", &fresh).unwrap(), *b"private");
        assert_eq!(kek().open("p", &fresh), Err(CannotOpen));
        assert_eq!(both.open("q", &old), Err(CannotOpen));
    }

    #[test]
    fn changed_or_cut_bytes_do_not_open() {
        let (world, _) = world();
        let sealed = kek().seal("p", b"private", &world).unwrap();

        for position in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[position] ^= 1;
            assert_eq!(kek().open("p", &changed), Err(CannotOpen));
            assert_eq!(kek().open("p", &sealed[..position]), Err(CannotOpen));
        }
    }

    #[test]
    fn generated_keys_are_marked_as_development_keys() {
        let (world, _) = world();
        let text = KeyEncryptionKey::generate_development(&world);

        assert!(KeyEncryptionKey::parse(text.expose()).unwrap().is_development());
        assert!(!kek().is_development());
    }

    #[test]
    fn upper_case_digits_are_the_same_key() {
        let upper = KeyEncryptionKey::parse(&format!("kskek_{}", "5A".repeat(32))).unwrap();
        let (world, _) = world();

        let sealed = upper.seal("a", b"secret", &world).unwrap();

        assert_eq!(&**kek().open("a", &sealed).unwrap(), b"secret");
    }

    #[test]
    fn malformed_keys_are_refused() {
        let digits = "5a".repeat(32);
        for wrong in ["", "kskek_", &digits, &format!("kskek_{digits}0"), &format!("kskek_dev{digits}")] {
            assert!(KeyEncryptionKey::parse(wrong).is_none(), "{wrong}");
        }
    }
}
