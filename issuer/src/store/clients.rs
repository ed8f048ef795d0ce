//! Clients, their grants, scopes, origins and secrets.

use std::collections::BTreeSet;
use std::time::Duration;

use sqlx::types::Json;

use super::columns::Seconds;
use super::queries::{Autocommit, Queries as _};
use super::sql::{fragment, statements};
use super::transaction::Transaction;
use super::{Client, ClientProfile, DeclaredClient, Page, Result, SecretSlot, Store};

/// The members of a client that are tables of their own, and the columns that every reader takes.
macro_rules! clients {
    ($database:ident $($piece:tt)+) => {
        concat!(
            "
            SELECT
                c.client_id,
                c.enabled,
                c.public,
                c.forwards_user_address,
                (
                    SELECT ", fragment!($database [array "g.grant_type"]), "
                    FROM client_grants AS g
                    WHERE g.client_id = c.client_id
                ) AS grants,
                (
                    SELECT ", fragment!($database [array "cs.scope_name"]), "
                    FROM client_scopes AS cs
                    WHERE cs.client_id = c.client_id
                        AND cs.is_default
                ) AS default_scopes,
                (
                    SELECT ", fragment!($database [array "o.origin"]), "
                    FROM client_origins AS o
                    WHERE o.client_id = c.client_id
                ) AS origins",
            $(fragment!($database $piece)),+
        )
    };
}

macro_rules! profiles {
    ($database:ident $condition:literal) => {
        clients!($database ",
                c.name,
                (
                    SELECT " [array "cs.scope_name"] "
                    FROM client_scopes AS cs
                    WHERE cs.client_id = c.client_id
                ) AS scopes,
                c.created_at,
                c.updated_at
            FROM service_clients AS c
            " $condition)
    };
}

/// One statement, so that nothing changes between its parts.
macro_rules! client {
    ($database:ident) => {
        clients!($database ",
                c.epoch,
                (
                    SELECT " [scopes] "
                    FROM client_scopes AS cs
                    JOIN scopes AS s ON s.name = cs.scope_name
                    WHERE cs.client_id = c.client_id
                ) AS scopes,
                (
                    SELECT " [hashes] "
                    FROM client_secrets AS secret
                    WHERE secret.client_id = c.client_id
                        AND (secret.expires_at IS NULL OR secret.expires_at > " [now] ")
                ) AS secrets,
                (
                    SELECT -" [seconds_since "min(secret.expires_at)"] "
                    FROM client_secrets AS secret
                    WHERE secret.client_id = c.client_id
                        AND secret.expires_at > " [now] "
                ) AS secrets_change_in
            FROM service_clients AS c
            WHERE c.client_id = $1")
    };
}

statements! {
    CLIENT = { postgres: client!(postgres), sqlite: client!(sqlite) }

    PROFILES = {
        postgres: profiles!(postgres "WHERE client_id > $1 ORDER BY client_id LIMIT $2"),
        sqlite: profiles!(sqlite "WHERE client_id > $1 ORDER BY client_id LIMIT $2"),
    }

    PROFILE = {
        postgres: profiles!(postgres "WHERE client_id = $1"),
        sqlite: profiles!(sqlite "WHERE client_id = $1"),
    }

    BROWSER_ORIGINS = { "
        SELECT DISTINCT o.origin
        FROM client_origins AS o
        JOIN service_clients AS c ON c.client_id = o.client_id
        WHERE c.enabled" }

    PUT = { "
        INSERT INTO service_clients (client_id, name, public, enabled, forwards_user_address)
        VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (client_id) DO UPDATE
        SET
            name = excluded.name,
            enabled = excluded.enabled,
            forwards_user_address = excluded.forwards_user_address,
            updated_at = " [now] }

    REMOVE_GRANTS = { "
        DELETE FROM client_grants
        WHERE client_id = $1
            AND grant_type NOT IN (" [members "$2"] ")" }

    ADD_GRANTS = { "
        INSERT INTO client_grants (client_id, grant_type)
        SELECT $1, " [text "e.value"] "
        FROM " [elements "$2"] "
        WHERE true
        ON CONFLICT DO NOTHING" }

    REMOVE_SCOPES = { "
        DELETE FROM client_scopes
        WHERE client_id = $1
            AND scope_name NOT IN (" [members "$2"] ")" }

    PUT_SCOPES = { "
        INSERT INTO client_scopes (client_id, scope_name, is_default)
        SELECT $1, " [text "e.value"] ", " [text "e.value"] " IN (" [members "$3"] ")
        FROM " [elements "$2"] "
        WHERE true
        ON CONFLICT (client_id, scope_name) DO UPDATE
        SET is_default = excluded.is_default" }

    REMOVE_ORIGINS = { "
        DELETE FROM client_origins
        WHERE client_id = $1
            AND origin NOT IN (" [members "$2"] ")" }

    ADD_ORIGINS = { "
        INSERT INTO client_origins (client_id, origin)
        SELECT $1, " [text "e.value"] "
        FROM " [elements "$2"] "
        WHERE true
        ON CONFLICT DO NOTHING" }

    /// Revocations of an earlier client of this name must not match the tokens of this one.
    CONTINUE_EPOCH = { "
        UPDATE service_clients
        SET epoch = (
            SELECT coalesce(max(min_epoch), 0)
            FROM revocation_events
            WHERE kind = 'cid'
                AND value = $1
        )
        WHERE client_id = $1" }

    INCREMENT_EPOCH = { "
        UPDATE service_clients
        SET epoch = epoch + 1
        WHERE client_id = $1
        RETURNING epoch" }

    DELETE = { "
        DELETE FROM service_clients
        WHERE client_id = $1" }

    SECRETS = { "
        SELECT CAST(slot AS bigint) AS slot, created_at, expires_at
        FROM client_secrets
        WHERE client_id = $1
            AND (expires_at IS NULL OR expires_at > " [now] ")
        ORDER BY slot" }

    INSERT_SECRET = { "
        INSERT INTO client_secrets (client_id, slot, hash)
        VALUES ($1, CAST($2 AS smallint), $3)" }

    DELETE_EXPIRED_SECRETS = { "
        DELETE FROM client_secrets
        WHERE client_id = $1
            AND expires_at <= " [now] }

    EXPIRE_SECRETS = { "
        UPDATE client_secrets
        SET expires_at = " [after "$2"] "
        WHERE client_id = $1
            AND (expires_at IS NULL OR expires_at > " [after "$2"] ")" }

    DELETE_SECRET = { "
        DELETE FROM client_secrets
        WHERE client_id = $1
            AND slot = $2" }
}

impl Store {
    /// Returns clients by `client_id`, after the cursor.
    pub async fn clients(&self, page: &Page) -> Result<Vec<ClientProfile>> {
        Autocommit(self.administration()).all(PROFILES, (&page.after, page.limit)).await
    }

    pub async fn client_profile(&self, client_id: &str) -> Result<Option<ClientProfile>> {
        Autocommit(self.administration()).optional(PROFILE, (client_id,)).await
    }

    /// Returns the secrets that have not expired.
    pub async fn client_secrets(&self, client_id: &str) -> Result<Vec<SecretSlot>> {
        Autocommit(self.administration()).all(SECRETS, (client_id,)).await
    }

    /// Returns a client, or `None` if it does not exist.
    pub async fn client(&self, client_id: &str) -> Result<Option<Client>> {
        // Anyone can send this text. PostgreSQL takes no NUL in one, and would call it an error of ours.
        if client_id.contains('\0') {
            return Ok(None);
        }
        Autocommit(self.clone()).optional(CLIENT, (client_id,)).await
    }

    /// Returns every origin that an enabled client has registered.
    pub async fn browser_origins(&self) -> Result<BTreeSet<String>> {
        Ok(Autocommit(self.clone()).values(BROWSER_ORIGINS, ()).await?.into_iter().collect())
    }
}

impl Transaction {
    /// Returns clients by `client_id`, after the cursor.
    pub async fn clients(&mut self, page: &Page) -> Result<Vec<ClientProfile>> {
        self.all(PROFILES, (&page.after, page.limit)).await
    }

    pub async fn client_profile(&mut self, client_id: &str) -> Result<Option<ClientProfile>> {
        self.optional(PROFILE, (client_id,)).await
    }

    /// Makes or changes a client, with its grants, scopes and origins; its secrets stay as they are.
    pub async fn put_client(&mut self, client: &DeclaredClient) -> Result<()> {
        self.changes_clients();
        let DeclaredClient { client_id, name, public, enabled, forwards_user_address, .. } = client;
        self.execute(PUT, (client_id, name, *public, *enabled, *forwards_user_address)).await?;
        let grants = Json(&client.grants);
        self.execute(REMOVE_GRANTS, (client_id, grants)).await?;
        self.execute(ADD_GRANTS, (client_id, grants)).await?;
        let scopes = Json(&client.scopes);
        self.execute(REMOVE_SCOPES, (client_id, scopes)).await?;
        self.execute(PUT_SCOPES, (client_id, scopes, Json(&client.default_scopes))).await?;
        let origins = Json(&client.origins);
        self.execute(REMOVE_ORIGINS, (client_id, origins)).await?;
        self.execute(ADD_ORIGINS, (client_id, origins)).await.map(drop)
    }

    /// Makes the epoch of a new client follow that of an earlier one with its name that was revoked.
    pub async fn continue_client_epoch(&mut self, client_id: &str) -> Result<()> {
        self.execute(CONTINUE_EPOCH, (client_id,)).await.map(drop)
    }

    /// Increments the epoch of a client, which revokes its tokens. Returns the new epoch.
    pub async fn increment_client_epoch(&mut self, client_id: &str) -> Result<i64> {
        self.changes_clients();
        self.value(INCREMENT_EPOCH, (client_id,)).await
    }

    pub async fn delete_client(&mut self, client_id: &str) -> Result<()> {
        self.changes_clients();
        self.execute(DELETE, (client_id,)).await.map(drop)
    }

    /// Returns the secrets that have not expired.
    pub async fn client_secrets(&mut self, client_id: &str) -> Result<Vec<SecretSlot>> {
        self.all(SECRETS, (client_id,)).await
    }

    pub async fn insert_client_secret(&mut self, client_id: &str, slot: i64, hash: &[u8; 32]) -> Result<()> {
        self.changes_clients();
        self.execute(INSERT_SECRET, (client_id, slot, hash.as_slice())).await.map(drop)
    }

    pub async fn delete_expired_client_secrets(&mut self, client_id: &str) -> Result<()> {
        self.execute(DELETE_EXPIRED_SECRETS, (client_id,)).await.map(drop)
    }

    /// Lets no present secret live for longer than `remaining`.
    pub async fn expire_client_secrets(&mut self, client_id: &str, remaining: Duration) -> Result<()> {
        self.changes_clients();
        self.execute(EXPIRE_SECRETS, (client_id, Seconds::from(remaining))).await.map(drop)
    }

    /// Deletes the secret of a slot. `false`: there is none.
    pub async fn delete_client_secret(&mut self, client_id: &str, slot: i64) -> Result<bool> {
        self.changes_clients();
        Ok(self.execute(DELETE_SECRET, (client_id, slot)).await? > 0)
    }
}
