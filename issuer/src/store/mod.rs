//! The only room that speaks SQL: one `Store`, two databases, one shared list of tests.
//!
//! Each method is one transaction. Time is the database's; randomness comes in with the arguments.

pub mod administration;
mod applied;
mod bootstrap_rules;
mod error;
mod evidence;
mod feed;
mod key_life;
mod ledger;
mod migrations;
pub mod postgres;
mod revocation;
mod rotation;
mod rows;
mod spawned;
pub mod sqlite;
mod types;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use time::OffsetDateTime;
use uuid::Uuid;

pub use administration::{ADMINISTRATOR, Administration, CONSOLE};
pub use applied::{Applied, Deleted, Difference, Revoked, Updated};
pub use error::{Result, StoreError};
pub use evidence::{Evidence, SessionRecord};
pub use feed::{FeedEvent, FeedPage, Position};
pub use key_life::{
    Decide, KeyChange, KeyHistory, KeyLife, KeyLine, KeyRefusal, KeyState, Reseal, SealedName,
};
pub use revocation::{EndReason, EndSession, Holder, IssuedToken, LiveSession, Revocations, Standing};
pub use spawned::Spawned;
pub use types::{
    Actor, ApplyError, AskedScope, Bootstrap, Client, Credential, Declaration, DeclaredClient, DeclaredRole,
    DeclaredScope, GrantType, Initiator, Lifetimes, NewSession, NewSigningKey, NewUser, PasswordChange,
    PoolUse, RequestContext, Rotate, Rotation, RotationRefusal, Scope, Session, SessionId, SigningKey,
    Skeletons, Swept, UserConflict,
};

/// The truth (design: PostgreSQL, or SQLite for one machine).
#[async_trait]
pub trait Store: Administration + Evidence + KeyLife + Revocations + Send + Sync + fmt::Debug {
    /// Commits a change that means nothing, as every login has to commit one.
    async fn probe_write(&self) -> Result<()>;
    /// Closes every connection once its call has ended. SQLite's data is in one file then.
    async fn close(&self) -> Result<()>;
    /// Takes notice of what went wrong in a call.
    fn learn_from(&self, _: &StoreError) {}
    /// How often this process has changed clients or scopes: what was read of a client before the last time may be old.
    fn client_revision(&self) -> u64 {
        0
    }
    /// Fails if the database file is not where it was. Called before each call and after it: what it changed may be lost.
    fn check_file(&self) -> Result<()> {
        Ok(())
    }
    /// The connections at this moment, pool by pool.
    fn pools(&self) -> Vec<PoolUse>;
    /// Descriptions of the migrations that this program has and the database has not.
    async fn pending_migrations(&self) -> Result<Vec<String>>;
    /// Whether any migration was ever applied.
    async fn has_schema(&self) -> Result<bool>;
    /// Brings the schema to this program's.
    async fn migrate(&self) -> Result<()>;
    /// The database's clock.
    async fn now(&self) -> Result<OffsetDateTime>;

    /// The sealed server secret called `name`; stores `candidate` first where there is none. All replicas get the same.
    async fn server_secret(&self, name: &str, candidate: &[u8]) -> Result<Vec<u8>>;
    /// Every key that is not removed, oldest first.
    async fn signing_keys(&self) -> Result<Vec<SigningKey>>;
    /// Stores the first keys where there are none, and returns what is there. All replicas get the same.
    async fn first_signing_keys(&self, candidates: &[NewSigningKey]) -> Result<Vec<SigningKey>>;

    /// `None`: there is no such client.
    async fn client(&self, client_id: &str) -> Result<Option<Client>>;
    /// Every origin that an enabled client has registered.
    async fn browser_origins(&self) -> Result<BTreeSet<String>>;
    /// What a login needs, by canonical username. `None`: there is no such user.
    async fn credential(&self, username_key: &str) -> Result<Option<Credential>>;
    /// The same by id, for a user who changes the password.
    async fn credential_by_id(&self, user_id: Uuid) -> Result<Option<Credential>>;

    /// Opens a session. `None`: since the password was checked, the user or client was disabled, or the password changed or was used up.
    async fn open_session(&self, session: &NewSession) -> Result<Option<Session>>;
    /// The salt of a session's refresh tokens, which never changes. `None`: there is no such session; one that is no more
    /// may be remembered.
    async fn session_salt(&self, id: SessionId) -> Result<Option<[u8; 16]>>;
    /// Moves a session from the presented generation to the next, or says why not. Reuse ends the session here.
    async fn rotate(&self, rotate: &Rotate) -> Result<Rotation>;
    /// Writes down that an issuer can answer, and will say so again within `due`. Returns how long none could, if that has
    /// just ended.
    async fn report_alive(&self, due: Duration) -> Result<Option<Duration>>;

    /// What stored hashes begin with, up to the salt: how they were made. Reads every user once.
    async fn password_schemes(&self) -> Result<Vec<String>>;
    /// Replaces a hash made with other parameters, if it is still the stored one. After `open_session`, which asks for the hash
    /// that was checked.
    async fn rehash_password(&self, user_id: Uuid, old: &str, new: &str) -> Result<()>;
    /// Sets a password, ends the user's sessions other than `keep`, moves the epoch. `false`: the stored hash is no longer `expected`.
    async fn change_password(&self, change: &PasswordChange) -> Result<bool>;

    /// Writes what the names of older users look like, for at most `most` users after `after`. Of two that look alike, one stays
    /// without.
    async fn write_skeletons(&self, after: Uuid, most: u32) -> Result<Skeletons>;

    /// Deletes, of each kind at most `most`, sessions that have been over for longer than any of their tokens may live, and
    /// revocations that match no living token any more, the last one excepted. Any number of replicas may do so at once.
    async fn sweep(&self, most: u32) -> Result<Swept>;

    /// The scopes that a subject holds: a user through roles, a client by assignment.
    async fn held_scopes(&self, actor: &Actor) -> Result<BTreeSet<String>>;
    /// Makes the first administrator and the console client, once ever. `false`: it was done before.
    async fn bootstrap(&self, bootstrap: &Bootstrap) -> Result<bool>;
}
