//! What ends before it expires: sessions, single tokens, and the question whether a token still stands.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Actor, FeedPage, Initiator, Position, RequestContext, Result, Session, SessionId};

#[async_trait]
pub trait Revocations: Send + Sync + fmt::Debug {
    /// Ends a session, with its event and its audit row. `false`: the actor has no such session, or it ended before.
    async fn end_session(&self, end: &EndSession) -> Result<bool>;
    /// Revokes one access token that belongs to no session. Doing it twice is doing it once.
    async fn revoke_token(&self, by: &Initiator, token_id: &str) -> Result<()>;
    /// Whether a token that we issued still stands, in one question. `None`: it was revoked.
    async fn standing(&self, token: &IssuedToken) -> Result<Option<Standing>>;
    /// A session whose refresh token may be used. `None`: it ended, expired, or its user or client is disabled.
    async fn live_session(&self, id: SessionId, inactivity: Duration) -> Result<Option<Session>>;
    /// A user's sessions that have neither ended nor expired, the newest first.
    async fn live_sessions(&self, user_id: Uuid, inactivity: Duration) -> Result<Vec<LiveSession>>;
    /// What was revoked after `position`, or ever, as far as a token may be left that it matches: at most `most` events. `None`:
    /// there is no such position, or it was another's before the database was restored from a backup.
    async fn revoked_after(&self, position: Option<Position>, most: u32) -> Result<Option<FeedPage>>;
}

#[derive(Clone, Debug)]
pub struct EndSession {
    pub id: SessionId,
    /// Ends what is their own: a user their session with any client, a client its session with any user.
    pub actor: Actor,
    pub reason: EndReason,
    pub context: RequestContext,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// By its client (RFC 7009).
    Revoked,
    /// With its own access token.
    LoggedOut,
    /// By its user, from another session.
    EndedByUser,
    /// By someone who looks after sessions.
    EndedByAdministrator,
    /// The user opened more than may be live at once.
    OverLimit,
}

impl EndReason {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::LoggedOut => "logged_out",
            Self::EndedByUser => "ended_by_user",
            Self::EndedByAdministrator => "ended_by_administrator",
            Self::OverLimit => "over_limit",
        }
    }
}

/// What a token of ours says about itself, as far as it can be revoked.
#[derive(Clone, Debug)]
pub struct IssuedToken {
    pub token_id: String,
    pub holder: Holder,
    pub client_id: String,
    pub subject_epoch: i64,
    pub client_epoch: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    User {
        id: Uuid,
        session: SessionId,
    },
    /// The client on its own.
    Client,
}

/// Who stands behind a token that was not revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// `None`: a client on its own.
    pub username: Option<String>,
    /// The user must set a password of their own before anything else.
    pub password_must_change: bool,
}

#[derive(Clone, Debug)]
pub struct LiveSession {
    pub id: SessionId,
    pub client_id: String,
    pub created_at: OffsetDateTime,
    pub last_used_at: OffsetDateTime,
    pub expires_at: OffsetDateTime,
}
