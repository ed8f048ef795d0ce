//! Questions of the person on call.

use async_trait::async_trait;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Postgres, reseal, revocation, schema, sessions};
use crate::store::{
    Evidence, Result, Rotate, RotationRefusal, SealedName, SessionId, SessionRecord, StoreError, rows,
};

const VERSION: &str = "SELECT 'PostgreSQL ' || current_setting('server_version')";

const USER_EPOCH: &str = "
    SELECT epoch
    FROM users
    WHERE id = $1";

const SESSION: &str = "
    SELECT user_id, client_id, generation, scope, auth_time, last_used_at, expires_at, ended_at, end_reason
    FROM refresh_tokens
    WHERE id = $1";

#[async_trait]
impl Evidence for Postgres {
    async fn version(&self) -> Result<String> {
        self.bounded(async { Ok(sqlx::query_scalar(VERSION).fetch_one(&self.pool).await?) }).await
    }

    async fn unknown_migrations(&self) -> Result<Vec<i64>> {
        self.bounded(schema::unknown(&self.pool)).await
    }

    async fn sealed(&self) -> Result<Vec<(SealedName, Vec<u8>)>> {
        self.bounded(async { reseal::all(&mut *self.pool.acquire().await?).await }).await
    }

    async fn user_epoch(&self, id: Uuid) -> Result<Option<i64>> {
        self.bounded(async { Ok(sqlx::query_scalar(USER_EPOCH).bind(id).fetch_optional(&self.pool).await?) })
            .await
    }

    async fn is_token_revoked(&self, token_id: &str) -> Result<bool> {
        self.bounded(revocation::is_revoked(&self.pool, token_id)).await
    }

    async fn session_record(&self, id: SessionId) -> Result<Option<SessionRecord>> {
        let question = sqlx::query_as(SESSION).bind(Uuid::from_bytes(id.0));
        let row: Option<Row> = self.bounded(async { Ok(question.fetch_optional(&self.pool).await?) }).await?;
        row.map(SessionRecord::try_from).transpose()
    }

    async fn rotation_refusal(&self, rotate: &Rotate) -> Result<Option<RotationRefusal>> {
        self.bounded(sessions::foretell(&self.pool, rotate)).await
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    user_id: Uuid,
    client_id: String,
    generation: i64,
    scope: Vec<String>,
    auth_time: OffsetDateTime,
    last_used_at: OffsetDateTime,
    expires_at: OffsetDateTime,
    ended_at: Option<OffsetDateTime>,
    end_reason: Option<String>,
}

impl TryFrom<Row> for SessionRecord {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            user_id: row.user_id,
            client_id: row.client_id,
            generation: rows::generation(row.generation)?,
            scope: row.scope.into_iter().collect(),
            auth_time: row.auth_time,
            last_used_at: row.last_used_at,
            expires_at: row.expires_at,
            end: row.ended_at.zip(row.end_reason),
        })
    }
}
