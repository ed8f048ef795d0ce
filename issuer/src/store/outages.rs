//! Reports of issuers that they can answer, and the times without any.

use std::time::Duration;

use super::columns::Seconds;
use super::queries::Queries as _;
use super::sql::{fragment, statements};
use super::transaction::Transaction;
use super::{Result, Store};

statements! {
    END = { "
        INSERT INTO outages (started_at, ended_at)
        SELECT reported_at, " [now] "
        FROM liveness
        WHERE due_at < " [now] [for_update] "
        RETURNING " [seconds_between "started_at", "ended_at"] }

    /// Old outages matter to no refresh.
    DELETE_OLD = { "
        DELETE FROM outages
        WHERE ended_at < " [before "86400"] }

    REPORT = {
        postgres: "
            INSERT INTO liveness (reported_at, due_at)
            VALUES (now(), now() + make_interval(secs => $1))
            ON CONFLICT (once) DO UPDATE
            SET
                reported_at = greatest(liveness.reported_at, excluded.reported_at),
                due_at = greatest(liveness.due_at, excluded.due_at)",
        // The only issuer, so the report holds where the clock was set back, too.
        sqlite: concat!("
            INSERT INTO liveness (reported_at, due_at)
            VALUES (", fragment!(sqlite [now]), ", ", fragment!(sqlite [after "$1"]), ")
            ON CONFLICT (once) DO UPDATE
            SET
                reported_at = excluded.reported_at,
                due_at = excluded.due_at"),
    }
}

impl Store {
    /// Reports that an issuer can answer, and will report so again within `due`. Returns how long none could, if that has
    /// just ended.
    pub async fn report_alive(&self, due: Duration) -> Result<Option<Duration>> {
        self.write(async move |mut transaction: Transaction| {
            let ended: Option<f64> = transaction.optional_value(END, ()).await?;
            if ended.is_some() {
                transaction.execute(DELETE_OLD, ()).await?;
            }
            transaction.execute(REPORT, (Seconds::from(due),)).await?;
            transaction.commit().await?;
            Ok(ended.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()))
        })
        .await
    }
}
