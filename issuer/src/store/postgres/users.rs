//! New users.

use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;

use super::{administration, ledger};
use crate::store::ledger::Entry;
use crate::store::{Actor, NewUser, Result, StoreError, User, UserConflict, rows};

pub(super) async fn create(
    pool: &PgPool,
    actor: &Actor,
    user: &NewUser,
) -> Result<std::result::Result<User, UserConflict>> {
    let mut transaction = pool.begin().await?;
    // Before the first row: a change of rights that waits for this name would otherwise be waited for here.
    administration::alone(&mut transaction).await?;
    let created_at = match insert(&mut transaction, user).await? {
        Ok(created_at) => created_at,
        Err(conflict) => return Ok(Err(conflict)),
    };
    ledger::record(&mut transaction, &[Entry::new(actor, "user.created", user.id)]).await?;
    transaction.commit().await?;

    Ok(Ok(User {
        id: user.id,
        username: user.username.clone(),
        email: user.email.clone(),
        enabled: true,
        roles: user.roles.clone(),
        created_at,
    }))
}

const INSERT: &str = "
    INSERT INTO users (id, username, username_key, email, email_key, password_hash, one_time_until)
    VALUES ($1, $2, $3, $4, $5, $6, now() + make_interval(secs => $7))
    ON CONFLICT DO NOTHING
    RETURNING created_at";

/// Within a transaction that the caller gives up on a conflict.
pub(super) async fn insert(
    connection: &mut PgConnection,
    user: &NewUser,
) -> Result<std::result::Result<OffsetDateTime, UserConflict>> {
    let created_at: Option<OffsetDateTime> = sqlx::query_scalar(INSERT)
        .bind(user.id)
        .bind(&user.username)
        .bind(&user.username_key)
        .bind(&user.email)
        .bind(&user.email_key)
        .bind(&user.password_hash)
        .bind(user.one_time_for.map(|good_for| good_for.as_secs_f64()))
        .fetch_optional(&mut *connection)
        .await?;
    let Some(created_at) = created_at else {
        return conflict(connection, user).await.map(Err);
    };
    grant_roles(connection, user).await?;
    Ok(Ok(created_at))
}

const CONFLICT: &str = "
    SELECT
        EXISTS (SELECT FROM users WHERE username_key = $1) AS username,
        EXISTS (SELECT FROM users WHERE email_key = $2) AS email";

async fn conflict(connection: &mut PgConnection, user: &NewUser) -> Result<UserConflict> {
    let taken: (bool, bool) =
        sqlx::query_as(CONFLICT).bind(&user.username_key).bind(&user.email_key).fetch_one(connection).await?;
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
