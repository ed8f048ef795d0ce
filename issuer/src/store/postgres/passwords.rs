//! The passwords of users: what a login checks, and how it changes.

use sqlx::PgPool;
use uuid::Uuid;

use super::ledger;
use super::pool::PATIENT;
use crate::store::ledger::{Entry, Event};
use crate::store::{Actor, Credential, PasswordChange, Result};

const CREDENTIAL: &str = "
    SELECT
        id,
        username,
        enabled,
        password_hash,
        one_time_until IS NOT NULL AS one_time,
        one_time_until IS NOT NULL OR password_must_change AS must_change,
        coalesce(one_time_until <= now(), false) AS expired
    FROM users
    WHERE username_key = $1";

pub(super) async fn credential(pool: &PgPool, username_key: &str) -> Result<Option<Credential>> {
    // A stranger's bytes; PostgreSQL takes no NUL in a text and would call it an error of ours.
    if username_key.contains('\0') {
        return Ok(None);
    }
    let row: Option<Row> = sqlx::query_as(CREDENTIAL).bind(username_key).fetch_optional(pool).await?;
    Ok(row.map(Credential::from))
}

const CREDENTIAL_BY_ID: &str = "
    SELECT
        id,
        username,
        enabled,
        password_hash,
        one_time_until IS NOT NULL AS one_time,
        one_time_until IS NOT NULL OR password_must_change AS must_change,
        coalesce(one_time_until <= now(), false) AS expired
    FROM users
    WHERE id = $1";

pub(super) async fn credential_by_id(pool: &PgPool, user_id: Uuid) -> Result<Option<Credential>> {
    let row: Option<Row> = sqlx::query_as(CREDENTIAL_BY_ID).bind(user_id).fetch_optional(pool).await?;
    Ok(row.map(Credential::from))
}

/// Up to the `$` after the costs: `$argon2id$v=19$m=65536,t=3,p=1`.
const SCHEMES: &str = "
    SELECT DISTINCT left(password_hash, 14 + strpos(substr(password_hash, 16), '$'))
    FROM users
    WHERE password_hash IS NOT NULL";

pub(super) async fn schemes(pool: &PgPool) -> Result<Vec<String>> {
    let mut transaction = pool.begin().await?;
    sqlx::raw_sql(PATIENT).execute(&mut *transaction).await?;
    Ok(sqlx::query_scalar(SCHEMES).fetch_all(&mut *transaction).await?)
}

const REHASH: &str = "
    UPDATE users
    SET password_hash = $3
    WHERE id = $1
        AND password_hash = $2";

pub(super) async fn rehash(pool: &PgPool, user_id: Uuid, old: &str, new: &str) -> Result<()> {
    sqlx::query(REHASH).bind(user_id).bind(old).bind(new).execute(pool).await?;
    Ok(())
}

const CHANGE: &str = "
    UPDATE users
    SET
        password_hash = $3,
        one_time_until = NULL,
        password_must_change = false,
        epoch = epoch + 1,
        updated_at = now()
    WHERE id = $1
        AND enabled
        AND password_hash IS NOT DISTINCT FROM $2
    RETURNING epoch";

const END_OTHER_SESSIONS: &str = "
    UPDATE refresh_tokens
    SET
        ended_at = now(),
        end_reason = 'password_changed'
    WHERE user_id = $1
        AND ended_at IS NULL
        AND id IS DISTINCT FROM $2";

/// The epoch revokes every access token of the user; the session that is kept refreshes into a new one.
pub(super) async fn change(pool: &PgPool, change: &PasswordChange) -> Result<bool> {
    let mut transaction = pool.begin().await?;
    let epoch: Option<i64> = sqlx::query_scalar(CHANGE)
        .bind(change.user_id)
        .bind(&change.expected)
        .bind(&change.new_hash)
        .fetch_optional(&mut *transaction)
        .await?;
    let Some(epoch) = epoch else {
        return Ok(false);
    };

    sqlx::query(END_OTHER_SESSIONS)
        .bind(change.user_id)
        .bind(change.keep.map(|keep| Uuid::from_bytes(keep.0)))
        .execute(&mut *transaction)
        .await?;
    let actor = Actor::User(change.user_id);
    let entry = Entry::new(&actor, "user.password_changed", change.user_id).within(&change.context);
    ledger::record(&mut transaction, &[entry]).await?;
    ledger::publish(&mut transaction, &[Event::user(change.user_id, epoch)]).await?;
    transaction.commit().await?;
    Ok(true)
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    username: String,
    enabled: bool,
    password_hash: Option<String>,
    one_time: bool,
    must_change: bool,
    expired: bool,
}

impl From<Row> for Credential {
    fn from(row: Row) -> Self {
        Self {
            user_id: row.id,
            username: row.username,
            enabled: row.enabled,
            password_hash: row.password_hash,
            one_time: row.one_time,
            must_change: row.must_change,
            expired: row.expired,
        }
    }
}
