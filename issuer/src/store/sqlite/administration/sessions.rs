//! Sessions as those see them who look after all.

use async_trait::async_trait;
use uuid::Uuid;

use super::SqliteDesk;
use crate::store::administration::desk::SessionDesk;
use crate::store::administration::{SessionSearch, UserSession};
use crate::store::sqlite::clock;
use crate::store::sqlite::revocation::Row;
use crate::store::{Result, SessionId};

const SESSIONS: &str = "
    SELECT t.id, t.client_id, t.auth_time, t.last_used_at, t.expires_at, t.user_id, u.username
    FROM refresh_tokens AS t
    JOIN users AS u ON u.id = t.user_id
    WHERE ($1 IS NULL OR t.user_id = $1)
        AND ($2 IS NULL OR t.client_id = $2)
        AND ($3 IS NULL OR t.id > $3)
        AND t.ended_at IS NULL
        AND t.expires_at > $4
        AND t.last_used_at > $5
    ORDER BY t.id
    LIMIT $6";

const END_SESSION: &str = "
    UPDATE refresh_tokens
    SET
        ended_at = $2,
        end_reason = $3
    WHERE id = $1
        AND ended_at IS NULL";

#[derive(sqlx::FromRow)]
struct Found {
    #[sqlx(flatten)]
    session: Row,
    user_id: Uuid,
    username: String,
}

#[async_trait]
impl SessionDesk for SqliteDesk {
    async fn sessions(&mut self, search: &SessionSearch) -> Result<Vec<UserSession>> {
        let found: Vec<Found> = sqlx::query_as(SESSIONS)
            .bind(search.user_id)
            .bind(&search.client_id)
            .bind(search.after.map(|id| Uuid::from_bytes(id.0)))
            .bind(self.now)
            .bind(clock::before(self.now, search.inactivity))
            .bind(search.limit)
            .fetch_all(&mut *self.transaction)
            .await?;
        let session = |Found { session, user_id, username }| {
            Ok(UserSession { user_id, username, session: session.try_into()? })
        };
        found.into_iter().map(session).collect()
    }

    async fn end_session(&mut self, id: SessionId, reason: &str) -> Result<bool> {
        let ended = sqlx::query(END_SESSION)
            .bind(Uuid::from_bytes(id.0))
            .bind(self.now)
            .bind(reason)
            .execute(&mut *self.transaction)
            .await?;
        Ok(ended.rows_affected() > 0)
    }
}
