//! Everything that is stored: the only module that speaks SQL. One [`Store`] for two databases, and one list of tests.
//!
//! Each module has the statements of one resource, each statement written once for both databases (`sql`). Operations on
//! [`Store`] are whole transactions; those on [`Transaction`] are the steps of which the rest of the program makes its
//! own. Time is the database's; randomness comes in with the arguments.

mod applied;
mod audit;
mod bootstrap;
mod bootstrap_rules;
mod clients;
mod columns;
mod credentials;
mod diagnostics;
mod error;
mod feed;
mod key_life;
mod listings;
mod migrations;
mod outages;
mod postgres;
mod queries;
mod retention;
mod revocation;
mod revocation_events;
mod roles;
mod rotation;
mod schema;
mod scopes;
mod sealed;
mod sessions;
mod signing_keys;
mod skeletons;
mod sql;
mod sqlite;
mod subjects;
mod tokens;
mod transaction;
mod types;
mod users;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

pub use applied::{Applied, Deleted, Difference, Revoked, Updated};
pub use audit::Entry;
pub use bootstrap_rules::{console_lacks, is_needed};
pub use diagnostics::SessionRecord;
pub use error::{Result, StoreError};
pub use feed::{FeedEvent, FeedPage, Position};
pub use key_life::{Decide, KeyChange, KeyHistory, KeyLine, KeyRefusal, KeyState, Reseal, SealedName};
pub use listings::{
    AuditEntry, AuditSearch, ClientProfile, Identifier, Page, Profile, Reset, ScopeChange, SecretSlot,
    SessionSearch, UserChange, UserSearch, UserSession,
};
pub use postgres::url::may_be_plain;
pub use revocation::{EndReason, EndSession, Holder, IssuedToken, LiveSession, Standing};
pub use revocation_events::{Event, RETENTION};
pub use transaction::Transaction;
pub use types::{
    Actor, ApplyError, AskedScope, Bootstrap, Client, Credential, Declaration, DeclaredClient, DeclaredRole,
    DeclaredScope, GrantType, Initiator, Lifetimes, NewSession, NewSigningKey, NewUser, PasswordChange,
    PoolUse, RequestContext, Rotate, Rotation, RotationRefusal, Scope, Session, SessionId, SigningKey,
    Skeletons, Swept, UserConflict,
};

use self::postgres::Postgres;
use self::sqlite::Pools;

/// The database: PostgreSQL for any number of replicas, or a SQLite file for one machine. Clones share its connections.
#[derive(Clone)]
pub enum Store {
    Postgres(Postgres),
    Sqlite(Pools),
}

impl Store {
    /// Reads the URL; the first statement opens the first connection. Needs a running tokio.
    pub fn postgres(url: &str, max_connections: u32) -> Result<Self> {
        Ok(Self::Postgres(Postgres::new(url, max_connections)?))
    }

    /// Opens the file, and creates it for this user's eyes only if there is none. Needs a running tokio.
    pub fn sqlite(path: &Path) -> Result<Self> {
        Ok(Self::Sqlite(Pools::open(path)?))
    }

    /// Returns the same store for administration and self-service, which share a part of the connections to PostgreSQL, so that
    /// logins and refreshes always have the others.
    pub fn administration(&self) -> Self {
        match self {
            Self::Postgres(postgres) => Self::Postgres(postgres.in_share()),
            Self::Sqlite(_) => self.clone(),
        }
    }

    /// Closes every connection once its call has ended. SQLite's data is in one file then.
    pub async fn close(&self) {
        match self.clone() {
            Self::Postgres(postgres) => postgres.pool.close().await,
            Self::Sqlite(pools) => pools.close().await,
        }
    }

    /// Returns how often this process has changed clients or scopes, whatever came of it: what was read of a client before the
    /// last time may be old.
    pub fn client_revision(&self) -> u64 {
        self.revision().load(Ordering::SeqCst)
    }

    fn revision(&self) -> &AtomicU64 {
        match self {
            Self::Postgres(postgres) => &postgres.client_revision,
            Self::Sqlite(pools) => &pools.client_revision,
        }
    }

    /// Fails if the database file is not where it was. Called before each call and after it: what it changed may be lost.
    fn check_file(&self) -> Result<()> {
        match self {
            Self::Postgres(_) => Ok(()),
            Self::Sqlite(pools) => pools.check_file(),
        }
    }

    /// Returns the connections at this moment, pool by pool.
    pub fn pools(&self) -> Vec<PoolUse> {
        match self {
            Self::Postgres(postgres) => vec![PoolUse::of("main", &postgres.pool)],
            Self::Sqlite(pools) => {
                vec![PoolUse::of("reader", pools.reader()), PoolUse::of("writer", pools.writer())]
            }
        }
    }

    /// Makes the pools look at their connections again after an error that says so.
    fn learn_from(&self, error: &StoreError) {
        match self {
            Self::Postgres(postgres) => postgres.learn_from(error),
            Self::Sqlite(pools) => pools.learn_from(error),
        }
    }

    /// Gives up on a database that has accepted a call and is silent, long after the caller did.
    async fn give_up_late<T, E: From<StoreError>>(
        self,
        answer: impl Future<Output = Result<T, E>> + Send,
    ) -> Result<T, E> {
        match self {
            Self::Postgres(postgres) => postgres.give_up_late(answer).await,
            Self::Sqlite(_) => answer.await,
        }
    }
}

/// Without the URL, which may hold a password.
impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postgres(_) => f.write_str("Postgres"),
            Self::Sqlite(_) => f.write_str("Sqlite"),
        }
    }
}
