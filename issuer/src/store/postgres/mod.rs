//! The store on PostgreSQL, for any number of replicas.

mod administration;
mod bootstrap;
mod clients;
mod evidence;
mod feed;
mod key_life;
mod keys;
mod ledger;
mod outages;
mod passwords;
mod pool;
mod reseal;
mod revocation;
mod schema;
mod sessions;
mod skeletons;
mod subject;
mod sweep;
mod url;
mod users;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use moka::future::Cache;
use sqlx::PgPool;
use time::OffsetDateTime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

#[cfg(test)]
pub(super) use self::schema::{MIGRATIONS, migrate};

use self::pool::Distrust;
pub use self::url::may_be_plain;
use super::{
    Actor, Bootstrap, Client, Credential, EndReason, EndSession, FeedPage, Initiator, IssuedToken,
    LiveSession, NewSession, NewSigningKey, PasswordChange, PoolUse, Position, Result, Revocations, Rotate,
    Rotation, Session, SessionId, SigningKey, Skeletons, Spawned, Standing, Store, StoreError, Swept,
};

#[derive(Clone)]
pub struct Postgres {
    pool: PgPool,
    /// The connections that administration and self-service may hold at the same time.
    share: Arc<Semaphore>,
    distrust: Arc<Distrust>,
    /// Of sessions seen lately: it never changes, so a refresh need not ask for it first.
    salts: Cache<SessionId, [u8; 16]>,
}

impl Postgres {
    /// Reads the URL; the first question opens the first connection. Needs a running tokio.
    pub fn connect(url: &str, max_connections: u32) -> Result<Spawned<Self>> {
        let distrust = Distrust::new();
        let salts = Cache::new(SALTS);
        let pool = pool::lazy(url, max_connections, distrust.clone())?;
        let share = Arc::new(Semaphore::new(pool::administration_share(max_connections)));
        Ok(Spawned::new(Self { pool, share, distrust, salts }))
    }

    /// The answer, or an error once the connection is given up.
    fn bounded<T, A>(&self, answer: A) -> impl Future<Output = Result<T>> + Send + use<T, A>
    where
        A: Future<Output = Result<T>> + Send,
    {
        pool::bounded(self.distrust.clone(), answer)
    }

    /// The same within the share of administration and self-service.
    async fn bounded_in_share<T>(&self, answer: impl Future<Output = Result<T>> + Send) -> Result<T> {
        let in_share = async {
            let _place = self.place().await?;
            answer.await
        };
        self.bounded(in_share).await
    }

    async fn place(&self) -> Result<OwnedSemaphorePermit> {
        let place = tokio::time::timeout(pool::ACQUIRE, Arc::clone(&self.share).acquire_owned()).await;
        place.ok().and_then(Result::ok).ok_or(StoreError::Unavailable(sqlx::Error::PoolTimedOut))
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
    async fn probe_write(&self) -> Result<()> {
        self.bounded(schema::probe_write(&self.pool)).await
    }

    async fn close(&self) -> Result<()> {
        self.pool.close().await;
        Ok(())
    }

    fn pools(&self) -> Vec<PoolUse> {
        vec![PoolUse::of("main", &self.pool)]
    }

    async fn pending_migrations(&self) -> Result<Vec<String>> {
        self.bounded(schema::pending(&self.pool)).await
    }

    async fn has_schema(&self) -> Result<bool> {
        self.bounded(schema::has_schema(&self.pool)).await
    }

    async fn migrate(&self) -> Result<()> {
        schema::migrate(&self.pool, &schema::MIGRATIONS).await
    }

    async fn now(&self) -> Result<OffsetDateTime> {
        self.bounded(schema::now(&self.pool)).await
    }

    async fn server_secret(&self, name: &str, candidate: &[u8]) -> Result<Vec<u8>> {
        self.bounded(keys::server_secret(&self.pool, name, candidate)).await
    }

    async fn signing_keys(&self) -> Result<Vec<SigningKey>> {
        self.bounded(keys::signing_keys(&self.pool)).await
    }

    async fn first_signing_keys(&self, candidates: &[NewSigningKey]) -> Result<Vec<SigningKey>> {
        self.bounded(keys::first_signing_keys(&self.pool, candidates)).await
    }

    async fn client(&self, client_id: &str) -> Result<Option<Client>> {
        self.bounded(clients::client(&self.pool, client_id)).await
    }

    async fn browser_origins(&self) -> Result<BTreeSet<String>> {
        self.bounded(clients::browser_origins(&self.pool)).await
    }

    async fn credential(&self, username_key: &str) -> Result<Option<Credential>> {
        self.bounded(passwords::credential(&self.pool, username_key)).await
    }

    async fn credential_by_id(&self, user_id: Uuid) -> Result<Option<Credential>> {
        self.bounded_in_share(passwords::credential_by_id(&self.pool, user_id)).await
    }

    async fn open_session(&self, session: &NewSession) -> Result<Option<Session>> {
        let opened = self.bounded(sessions::open(&self.pool, session)).await?;
        if let Some(session) = &opened {
            self.salts.insert(session.id, session.salt).await;
        }
        Ok(opened)
    }

    async fn session_salt(&self, id: SessionId) -> Result<Option<[u8; 16]>> {
        if let Some(salt) = self.salts.get(&id).await {
            return Ok(Some(salt));
        }
        let salt = self.bounded(sessions::salt(&self.pool, id)).await?;
        if let Some(salt) = salt {
            self.salts.insert(id, salt).await;
        }
        Ok(salt)
    }

    async fn rotate(&self, rotate: &Rotate) -> Result<Rotation> {
        self.bounded(sessions::rotate(&self.pool, rotate)).await
    }

    async fn report_alive(&self, due: Duration) -> Result<Option<Duration>> {
        self.bounded(outages::report(&self.pool, due)).await
    }

    async fn password_schemes(&self) -> Result<Vec<String>> {
        passwords::schemes(&self.pool).await
    }

    async fn rehash_password(&self, user_id: Uuid, old: &str, new: &str) -> Result<()> {
        self.bounded(passwords::rehash(&self.pool, user_id, old, new)).await
    }

    async fn change_password(&self, change: &PasswordChange) -> Result<bool> {
        self.bounded_in_share(passwords::change(&self.pool, change)).await
    }

    async fn write_skeletons(&self, after: Uuid, most: u32) -> Result<Skeletons> {
        self.bounded(skeletons::write(&self.pool, after, most)).await
    }

    async fn sweep(&self, most: u32) -> Result<Swept> {
        self.bounded(sweep::sweep(&self.pool, most)).await
    }

    async fn held_scopes(&self, actor: &Actor) -> Result<BTreeSet<String>> {
        self.bounded(subject::held_scopes(&self.pool, actor)).await
    }

    async fn bootstrap(&self, bootstrap: &Bootstrap) -> Result<bool> {
        bootstrap::bootstrap(&self.pool, bootstrap).await
    }
}

#[async_trait]
impl Revocations for Postgres {
    async fn end_session(&self, end: &EndSession) -> Result<bool> {
        let answer = revocation::end_session(&self.pool, end);
        match end.reason {
            EndReason::EndedByUser => self.bounded_in_share(answer).await,
            _ => self.bounded(answer).await,
        }
    }

    async fn revoke_token(&self, by: &Initiator, token_id: &str) -> Result<()> {
        self.bounded(revocation::revoke_token(&self.pool, by, token_id)).await
    }

    async fn standing(&self, token: &IssuedToken) -> Result<Option<Standing>> {
        self.bounded(revocation::standing(&self.pool, token)).await
    }

    async fn live_session(&self, id: SessionId, inactivity: Duration) -> Result<Option<Session>> {
        self.bounded(sessions::live(&self.pool, id, inactivity)).await
    }

    async fn live_sessions(&self, user_id: Uuid, inactivity: Duration) -> Result<Vec<LiveSession>> {
        self.bounded_in_share(revocation::live_sessions(&self.pool, user_id, inactivity)).await
    }

    async fn revoked_after(&self, position: Option<Position>, most: u32) -> Result<Option<FeedPage>> {
        self.bounded(feed::after(&self.pool, position, most)).await
    }
}

/// Some ten megabytes.
const SALTS: u64 = 50_000;
