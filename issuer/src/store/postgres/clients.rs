//! What is known of a client: one statement, so that nothing changes between its parts.

use std::collections::BTreeSet;
use std::time::Duration;

use sqlx::PgPool;
use sqlx::types::Json;

use crate::store::{Client, Result, Scope, StoreError, rows};

const CLIENT: &str = "
    SELECT
        c.client_id,
        c.enabled,
        c.public,
        c.epoch,
        c.forwards_user_address,
        ARRAY(
            SELECT g.grant_type
            FROM client_grants AS g
            WHERE g.client_id = c.client_id
        ) AS grants,
        coalesce((
            SELECT json_agg(json_build_object('name', s.name, 'resource', s.resource) ORDER BY s.name)
            FROM client_scopes AS cs
            JOIN scopes AS s ON s.name = cs.scope_name
            WHERE cs.client_id = c.client_id
        ), '[]') AS scopes,
        ARRAY(
            SELECT cs.scope_name
            FROM client_scopes AS cs
            WHERE cs.client_id = c.client_id
                AND cs.is_default
        ) AS default_scopes,
        ARRAY(
            SELECT o.origin
            FROM client_origins AS o
            WHERE o.client_id = c.client_id
        ) AS origins,
        ARRAY(
            SELECT secret.hash
            FROM client_secrets AS secret
            WHERE secret.client_id = c.client_id
                AND (secret.expires_at IS NULL OR secret.expires_at > now())
            ORDER BY secret.slot
        ) AS secrets,
        (
            SELECT extract(epoch FROM min(secret.expires_at) - now())::float8
            FROM client_secrets AS secret
            WHERE secret.client_id = c.client_id
                AND secret.expires_at > now()
        ) AS secrets_change_in
    FROM service_clients AS c
    WHERE c.client_id = $1";

pub(super) async fn client(pool: &PgPool, client_id: &str) -> Result<Option<Client>> {
    // A stranger's bytes; PostgreSQL takes no NUL in a text and would call it an error of ours.
    if client_id.contains('\0') {
        return Ok(None);
    }
    let row: Option<Row> = sqlx::query_as(CLIENT).bind(client_id).fetch_optional(pool).await?;
    row.map(Client::try_from).transpose()
}

const BROWSER_ORIGINS: &str = "
    SELECT DISTINCT o.origin
    FROM client_origins AS o
    JOIN service_clients AS c ON c.client_id = o.client_id
    WHERE c.enabled";

pub(super) async fn browser_origins(pool: &PgPool) -> Result<BTreeSet<String>> {
    let origins: Vec<String> = sqlx::query_scalar(BROWSER_ORIGINS).fetch_all(pool).await?;
    Ok(BTreeSet::from_iter(origins))
}

#[derive(sqlx::FromRow)]
struct Row {
    client_id: String,
    enabled: bool,
    public: bool,
    epoch: i64,
    forwards_user_address: bool,
    grants: Vec<String>,
    scopes: Json<Vec<Scope>>,
    default_scopes: Vec<String>,
    origins: Vec<String>,
    secrets: Vec<Vec<u8>>,
    secrets_change_in: Option<f64>,
}

impl TryFrom<Row> for Client {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            client_id: row.client_id,
            enabled: row.enabled,
            public: row.public,
            grants: rows::grants(&row.grants)?,
            scopes: row.scopes.0,
            default_scopes: BTreeSet::from_iter(row.default_scopes),
            origins: BTreeSet::from_iter(row.origins),
            forwards_user_address: row.forwards_user_address,
            secrets: row
                .secrets
                .iter()
                .map(|hash| rows::bytes("a secret hash", hash))
                .collect::<Result<_>>()?,
            secrets_change_in: row.secrets_change_in.and_then(|left| Duration::try_from_secs_f64(left).ok()),
            epoch: row.epoch,
        })
    }
}
