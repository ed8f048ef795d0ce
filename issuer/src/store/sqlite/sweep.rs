//! Deletes what makes no difference any more.

use super::clock;
use super::pool::Pools;
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
            " <= $1",
            $("
            AND ",
            $and,)?
            "
        ORDER BY ",
            $since,
            "
        LIMIT $2
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

pub(super) async fn sweep(pools: &Pools, most: u32) -> Result<Swept> {
    let mut transaction = pools.write().await?;
    let now = clock::now(&mut transaction).await?;
    let over = clock::before(now, RETENTION);
    let mut deleted = Vec::new();
    for (statement, until) in [(EXPIRED_SESSIONS, over), (ENDED_SESSIONS, over), (EVENTS, now)] {
        let done = sqlx::query(statement).bind(until).bind(most).execute(&mut *transaction).await?;
        deleted.push(done.rows_affected());
    }
    transaction.commit().await?;
    Ok(Swept::of(&deleted, most))
}
