//! The store on PostgreSQL, for any number of replicas.

mod administration;
mod bootstrap;
mod clients;
mod evidence;
mod key_life;
mod keys;
mod ledger;
mod passwords;
mod pool;
mod reseal;
mod revocation;
mod schema;
mod sessions;
mod subject;
mod sweep;
mod users;

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::PgPool;
use time::OffsetDateTime;
use uuid::Uuid;

#[cfg(test)]
pub(super) use self::schema::{MIGRATIONS, migrate};

use self::pool::bounded;
use super::{
    Actor, Bootstrap, Client, Credential, EndSession, IssuedToken, LiveSession, NewSession, NewSigningKey,
    PasswordChange, PoolUse, Result, Revocations, Rotate, Rotation, Session, SessionId, SigningKey, Standing,
    Store, Swept,
};

#[derive(Clone)]
pub struct Postgres {
    pool: PgPool,
}

impl Postgres {
    /// Reads the URL; the first question opens the first connection. Needs a running tokio.
    pub fn connect(url: &str, max_connections: u32) -> Result<Self> {
        Ok(Self { pool: pool::lazy(url, max_connections)? })
    }
}

/// Without the URL, which may hold a password.
impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres").field("connections", &self.pool.size()).finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for Postgres {
    async fn ping(&self) -> Result<()> {
        bounded(schema::ping(&self.pool)).await
    }

    fn pools(&self) -> Vec<PoolUse> {
        vec![PoolUse::of("main", &self.pool)]
    }

    async fn pending_migrations(&self) -> Result<Vec<String>> {
        bounded(schema::pending(&self.pool)).await
    }

    async fn migrate(&self) -> Result<()> {
        schema::migrate(&self.pool, &schema::MIGRATIONS).await
    }

    async fn now(&self) -> Result<OffsetDateTime> {
        bounded(schema::now(&self.pool)).await
    }

    async fn server_secret(&self, name: &str, candidate: &[u8]) -> Result<Vec<u8>> {
        bounded(keys::server_secret(&self.pool, name, candidate)).await
    }

    async fn signing_keys(&self) -> Result<Vec<SigningKey>> {
        bounded(keys::signing_keys(&self.pool)).await
    }

    async fn first_signing_keys(&self, candidates: &[NewSigningKey]) -> Result<Vec<SigningKey>> {
        bounded(keys::first_signing_keys(&self.pool, candidates)).await
    }

    async fn client(&self, client_id: &str) -> Result<Option<Client>> {
        bounded(clients::client(&self.pool, client_id)).await
    }

    async fn browser_origins(&self) -> Result<BTreeSet<String>> {
        bounded(clients::browser_origins(&self.pool)).await
    }

    async fn credential(&self, username_key: &str) -> Result<Option<Credential>> {
        bounded(passwords::credential(&self.pool, username_key)).await
    }

    async fn credential_by_id(&self, user_id: Uuid) -> Result<Option<Credential>> {
        bounded(passwords::credential_by_id(&self.pool, user_id)).await
    }

    async fn open_session(&self, session: &NewSession) -> Result<Option<Session>> {
        bounded(sessions::open(&self.pool, session)).await
    }

    async fn session_salt(&self, id: SessionId) -> Result<Option<[u8; 16]>> {
        bounded(sessions::salt(&self.pool, id)).await
    }

    async fn session_scope(&self, id: SessionId) -> Result<Option<BTreeSet<String>>> {
        bounded(sessions::scope(&self.pool, id)).await
    }

    async fn rotate(&self, rotate: &Rotate) -> Result<Rotation> {
        bounded(sessions::rotate(&self.pool, rotate)).await
    }

    async fn rehash_password(&self, user_id: Uuid, old: &str, new: &str) -> Result<()> {
        bounded(passwords::rehash(&self.pool, user_id, old, new)).await
    }

    async fn change_password(&self, change: &PasswordChange) -> Result<bool> {
        bounded(passwords::change(&self.pool, change)).await
    }

    async fn sweep(&self, most: u32) -> Result<Swept> {
        bounded(sweep::sweep(&self.pool, most)).await
    }

    async fn held_scopes(&self, actor: &Actor) -> Result<BTreeSet<String>> {
        bounded(subject::held_scopes(&self.pool, actor)).await
    }

    async fn bootstrap(&self, bootstrap: &Bootstrap) -> Result<bool> {
        bootstrap::bootstrap(&self.pool, bootstrap).await
    }
}

#[async_trait]
impl Revocations for Postgres {
    async fn end_session(&self, end: &EndSession) -> Result<bool> {
        bounded(revocation::end_session(&self.pool, end)).await
    }

    async fn revoke_token(&self, actor: &Actor, token_id: &str) -> Result<()> {
        bounded(revocation::revoke_token(&self.pool, actor, token_id)).await
    }

    async fn standing(&self, token: &IssuedToken) -> Result<Option<Standing>> {
        bounded(revocation::standing(&self.pool, token)).await
    }

    async fn live_session(&self, id: SessionId, inactivity: Duration) -> Result<Option<Session>> {
        bounded(sessions::live(&self.pool, id, inactivity)).await
    }

    async fn live_sessions(&self, user_id: Uuid, inactivity: Duration) -> Result<Vec<LiveSession>> {
        bounded(revocation::live_sessions(&self.pool, user_id, inactivity)).await
    }
}
