//! Roles and the scopes that they give.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::queries::{Autocommit, Queries as _};
use super::sql::statements;
use super::transaction::Transaction;
use super::{DeclaredRole, Page, Result, Store};

statements! {
    ROLES = { "
        SELECT
            name,
            description,
            (SELECT " [array "scope_name"] " FROM role_scopes WHERE role_name = name) AS scopes
        FROM roles
        WHERE name > $1
        ORDER BY name
        LIMIT $2" }

    ROLE = { "
        SELECT
            name,
            description,
            (SELECT " [array "scope_name"] " FROM role_scopes WHERE role_name = name) AS scopes
        FROM roles
        WHERE name = $1" }

    INSERT_ROLE = { "
        INSERT INTO roles (name, description)
        VALUES ($1, $2)" }

    DESCRIBE_ROLE = { "
        UPDATE roles
        SET description = $2
        WHERE name = $1" }

    DELETE_ROLE = { "
        DELETE FROM roles
        WHERE name = $1" }

    SCOPES_OF_ROLE = { "
        SELECT rs.scope_name
        FROM roles AS r
        LEFT JOIN role_scopes AS rs ON rs.role_name = r.name
        WHERE r.name = $1" }

    ADD_SCOPE = { "
        INSERT INTO role_scopes (role_name, scope_name)
        VALUES ($1, $2)" }

    REMOVE_SCOPE = { "
        DELETE FROM role_scopes
        WHERE role_name = $1
            AND scope_name = $2" }

    SCOPES_OF_HOLDERS = { "
        SELECT DISTINCT h.scope_name
        FROM user_roles AS ur
        JOIN held_scopes AS h ON h.user_id = ur.user_id
        WHERE ur.role_name = $1" }

    INCREMENT_EPOCHS = { "
        UPDATE users
        SET epoch = epoch + 1
        WHERE id IN (SELECT user_id FROM user_roles WHERE role_name = $1)
        RETURNING id, epoch" }
}

impl Store {
    /// Returns roles by name, after the cursor.
    pub async fn roles(&self, page: &Page) -> Result<Vec<DeclaredRole>> {
        Autocommit(self.administration()).all(ROLES, (&page.after, page.limit)).await
    }

    pub async fn role(&self, name: &str) -> Result<Option<DeclaredRole>> {
        Autocommit(self.administration()).optional(ROLE, (name,)).await
    }
}

impl Transaction {
    /// Returns roles by name, after the cursor.
    pub async fn roles(&mut self, page: &Page) -> Result<Vec<DeclaredRole>> {
        self.all(ROLES, (&page.after, page.limit)).await
    }

    pub async fn role(&mut self, name: &str) -> Result<Option<DeclaredRole>> {
        self.optional(ROLE, (name,)).await
    }

    /// Makes a role, without its scopes.
    pub async fn insert_role(&mut self, role: &DeclaredRole) -> Result<()> {
        self.execute(INSERT_ROLE, (&role.name, &role.description)).await.map(drop)
    }

    pub async fn describe_role(&mut self, name: &str, description: &str) -> Result<()> {
        self.execute(DESCRIBE_ROLE, (name, description)).await.map(drop)
    }

    pub async fn delete_role(&mut self, name: &str) -> Result<()> {
        self.execute(DELETE_ROLE, (name,)).await.map(drop)
    }

    /// Returns the scopes that a role gives, or `None` if the role does not exist.
    pub async fn scopes_of_role(&mut self, role: &str) -> Result<Option<BTreeSet<String>>> {
        let found: Vec<Option<String>> = self.values(SCOPES_OF_ROLE, (role,)).await?;
        Ok((!found.is_empty()).then(|| found.into_iter().flatten().collect()))
    }

    pub async fn add_role_scope(&mut self, role: &str, scope: &str) -> Result<()> {
        self.execute(ADD_SCOPE, (role, scope)).await.map(drop)
    }

    pub async fn remove_role_scope(&mut self, role: &str, scope: &str) -> Result<()> {
        self.execute(REMOVE_SCOPE, (role, scope)).await.map(drop)
    }

    /// Returns every scope that any user with the role holds, through whatever roles.
    pub async fn scopes_of_holders(&mut self, role: &str) -> Result<BTreeSet<String>> {
        Ok(self.values(SCOPES_OF_HOLDERS, (role,)).await?.into_iter().collect())
    }

    /// Increments the epoch of every user with the role, which revokes their tokens. Returns the new epochs.
    pub async fn increment_epochs_of_role(&mut self, role: &str) -> Result<Vec<(Uuid, i64)>> {
        self.all(INCREMENT_EPOCHS, (role,)).await
    }
}
