//! What can go wrong between a question and the database.

use std::io;
use std::time::Duration;

use sqlx::error::ErrorKind;
use sqlx::migrate::MigrateError;

/// What went wrong below, for the log; a caller can only retry later.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database could not be asked: unreachable, out of connections, too slow, read-only.
    #[error("the database is unavailable: {0}")]
    Unavailable(#[source] sqlx::Error),
    /// A row says what no row may say.
    #[error("the database holds inconsistent data: {0}")]
    Inconsistent(String),
    /// A statement would have made a row that no row may be. The message names the constraint, never the values.
    #[error("the database holds inconsistent data: {message}")]
    Constraint { name: Option<String>, message: String },
    /// The schema is not the one this program was built for.
    #[error("the database schema does not fit: {0}")]
    Migration(#[source] MigrateError),
    #[error("another process is migrating this database; try again when it has finished")]
    Migrating,
    /// That migration did nothing; those before it are done.
    #[error(
        "migration {0:04} would have made everyone wait for a lock that something else holds; try again when that has ended"
    )]
    Locked(i64),
    /// The URL or path cannot name a database. The text never holds a password.
    #[error("{0}")]
    Configuration(String),
}

impl StoreError {
    /// No answer came in time.
    pub(super) fn late(limit: Duration) -> Self {
        let says = format!("no response within {} ms", limit.as_millis());
        Self::Unavailable(sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, says)))
    }

    /// The server writes nothing: another took its place, or it is a standby (SQLSTATE `read_only_sql_transaction`).
    pub(super) fn is_read_only(&self) -> bool {
        matches!(self, Self::Unavailable(sqlx::Error::Database(refusal)) if refusal.code().as_deref() == Some("25006"))
    }

    /// SQLite could not use its file: READONLY, NOMEM, IOERR, CORRUPT, CANTOPEN, NOTADB, of which the code is the
    /// lowest byte.
    pub(super) fn is_sqlite_fault(&self) -> bool {
        let Self::Unavailable(sqlx::Error::Database(refusal)) = self else { return false };
        let code = refusal.code().and_then(|code| code.parse::<u32>().ok());
        code.is_some_and(|code| matches!(code & 0xff, 7 | 8 | 10 | 11 | 14 | 26))
    }

    /// The name of the constraint that a statement would have broken. SQLite does not tell it.
    pub(super) fn constraint(&self) -> Option<&str> {
        match self {
            Self::Constraint { name, .. } => name.as_deref(),
            _ => None,
        }
    }

    /// Not even a refusal came: a pool only says that it got no connection.
    pub fn is_silence(&self) -> bool {
        matches!(self, Self::Unavailable(cause) if !matches!(cause, sqlx::Error::Database(_)))
    }

    /// What whoever set it up can do, where the database says enough.
    pub fn advice(&self) -> Option<&'static str> {
        let Self::Unavailable(sqlx::Error::Database(refusal)) = self else { return None };
        match refusal.code()?.as_ref() {
            "28P01" => Some("correct the user or the password in the database URL"),
            "28000" => Some("let the user in from here, in the server's pg_hba.conf"),
            "3D000" => Some("create the database, or correct its name in the database URL"),
            "42501" => Some("make the user the owner of the database"),
            "25006" => Some("connect to the primary: this server is a standby, or set to read only"),
            // A prepared statement is there already, or is not there.
            "42P05" | "26000" => Some(
                "a connection pooler gives each transaction another connection: set it to session mode, or connect to PostgreSQL itself",
            ),
            "53300" => Some("raise the server's max_connections, or lower `database.max_connections`"),
            "53100" => Some("free some space on the server's disk"),
            // SQLite: BUSY, FULL, CANTOPEN, READONLY, NOTADB.
            "5" => Some("end the program that holds the file's write lock"),
            "13" => Some("free some space on the disk"),
            "14" | "8" => Some("give the file and its directory to the user who runs Keystone"),
            "26" => Some("it is no SQLite database: move it away, or restore a backup"),
            _ => None,
        }
    }
}

pub type Result<T, E = StoreError> = std::result::Result<T, E>;

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(ref refusal) if !matches!(refusal.kind(), ErrorKind::Other) => {
                Self::Constraint {
                    name: refusal.constraint().map(str::to_owned),
                    message: refusal.message().to_owned(),
                }
            }
            sqlx::Error::RowNotFound
            | sqlx::Error::TypeNotFound { .. }
            | sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::ColumnIndexOutOfBounds { .. }
            | sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::Decode(_) => Self::Inconsistent(error.to_string()),
            _ => Self::Unavailable(error),
        }
    }
}

impl From<MigrateError> for StoreError {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::Execute(error) => Self::Unavailable(error),
            _ => Self::Migration(error),
        }
    }
}
