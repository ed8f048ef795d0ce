//! Scopes, each of one resource.

use uuid::Uuid;

use super::queries::{Autocommit, Queries as _};
use super::sql::statements;
use super::transaction::Transaction;
use super::{DeclaredScope, Page, Result, ScopeChange, Store};

statements! {
    SCOPES = { "
        SELECT name, description, resource
        FROM scopes
        WHERE name > $1
        ORDER BY name
        LIMIT $2" }

    SCOPE = { "
        SELECT name, description, resource
        FROM scopes
        WHERE name = $1" }

    INSERT_SCOPE = {
        postgres: "
            INSERT INTO scopes (name, description, resource, revision)
            VALUES ($1, $2, $3, nextval('scope_revisions'))",
        sqlite: "
            INSERT INTO scopes (name, description, resource, revision)
            SELECT $1, $2, $3, 1 + max(
                (SELECT coalesce(max(revision), 0) FROM scopes),
                (SELECT coalesce(max(scope_revision), 0) FROM refresh_tokens)
            )",
    }

    UPDATE_SCOPE = {
        postgres: "
            UPDATE scopes
            SET
                description = coalesce($2, description),
                resource = coalesce($3, resource),
                revision = CASE WHEN $3 <> resource THEN nextval('scope_revisions') ELSE revision END
            WHERE name = $1",
        sqlite: "
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
            WHERE name = $1",
    }

    DELETE_SCOPE = { "
        DELETE FROM scopes
        WHERE name = $1" }

    GIVE_TO_ADMINISTRATOR = { "
        INSERT INTO role_scopes (role_name, scope_name)
        VALUES ('administrator', $1)
        ON CONFLICT DO NOTHING" }

    /// Not by default: a token that can hand out everything is asked for, not given.
    GIVE_TO_CONSOLE = { "
        INSERT INTO client_scopes (client_id, scope_name, is_default)
        SELECT client_id, $1, false
        FROM service_clients
        WHERE client_id = 'keystone-console'
        ON CONFLICT DO NOTHING" }

    INCREMENT_USER_EPOCHS = { "
        UPDATE users
        SET epoch = epoch + 1
        WHERE id IN (SELECT user_id FROM held_scopes WHERE scope_name = $1)
        RETURNING id, epoch" }

    INCREMENT_CLIENT_EPOCHS = { "
        UPDATE service_clients
        SET epoch = epoch + 1
        WHERE client_id IN (SELECT client_id FROM client_scopes WHERE scope_name = $1)
        RETURNING client_id, epoch" }
}

impl Store {
    /// Returns scopes by name, after the cursor.
    pub async fn scopes(&self, page: &Page) -> Result<Vec<DeclaredScope>> {
        Autocommit(self.administration()).all(SCOPES, (&page.after, page.limit)).await
    }

    pub async fn scope(&self, name: &str) -> Result<Option<DeclaredScope>> {
        Autocommit(self.administration()).optional(SCOPE, (name,)).await
    }
}

impl Transaction {
    /// Returns scopes by name, after the cursor.
    pub async fn scopes(&mut self, page: &Page) -> Result<Vec<DeclaredScope>> {
        self.all(SCOPES, (&page.after, page.limit)).await
    }

    pub async fn scope(&mut self, name: &str) -> Result<Option<DeclaredScope>> {
        self.optional(SCOPE, (name,)).await
    }

    pub async fn insert_scope(&mut self, scope: &DeclaredScope) -> Result<()> {
        self.execute(INSERT_SCOPE, (&scope.name, &scope.description, &scope.resource)).await.map(drop)
    }

    pub async fn update_scope(&mut self, change: &ScopeChange) -> Result<()> {
        self.changes_clients();
        self.execute(UPDATE_SCOPE, (&change.name, &change.description, &change.resource)).await.map(drop)
    }

    pub async fn delete_scope(&mut self, name: &str) -> Result<()> {
        self.changes_clients();
        self.execute(DELETE_SCOPE, (name,)).await.map(drop)
    }

    /// Gives a new scope to the administrators, who can only hand out what they hold, and lets the console ask for it.
    pub async fn give_to_administrators(&mut self, scope: &str) -> Result<()> {
        self.changes_clients();
        self.execute(GIVE_TO_ADMINISTRATOR, (scope,)).await?;
        self.execute(GIVE_TO_CONSOLE, (scope,)).await.map(drop)
    }

    /// Increments the epoch of every user with the scope, which revokes their tokens. Returns the new epochs.
    pub async fn increment_user_epochs_of_scope(&mut self, scope: &str) -> Result<Vec<(Uuid, i64)>> {
        self.all(INCREMENT_USER_EPOCHS, (scope,)).await
    }

    /// Increments the epoch of every client with the scope, which revokes their tokens. Returns the new epochs.
    pub async fn increment_client_epochs_of_scope(&mut self, scope: &str) -> Result<Vec<(String, i64)>> {
        self.all(INCREMENT_CLIENT_EPOCHS, (scope,)).await
    }
}
