//! New users.

use sqlx::SqliteConnection;

use super::clock;
use crate::identifier;
use crate::store::{NewUser, Result, StoreError, UserConflict, rows};

const INSERT: &str = "
    INSERT INTO users (
        id, username, username_key, email, email_key, password_hash, one_time_until, password_must_change,
        created_at, updated_at, username_skeleton, username_capitals, email_skeleton
    )
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10, $11, $12)
    ON CONFLICT DO NOTHING";

/// Within a transaction that the caller gives up on a conflict.
pub(super) async fn insert(
    connection: &mut SqliteConnection,
    user: &NewUser,
) -> Result<Option<UserConflict>> {
    let now = clock::now(connection).await?;
    let [lower, capitals] = identifier::username_skeletons(&user.username_key);
    let inserted = sqlx::query(INSERT)
        .bind(user.id)
        .bind(&user.username)
        .bind(&user.username_key)
        .bind(&user.email)
        .bind(&user.email_key)
        .bind(&user.password_hash)
        .bind(user.one_time_for.map(|good_for| clock::after(now, good_for)))
        .bind(user.password_must_change)
        .bind(now)
        .bind(lower)
        .bind(capitals)
        .bind(user.email_key.as_deref().map(identifier::email_skeleton))
        .execute(&mut *connection)
        .await?
        .rows_affected();
    if inserted == 0 {
        return conflict(connection, user).await.map(Some);
    }
    grant_roles(connection, user).await?;
    Ok(None)
}

const CONFLICT: &str = "
    SELECT
        EXISTS (SELECT 1 FROM users WHERE username_key = $1 OR username_skeleton = $3 OR username_capitals = $4) AS username,
        EXISTS (SELECT 1 FROM users WHERE email_key = $2 OR email_skeleton = $5) AS email";

async fn conflict(connection: &mut SqliteConnection, user: &NewUser) -> Result<UserConflict> {
    let [lower, capitals] = identifier::username_skeletons(&user.username_key);
    let taken: (bool, bool) = sqlx::query_as(CONFLICT)
        .bind(&user.username_key)
        .bind(&user.email_key)
        .bind(lower)
        .bind(capitals)
        .bind(user.email_key.as_deref().map(identifier::email_skeleton))
        .fetch_one(connection)
        .await?;
    match taken {
        (true, _) => Ok(UserConflict::Username),
        (false, true) => Ok(UserConflict::Email),
        (false, false) => Err(StoreError::Inconsistent(format!("another user with the id {}", user.id))),
    }
}

const GRANT_ROLE: &str = "
    INSERT INTO user_roles (user_id, role_name)
    SELECT $1, name
    FROM roles
    WHERE name = $2
    ON CONFLICT DO NOTHING";

const HAS_ROLE: &str = "
    SELECT EXISTS (SELECT 1 FROM user_roles WHERE user_id = $1 AND role_name = $2)";

async fn grant_roles(connection: &mut SqliteConnection, user: &NewUser) -> Result<()> {
    for role in &user.roles {
        sqlx::query(GRANT_ROLE).bind(user.id).bind(role).execute(&mut *connection).await?;
        if !sqlx::query_scalar(HAS_ROLE).bind(user.id).bind(role).fetch_one(&mut *connection).await? {
            return Err(rows::no_such_role(role));
        }
    }
    Ok(())
}
