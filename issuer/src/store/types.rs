//! What goes in and out of the store, without a word of SQL.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use time::OffsetDateTime;
use uuid::Uuid;

use super::columns::{Bytes, Hashes, OptionalSeconds, OptionalTimestamp, Timestamp};
use crate::{hex, network};

/// 128 random bits; `sid` in tokens, as lower-case hex.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionId(pub [u8; 16]);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A grant a client may be allowed (RFC 6749 §4.3, §4.4, §6).
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Deserialize,
    serde::Serialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum GrantType {
    Password,
    ClientCredentials,
    RefreshToken,
}

impl GrantType {
    pub const ALL: [Self; 3] = [Self::Password, Self::ClientCredentials, Self::RefreshToken];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::ClientCredentials => "client_credentials",
            Self::RefreshToken => "refresh_token",
        }
    }

    /// `None`: no grant has this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|grant| grant.as_str() == name)
    }
}

impl fmt::Display for GrantType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A scope and the resource (audience) it belongs to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
pub struct Scope {
    pub name: String,
    pub resource: String,
}

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct SigningKey {
    pub kid: String,
    pub alg: String,
    /// The public JWK as JSON, without private members.
    pub public_jwk: String,
    /// The private key, sealed under the key-encryption key.
    pub sealed: Vec<u8>,
    #[sqlx(try_from = "Timestamp")]
    pub published_at: OffsetDateTime,
    /// `None`: a standby.
    #[sqlx(try_from = "OptionalTimestamp")]
    pub activates_at: Option<OffsetDateTime>,
    /// When its successor activates.
    #[sqlx(try_from = "OptionalTimestamp")]
    pub retires_at: Option<OffsetDateTime>,
}

#[derive(Clone, Debug)]
pub struct NewSigningKey {
    pub kid: String,
    pub alg: String,
    pub public_jwk: String,
    pub sealed: Vec<u8>,
    /// `true`: signs from now on (only safe where no verifier has fetched keys yet); `false`: a standby.
    pub active: bool,
}

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Client {
    pub client_id: String,
    pub enabled: bool,
    /// Public clients have no secret (RFC 6749 §2.1).
    pub public: bool,
    #[sqlx(json)]
    pub grants: BTreeSet<GrantType>,
    #[sqlx(json)]
    pub scopes: Vec<Scope>,
    #[sqlx(json)]
    pub default_scopes: BTreeSet<String>,
    /// The origins whose pages may read its answers in a browser.
    #[sqlx(json)]
    pub origins: BTreeSet<String>,
    /// Its requests say at which address its user is, and are believed.
    pub forwards_user_address: bool,
    /// Keyed hashes of the live secrets, at most two.
    #[sqlx(json, try_from = "Hashes")]
    pub secrets: Vec<[u8; 32]>,
    /// Until the first of them ends. `None`: none does.
    #[sqlx(try_from = "OptionalSeconds")]
    pub secrets_change_in: Option<Duration>,
    pub epoch: i64,
}

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Credential {
    pub user_id: Uuid,
    pub username: String,
    pub enabled: bool,
    /// PHC string. `None`: no password, or a one-time password already used.
    pub password_hash: Option<String>,
    /// The password is good for one login.
    pub one_time: bool,
    /// Somebody else knows the password: the user must set one of their own before anything else.
    pub must_change: bool,
    /// A one-time password past its time.
    pub expired: bool,
}

#[derive(Clone, Debug)]
pub struct NewSession {
    pub id: SessionId,
    pub salt: [u8; 16],
    pub user_id: Uuid,
    pub client_id: String,
    /// What was asked and the client may ask. The session may ever hold what of it the user holds now.
    pub scope: BTreeSet<String>,
    /// The hash that the password was checked against; a one-time password is used up by this session.
    pub checked_hash: String,
    pub lifetimes: Lifetimes,
    /// How many sessions of the user may be live at once, this one included; the oldest others end.
    pub most_live: u32,
    pub context: RequestContext,
}

/// How long a session lives without use, and at all.
#[derive(Clone, Copy, Debug)]
pub struct Lifetimes {
    pub inactivity: Duration,
    pub absolute: Duration,
}

/// A live session with its subject as the database knows it now.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Session {
    pub id: SessionId,
    #[sqlx(try_from = "Bytes")]
    pub salt: [u8; 16],
    /// The generation of the refresh token to hand out.
    #[sqlx(try_from = "i64")]
    pub generation: u32,
    pub client_id: String,
    pub client_epoch: i64,
    pub user_id: Uuid,
    pub username: String,
    pub user_epoch: i64,
    #[sqlx(json)]
    pub roles: Vec<String>,
    /// The session's scopes that the user still holds through roles and the client may still ask.
    #[sqlx(json)]
    pub scopes: Vec<Scope>,
    #[sqlx(try_from = "Timestamp")]
    pub auth_time: OffsetDateTime,
    /// Nothing issued in this session may outlive it.
    #[sqlx(try_from = "Timestamp")]
    pub expires_at: OffsetDateTime,
}

#[derive(Clone, Debug)]
pub struct Rotate {
    pub id: SessionId,
    pub presented: u32,
    pub client_id: String,
    /// How long the predecessor of an unused token still gets that same token. Time in which no issuer could answer does
    /// not count.
    pub grace: Duration,
    pub inactivity: Duration,
    pub context: RequestContext,
    pub scope: AskedScope,
}

/// The scopes that a refresh asks for.
#[derive(Clone, Debug)]
pub enum AskedScope {
    /// Whatever the session holds.
    All,
    Only(BTreeSet<String>),
    /// What no session holds: the refresh is refused, after the token was judged.
    Ungrantable,
}

impl AskedScope {
    pub(super) fn is_within(&self, held: &BTreeSet<String>) -> bool {
        match self {
            Self::All => true,
            Self::Only(asked) => asked.is_subset(held),
            Self::Ungrantable => false,
        }
    }

    /// For the condition of a rotation. `None`: there is none.
    pub(super) fn only(&self) -> Option<&BTreeSet<String>> {
        match self {
            Self::Only(asked) => Some(asked),
            Self::All | Self::Ungrantable => None,
        }
    }
}

/// The connections of one pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolUse {
    pub name: &'static str,
    pub idle: usize,
    pub in_use: usize,
    pub most: u32,
}

impl PoolUse {
    pub(super) fn of<D: sqlx::Database>(name: &'static str, pool: &sqlx::Pool<D>) -> Self {
        let (size, idle) = (usize::try_from(pool.size()).unwrap_or(usize::MAX), pool.num_idle());
        // Two readings: in between, a connection may have come or gone.
        Self { name, idle, in_use: size.saturating_sub(idle), most: pool.options().get_max_connections() }
    }
}

#[derive(Clone, Debug)]
pub enum Rotation {
    /// To the next generation.
    Rotated(Box<Session>),
    /// Within the grace window, the same generation again.
    Repeated(Box<Session>),
    Refused(RotationRefusal),
}

impl Rotation {
    pub(super) fn rotated(session: Session) -> Self {
        Self::Rotated(Box::new(session))
    }

    pub(super) fn repeated(session: Session) -> Self {
        Self::Repeated(Box::new(session))
    }

    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Rotated(_) => "rotated",
            Self::Repeated(_) => "repeated",
            Self::Refused(RotationRefusal::Unknown) => "unknown",
            Self::Refused(RotationRefusal::Ended) => "ended",
            Self::Refused(RotationRefusal::Expired) => "expired",
            Self::Refused(RotationRefusal::Reused) => "reused",
            Self::Refused(RotationRefusal::ForeignClient) => "foreign_client",
            Self::Refused(RotationRefusal::BeyondScope) => "beyond_scope",
            Self::Refused(RotationRefusal::NothingHeld) => "nothing_held",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RotationRefusal {
    /// No such session, or a generation that was never handed out (a restored backup): nothing is revoked.
    Unknown,
    /// Logged out, revoked, or the user or client was disabled.
    Ended,
    Expired,
    /// An old token was presented; the session was ended now and its revocation published.
    Reused,
    /// Another client's token; the session was ended now.
    ForeignClient,
    /// More was asked for than the session holds. The token is good, and was not used up.
    BeyondScope,
    /// The user holds nothing any more of what was asked for. The token is good, and was not used up.
    NothingHeld,
}

#[derive(Clone, Debug)]
pub struct PasswordChange {
    pub user_id: Uuid,
    /// The hash the old password was checked against; `None` where there was no password any more.
    pub expected: Option<String>,
    pub new_hash: String,
    /// The session that goes on.
    pub keep: Option<SessionId>,
    pub context: RequestContext,
}

/// What became of users from before there were skeletons.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Skeletons {
    /// The last user that was looked at. `None`: there is none left.
    pub last: Option<Uuid>,
    /// Those whose name or address looks like another user's.
    pub alike: Vec<Uuid>,
}

/// What one sweep deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    pub sessions: u64,
    pub events: u64,
    /// There may be more that is due.
    pub behind: bool,
}

impl Swept {
    /// `deleted`: of expired sessions, ended sessions and events, at most `most` of each.
    pub(super) fn of(deleted: &[u64], most: u32) -> Self {
        let (sessions, events) = deleted.split_at(2);
        Self {
            sessions: sessions.iter().sum(),
            events: events.iter().sum(),
            behind: deleted.iter().any(|count| *count >= u64::from(most)),
        }
    }
}

/// Who did it, for the audit log and the grant-what-you-hold rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    User(Uuid),
    Client(String),
    /// The `keystone` command, run by whoever may read its configuration.
    Operator,
    /// The issuer itself, because its time had come.
    Schedule,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => write!(f, "user:{id}"),
            Self::Client(client_id) => write!(f, "client:{client_id}"),
            Self::Operator => f.write_str("operator"),
            Self::Schedule => f.write_str("schedule"),
        }
    }
}

/// How a change was asked for, for the audit log. Empty where no request asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestContext {
    /// The client whose token was shown.
    pub client_id: Option<String>,
    /// As in `x-request-id`.
    pub request_id: Option<[u8; 8]>,
    pub address: Option<IpAddr>,
}

impl RequestContext {
    pub(super) fn request_id(&self) -> Option<String> {
        self.request_id.map(|id| hex::encode(&id))
    }

    /// The network that the request came from: not whose address it was.
    pub(super) fn network(&self) -> Option<String> {
        self.address.map(network::neighbourhood)
    }
}

/// Who makes a change, and how they asked for it.
#[derive(Clone, Debug)]
pub struct Initiator {
    pub actor: Actor,
    pub context: RequestContext,
}

impl From<Actor> for Initiator {
    fn from(actor: Actor) -> Self {
        Self { actor, context: RequestContext::default() }
    }
}

#[derive(Clone, Debug)]
pub struct NewUser {
    pub id: Uuid,
    pub username: String,
    /// `username` in canonical form: look-alikes collide.
    pub username_key: String,
    pub email: Option<String>,
    pub email_key: Option<String>,
    pub password_hash: String,
    /// `Some`: the password is good for one login until then.
    pub one_time_for: Option<Duration>,
    /// Somebody else knows the password: until the user sets another one, a login brings nothing but that.
    pub password_must_change: bool,
    pub roles: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserConflict {
    Username,
    Email,
}

#[derive(Clone, Debug)]
pub struct Bootstrap {
    pub administrator: NewUser,
    pub console_client: String,
}

/// Scopes, roles and clients as a file says they are.
#[derive(Clone, Debug, Default)]
pub struct Declaration {
    pub scopes: Vec<DeclaredScope>,
    pub roles: Vec<DeclaredRole>,
    pub clients: Vec<DeclaredClient>,
    /// It names all there is to be: what it does not name goes, but for what is built in.
    pub prune: bool,
}

impl Declaration {
    pub fn pruning(self, prune: bool) -> Self {
        Self { prune, ..self }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct DeclaredScope {
    pub name: String,
    pub description: String,
    pub resource: String,
}

#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct DeclaredRole {
    pub name: String,
    pub description: String,
    #[sqlx(json)]
    pub scopes: BTreeSet<String>,
}

#[derive(Clone, Debug)]
pub struct DeclaredClient {
    pub client_id: String,
    pub name: String,
    pub public: bool,
    pub enabled: bool,
    pub grants: BTreeSet<GrantType>,
    pub scopes: BTreeSet<String>,
    pub default_scopes: BTreeSet<String>,
    pub origins: BTreeSet<String>,
    /// Its requests say at which address its user is, and are believed.
    pub forwards_user_address: bool,
    /// Keyed hash of a secret made for the case that the client is new and confidential.
    pub secret_if_new: [u8; 32],
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    #[error("{holder}: scope `{scope}` is neither in the file nor in the database")]
    UnknownScope { holder: String, scope: String },
    #[error("{holder}: scope `{scope}` is not in the file, and --prune would delete it")]
    PrunedScope { holder: String, scope: String },
    #[error(
        "role `administrator` must keep the scope `{scope}`; without it nobody could administer Keystone"
    )]
    Administrator { scope: String },
    #[error("client `keystone-console` must have {lacks}; administrators need it to log in")]
    Console { lacks: String },
    #[error("{what} is built in and cannot be changed; remove it from the file")]
    BuiltIn { what: String },
    #[error(
        "client `{client_id}` is {stored} in the database and {declared} in the file; a client cannot change its kind"
    )]
    ClientKind { client_id: String, stored: &'static str, declared: &'static str },
    #[error("client `{client_id}`: default scope `{scope}` is not one of its scopes")]
    DefaultScope { client_id: String, scope: String },
    #[error(
        "client `{client_id}`: `keystone:grant` cannot be a default scope; clients must request it by name"
    )]
    GrantByDefault { client_id: String },
    #[error("{what} is declared more than once")]
    Twice { what: String },
}
