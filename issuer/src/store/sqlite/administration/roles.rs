//! The statements that changes to roles and scopes are made of.

use std::collections::BTreeSet;

use async_trait::async_trait;
use sqlx::types::Json;
use uuid::Uuid;

use super::SqliteDesk;
use crate::store::administration::desk::RoleDesk;
use crate::store::administration::{Page, ScopeChange};
use crate::store::{DeclaredRole, DeclaredScope, Result};

const ROLES: &str = "
    SELECT
        name,
        description,
        coalesce((SELECT json_group_array(scope_name) FROM role_scopes WHERE role_name = name), '[]') AS scopes
    FROM roles
    WHERE name > $1
    ORDER BY name
    LIMIT $2";

const ROLE: &str = "
    SELECT
        name,
        description,
        coalesce((SELECT json_group_array(scope_name) FROM role_scopes WHERE role_name = name), '[]') AS scopes
    FROM roles
    WHERE name = $1";

const INSERT_ROLE: &str = "
    INSERT INTO roles (name, description)
    VALUES ($1, $2)";

const DESCRIBE_ROLE: &str = "
    UPDATE roles
    SET description = $2
    WHERE name = $1";

const ADD_ROLE_SCOPE: &str = "
    INSERT INTO role_scopes (role_name, scope_name)
    VALUES ($1, $2)";

const ENTRUST: &str = "
    INSERT INTO role_scopes (role_name, scope_name)
    VALUES ('administrator', $1)
    ON CONFLICT DO NOTHING";

/// Not by default: a token that can hand out everything is asked for, not given.
const LET_CONSOLE_ASK: &str = "
    INSERT INTO client_scopes (client_id, scope_name, is_default)
    SELECT client_id, $1, 0
    FROM service_clients
    WHERE client_id = 'keystone-console'
    ON CONFLICT DO NOTHING";

const DROP_ROLE_SCOPE: &str = "
    DELETE FROM role_scopes
    WHERE role_name = $1
        AND scope_name = $2";

const DELETE_ROLE: &str = "
    DELETE FROM roles
    WHERE name = $1";

const SCOPES_OF_HOLDERS: &str = "
    SELECT DISTINCT h.scope_name
    FROM user_roles AS ur
    JOIN held_scopes AS h ON h.user_id = ur.user_id
    WHERE ur.role_name = $1";

const MOVE_USERS_OF_ROLE: &str = "
    UPDATE users
    SET epoch = epoch + 1
    WHERE id IN (SELECT user_id FROM user_roles WHERE role_name = $1)
    RETURNING id, epoch";

const SCOPES: &str = "
    SELECT name, description, resource
    FROM scopes
    WHERE name > $1
    ORDER BY name
    LIMIT $2";

const SCOPE: &str = "
    SELECT name, description, resource
    FROM scopes
    WHERE name = $1";

const INSERT_SCOPE: &str = "
    INSERT INTO scopes (name, description, resource, revision)
    VALUES (
        $1, $2, $3,
        (
            SELECT 1 + max(
                (SELECT coalesce(max(revision), 0) FROM scopes),
                (SELECT coalesce(max(scope_revision), 0) FROM refresh_tokens)
            )
        )
    )";

const PUT_SCOPE: &str = "
    UPDATE scopes
    SET
        description = coalesce($2, description),
        resource = coalesce($3, resource),
        revision = CASE WHEN $3 <> resource THEN (
            SELECT 1 + max(
                (SELECT coalesce(max(revision), 0) FROM scopes),
                (SELECT coalesce(max(scope_revision), 0) FROM refresh_tokens)
            )
        ) ELSE revision END
    WHERE name = $1";

const DELETE_SCOPE: &str = "
    DELETE FROM scopes
    WHERE name = $1";

const MOVE_USERS_OF_SCOPE: &str = "
    UPDATE users
    SET epoch = epoch + 1
    WHERE id IN (SELECT user_id FROM held_scopes WHERE scope_name = $1)
    RETURNING id, epoch";

const MOVE_CLIENTS_OF_SCOPE: &str = "
    UPDATE service_clients
    SET epoch = epoch + 1
    WHERE client_id IN (SELECT client_id FROM client_scopes WHERE scope_name = $1)
    RETURNING client_id, epoch";

#[async_trait]
impl RoleDesk for SqliteDesk {
    async fn roles(&mut self, page: &Page) -> Result<Vec<DeclaredRole>> {
        let found: Vec<RoleRow> = sqlx::query_as(ROLES)
            .bind(&page.after)
            .bind(page.limit)
            .fetch_all(&mut *self.transaction)
            .await?;
        Ok(found.into_iter().map(DeclaredRole::from).collect())
    }

    async fn role(&mut self, name: &str) -> Result<Option<DeclaredRole>> {
        let found: Option<RoleRow> =
            sqlx::query_as(ROLE).bind(name).fetch_optional(&mut *self.transaction).await?;
        Ok(found.map(DeclaredRole::from))
    }

    async fn insert_role(&mut self, role: &DeclaredRole) -> Result<()> {
        let insert = sqlx::query(INSERT_ROLE).bind(&role.name).bind(&role.description);
        insert.execute(&mut *self.transaction).await?;
        Ok(())
    }

    async fn describe_role(&mut self, name: &str, description: &str) -> Result<()> {
        sqlx::query(DESCRIBE_ROLE).bind(name).bind(description).execute(&mut *self.transaction).await?;
        Ok(())
    }

    async fn add_role_scope(&mut self, role: &str, scope: &str) -> Result<()> {
        sqlx::query(ADD_ROLE_SCOPE).bind(role).bind(scope).execute(&mut *self.transaction).await?;
        Ok(())
    }

    async fn entrust(&mut self, scope: &str) -> Result<()> {
        sqlx::query(ENTRUST).bind(scope).execute(&mut *self.transaction).await?;
        sqlx::query(LET_CONSOLE_ASK).bind(scope).execute(&mut *self.transaction).await?;
        Ok(())
    }

    async fn drop_role_scope(&mut self, role: &str, scope: &str) -> Result<()> {
        sqlx::query(DROP_ROLE_SCOPE).bind(role).bind(scope).execute(&mut *self.transaction).await?;
        Ok(())
    }

    async fn delete_role(&mut self, name: &str) -> Result<()> {
        sqlx::query(DELETE_ROLE).bind(name).execute(&mut *self.transaction).await?;
        Ok(())
    }

    async fn scopes_of_holders(&mut self, role: &str) -> Result<BTreeSet<String>> {
        let scopes: Vec<String> =
            sqlx::query_scalar(SCOPES_OF_HOLDERS).bind(role).fetch_all(&mut *self.transaction).await?;
        Ok(scopes.into_iter().collect())
    }

    async fn move_users_of_role(&mut self, role: &str) -> Result<Vec<(Uuid, i64)>> {
        Ok(sqlx::query_as(MOVE_USERS_OF_ROLE).bind(role).fetch_all(&mut *self.transaction).await?)
    }

    async fn scopes(&mut self, page: &Page) -> Result<Vec<DeclaredScope>> {
        let question = sqlx::query_as(SCOPES).bind(&page.after).bind(page.limit);
        let found: Vec<(String, String, String)> = question.fetch_all(&mut *self.transaction).await?;
        Ok(found.into_iter().map(declared).collect())
    }

    async fn scope(&mut self, name: &str) -> Result<Option<DeclaredScope>> {
        let question = sqlx::query_as(SCOPE).bind(name);
        let found: Option<(String, String, String)> = question.fetch_optional(&mut *self.transaction).await?;
        Ok(found.map(declared))
    }

    async fn insert_scope(&mut self, scope: &DeclaredScope) -> Result<()> {
        sqlx::query(INSERT_SCOPE)
            .bind(&scope.name)
            .bind(&scope.description)
            .bind(&scope.resource)
            .execute(&mut *self.transaction)
            .await?;
        Ok(())
    }

    async fn put_scope(&mut self, change: &ScopeChange) -> Result<()> {
        sqlx::query(PUT_SCOPE)
            .bind(&change.name)
            .bind(&change.description)
            .bind(&change.resource)
            .execute(&mut *self.transaction)
            .await?;
        Ok(())
    }

    async fn delete_scope(&mut self, name: &str) -> Result<()> {
        sqlx::query(DELETE_SCOPE).bind(name).execute(&mut *self.transaction).await?;
        Ok(())
    }

    async fn move_users_of_scope(&mut self, scope: &str) -> Result<Vec<(Uuid, i64)>> {
        Ok(sqlx::query_as(MOVE_USERS_OF_SCOPE).bind(scope).fetch_all(&mut *self.transaction).await?)
    }

    async fn move_clients_of_scope(&mut self, scope: &str) -> Result<Vec<(String, i64)>> {
        Ok(sqlx::query_as(MOVE_CLIENTS_OF_SCOPE).bind(scope).fetch_all(&mut *self.transaction).await?)
    }
}

fn declared((name, description, resource): (String, String, String)) -> DeclaredScope {
    DeclaredScope { name, description, resource }
}

#[derive(sqlx::FromRow)]
struct RoleRow {
    name: String,
    description: String,
    scopes: Json<BTreeSet<String>>,
}

impl From<RoleRow> for DeclaredRole {
    fn from(row: RoleRow) -> Self {
        Self { name: row.name, description: row.description, scopes: row.scopes.0 }
    }
}
