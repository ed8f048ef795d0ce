//! The store on one machine: a SQLite file, one writer and many readers.

mod administration;
mod bootstrap;
mod clients;
mod clock;
mod evidence;
mod feed;
mod file;
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
mod users;

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use time::OffsetDateTime;
use uuid::Uuid;

#[cfg(test)]
pub(super) use self::schema::MIGRATIONS;

use self::pool::Pools;
use super::{
    Actor, Bootstrap, Client, Credential, EndSession, FeedPage, Initiator, IssuedToken, LiveSession,
    NewSession, NewSigningKey, PasswordChange, PoolUse, Position, Result, Revocations, Rotate, Rotation,
    Session, SessionId, SigningKey, Skeletons, Spawned, Standing, Store, StoreError, Swept,
};

#[derive(Clone)]
pub struct Sqlite {
    pools: Pools,
}

impl Sqlite {
    /// Opens the file, and creates it for this user's eyes only where there is none. Needs a running tokio.
    pub fn open(path: &Path) -> Result<Spawned<Self>> {
        Ok(Spawned::new(Self { pools: Pools::open(path)? }))
    }
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite").finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for Sqlite {
    async fn probe_write(&self) -> Result<()> {
        schema::probe_write(&self.pools).await
    }

    async fn close(&self) -> Result<()> {
        self.pools.close().await;
        Ok(())
    }

    fn learn_from(&self, error: &StoreError) {
        self.pools.learn_from(error);
    }

    fn check_file(&self) -> Result<()> {
        self.pools.check_file()
    }

    fn pools(&self) -> Vec<PoolUse> {
        vec![PoolUse::of("reader", self.pools.reader()), PoolUse::of("writer", self.pools.writer())]
    }

    async fn pending_migrations(&self) -> Result<Vec<String>> {
        schema::pending(&self.pools).await
    }

    async fn has_schema(&self) -> Result<bool> {
        schema::has_schema(&self.pools).await
    }

    async fn migrate(&self) -> Result<()> {
        schema::migrate(&self.pools).await
    }

    async fn now(&self) -> Result<OffsetDateTime> {
        schema::now(&self.pools).await
    }

    async fn server_secret(&self, name: &str, candidate: &[u8]) -> Result<Vec<u8>> {
        keys::server_secret(&self.pools, name, candidate).await
    }

    async fn signing_keys(&self) -> Result<Vec<SigningKey>> {
        keys::signing_keys(&self.pools).await
    }

    async fn first_signing_keys(&self, candidates: &[NewSigningKey]) -> Result<Vec<SigningKey>> {
        keys::first_signing_keys(&self.pools, candidates).await
    }

    async fn client(&self, client_id: &str) -> Result<Option<Client>> {
        clients::client(&self.pools, client_id).await
    }

    async fn browser_origins(&self) -> Result<BTreeSet<String>> {
        clients::browser_origins(&self.pools).await
    }

    async fn credential(&self, username_key: &str) -> Result<Option<Credential>> {
        passwords::credential(&self.pools, username_key).await
    }

    async fn credential_by_id(&self, user_id: Uuid) -> Result<Option<Credential>> {
        passwords::credential_by_id(&self.pools, user_id).await
    }

    async fn open_session(&self, session: &NewSession) -> Result<Option<Session>> {
        sessions::open(&self.pools, session).await
    }

    async fn session_salt(&self, id: SessionId) -> Result<Option<[u8; 16]>> {
        sessions::salt(&self.pools, id).await
    }

    async fn rotate(&self, rotate: &Rotate) -> Result<Rotation> {
        sessions::rotate(&self.pools, rotate).await
    }

    async fn report_alive(&self, due: Duration) -> Result<Option<Duration>> {
        outages::report(&self.pools, due).await
    }

    async fn password_schemes(&self) -> Result<Vec<String>> {
        passwords::schemes(&self.pools).await
    }

    async fn rehash_password(&self, user_id: Uuid, old: &str, new: &str) -> Result<()> {
        passwords::rehash(&self.pools, user_id, old, new).await
    }

    async fn change_password(&self, change: &PasswordChange) -> Result<bool> {
        passwords::change(&self.pools, change).await
    }

    async fn write_skeletons(&self, after: Uuid, most: u32) -> Result<Skeletons> {
        skeletons::write(&self.pools, after, most).await
    }

    async fn sweep(&self, most: u32) -> Result<Swept> {
        sweep::sweep(&self.pools, most).await
    }

    async fn held_scopes(&self, actor: &Actor) -> Result<BTreeSet<String>> {
        subject::held_scopes(&self.pools, actor).await
    }

    async fn bootstrap(&self, bootstrap: &Bootstrap) -> Result<bool> {
        bootstrap::bootstrap(&self.pools, bootstrap).await
    }
}

#[async_trait]
impl Revocations for Sqlite {
    async fn end_session(&self, end: &EndSession) -> Result<bool> {
        revocation::end_session(&self.pools, end).await
    }

    async fn revoke_token(&self, by: &Initiator, token_id: &str) -> Result<()> {
        revocation::revoke_token(&self.pools, by, token_id).await
    }

    async fn standing(&self, token: &IssuedToken) -> Result<Option<Standing>> {
        revocation::standing(&self.pools, token).await
    }

    async fn live_session(&self, id: SessionId, inactivity: Duration) -> Result<Option<Session>> {
        sessions::live(&self.pools, id, inactivity).await
    }

    async fn live_sessions(&self, user_id: Uuid, inactivity: Duration) -> Result<Vec<LiveSession>> {
        revocation::live_sessions(&self.pools, user_id, inactivity).await
    }

    async fn revoked_after(&self, position: Option<Position>, most: u32) -> Result<Option<FeedPage>> {
        feed::after(&self.pools, position, most).await
    }
}
