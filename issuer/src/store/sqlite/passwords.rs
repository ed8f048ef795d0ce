//! The passwords of users: what a login checks, and how it changes.

use uuid::Uuid;

use super::pool::Pools;
use super::{clock, ledger};
use crate::store::ledger::{Entry, Event};
use crate::store::{Actor, Credential, PasswordChange, Result};

const CREDENTIAL: &str = "
    SELECT id, username, enabled, password_hash, one_time_until, password_must_change
    FROM users
    WHERE username_key = $1";

pub(super) async fn credential(pools: &Pools, username_key: &str) -> Result<Option<Credential>> {
    let mut connection = pools.reader().acquire().await?;
    let now = clock::now(&mut connection).await?;
    let row: Option<Row> =
        sqlx::query_as(CREDENTIAL).bind(username_key).fetch_optional(&mut *connection).await?;
    Ok(row.map(|row| row.at(now)))
}

const CREDENTIAL_BY_ID: &str = "
    SELECT id, username, enabled, password_hash, one_time_until, password_must_change
    FROM users
    WHERE id = $1";

pub(super) async fn credential_by_id(pools: &Pools, user_id: Uuid) -> Result<Option<Credential>> {
    let mut connection = pools.reader().acquire().await?;
    let now = clock::now(&mut connection).await?;
    let row: Option<Row> =
        sqlx::query_as(CREDENTIAL_BY_ID).bind(user_id).fetch_optional(&mut *connection).await?;
    Ok(row.map(|row| row.at(now)))
}

/// Up to the `$` after the costs: `$argon2id$v=19$m=65536,t=3,p=1`.
const SCHEMES: &str = "
    SELECT DISTINCT substr(password_hash, 1, 14 + instr(substr(password_hash, 16), '$'))
    FROM users
    WHERE password_hash IS NOT NULL";

pub(super) async fn schemes(pools: &Pools) -> Result<Vec<String>> {
    Ok(sqlx::query_scalar(SCHEMES).fetch_all(pools.reader()).await?)
}

const REHASH: &str = "
    UPDATE users
    SET password_hash = $3
    WHERE id = $1
        AND password_hash = $2";

pub(super) async fn rehash(pools: &Pools, user_id: Uuid, old: &str, new: &str) -> Result<()> {
    sqlx::query(REHASH).bind(user_id).bind(old).bind(new).execute(pools.writer()).await?;
    Ok(())
}

const CHANGE: &str = "
    UPDATE users
    SET
        password_hash = $3,
        one_time_until = NULL,
        password_must_change = 0,
        epoch = epoch + 1,
        updated_at = $4
    WHERE id = $1
        AND enabled
        AND password_hash IS $2
    RETURNING epoch";

const END_OTHER_SESSIONS: &str = "
    UPDATE refresh_tokens
    SET
        ended_at = $3,
        end_reason = 'password_changed'
    WHERE user_id = $1
        AND ended_at IS NULL
        AND id IS NOT $2";

/// The epoch revokes every access token of the user; the session that is kept refreshes into a new one.
pub(super) async fn change(pools: &Pools, change: &PasswordChange) -> Result<bool> {
    let mut transaction = pools.write().await?;
    let now = clock::now(&mut transaction).await?;
    let epoch: Option<i64> = sqlx::query_scalar(CHANGE)
        .bind(change.user_id)
        .bind(&change.expected)
        .bind(&change.new_hash)
        .bind(now)
        .fetch_optional(&mut *transaction)
        .await?;
    let Some(epoch) = epoch else {
        return Ok(false);
    };

    sqlx::query(END_OTHER_SESSIONS)
        .bind(change.user_id)
        .bind(change.keep.map(|keep| Uuid::from_bytes(keep.0)))
        .bind(now)
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
    one_time_until: Option<i64>,
    password_must_change: bool,
}

impl Row {
    fn at(self, now: i64) -> Credential {
        Credential {
            user_id: self.id,
            username: self.username,
            enabled: self.enabled,
            password_hash: self.password_hash,
            one_time: self.one_time_until.is_some(),
            must_change: self.one_time_until.is_some() || self.password_must_change,
            expired: self.one_time_until.is_some_and(|until| until <= now),
        }
    }
}
