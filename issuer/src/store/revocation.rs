//! Why sessions end, and what a token says about who holds it.

use time::OffsetDateTime;
use uuid::Uuid;

use super::columns::Timestamp;
use super::{Actor, RequestContext, SessionId};

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
    /// The user set another password.
    PasswordChanged,
    /// An administrator replaced the password.
    PasswordReset,
    /// The user was disabled.
    Disabled,
    /// An old refresh token was presented.
    Reused,
    /// Another client presented the refresh token.
    ForeignClient,
}

impl EndReason {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::LoggedOut => "logged_out",
            Self::EndedByUser => "ended_by_user",
            Self::EndedByAdministrator => "ended_by_administrator",
            Self::OverLimit => "over_limit",
            Self::PasswordChanged => "password_changed",
            Self::PasswordReset => "password_reset",
            Self::Disabled => "disabled",
            Self::Reused => "reused",
            Self::ForeignClient => "foreign_client",
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
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Standing {
    /// `None`: a client on its own.
    pub username: Option<String>,
    /// The user must set a password of their own before anything else.
    pub password_must_change: bool,
}

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct LiveSession {
    pub id: SessionId,
    pub client_id: String,
    #[sqlx(rename = "auth_time", try_from = "Timestamp")]
    pub created_at: OffsetDateTime,
    #[sqlx(try_from = "Timestamp")]
    pub last_used_at: OffsetDateTime,
    #[sqlx(try_from = "Timestamp")]
    pub expires_at: OffsetDateTime,
}
