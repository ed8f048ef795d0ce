//! Deletes what makes no difference any more. Replicas that sweep at once take different rows and never wait.

use sqlx::PgPool;

use crate::store::ledger::RETENTION;
use crate::store::{Result, Swept};

/// Of a table with this key, the rows whose time is over longest.
macro_rules! delete_oldest {
    ($table:literal, $key:literal, $since:literal $(, $and:literal)?) => {
        concat!(
            "
    DELETE FROM ",
            $table,
            "
    WHERE ",
            $key,
            " IN (
        SELECT ",
            $key,
            "
        FROM ",
            $table,
            "
        WHERE ",
            $since,
            " <= now() - make_interval(secs => $1)",
            $("
            AND ",
            $and,)?
            "
        ORDER BY ",
            $since,
            "
        LIMIT $2
        FOR UPDATE SKIP LOCKED
    )"
        )
    };
}

const EXPIRED_SESSIONS: &str = delete_oldest!("refresh_tokens", "id", "expires_at");
const ENDED_SESSIONS: &str = delete_oldest!("refresh_tokens", "id", "ended_at");
/// Not the last one: it is the place from which whoever has read everything asks for what follows.
const EVENTS: &str = delete_oldest!(
    "revocation_events",
    "seq",
    "drop_after",
    "seq < (SELECT max(seq) FROM revocation_events)"
);

pub(super) async fn sweep(pool: &PgPool, most: u32) -> Result<Swept> {
    let over = RETENTION.as_secs_f64();
    let mut deleted = Vec::new();
    for (statement, for_seconds) in [(EXPIRED_SESSIONS, over), (ENDED_SESSIONS, over), (EVENTS, 0.0)] {
        let done = sqlx::query(statement).bind(for_seconds).bind(i64::from(most)).execute(pool).await?;
        deleted.push(done.rows_affected());
    }
    Ok(Swept::of(&deleted, most))
}
