//! Deletes what makes no difference any more.

use super::clock;
use super::pool::Pools;
use crate::store::ledger::RETENTION;
use crate::store::{Result, Swept};

const EXPIRED_SESSIONS: &str = "
    DELETE FROM refresh_tokens
    WHERE id IN (
        SELECT id
        FROM refresh_tokens
        WHERE expires_at <= $1
        ORDER BY expires_at
        LIMIT $2
    )";

const ENDED_SESSIONS: &str = "
    DELETE FROM refresh_tokens
    WHERE id IN (
        SELECT id
        FROM refresh_tokens
        WHERE ended_at <= $1
        ORDER BY ended_at
        LIMIT $2
    )";

const EVENTS: &str = "
    DELETE FROM revocation_events
    WHERE seq IN (
        SELECT seq
        FROM revocation_events
        WHERE drop_after <= $1
        ORDER BY drop_after
        LIMIT $2
    )";

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
