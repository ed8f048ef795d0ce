//! The statements that changes to users are made of.

use std::collections::BTreeSet;

use async_trait::async_trait;
use sqlx::types::Json;
use uuid::Uuid;

use super::super::users;
use super::{SqliteDesk, clock, moment};
use crate::identifier;
use crate::store::administration::desk::UserDesk;
use crate::store::administration::{Identifier, Profile, Reset, UserChange, UserSearch};
use crate::store::{NewUser, Result, UserConflict, rows};

const USERS: &str = "
    SELECT
        id,
        username,
        email,
        enabled,
        coalesce((SELECT json_group_array(role_name) FROM user_roles WHERE user_id = id), '[]') AS roles,
        created_at,
        updated_at,
        last_login
    FROM users
    WHERE username_key > $1
        AND (username_key BETWEEN $2 AND $3 OR email_key BETWEEN $2 AND $3)
        AND ($4 IS NULL OR enabled = $4)
    ORDER BY username_key
    LIMIT $5";

const USER: &str = "
    SELECT
        id,
        username,
        email,
        enabled,
        coalesce((SELECT json_group_array(role_name) FROM user_roles WHERE user_id = id), '[]') AS roles,
        created_at,
        updated_at,
        last_login
    FROM users
    WHERE id = $1";

const USERNAME_TAKEN: &str = "
    SELECT EXISTS (SELECT 1 FROM users WHERE (username_key = $2 OR username_skeleton = $3 OR username_capitals = $4) AND id <> $1)";

const EMAIL_TAKEN: &str = "
    SELECT EXISTS (SELECT 1 FROM users WHERE (email_key = $2 OR email_skeleton = $3) AND id <> $1)";

const PUT_USER: &str = "
    UPDATE users
    SET
        username = coalesce($2, username),
        username_key = coalesce($3, username_key),
        email = CASE WHEN $4 THEN $5 ELSE email END,
        email_key = CASE WHEN $4 THEN $6 ELSE email_key END,
        enabled = coalesce($7, enabled),
        updated_at = $8,
        username_skeleton = coalesce($9, username_skeleton),
        username_capitals = coalesce($10, username_capitals),
        email_skeleton = CASE WHEN $4 THEN $11 ELSE email_skeleton END
    WHERE id = $1";

const PUT_ONE_TIME_PASSWORD: &str = "
    UPDATE users
    SET
        password_hash = $2,
        one_time_until = $3,
        password_must_change = 1,
        updated_at = $4
    WHERE id = $1";

const SCOPES_OF_ROLE: &str = "
    SELECT rs.scope_name
    FROM roles AS r
    LEFT JOIN role_scopes AS rs ON rs.role_name = r.name
    WHERE r.name = $1";

const ADD_ROLE: &str = "
    INSERT INTO user_roles (user_id, role_name)
    VALUES ($1, $2)";

const DROP_ROLE: &str = "
    DELETE FROM user_roles
    WHERE user_id = $1
        AND role_name = $2";

const MOVE_USER: &str = "
    UPDATE users
    SET epoch = epoch + 1
    WHERE id = $1
    RETURNING epoch";

const END_SESSIONS: &str = "
    UPDATE refresh_tokens
    SET
        ended_at = $2,
        end_reason = $3
    WHERE user_id = $1
        AND ended_at IS NULL";

const DELETE_USER: &str = "
    DELETE FROM users
    WHERE id = $1";

const OTHER_ADMINISTRATORS: &str = "
    SELECT count(*)
    FROM user_roles AS ur
    JOIN users AS u ON u.id = ur.user_id
    WHERE ur.role_name = 'administrator'
        AND u.enabled
        AND u.id <> $1";

#[async_trait]
impl UserDesk for SqliteDesk {
    async fn users(&mut self, search: &UserSearch) -> Result<Vec<Profile>> {
        let found: Vec<Row> = sqlx::query_as(USERS)
            .bind(&search.after)
            .bind(&search.prefix)
            .bind(rows::end_of_prefix(&search.prefix))
            .bind(search.enabled)
            .bind(search.limit)
            .fetch_all(&mut *self.transaction)
            .await?;
        found.into_iter().map(Profile::try_from).collect()
    }

    async fn user(&mut self, id: Uuid) -> Result<Option<Profile>> {
        let found: Option<Row> = sqlx::query_as(USER).bind(id).fetch_optional(&mut *self.transaction).await?;
        found.map(Profile::try_from).transpose()
    }

    async fn insert_user(&mut self, user: &NewUser) -> Result<Option<UserConflict>> {
        users::insert(&mut self.transaction, user).await
    }

    async fn user_conflict(&mut self, change: &UserChange) -> Result<Option<UserConflict>> {
        if let Some(Identifier { key, .. }) = &change.username {
            let [lower, capitals] = identifier::username_skeletons(key);
            let taken =
                sqlx::query_scalar(USERNAME_TAKEN).bind(change.id).bind(key).bind(lower).bind(capitals);
            if taken.fetch_one(&mut *self.transaction).await? {
                return Ok(Some(UserConflict::Username));
            }
        }
        if let Some(Identifier { key, .. }) = change.email() {
            let skeleton = identifier::email_skeleton(key);
            let taken = sqlx::query_scalar(EMAIL_TAKEN).bind(change.id).bind(key).bind(skeleton);
            if taken.fetch_one(&mut *self.transaction).await? {
                return Ok(Some(UserConflict::Email));
            }
        }
        Ok(None)
    }

    /// There is one writer at a time: what `user_conflict` saw is still so.
    async fn put_user(&mut self, change: &UserChange) -> Result<Option<UserConflict>> {
        let (username, email) = (change.username.as_ref(), change.email());
        let skeletons = username.map(|name| identifier::username_skeletons(&name.key));
        let (lower, capitals) = skeletons.map(|[lower, capitals]| (lower, capitals)).unzip();
        sqlx::query(PUT_USER)
            .bind(change.id)
            .bind(username.map(|name| &name.text))
            .bind(username.map(|name| &name.key))
            .bind(change.email.is_some())
            .bind(email.map(|address| &address.text))
            .bind(email.map(|address| &address.key))
            .bind(change.enabled)
            .bind(self.now)
            .bind(lower)
            .bind(capitals)
            .bind(email.map(|address| identifier::email_skeleton(&address.key)))
            .execute(&mut *self.transaction)
            .await?;
        Ok(None)
    }

    async fn put_one_time_password(&mut self, reset: &Reset) -> Result<()> {
        sqlx::query(PUT_ONE_TIME_PASSWORD)
            .bind(reset.id)
            .bind(&reset.password_hash)
            .bind(clock::after(self.now, reset.good_for))
            .bind(self.now)
            .execute(&mut *self.transaction)
            .await?;
        Ok(())
    }

    async fn scopes_of_role(&mut self, role: &str) -> Result<Option<BTreeSet<String>>> {
        let found: Vec<Option<String>> =
            sqlx::query_scalar(SCOPES_OF_ROLE).bind(role).fetch_all(&mut *self.transaction).await?;
        Ok((!found.is_empty()).then(|| found.into_iter().flatten().collect()))
    }

    async fn add_role(&mut self, id: Uuid, role: &str) -> Result<()> {
        sqlx::query(ADD_ROLE).bind(id).bind(role).execute(&mut *self.transaction).await?;
        Ok(())
    }

    async fn drop_role(&mut self, id: Uuid, role: &str) -> Result<()> {
        sqlx::query(DROP_ROLE).bind(id).bind(role).execute(&mut *self.transaction).await?;
        Ok(())
    }

    async fn move_user(&mut self, id: Uuid) -> Result<i64> {
        Ok(sqlx::query_scalar(MOVE_USER).bind(id).fetch_one(&mut *self.transaction).await?)
    }

    async fn end_sessions(&mut self, id: Uuid, reason: &str) -> Result<()> {
        sqlx::query(END_SESSIONS)
            .bind(id)
            .bind(self.now)
            .bind(reason)
            .execute(&mut *self.transaction)
            .await?;
        Ok(())
    }

    async fn delete_user(&mut self, id: Uuid) -> Result<()> {
        sqlx::query(DELETE_USER).bind(id).execute(&mut *self.transaction).await?;
        Ok(())
    }

    async fn other_administrators(&mut self, id: Uuid) -> Result<i64> {
        Ok(sqlx::query_scalar(OTHER_ADMINISTRATORS).bind(id).fetch_one(&mut *self.transaction).await?)
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    username: String,
    email: Option<String>,
    enabled: bool,
    roles: Json<BTreeSet<String>>,
    created_at: i64,
    updated_at: i64,
    last_login: Option<i64>,
}

impl TryFrom<Row> for Profile {
    type Error = crate::store::StoreError;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: row.id,
            username: row.username,
            email: row.email,
            enabled: row.enabled,
            roles: row.roles.0,
            created_at: moment(row.created_at)?,
            updated_at: moment(row.updated_at)?,
            last_login: row.last_login.map(moment).transpose()?,
        })
    }
}
