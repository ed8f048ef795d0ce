//! Reports of issuers that they can answer, and the times without any.

use std::time::Duration;

use sqlx::PgPool;

use crate::store::Result;

const END: &str = "
    INSERT INTO outages (started_at, ended_at)
    SELECT reported_at, now()
    FROM liveness
    WHERE due_at < now()
    FOR UPDATE
    RETURNING extract(epoch FROM ended_at - started_at)::float8";

/// What can matter to no refresh any more goes.
const FORGET: &str = "
    DELETE FROM outages
    WHERE ended_at < now() - interval '1 day'";

const REPORT: &str = "
    INSERT INTO liveness (reported_at, due_at)
    VALUES (now(), now() + make_interval(secs => $1))
    ON CONFLICT (once) DO UPDATE
    SET
        reported_at = greatest(liveness.reported_at, excluded.reported_at),
        due_at = greatest(liveness.due_at, excluded.due_at)";

pub(super) async fn report(pool: &PgPool, due: Duration) -> Result<Option<Duration>> {
    let mut transaction = pool.begin().await?;
    let ended: Option<f64> = sqlx::query_scalar(END).fetch_optional(&mut *transaction).await?;
    if ended.is_some() {
        sqlx::query(FORGET).execute(&mut *transaction).await?;
    }
    sqlx::query(REPORT).bind(due.as_secs_f64()).execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(ended.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()))
}
