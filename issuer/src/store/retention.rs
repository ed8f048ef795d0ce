//! Deletes rows that make no difference any more. Replicas that do so at once take different rows and never wait.

use super::columns::Seconds;
use super::queries::{Autocommit, Queries as _};
use super::revocation_events::RETENTION;
use super::sql::{fragment, statements};
use super::{Result, Store, Swept};

/// Deletes the rows of a table that have been over for longest.
macro_rules! delete_oldest {
    ($database:ident $table:literal, $key:literal, $since:literal $(, $and:literal)?) => {
        concat!(
            "
            DELETE FROM ", $table, "
            WHERE ", $key, " IN (
                SELECT ", $key, "
                FROM ", $table, "
                WHERE ", $since, " <= ", fragment!($database [before "$1"]),
                    $("
                    AND ", $and,)? "
                ORDER BY ", $since, "
                LIMIT $2", fragment!($database [skip_locked]), "
            )"
        )
    };
}

statements! {
    DELETE_EXPIRED_SESSIONS = {
        postgres: delete_oldest!(postgres "refresh_tokens", "id", "expires_at"),
        sqlite: delete_oldest!(sqlite "refresh_tokens", "id", "expires_at"),
    }

    DELETE_ENDED_SESSIONS = {
        postgres: delete_oldest!(postgres "refresh_tokens", "id", "ended_at"),
        sqlite: delete_oldest!(sqlite "refresh_tokens", "id", "ended_at"),
    }

    /// Not the last one: a reader who has read everything asks for what follows it.
    DELETE_EVENTS = {
        postgres: delete_oldest!(postgres
            "revocation_events", "seq", "drop_after", "seq < (SELECT max(seq) FROM revocation_events)"),
        sqlite: delete_oldest!(sqlite
            "revocation_events", "seq", "drop_after", "seq < (SELECT max(seq) FROM revocation_events)"),
    }
}

impl Store {
    /// Deletes, of each kind at most `most`, sessions that have been over for longer than any of their tokens may live, and
    /// revocations that match no living token any more, the last one excepted.
    pub async fn sweep(&self, most: u32) -> Result<Swept> {
        let (over, at_once) = (Seconds::from(RETENTION), Seconds(0.0));
        let mut deleted = Vec::new();
        for (statement, since) in
            [(DELETE_EXPIRED_SESSIONS, over), (DELETE_ENDED_SESSIONS, over), (DELETE_EVENTS, at_once)]
        {
            deleted.push(Autocommit(self.clone()).execute(statement, (since, i64::from(most))).await?);
        }
        Ok(Swept::of(&deleted, most))
    }
}
