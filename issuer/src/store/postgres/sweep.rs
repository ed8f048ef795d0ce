//! Deletes what makes no difference any more. Replicas that sweep at once take different rows and never wait.

use sqlx::PgPool;

use crate::store::ledger::RETENTION;
use crate::store::{Result, Swept};

const EXPIRED_SESSIONS: &str = "
    DELETE FROM refresh_tokens
    WHERE id IN (
        SELECT id
        FROM refresh_tokens
        WHERE expires_at <= now() - make_interval(secs => $1)
        ORDER BY expires_at
        LIMIT $2
        FOR UPDATE SKIP LOCKED
    )";

const ENDED_SESSIONS: &str = "
    DELETE FROM refresh_tokens
    WHERE id IN (
        SELECT id
        FROM refresh_tokens
        WHERE ended_at <= now() - make_interval(secs => $1)
        ORDER BY ended_at
        LIMIT $2
        FOR UPDATE SKIP LOCKED
    )";

const EVENTS: &str = "
    DELETE FROM revocation_events
    WHERE seq IN (
        SELECT seq
        FROM revocation_events
        WHERE drop_after <= now() - make_interval(secs => $1)
        ORDER BY drop_after
        LIMIT $2
        FOR UPDATE SKIP LOCKED
    )";

pub(super) async fn sweep(pool: &PgPool, most: u32) -> Result<Swept> {
    let over = RETENTION.as_secs_f64();
    let mut deleted = Vec::new();
    for (statement, for_seconds) in [(EXPIRED_SESSIONS, over), (ENDED_SESSIONS, over), (EVENTS, 0.0)] {
        let done = sqlx::query(statement).bind(for_seconds).bind(i64::from(most)).execute(pool).await?;
        deleted.push(done.rows_affected());
    }
    Ok(Swept::of(&deleted, most))
}
