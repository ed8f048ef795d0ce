//! Everything the issuer is made of, put together once at the start.

use std::sync::Arc;

use crate::attempts::Attempts;
use crate::cache::Cache;
use crate::clients::Clients;
use crate::clock::World;
use crate::config::Config;
use crate::keys::{KeyEncryptionKey, Keys, KeysError};
use crate::password::Passwords;
use crate::secrets::{Secrets, SecretsError};
use crate::store::Store;

#[derive(Debug)]
pub struct Issuer {
    pub config: Config,
    pub world: World,
    pub store: Store,
    pub clients: Clients,
    pub attempts: Attempts,
    pub passwords: Passwords,
    pub secrets: Secrets,
    pub keys: Keys,
}

/// What differs between production, the embedded default and a test.
#[derive(Clone, Debug)]
pub struct Parts {
    pub world: World,
    pub store: Store,
    pub cache: Arc<dyn Cache>,
    pub kek: KeyEncryptionKey,
}

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    #[error(transparent)]
    Keys(#[from] KeysError),
    #[error("the threads of the password hash pool cannot be started: {0}")]
    Threads(#[source] std::io::Error),
}

impl Issuer {
    /// The schema must be there. First keys and secrets are made where the database has none.
    pub async fn open(config: Config, parts: Parts) -> Result<Self, OpenError> {
        let Parts { world, store, cache, kek } = parts;
        let secrets = Secrets::open(&store, &kek, &world).await?;
        let keys = Keys::open(&store, kek, &world, config.keys.clone()).await?;
        let passwords = Passwords::start(&config.passwords, world.clone()).map_err(OpenError::Threads)?;
        match store.password_schemes().await {
            Ok(schemes) => passwords.know(&schemes),
            Err(error) => {
                tracing::warn!(%error, "reading the parameters of stored password hashes failed; they are learned at login instead");
            }
        }
        Ok(Self {
            clients: Clients::new(store.clone(), world.clone()),
            attempts: Attempts::new(cache, config.limits.clone(), world.metrics.rate_limited.clone()),
            config,
            world,
            store,
            passwords,
            secrets,
            keys,
        })
    }
}
