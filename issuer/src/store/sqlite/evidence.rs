//! Questions of the person on call.

use std::collections::BTreeSet;

use async_trait::async_trait;
use sqlx::types::Json;
use uuid::Uuid;

use super::{Sqlite, clock, reseal, revocation, schema, sessions};
use crate::store::{
    Evidence, Result, Rotate, RotationRefusal, SealedName, SessionId, SessionRecord, StoreError, rows,
};

const VERSION: &str = "SELECT 'SQLite ' || sqlite_version()";

const USER_EPOCH: &str = "
    SELECT epoch
    FROM users
    WHERE id = $1";

const SESSION: &str = "
    SELECT user_id, client_id, generation, scope, auth_time, last_used_at, expires_at, ended_at, end_reason
    FROM refresh_tokens
    WHERE id = $1";

#[async_trait]
impl Evidence for Sqlite {
    async fn version(&self) -> Result<String> {
        Ok(sqlx::query_scalar(VERSION).fetch_one(self.pools.reader()).await?)
    }

    async fn unknown_migrations(&self) -> Result<Vec<i64>> {
        schema::unknown(&self.pools).await
    }

    async fn sealed(&self) -> Result<Vec<(SealedName, Vec<u8>)>> {
        reseal::all(&mut *self.pools.read().await?).await
    }

    async fn user_epoch(&self, id: Uuid) -> Result<Option<i64>> {
        Ok(sqlx::query_scalar(USER_EPOCH).bind(id).fetch_optional(self.pools.reader()).await?)
    }

    async fn is_token_revoked(&self, token_id: &str) -> Result<bool> {
        revocation::is_revoked(self.pools.reader(), token_id).await
    }

    async fn session_record(&self, id: SessionId) -> Result<Option<SessionRecord>> {
        let question = sqlx::query_as(SESSION).bind(Uuid::from_bytes(id.0));
        let row: Option<Row> = question.fetch_optional(self.pools.reader()).await?;
        row.map(SessionRecord::try_from).transpose()
    }

    async fn rotation_refusal(&self, rotate: &Rotate) -> Result<Option<RotationRefusal>> {
        sessions::foretell(&self.pools, rotate).await
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    user_id: Uuid,
    client_id: String,
    generation: i64,
    scope: Json<BTreeSet<String>>,
    auth_time: i64,
    last_used_at: i64,
    expires_at: i64,
    ended_at: Option<i64>,
    end_reason: Option<String>,
}

impl TryFrom<Row> for SessionRecord {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            user_id: row.user_id,
            client_id: row.client_id,
            generation: rows::generation(row.generation)?,
            scope: row.scope.0,
            auth_time: clock::moment(row.auth_time)?,
            last_used_at: clock::moment(row.last_used_at)?,
            expires_at: clock::moment(row.expires_at)?,
            end: row.ended_at.map(clock::moment).transpose()?.zip(row.end_reason),
        })
    }
}
