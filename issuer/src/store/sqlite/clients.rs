//! What is known of a client, read from one snapshot.

use std::collections::BTreeSet;
use std::time::Duration;

use sqlx::SqliteConnection;

use super::clock;
use super::pool::Pools;
use crate::store::{Client, Result, Scope, rows};

const CLIENT: &str = "
    SELECT enabled, public, epoch, forwards_user_address
    FROM service_clients
    WHERE client_id = $1";

pub(super) async fn client(pools: &Pools, client_id: &str) -> Result<Option<Client>> {
    let mut snapshot = pools.read().await?;
    let row: Option<(bool, bool, i64, bool)> =
        sqlx::query_as(CLIENT).bind(client_id).fetch_optional(&mut *snapshot).await?;
    let Some((enabled, public, epoch, forwards_user_address)) = row else {
        return Ok(None);
    };

    let scopes = scopes(&mut snapshot, client_id).await?;
    let (secrets, secrets_change_in) = secrets(&mut snapshot, client_id).await?;
    Ok(Some(Client {
        client_id: client_id.to_owned(),
        enabled,
        public,
        grants: rows::grants(&grants(&mut snapshot, client_id).await?)?,
        default_scopes: scopes.iter().filter(|row| row.is_default).map(|row| row.name.clone()).collect(),
        scopes: scopes.into_iter().map(|row| Scope { name: row.name, resource: row.resource }).collect(),
        origins: BTreeSet::from_iter(origins(&mut snapshot, client_id).await?),
        forwards_user_address,
        secrets,
        secrets_change_in,
        epoch,
    }))
}

const GRANTS: &str = "
    SELECT grant_type
    FROM client_grants
    WHERE client_id = $1";

async fn grants(connection: &mut SqliteConnection, client_id: &str) -> Result<Vec<String>> {
    Ok(sqlx::query_scalar(GRANTS).bind(client_id).fetch_all(connection).await?)
}

const SCOPES: &str = "
    SELECT s.name, s.resource, cs.is_default
    FROM client_scopes AS cs
    JOIN scopes AS s ON s.name = cs.scope_name
    WHERE cs.client_id = $1
    ORDER BY s.name";

#[derive(sqlx::FromRow)]
struct ScopeRow {
    name: String,
    resource: String,
    is_default: bool,
}

async fn scopes(connection: &mut SqliteConnection, client_id: &str) -> Result<Vec<ScopeRow>> {
    Ok(sqlx::query_as(SCOPES).bind(client_id).fetch_all(connection).await?)
}

const ORIGINS: &str = "
    SELECT origin
    FROM client_origins
    WHERE client_id = $1";

async fn origins(connection: &mut SqliteConnection, client_id: &str) -> Result<Vec<String>> {
    Ok(sqlx::query_scalar(ORIGINS).bind(client_id).fetch_all(connection).await?)
}

const BROWSER_ORIGINS: &str = "
    SELECT DISTINCT o.origin
    FROM client_origins AS o
    JOIN service_clients AS c ON c.client_id = o.client_id
    WHERE c.enabled";

pub(super) async fn browser_origins(pools: &Pools) -> Result<BTreeSet<String>> {
    let mut snapshot = pools.read().await?;
    let origins: Vec<String> = sqlx::query_scalar(BROWSER_ORIGINS).fetch_all(&mut *snapshot).await?;
    Ok(BTreeSet::from_iter(origins))
}

const SECRETS: &str = "
    SELECT hash, expires_at
    FROM client_secrets
    WHERE client_id = $1
        AND (expires_at IS NULL OR expires_at > $2)
    ORDER BY slot";

/// The live ones, and until when they are all of them.
async fn secrets(
    connection: &mut SqliteConnection,
    client_id: &str,
) -> Result<(Vec<[u8; 32]>, Option<Duration>)> {
    let now = clock::now(connection).await?;
    let live: Vec<(Vec<u8>, Option<i64>)> =
        sqlx::query_as(SECRETS).bind(client_id).bind(now).fetch_all(connection).await?;
    let hashes = live.iter().map(|(hash, _)| rows::bytes("a secret hash", hash)).collect::<Result<_>>()?;
    let first = live.iter().filter_map(|(_, expires_at)| *expires_at).min();
    Ok((hashes, first.map(|at| Duration::from_millis(at.abs_diff(now)))))
}
