//! Everything that is kept under the key-encryption key: private signing keys and server secrets.

use std::sync::Arc;

use super::audit::Entry;
use super::key_life::{Reseal, SealedName};
use super::queries::Queries;
use super::sql::statements;
use super::transaction::Transaction;
use super::{Actor, Result, Store};

statements! {
    SECRET = { "
        SELECT sealed
        FROM server_secrets
        WHERE name = $1" }

    INSERT_SECRET = { "
        INSERT INTO server_secrets (name, sealed)
        VALUES ($1, $2)
        ON CONFLICT (name) DO NOTHING" }

    LOCK_SECRETS = { postgres: "LOCK TABLE server_secrets IN SHARE ROW EXCLUSIVE MODE" }

    KEYS = { "
        SELECT kid, sealed
        FROM signing_keys
        WHERE sealed IS NOT NULL
        ORDER BY kid" }

    SECRETS = { "
        SELECT name, sealed
        FROM server_secrets
        ORDER BY name" }

    UPDATE_KEY = { "
        UPDATE signing_keys
        SET sealed = $2
        WHERE kid = $1" }

    UPDATE_SECRET = { "
        UPDATE server_secrets
        SET sealed = $2
        WHERE name = $1" }
}

impl Store {
    /// Returns the sealed server secret called `name`, after storing `candidate` if there is none: the same to all replicas.
    pub async fn server_secret(&self, name: &str, candidate: &[u8]) -> Result<Vec<u8>> {
        let (name, candidate) = (name.to_owned(), candidate.to_vec());
        self.write(async move |mut transaction: Transaction| {
            // Waits for another replica's; the statement after it sees which was first.
            transaction.execute(INSERT_SECRET, (&name, &candidate)).await?;
            let sealed = transaction.value(SECRET, (&name,)).await?;
            transaction.commit().await?;
            Ok(sealed)
        })
        .await
    }

    /// Returns everything that is kept under the key-encryption key.
    pub async fn sealed(&self) -> Result<Vec<(SealedName, Vec<u8>)>> {
        self.read(async |mut transaction: Transaction| sealed(&mut transaction).await).await
    }

    /// Replaces everything that is sealed by what `reseal` makes of it: all or nothing. Returns how many there were, or the
    /// first that could not be opened.
    pub async fn reseal(
        &self,
        actor: &Actor,
        reseal: Arc<Reseal>,
    ) -> Result<std::result::Result<usize, SealedName>> {
        let actor = actor.clone();
        self.write(async move |mut transaction: Transaction| {
            transaction.lock_signing_keys().await?;
            if transaction.is_postgres() {
                transaction.execute(LOCK_SECRETS, ()).await?;
            }
            let mut count = 0;
            for (name, sealed) in sealed(&mut transaction).await? {
                let Some(fresh) = reseal(&name, &sealed) else { return Ok(Err(name)) };
                match &name {
                    SealedName::SigningKey(kid) => transaction.execute(UPDATE_KEY, (kid, fresh)).await?,
                    SealedName::ServerSecret(name) => {
                        transaction.execute(UPDATE_SECRET, (name, fresh)).await?
                    }
                };
                count += 1;
            }
            transaction.record(&[Entry::new(&actor, "secrets.resealed", "key_encryption_key")]).await?;
            transaction.commit().await?;
            Ok(Ok(count))
        })
        .await
    }
}

async fn sealed(transaction: &mut Transaction) -> Result<Vec<(SealedName, Vec<u8>)>> {
    let keys: Vec<(String, Vec<u8>)> = transaction.all(KEYS, ()).await?;
    let secrets: Vec<(String, Vec<u8>)> = transaction.all(SECRETS, ()).await?;
    let keys = keys.into_iter().map(|(kid, sealed)| (SealedName::SigningKey(kid), sealed));
    let secrets = secrets.into_iter().map(|(name, sealed)| (SealedName::ServerSecret(name), sealed));
    Ok(keys.chain(secrets).collect())
}
