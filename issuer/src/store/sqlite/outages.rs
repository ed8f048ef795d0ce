//! Reports of the issuer that it can answer, and the times without any.

use std::time::Duration;

use super::clock;
use super::pool::Pools;
use crate::store::Result;

const END: &str = "
    INSERT INTO outages (started_at, ended_at)
    SELECT reported_at, $1
    FROM liveness
    WHERE due_at < $1
    RETURNING ended_at - started_at";

/// What can matter to no refresh any more goes.
const FORGET: &str = "
    DELETE FROM outages
    WHERE ended_at < $1";

/// Also where the clock was set back.
const REPORT: &str = "
    INSERT INTO liveness (reported_at, due_at)
    VALUES ($1, $2)
    ON CONFLICT (once) DO UPDATE
    SET
        reported_at = excluded.reported_at,
        due_at = excluded.due_at";

pub(super) async fn report(pools: &Pools, due: Duration) -> Result<Option<Duration>> {
    let mut transaction = pools.write().await?;
    let now = clock::now(&mut transaction).await?;
    let ended: Option<i64> = sqlx::query_scalar(END).bind(now).fetch_optional(&mut *transaction).await?;
    if ended.is_some() {
        let forgotten = clock::before(now, REMEMBERED);
        sqlx::query(FORGET).bind(forgotten).execute(&mut *transaction).await?;
    }
    let due_at = clock::after(now, due);
    sqlx::query(REPORT).bind(now).bind(due_at).execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(ended.map(|millis| Duration::from_millis(millis.unsigned_abs())))
}

const REMEMBERED: Duration = Duration::from_secs(86_400);
