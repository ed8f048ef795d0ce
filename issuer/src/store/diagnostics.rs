//! Reads for the person on call.

use std::collections::BTreeSet;

use time::OffsetDateTime;
use uuid::Uuid;

use super::columns::{OptionalTimestamp, Timestamp};
use super::queries::{Autocommit, Queries as _};
use super::sql::statements;
use super::{Result, SessionId, Store};

statements! {
    VERSION = {
        postgres: "SELECT 'PostgreSQL ' || current_setting('server_version')",
        sqlite: "SELECT 'SQLite ' || sqlite_version()",
    }

    SESSION = { "
        SELECT
            user_id, client_id, generation, " [list "scope"] " AS scope,
            auth_time, last_used_at, expires_at, ended_at, end_reason
        FROM refresh_tokens
        WHERE id = $1" }
}

/// A session, live or not.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct SessionRecord {
    pub user_id: Uuid,
    pub client_id: String,
    /// The generation of the one refresh token that may still be used.
    #[sqlx(try_from = "i64")]
    pub generation: u32,
    /// The scopes that the session may hold at most.
    #[sqlx(json)]
    pub scope: BTreeSet<String>,
    #[sqlx(try_from = "Timestamp")]
    pub auth_time: OffsetDateTime,
    #[sqlx(try_from = "Timestamp")]
    pub last_used_at: OffsetDateTime,
    #[sqlx(try_from = "Timestamp")]
    pub expires_at: OffsetDateTime,
    #[sqlx(try_from = "OptionalTimestamp")]
    ended_at: Option<OffsetDateTime>,
    end_reason: Option<String>,
}

impl SessionRecord {
    /// Returns when and why the session was ended, or `None` if it was not.
    pub fn end(&self) -> Option<(OffsetDateTime, &str)> {
        self.ended_at.zip(self.end_reason.as_deref())
    }
}

impl Store {
    /// Returns what the database calls itself: `PostgreSQL 17.2`.
    pub async fn version(&self) -> Result<String> {
        Autocommit(self.clone()).value(VERSION, ()).await
    }

    /// Returns a session, live or not, or `None` if it does not exist.
    pub async fn session_record(&self, id: SessionId) -> Result<Option<SessionRecord>> {
        Autocommit(self.clone()).optional(SESSION, (id,)).await
    }
}
