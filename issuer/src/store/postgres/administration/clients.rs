//! The statements that changes to clients are made of.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;

use super::{PostgresDesk, moment};
use crate::store::administration::desk::ClientDesk;
use crate::store::administration::{ClientProfile, Page, SecretSlot};
use crate::store::{DeclaredClient, GrantType, Result, StoreError};

const CLIENTS: &str = "
    SELECT
        client_id,
        name,
        public,
        enabled,
        coalesce((
            SELECT json_agg(g.grant_type) FROM client_grants AS g WHERE g.client_id = c.client_id
        ), '[]') AS grants,
        coalesce((
            SELECT json_agg(s.scope_name) FROM client_scopes AS s WHERE s.client_id = c.client_id
        ), '[]') AS scopes,
        coalesce((
            SELECT json_agg(s.scope_name) FROM client_scopes AS s WHERE s.client_id = c.client_id AND s.is_default
        ), '[]') AS default_scopes,
        coalesce((
            SELECT json_agg(o.origin) FROM client_origins AS o WHERE o.client_id = c.client_id
        ), '[]') AS origins,
        forwards_user_address,
        created_at,
        updated_at
    FROM service_clients AS c
    WHERE client_id > $1
    ORDER BY client_id
    LIMIT $2";

const CLIENT: &str = "
    SELECT
        client_id,
        name,
        public,
        enabled,
        coalesce((
            SELECT json_agg(g.grant_type) FROM client_grants AS g WHERE g.client_id = c.client_id
        ), '[]') AS grants,
        coalesce((
            SELECT json_agg(s.scope_name) FROM client_scopes AS s WHERE s.client_id = c.client_id
        ), '[]') AS scopes,
        coalesce((
            SELECT json_agg(s.scope_name) FROM client_scopes AS s WHERE s.client_id = c.client_id AND s.is_default
        ), '[]') AS default_scopes,
        coalesce((
            SELECT json_agg(o.origin) FROM client_origins AS o WHERE o.client_id = c.client_id
        ), '[]') AS origins,
        forwards_user_address,
        created_at,
        updated_at
    FROM service_clients AS c
    WHERE client_id = $1";

const CONTINUE_EPOCH: &str = "
    UPDATE service_clients
    SET epoch = (
        SELECT coalesce(max(min_epoch), 0)
        FROM revocation_events
        WHERE kind = 'cid'
            AND value = $1
    )
    WHERE client_id = $1";

const MOVE_CLIENT: &str = "
    UPDATE service_clients
    SET epoch = epoch + 1
    WHERE client_id = $1
    RETURNING epoch";

const DELETE_CLIENT: &str = "
    DELETE FROM service_clients
    WHERE client_id = $1";

const SECRETS: &str = "
    SELECT CAST(slot AS bigint) AS slot, created_at, expires_at
    FROM client_secrets
    WHERE client_id = $1
        AND (expires_at IS NULL OR expires_at > $2)
    ORDER BY slot";

const INSERT_SECRET: &str = "
    INSERT INTO client_secrets (client_id, slot, hash)
    VALUES ($1, CAST($2 AS smallint), $3)";

const DROP_DEAD_SECRETS: &str = "
    DELETE FROM client_secrets
    WHERE client_id = $1
        AND expires_at <= $2";

const EXPIRE_SECRETS: &str = "
    UPDATE client_secrets
    SET expires_at = $2
    WHERE client_id = $1
        AND (expires_at IS NULL OR expires_at > $2)";

const DELETE_SECRET: &str = "
    DELETE FROM client_secrets
    WHERE client_id = $1
        AND slot = $2";

#[async_trait]
impl ClientDesk for PostgresDesk {
    async fn clients(&mut self, page: &Page) -> Result<Vec<ClientProfile>> {
        let question = sqlx::query_as(CLIENTS).bind(&page.after).bind(page.limit);
        let found: Vec<ClientRow> = question.fetch_all(&mut *self.transaction).await?;
        found.into_iter().map(ClientProfile::try_from).collect()
    }

    async fn client_profile(&mut self, client_id: &str) -> Result<Option<ClientProfile>> {
        let question = sqlx::query_as(CLIENT).bind(client_id);
        let found: Option<ClientRow> = question.fetch_optional(&mut *self.transaction).await?;
        found.map(ClientProfile::try_from).transpose()
    }

    async fn put_client(&mut self, client: &DeclaredClient) -> Result<()> {
        put_client(&mut self.transaction, client).await
    }

    async fn continue_epoch(&mut self, client_id: &str) -> Result<()> {
        sqlx::query(CONTINUE_EPOCH).bind(client_id).execute(&mut *self.transaction).await?;
        Ok(())
    }

    async fn move_client(&mut self, client_id: &str) -> Result<i64> {
        Ok(sqlx::query_scalar(MOVE_CLIENT).bind(client_id).fetch_one(&mut *self.transaction).await?)
    }

    async fn delete_client(&mut self, client_id: &str) -> Result<()> {
        sqlx::query(DELETE_CLIENT).bind(client_id).execute(&mut *self.transaction).await?;
        Ok(())
    }

    async fn secrets(&mut self, client_id: &str) -> Result<Vec<SecretSlot>> {
        let question = sqlx::query_as(SECRETS).bind(client_id).bind(self.now);
        let found: Vec<SecretRow> = question.fetch_all(&mut *self.transaction).await?;
        found.into_iter().map(SecretSlot::try_from).collect()
    }

    async fn insert_secret(&mut self, client_id: &str, slot: i64, hash: [u8; 32]) -> Result<()> {
        let insert = sqlx::query(INSERT_SECRET).bind(client_id).bind(slot).bind(hash.to_vec());
        insert.execute(&mut *self.transaction).await?;
        Ok(())
    }

    async fn drop_dead_secrets(&mut self, client_id: &str) -> Result<()> {
        let drop = sqlx::query(DROP_DEAD_SECRETS).bind(client_id).bind(self.now);
        drop.execute(&mut *self.transaction).await?;
        Ok(())
    }

    async fn expire_secrets(&mut self, client_id: &str, still: Duration) -> Result<()> {
        let expire = sqlx::query(EXPIRE_SECRETS).bind(client_id).bind(self.now + still);
        expire.execute(&mut *self.transaction).await?;
        Ok(())
    }

    async fn delete_secret(&mut self, client_id: &str, slot: i64) -> Result<bool> {
        let delete = sqlx::query(DELETE_SECRET).bind(client_id).bind(slot);
        Ok(delete.execute(&mut *self.transaction).await?.rows_affected() > 0)
    }
}

const PUT_CLIENT: &str = "
    INSERT INTO service_clients (client_id, name, public, enabled, forwards_user_address)
    VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (client_id) DO UPDATE
    SET
        name = excluded.name,
        enabled = excluded.enabled,
        forwards_user_address = excluded.forwards_user_address,
        updated_at = now()";

const DROP_GRANTS: &str = "
    DELETE FROM client_grants
    WHERE client_id = $1
        AND grant_type <> ALL ($2)";

const PUT_GRANTS: &str = "
    INSERT INTO client_grants (client_id, grant_type)
    SELECT $1, unnest($2::text[])
    ON CONFLICT DO NOTHING";

const DROP_CLIENT_SCOPES: &str = "
    DELETE FROM client_scopes
    WHERE client_id = $1
        AND scope_name <> ALL ($2)";

const PUT_CLIENT_SCOPES: &str = "
    INSERT INTO client_scopes (client_id, scope_name, is_default)
    SELECT $1, name, name = ANY ($3)
    FROM unnest($2::text[]) AS name
    ON CONFLICT (client_id, scope_name) DO UPDATE
    SET is_default = excluded.is_default";

const DROP_ORIGINS: &str = "
    DELETE FROM client_origins
    WHERE client_id = $1
        AND origin <> ALL ($2)";

const PUT_ORIGINS: &str = "
    INSERT INTO client_origins (client_id, origin)
    SELECT $1, unnest($2::text[])
    ON CONFLICT DO NOTHING";

pub(in crate::store) async fn put_client(
    connection: &mut PgConnection,
    client: &DeclaredClient,
) -> Result<()> {
    let id = &client.client_id;
    let grants: Vec<&str> = client.grants.iter().map(|grant| grant.as_str()).collect();
    let scopes: Vec<&str> = client.scopes.iter().map(String::as_str).collect();
    let defaults: Vec<&str> = client.default_scopes.iter().map(String::as_str).collect();
    let origins: Vec<&str> = client.origins.iter().map(String::as_str).collect();
    sqlx::query(PUT_CLIENT)
        .bind(id)
        .bind(&client.name)
        .bind(client.public)
        .bind(client.enabled)
        .bind(client.forwards_user_address)
        .execute(&mut *connection)
        .await?;
    sqlx::query(DROP_GRANTS).bind(id).bind(&grants).execute(&mut *connection).await?;
    sqlx::query(PUT_GRANTS).bind(id).bind(&grants).execute(&mut *connection).await?;
    sqlx::query(DROP_CLIENT_SCOPES).bind(id).bind(&scopes).execute(&mut *connection).await?;
    sqlx::query(PUT_CLIENT_SCOPES).bind(id).bind(&scopes).bind(&defaults).execute(&mut *connection).await?;
    sqlx::query(DROP_ORIGINS).bind(id).bind(&origins).execute(&mut *connection).await?;
    sqlx::query(PUT_ORIGINS).bind(id).bind(&origins).execute(connection).await?;
    Ok(())
}

#[derive(sqlx::FromRow)]
struct ClientRow {
    client_id: String,
    name: String,
    public: bool,
    enabled: bool,
    grants: Json<BTreeSet<GrantType>>,
    scopes: Json<BTreeSet<String>>,
    default_scopes: Json<BTreeSet<String>>,
    origins: Json<BTreeSet<String>>,
    forwards_user_address: bool,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
}

impl TryFrom<ClientRow> for ClientProfile {
    type Error = StoreError;

    fn try_from(row: ClientRow) -> Result<Self> {
        Ok(Self {
            client_id: row.client_id,
            name: row.name,
            public: row.public,
            enabled: row.enabled,
            grants: row.grants.0,
            scopes: row.scopes.0,
            default_scopes: row.default_scopes.0,
            origins: row.origins.0,
            forwards_user_address: row.forwards_user_address,
            created_at: moment(row.created_at)?,
            updated_at: moment(row.updated_at)?,
        })
    }
}

#[derive(sqlx::FromRow)]
struct SecretRow {
    slot: i64,
    created_at: OffsetDateTime,
    expires_at: Option<OffsetDateTime>,
}

impl TryFrom<SecretRow> for SecretSlot {
    type Error = StoreError;

    fn try_from(row: SecretRow) -> Result<Self> {
        let expires_at = row.expires_at.map(moment).transpose()?;
        Ok(Self { slot: row.slot, created_at: moment(row.created_at)?, expires_at })
    }
}
