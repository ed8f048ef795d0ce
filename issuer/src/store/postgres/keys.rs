//! Signing keys and server secrets: sealed bytes that all replicas agree on.

use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;

use crate::store::{NewSigningKey, Result, SigningKey};

const SECRET: &str = "
    SELECT sealed
    FROM server_secrets
    WHERE name = $1";

const NEW_SECRET: &str = "
    INSERT INTO server_secrets (name, sealed)
    VALUES ($1, $2)
    ON CONFLICT (name) DO NOTHING";

/// The insert waits for another replica's; the question after it sees who was first.
pub(super) async fn server_secret(pool: &PgPool, name: &str, candidate: &[u8]) -> Result<Vec<u8>> {
    let mut transaction = pool.begin().await?;
    sqlx::query(NEW_SECRET).bind(name).bind(candidate).execute(&mut *transaction).await?;
    let sealed = sqlx::query_scalar(SECRET).bind(name).fetch_one(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(sealed)
}

const KEYS: &str = "
    SELECT kid, alg, public_jwk::text AS public_jwk, sealed, published_at, activates_at, retires_at
    FROM signing_keys
    WHERE compromised_at IS NULL
        AND (removed_at IS NULL OR removed_at > now())
    ORDER BY published_at, activates_at NULLS LAST, kid";

pub(super) async fn signing_keys(pool: &PgPool) -> Result<Vec<SigningKey>> {
    usable(&mut *pool.acquire().await?).await
}

async fn usable(connection: &mut PgConnection) -> Result<Vec<SigningKey>> {
    let keys: Vec<Row> = sqlx::query_as(KEYS).fetch_all(connection).await?;
    Ok(keys.into_iter().map(SigningKey::from).collect())
}

/// One replica at a time; readers go on.
pub(super) const ALONE: &str = "LOCK TABLE signing_keys IN SHARE ROW EXCLUSIVE MODE";

const NEW_KEY: &str = "
    INSERT INTO signing_keys (kid, alg, public_jwk, sealed, published_at, lead, activates_at)
    VALUES (
        $1, $2, $3::json, $4, now(),
        CASE WHEN $5 THEN interval '0' END,
        CASE WHEN $5 THEN now() END
    )";

pub(super) async fn first_signing_keys(
    pool: &PgPool,
    candidates: &[NewSigningKey],
) -> Result<Vec<SigningKey>> {
    let mut transaction = pool.begin().await?;
    sqlx::query(ALONE).execute(&mut *transaction).await?;
    if usable(&mut transaction).await?.is_empty() {
        for key in candidates {
            sqlx::query(NEW_KEY)
                .bind(&key.kid)
                .bind(&key.alg)
                .bind(&key.public_jwk)
                .bind(&key.sealed)
                .bind(key.active)
                .execute(&mut *transaction)
                .await?;
        }
    }
    let keys = usable(&mut transaction).await?;
    transaction.commit().await?;
    Ok(keys)
}

#[derive(sqlx::FromRow)]
struct Row {
    kid: String,
    alg: String,
    public_jwk: String,
    sealed: Vec<u8>,
    published_at: OffsetDateTime,
    activates_at: Option<OffsetDateTime>,
    retires_at: Option<OffsetDateTime>,
}

impl From<Row> for SigningKey {
    fn from(row: Row) -> Self {
        Self {
            kid: row.kid,
            alg: row.alg,
            public_jwk: row.public_jwk,
            sealed: row.sealed,
            published_at: row.published_at,
            activates_at: row.activates_at,
            retires_at: row.retires_at,
        }
    }
}
