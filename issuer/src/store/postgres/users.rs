//! New users.

use sqlx::PgConnection;

use crate::identifier;
use crate::store::{NewUser, Result, StoreError, UserConflict, rows};

const INSERT: &str = "
    INSERT INTO users (
        id, username, username_key, email, email_key, password_hash, one_time_until, password_must_change,
        username_skeleton, username_capitals, email_skeleton
    )
    VALUES ($1, $2, $3, $4, $5, $6, now() + make_interval(secs => $7), $8, $9, $10, $11)
    ON CONFLICT DO NOTHING";

/// Within a transaction that the caller gives up on a conflict.
pub(super) async fn insert(connection: &mut PgConnection, user: &NewUser) -> Result<Option<UserConflict>> {
    let [lower, capitals] = identifier::username_skeletons(&user.username_key);
    let inserted = sqlx::query(INSERT)
        .bind(user.id)
        .bind(&user.username)
        .bind(&user.username_key)
        .bind(&user.email)
        .bind(&user.email_key)
        .bind(&user.password_hash)
        .bind(user.one_time_for.map(|good_for| good_for.as_secs_f64()))
        .bind(user.password_must_change)
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
        EXISTS (SELECT FROM users WHERE username_key = $1 OR username_skeleton = $3 OR username_capitals = $4) AS username,
        EXISTS (SELECT FROM users WHERE email_key = $2 OR email_skeleton = $5) AS email";

async fn conflict(connection: &mut PgConnection, user: &NewUser) -> Result<UserConflict> {
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

const GRANT_ROLES: &str = "
    INSERT INTO user_roles (user_id, role_name)
    SELECT $1, name
    FROM roles
    WHERE name = ANY ($2)
    RETURNING role_name";

async fn grant_roles(connection: &mut PgConnection, user: &NewUser) -> Result<()> {
    let granted: Vec<String> =
        sqlx::query_scalar(GRANT_ROLES).bind(user.id).bind(&user.roles).fetch_all(connection).await?;
    match user.roles.iter().find(|role| !granted.contains(role)) {
        None => Ok(()),
        Some(role) => Err(rows::no_such_role(role)),
    }
}
