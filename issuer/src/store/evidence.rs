//! What only the person on call asks. Nothing here changes anything.

use std::collections::BTreeSet;
use std::fmt;

use async_trait::async_trait;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Result, Rotate, RotationRefusal, SealedName, SessionId};

#[async_trait]
pub trait Evidence: Send + Sync + fmt::Debug {
    /// What the database calls itself: `PostgreSQL 17.2`.
    async fn version(&self) -> Result<String>;
    /// The numbers of migrations that the database has and this program has not: a newer one was here.
    async fn unknown_migrations(&self) -> Result<Vec<i64>>;
    /// Everything that is kept under the key-encryption key.
    async fn sealed(&self) -> Result<Vec<(SealedName, Vec<u8>)>>;
    /// `None`: there is no such user.
    async fn user_epoch(&self, id: Uuid) -> Result<Option<i64>>;
    /// Whether this one token was revoked by its own id.
    async fn is_token_revoked(&self, token_id: &str) -> Result<bool>;
    /// `None`: there is no such session.
    async fn session_record(&self, id: SessionId) -> Result<Option<SessionRecord>>;
    /// Why `rotate` would refuse. `None`: it would not.
    async fn rotation_refusal(&self, rotate: &Rotate) -> Result<Option<RotationRefusal>>;
}

/// A session as it is, live or not.
#[derive(Clone, Debug)]
pub struct SessionRecord {
    pub user_id: Uuid,
    pub client_id: String,
    /// Of the one refresh token that may still be used.
    pub generation: u32,
    /// What it may ever hold.
    pub scope: BTreeSet<String>,
    pub auth_time: OffsetDateTime,
    pub last_used_at: OffsetDateTime,
    pub expires_at: OffsetDateTime,
    /// `None`: nobody ended it.
    pub end: Option<(OffsetDateTime, String)>,
}
