//! The secrets all replicas share, kept sealed in the database, and what is computed with them.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac::{self, Context, HMAC_SHA256, Key};
use zeroize::Zeroizing;

use crate::clock::World;
use crate::keys::{CannotOpen, KeyEncryptionKey};
use crate::secret::Secret;
use crate::store::{SealedName, Store, StoreError};
use crate::{hex, tagged};

/// One key per purpose, so that no value made for one means anything to another.
pub struct Secrets {
    pub(crate) refresh_tokens: Key,
    client_secrets: Key,
    buckets: Key,
}

#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    CannotOpen(#[from] CannotOpen),
}

impl Secrets {
    pub async fn open(store: &Store, kek: &KeyEncryptionKey, world: &World) -> Result<Self, SecretsError> {
        let mut keys = Vec::new();
        for name in NAMES {
            keys.push(Key::new(HMAC_SHA256, &shared(name, store, kek, world).await?));
        }
        Self::of(keys)
    }

    /// The same where they were made before. `None`: none were.
    pub async fn existing(store: &Store, kek: &KeyEncryptionKey) -> Result<Option<Self>, SecretsError> {
        let stored = store.sealed().await?;
        let mut keys = Vec::new();
        for name in NAMES {
            let wanted = SealedName::ServerSecret(name.to_owned());
            let Some((_, sealed)) = stored.iter().find(|(name, _)| *name == wanted) else { return Ok(None) };
            keys.push(Key::new(HMAC_SHA256, &kek.open(&purpose(name), sealed)?));
        }
        Self::of(keys).map(Some)
    }

    fn of(keys: Vec<Key>) -> Result<Self, SecretsError> {
        let [refresh_tokens, client_secrets, buckets] = keys.try_into().map_err(|_| CannotOpen)?;
        Ok(Self { refresh_tokens, client_secrets, buckets })
    }

    /// A fresh client secret and what is stored of it.
    pub fn new_client_secret(&self, world: &World) -> (Secret, [u8; 32]) {
        let secret = tagged::new_client_secret(world);
        let hash = self.hash_client_secret(&secret);
        (secret, hash)
    }

    /// Looks at every hash, so that the time taken tells only how many there are.
    pub fn is_client_secret(&self, presented: &Secret, hashes: &[[u8; 32]]) -> bool {
        let presented = self.hash_client_secret(presented);
        hashes.iter().fold(false, |found, hash| verify_slices_are_equal(&presented, hash).is_ok() | found)
    }

    /// A fast keyed hash is right here, and only here: client secrets have 256 random bits, nobody chooses them.
    pub(crate) fn hash_client_secret(&self, secret: &Secret) -> [u8; 32] {
        authenticate(&self.client_secrets, &[secret.expose().as_bytes()])
    }

    /// A counter's name from which nobody reads who is counted.
    pub fn bucket(&self, kind: &str, who: &[&str]) -> String {
        let parts: Vec<&[u8]> = who.iter().flat_map(|part| [part.as_bytes(), b"\0"]).collect();
        let hash = authenticate(&self.buckets, &parts);
        format!("keystone:{kind}:{}", hex::encode(hash.first_chunk::<16>().unwrap_or(&[0; 16])))
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
}

const NAMES: [&str; 3] = ["refresh tokens", "client secrets", "rate limits"];

/// The 32 bytes called `name`, made here where the database has none. All replicas get the same.
pub(crate) async fn shared(
    name: &str,
    store: &Store,
    kek: &KeyEncryptionKey,
    world: &World,
) -> Result<Zeroizing<Vec<u8>>, SecretsError> {
    let purpose = purpose(name);
    let candidate = Zeroizing::new(world.bytes::<32>());
    let candidate = kek.seal(&purpose, &*candidate, world)?;
    let sealed = store.server_secret(name, &candidate).await?;
    Ok(kek.open(&purpose, &sealed)?)
}

/// The name is bound to the sealed bytes: rows cannot be swapped.
pub(crate) fn purpose(name: &str) -> String {
    format!("keystone server secret {name}")
}

/// HMAC-SHA256 over the parts, one after the other.
pub(crate) fn authenticate(key: &Key, parts: &[&[u8]]) -> [u8; 32] {
    let mut context = Context::with_key(key);
    parts.iter().for_each(|part| context.update(part));
    let tag: hmac::Tag = context.sign();
    tag.as_ref().first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::clock::testing::world;

    pub(crate) fn secrets() -> Secrets {
        let key = |byte| Key::new(HMAC_SHA256, &[byte; 32]);
        Secrets { refresh_tokens: key(1), client_secrets: key(2), buckets: key(3) }
    }

    /// C-03
    #[test]
    fn a_client_secret_is_recognised_among_two() {
        let (world, _) = world();
        let (secret, hash) = secrets().new_client_secret(&world);
        let (other, other_hash) = secrets().new_client_secret(&world);

        assert!(secrets().is_client_secret(&secret, &[other_hash, hash]));
        assert!(secrets().is_client_secret(&other, &[other_hash, hash]));
        assert!(!secrets().is_client_secret(&secret, &[other_hash]));
        assert!(!secrets().is_client_secret(&secret, &[]));
    }

    #[test]
    fn buckets_name_nobody_and_do_not_run_into_each_other() {
        let one = secrets().bucket("login", &["alice", "b"]);

        assert!(!one.contains("alice"));
        assert_ne!(one, secrets().bucket("login", &["aliceb"]));
        assert_ne!(one, secrets().bucket("login", &["alice", "c"]));
    }
}
