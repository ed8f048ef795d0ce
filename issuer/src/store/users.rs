//! Users: their accounts and the roles that they have.

use sqlx::types::Json;
use uuid::Uuid;

use super::columns::{Seconds, end_of_prefix};
use super::queries::{Autocommit, Queries as _};
use super::sql::statements;
use super::transaction::Transaction;
use super::{NewUser, Profile, Reset, Result, Store, StoreError, UserChange, UserConflict, UserSearch};
use crate::identifier;

statements! {
    SEARCH = { "
        SELECT
            id,
            username,
            email,
            enabled,
            (SELECT " [array "role_name"] " FROM user_roles WHERE user_id = id) AS roles,
            created_at,
            updated_at,
            last_login
        FROM users
        WHERE username_key > $1
            AND (username_key BETWEEN $2 AND $3 OR email_key BETWEEN $2 AND $3)
            AND (CAST($4 AS boolean) IS NULL OR enabled = $4)
        ORDER BY username_key
        LIMIT $5" }

    USER = { "
        SELECT
            id,
            username,
            email,
            enabled,
            (SELECT " [array "role_name"] " FROM user_roles WHERE user_id = id) AS roles,
            created_at,
            updated_at,
            last_login
        FROM users
        WHERE id = $1" }

    INSERT = { "
        INSERT INTO users (
            id, username, username_key, email, email_key, password_hash, one_time_until, password_must_change,
            username_skeleton, username_capitals, email_skeleton
        )
        VALUES ($1, $2, $3, $4, $5, $6, " [after "$7"] ", $8, $9, $10, $11)
        ON CONFLICT DO NOTHING" }

    CONFLICT = { "
        SELECT
            EXISTS (
                SELECT 1
                FROM users
                WHERE username_key = $1
                    OR username_skeleton = $3
                    OR username_capitals = $4
            ) AS username,
            EXISTS (
                SELECT 1
                FROM users
                WHERE email_key = $2
                    OR email_skeleton = $5
            ) AS email" }

    ADD_ROLES = { "
        INSERT INTO user_roles (user_id, role_name)
        SELECT $1, name
        FROM roles
        WHERE name IN (" [members "$2"] ")
        RETURNING role_name" }

    USERNAME_TAKEN = { "
        SELECT EXISTS (
            SELECT 1
            FROM users
            WHERE (username_key = $2 OR username_skeleton = $3 OR username_capitals = $4)
                AND id <> $1
        )" }

    EMAIL_TAKEN = { "
        SELECT EXISTS (
            SELECT 1
            FROM users
            WHERE (email_key = $2 OR email_skeleton = $3)
                AND id <> $1
        )" }

    UPDATE = { "
        UPDATE users
        SET
            username = coalesce($2, username),
            username_key = coalesce($3, username_key),
            email = CASE WHEN $4 THEN $5 ELSE email END,
            email_key = CASE WHEN $4 THEN $6 ELSE email_key END,
            enabled = coalesce($7, enabled),
            updated_at = " [now] ",
            username_skeleton = coalesce($8, username_skeleton),
            username_capitals = coalesce($9, username_capitals),
            email_skeleton = CASE WHEN $4 THEN $10 ELSE email_skeleton END
        WHERE id = $1" }

    SET_ONE_TIME_PASSWORD = { "
        UPDATE users
        SET
            password_hash = $2,
            one_time_until = " [after "$3"] ",
            password_must_change = true,
            updated_at = " [now] "
        WHERE id = $1" }

    ADD_ROLE = { "
        INSERT INTO user_roles (user_id, role_name)
        VALUES ($1, $2)" }

    REMOVE_ROLE = { "
        DELETE FROM user_roles
        WHERE user_id = $1
            AND role_name = $2" }

    EPOCH = { "
        SELECT epoch
        FROM users
        WHERE id = $1" }

    INCREMENT_EPOCH = { "
        UPDATE users
        SET epoch = epoch + 1
        WHERE id = $1
        RETURNING epoch" }

    DELETE = { "
        DELETE FROM users
        WHERE id = $1" }

    OTHER_ADMINISTRATORS = { "
        SELECT count(*)
        FROM user_roles AS ur
        JOIN users AS u ON u.id = ur.user_id
        WHERE ur.role_name = 'administrator'
            AND u.enabled
            AND u.id <> $1" }
}

impl Store {
    /// Returns users by canonical username, after the cursor.
    pub async fn users(&self, search: &UserSearch) -> Result<Vec<Profile>> {
        let UserSearch { prefix, enabled, after, limit } = search;
        let args = (after, prefix, end_of_prefix(prefix), *enabled, *limit);
        Autocommit(self.administration()).all(SEARCH, args).await
    }

    pub async fn user(&self, id: Uuid) -> Result<Option<Profile>> {
        Autocommit(self.administration()).optional(USER, (id,)).await
    }

    /// Returns the epoch of a user's tokens, or `None` if the user does not exist.
    pub async fn user_epoch(&self, id: Uuid) -> Result<Option<i64>> {
        Autocommit(self.clone()).optional_value(EPOCH, (id,)).await
    }

    /// Returns how many enabled users are administrators.
    pub async fn administrators(&self) -> Result<i64> {
        // No user has this id.
        Autocommit(self.administration()).value(OTHER_ADMINISTRATORS, (Uuid::nil(),)).await
    }
}

impl Transaction {
    pub async fn user(&mut self, id: Uuid) -> Result<Option<Profile>> {
        self.optional(USER, (id,)).await
    }

    /// Makes a user with its roles. The caller gives the transaction up on a conflict.
    pub async fn insert_user(&mut self, user: &NewUser) -> Result<Option<UserConflict>> {
        let [lower, capitals] = identifier::username_skeletons(&user.username_key);
        let args = (
            user.id,
            &user.username,
            &user.username_key,
            &user.email,
            &user.email_key,
            &user.password_hash,
            user.one_time_for.map(Seconds::from),
            user.password_must_change,
            lower,
            capitals,
            user.email_key.as_deref().map(identifier::email_skeleton),
        );
        if self.execute(INSERT, args).await? == 0 {
            return self.insert_conflict(user).await.map(Some);
        }
        let added: Vec<String> = self.values(ADD_ROLES, (user.id, Json(&user.roles))).await?;
        match user.roles.iter().find(|role| !added.contains(role)) {
            None => Ok(None),
            Some(role) => {
                Err(StoreError::Inconsistent(format!("a user with the role `{role}`, which does not exist")))
            }
        }
    }

    async fn insert_conflict(&mut self, user: &NewUser) -> Result<UserConflict> {
        let [lower, capitals] = identifier::username_skeletons(&user.username_key);
        let email_skeleton = user.email_key.as_deref().map(identifier::email_skeleton);
        let args = (&user.username_key, &user.email_key, lower, capitals, email_skeleton);
        match self.one::<(bool, bool)>(CONFLICT, args).await? {
            (true, _) => Ok(UserConflict::Username),
            (false, true) => Ok(UserConflict::Email),
            (false, false) => Err(StoreError::Inconsistent(format!("another user with the id {}", user.id))),
        }
    }

    /// Returns which name of a change another user has.
    pub async fn user_conflict(&mut self, change: &UserChange) -> Result<Option<UserConflict>> {
        if let Some(username) = &change.username {
            let [lower, capitals] = identifier::username_skeletons(&username.key);
            if self.value(USERNAME_TAKEN, (change.id, &username.key, lower, capitals)).await? {
                return Ok(Some(UserConflict::Username));
            }
        }
        if let Some(email) = change.email() {
            let skeleton = identifier::email_skeleton(&email.key);
            if self.value(EMAIL_TAKEN, (change.id, &email.key, skeleton)).await? {
                return Ok(Some(UserConflict::Email));
            }
        }
        Ok(None)
    }

    /// Changes a user. `Some`: another user has taken the name or the address meanwhile.
    pub async fn update_user(&mut self, change: &UserChange) -> Result<Option<UserConflict>> {
        let (username, email) = (change.username.as_ref(), change.email());
        let skeletons = username.map(|name| identifier::username_skeletons(&name.key));
        let (lower, capitals) = skeletons.map(|[lower, capitals]| (lower, capitals)).unzip();
        let args = (
            change.id,
            username.map(|name| &name.text),
            username.map(|name| &name.key),
            change.email.is_some(),
            email.map(|address| &address.text),
            email.map(|address| &address.key),
            change.enabled,
            lower,
            capitals,
            email.map(|address| identifier::email_skeleton(&address.key)),
        );
        match self.execute(UPDATE, args).await {
            Ok(_) => Ok(None),
            Err(error) => error.constraint().and_then(conflict).map(Some).ok_or(error),
        }
    }

    /// Replaces a user's password by one that is good for one login.
    pub async fn set_one_time_password(&mut self, reset: &Reset) -> Result<()> {
        let args = (reset.id, &reset.password_hash, Seconds::from(reset.good_for));
        self.execute(SET_ONE_TIME_PASSWORD, args).await.map(drop)
    }

    pub async fn add_role(&mut self, id: Uuid, role: &str) -> Result<()> {
        self.execute(ADD_ROLE, (id, role)).await.map(drop)
    }

    pub async fn remove_role(&mut self, id: Uuid, role: &str) -> Result<()> {
        self.execute(REMOVE_ROLE, (id, role)).await.map(drop)
    }

    /// Increments the epoch of a user, which revokes the user's tokens. Returns the new epoch.
    pub async fn increment_user_epoch(&mut self, id: Uuid) -> Result<i64> {
        self.value(INCREMENT_EPOCH, (id,)).await
    }

    pub async fn delete_user(&mut self, id: Uuid) -> Result<()> {
        self.execute(DELETE, (id,)).await.map(drop)
    }

    /// Returns how many enabled users other than this one are administrators.
    pub async fn other_administrators(&mut self, id: Uuid) -> Result<i64> {
        self.value(OTHER_ADMINISTRATORS, (id,)).await
    }
}

fn conflict(constraint: &str) -> Option<UserConflict> {
    match constraint {
        "users_username_key_unique" | "users_username_skeleton_unique" | "users_username_capitals_unique" => {
            Some(UserConflict::Username)
        }
        "users_email_key_unique" | "users_email_skeleton_unique" => Some(UserConflict::Email),
        _ => None,
    }
}
