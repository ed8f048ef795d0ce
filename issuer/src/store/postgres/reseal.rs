//! Everything under the key-encryption key, sealed again in one step.

use sqlx::{PgConnection, PgPool};

use super::{keys, ledger};
use crate::store::ledger::Entry;
use crate::store::{Actor, Reseal, Result, SealedName};

const SECRETS_ALONE: &str = "LOCK TABLE server_secrets IN SHARE ROW EXCLUSIVE MODE";

const KEYS: &str = "
    SELECT kid, sealed
    FROM signing_keys
    WHERE sealed IS NOT NULL
    ORDER BY kid";

const SECRETS: &str = "
    SELECT name, sealed
    FROM server_secrets
    ORDER BY name";

const NEW_KEY: &str = "
    UPDATE signing_keys
    SET sealed = $2
    WHERE kid = $1";

const NEW_SECRET: &str = "
    UPDATE server_secrets
    SET sealed = $2
    WHERE name = $1";

pub(super) async fn reseal(
    pool: &PgPool,
    actor: &Actor,
    reseal: &Reseal,
) -> Result<std::result::Result<usize, SealedName>> {
    let mut transaction = pool.begin().await?;
    sqlx::query(keys::ALONE).execute(&mut *transaction).await?;
    sqlx::query(SECRETS_ALONE).execute(&mut *transaction).await?;
    let mut count = 0;
    for (name, sealed) in all(&mut transaction).await? {
        let Some(fresh) = reseal(&name, &sealed) else { return Ok(Err(name)) };
        put(&mut transaction, &name, &fresh).await?;
        count += 1;
    }
    let entry = Entry::new(actor, "secrets.resealed", "key_encryption_key");
    ledger::record(&mut transaction, &[entry]).await?;
    transaction.commit().await?;
    Ok(Ok(count))
}

pub(super) async fn all(connection: &mut PgConnection) -> Result<Vec<(SealedName, Vec<u8>)>> {
    let keys: Vec<(String, Vec<u8>)> = sqlx::query_as(KEYS).fetch_all(&mut *connection).await?;
    let secrets: Vec<(String, Vec<u8>)> = sqlx::query_as(SECRETS).fetch_all(connection).await?;
    let keys = keys.into_iter().map(|(kid, sealed)| (SealedName::SigningKey(kid), sealed));
    let secrets = secrets.into_iter().map(|(name, sealed)| (SealedName::ServerSecret(name), sealed));
    Ok(keys.chain(secrets).collect())
}

async fn put(connection: &mut PgConnection, name: &SealedName, fresh: &[u8]) -> Result<()> {
    let query = match name {
        SealedName::SigningKey(kid) => sqlx::query(NEW_KEY).bind(kid),
        SealedName::ServerSecret(name) => sqlx::query(NEW_SECRET).bind(name),
    };
    query.bind(fresh).execute(connection).await?;
    Ok(())
}
