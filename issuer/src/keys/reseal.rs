//! A change of the key-encryption key: everything is opened with either key and sealed with the new one.

use std::sync::Arc;

use super::{CannotOpen, KeyEncryptionKey, signer};
use crate::clock::World;
use crate::secrets;
use crate::store::{Actor, SealedName, Store, StoreError};

#[derive(Debug, thiserror::Error)]
pub enum ResealError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("neither the key-encryption key nor the previous one decrypts the {0}; nothing was changed")]
    CannotOpen(SealedName),
}

/// How many secrets are now under the key that seals.
pub async fn reseal(store: &Store, kek: &KeyEncryptionKey, world: &World) -> Result<usize, ResealError> {
    let (kek, world) = (kek.clone(), world.clone());
    let again = move |name: &SealedName, sealed: &[u8]| -> Result<Vec<u8>, CannotOpen> {
        let purpose = purpose(name);
        kek.seal(&purpose, &kek.open(&purpose, sealed)?, &world)
    };
    let reseal = Arc::new(move |name: &SealedName, sealed: &[u8]| again(name, sealed).ok());
    store.reseal(&Actor::Operator, reseal).await?.map_err(ResealError::CannotOpen)
}

pub fn opens(kek: &KeyEncryptionKey, name: &SealedName, sealed: &[u8]) -> bool {
    kek.open(&purpose(name), sealed).is_ok()
}

fn purpose(name: &SealedName) -> String {
    match name {
        SealedName::SigningKey(kid) => signer::purpose(kid),
        SealedName::ServerSecret(name) => secrets::purpose(name),
    }
}
