//! Signing keys and server secrets: sealed bytes.

use sqlx::SqliteConnection;

use super::clock;
use super::pool::Pools;
use crate::store::{NewSigningKey, Result, SigningKey};

const SECRET: &str = "
    SELECT sealed
    FROM server_secrets
    WHERE name = $1";

const NEW_SECRET: &str = "
    INSERT INTO server_secrets (name, sealed)
    VALUES ($1, $2)
    ON CONFLICT (name) DO NOTHING";

pub(super) async fn server_secret(pools: &Pools, name: &str, candidate: &[u8]) -> Result<Vec<u8>> {
    let mut transaction = pools.write().await?;
    sqlx::query(NEW_SECRET).bind(name).bind(candidate).execute(&mut *transaction).await?;
    let sealed = sqlx::query_scalar(SECRET).bind(name).fetch_one(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(sealed)
}

const KEYS: &str = "
    SELECT kid, alg, public_jwk, sealed, published_at, activates_at, retires_at
    FROM signing_keys
    WHERE compromised_at IS NULL
        AND (removed_at IS NULL OR removed_at > $1)
    ORDER BY published_at, activates_at NULLS LAST, kid";

pub(super) async fn signing_keys(pools: &Pools) -> Result<Vec<SigningKey>> {
    let mut connection = pools.reader().acquire().await?;
    let now = clock::now(&mut connection).await?;
    usable(&mut connection, now).await
}

async fn usable(connection: &mut SqliteConnection, now: i64) -> Result<Vec<SigningKey>> {
    let keys: Vec<Row> = sqlx::query_as(KEYS).bind(now).fetch_all(connection).await?;
    keys.into_iter().map(SigningKey::try_from).collect()
}

const NEW_KEY: &str = "
    INSERT INTO signing_keys (kid, alg, public_jwk, sealed, published_at, lead, activates_at)
    VALUES ($1, $2, $3, $4, $5, CASE WHEN $6 THEN 0 END, CASE WHEN $6 THEN $5 END)";

pub(super) async fn first_signing_keys(
    pools: &Pools,
    candidates: &[NewSigningKey],
) -> Result<Vec<SigningKey>> {
    let mut transaction = pools.write().await?;
    let now = clock::now(&mut transaction).await?;
    if usable(&mut transaction, now).await?.is_empty() {
        for key in candidates {
            sqlx::query(NEW_KEY)
                .bind(&key.kid)
                .bind(&key.alg)
                .bind(&key.public_jwk)
                .bind(&key.sealed)
                .bind(now)
                .bind(key.active)
                .execute(&mut *transaction)
                .await?;
        }
    }
    let keys = usable(&mut transaction, now).await?;
    transaction.commit().await?;
    Ok(keys)
}

#[derive(sqlx::FromRow)]
struct Row {
    kid: String,
    alg: String,
    public_jwk: String,
    sealed: Vec<u8>,
    published_at: i64,
    activates_at: Option<i64>,
    retires_at: Option<i64>,
}

impl TryFrom<Row> for SigningKey {
    type Error = crate::store::StoreError;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            kid: row.kid,
            alg: row.alg,
            public_jwk: row.public_jwk,
            sealed: row.sealed,
            published_at: clock::moment(row.published_at)?,
            activates_at: row.activates_at.map(clock::moment).transpose()?,
            retires_at: row.retires_at.map(clock::moment).transpose()?,
        })
    }
}
