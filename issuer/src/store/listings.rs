//! Users, clients, sessions and the audit log as administrators search and see them.

use std::collections::BTreeSet;
use std::time::Duration;

use time::OffsetDateTime;
use uuid::Uuid;

use super::columns::{OptionalTimestamp, Timestamp};
use super::{GrantType, LiveSession, SessionId};

/// A user as administrators see them: nothing of the password.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Profile {
    pub id: Uuid,
    pub username: String,
    pub email: Option<String>,
    pub enabled: bool,
    #[sqlx(json)]
    pub roles: BTreeSet<String>,
    #[sqlx(try_from = "Timestamp")]
    pub created_at: OffsetDateTime,
    #[sqlx(try_from = "Timestamp")]
    pub updated_at: OffsetDateTime,
    #[sqlx(try_from = "OptionalTimestamp")]
    pub last_login: Option<OffsetDateTime>,
}

#[derive(Clone, Debug)]
pub struct UserSearch {
    /// The beginning of the canonical username or e-mail address.
    pub prefix: String,
    pub enabled: Option<bool>,
    /// The canonical username after which to go on.
    pub after: String,
    pub limit: i64,
}

/// A name and its canonical form.
#[derive(Clone, Debug)]
pub struct Identifier {
    pub text: String,
    pub key: String,
}

/// `None`: as it was.
#[derive(Clone, Debug)]
pub struct UserChange {
    pub id: Uuid,
    pub username: Option<Identifier>,
    /// `Some(None)`: the user has no address any more.
    pub email: Option<Option<Identifier>>,
    pub enabled: Option<bool>,
}

impl UserChange {
    pub(super) fn email(&self) -> Option<&Identifier> {
        self.email.as_ref().and_then(Option::as_ref)
    }
}

#[derive(Clone, Debug)]
pub struct Reset {
    pub id: Uuid,
    pub password_hash: String,
    pub good_for: Duration,
}

/// A page of a listing by name: the name that it follows, and its size.
#[derive(Clone, Debug)]
pub struct Page {
    pub after: String,
    pub limit: i64,
}

/// `None`: as it was.
#[derive(Clone, Debug)]
pub struct ScopeChange {
    pub name: String,
    pub description: Option<String>,
    pub resource: Option<String>,
}

/// A client as administrators see it: nothing of its secrets.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct ClientProfile {
    pub client_id: String,
    pub name: String,
    /// Never changes.
    pub public: bool,
    pub enabled: bool,
    #[sqlx(json)]
    pub grants: BTreeSet<GrantType>,
    #[sqlx(json)]
    pub scopes: BTreeSet<String>,
    #[sqlx(json)]
    pub default_scopes: BTreeSet<String>,
    #[sqlx(json)]
    pub origins: BTreeSet<String>,
    /// Its requests say at which address its user is, and are believed.
    pub forwards_user_address: bool,
    #[sqlx(try_from = "Timestamp")]
    pub created_at: OffsetDateTime,
    #[sqlx(try_from = "Timestamp")]
    pub updated_at: OffsetDateTime,
}

/// That there is a secret, and for how long.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct SecretSlot {
    pub slot: i64,
    #[sqlx(try_from = "Timestamp")]
    pub created_at: OffsetDateTime,
    #[sqlx(try_from = "OptionalTimestamp")]
    pub expires_at: Option<OffsetDateTime>,
}

/// `None`: any.
#[derive(Clone, Debug)]
pub struct SessionSearch {
    pub user_id: Option<Uuid>,
    pub client_id: Option<String>,
    pub inactivity: Duration,
    /// The session after which to go on.
    pub after: Option<SessionId>,
    pub limit: i64,
}

/// A live session and whose it is.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct UserSession {
    pub user_id: Uuid,
    pub username: String,
    #[sqlx(flatten)]
    pub session: LiveSession,
}

/// `None`: any.
#[derive(Clone, Debug)]
pub struct AuditSearch {
    pub actor: Option<String>,
    /// The beginning of the action.
    pub action: String,
    pub target: Option<String>,
    pub since: Option<OffsetDateTime>,
    pub until: Option<OffsetDateTime>,
    /// The entry before which to go on.
    pub before: Option<i64>,
    pub limit: i64,
}

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct AuditEntry {
    pub id: i64,
    #[sqlx(try_from = "Timestamp")]
    pub at: OffsetDateTime,
    pub actor: String,
    /// The actor's name at that time.
    pub actor_name: Option<String>,
    pub action: String,
    pub target: String,
    pub target_name: Option<String>,
    pub client_id: Option<String>,
    pub request_id: Option<String>,
    /// The /24 or /48 that the request came from.
    pub network: Option<String>,
    /// The members that were changed, as JSON.
    #[sqlx(json(nullable))]
    pub changes: Option<serde_json::Value>,
}
