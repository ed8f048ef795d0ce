//! Carries out a declaration: reads what is there, makes the planned changes, revokes what they took away.

use std::collections::BTreeSet;

use sqlx::SqliteConnection;
use sqlx::types::Json;
use uuid::Uuid;

use super::pool::Pools;
use super::{clock, ledger};
use crate::store::declaration::{Known, KnownClient, Plan};
use crate::store::ledger::Event;
use crate::store::{
    Actor, Applied, ApplyError, Declaration, DeclaredClient, DeclaredRole, DeclaredScope, GrantType, Result,
};

pub(super) async fn apply(
    pools: &Pools,
    actor: &Actor,
    declaration: &Declaration,
) -> Result<std::result::Result<Applied, ApplyError>> {
    let mut transaction = pools.write().await?;
    let known = known(&mut transaction).await?;
    let plan = match Plan::new(declaration, &known) {
        Ok(plan) => plan,
        Err(error) => return Ok(Err(error)),
    };

    carry_out(&mut transaction, &plan).await?;
    let events = revoke(&mut transaction, &plan).await?;
    ledger::record(&mut transaction, &plan.entries(actor)).await?;
    ledger::publish(&mut transaction, &events).await?;
    transaction.commit().await?;
    Ok(Ok(plan.applied))
}

const SCOPES: &str = "
    SELECT name, description, resource
    FROM scopes";

const ROLES: &str = "
    SELECT
        name,
        description,
        (SELECT json_group_array(scope_name) FROM role_scopes WHERE role_name = name)
    FROM roles";

const CLIENTS: &str = "
    SELECT
        client_id,
        name,
        public,
        enabled,
        (SELECT json_group_array(grant_type) FROM client_grants AS g WHERE g.client_id = c.client_id) AS grants,
        (SELECT json_group_array(scope_name) FROM client_scopes AS cs WHERE cs.client_id = c.client_id) AS scopes,
        (
            SELECT json_group_array(scope_name)
            FROM client_scopes AS cs
            WHERE cs.client_id = c.client_id
                AND cs.is_default
        ) AS default_scopes,
        (SELECT json_group_array(origin) FROM client_origins AS o WHERE o.client_id = c.client_id) AS origins
    FROM service_clients AS c";

async fn known(connection: &mut SqliteConnection) -> Result<Known> {
    let scopes: Vec<(String, String, String)> = sqlx::query_as(SCOPES).fetch_all(&mut *connection).await?;
    let roles: Vec<(String, String, Json<BTreeSet<String>>)> =
        sqlx::query_as(ROLES).fetch_all(&mut *connection).await?;
    let clients: Vec<ClientRow> = sqlx::query_as(CLIENTS).fetch_all(connection).await?;

    let scope = |(name, description, resource): (String, _, _)| {
        (name.clone(), DeclaredScope { name, description, resource })
    };
    let role = |(name, description, scopes): (String, _, Json<_>)| {
        (name.clone(), DeclaredRole { name, description, scopes: scopes.0 })
    };
    Ok(Known {
        scopes: scopes.into_iter().map(scope).collect(),
        roles: roles.into_iter().map(role).collect(),
        clients: clients.into_iter().map(ClientRow::known).collect(),
    })
}

async fn carry_out(connection: &mut SqliteConnection, plan: &Plan<'_>) -> Result<()> {
    for planned in &plan.scopes {
        put_scope(connection, planned.scope).await?;
        if planned.is_new {
            entrust(connection, &planned.scope.name).await?;
        }
    }
    for role in &plan.roles {
        put_role(connection, role).await?;
    }
    for planned in &plan.clients {
        put_client(connection, planned.client).await?;
        if planned.takes_secret {
            put_secret(connection, planned.client).await?;
        }
    }
    Ok(())
}

const PUT_SCOPE: &str = "
    INSERT INTO scopes (name, description, resource)
    VALUES ($1, $2, $3)
    ON CONFLICT (name) DO UPDATE
    SET
        description = excluded.description,
        resource = excluded.resource";

async fn put_scope(connection: &mut SqliteConnection, scope: &DeclaredScope) -> Result<()> {
    sqlx::query(PUT_SCOPE)
        .bind(&scope.name)
        .bind(&scope.description)
        .bind(&scope.resource)
        .execute(connection)
        .await?;
    Ok(())
}

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

/// Whoever administers can only hand out what they hold, with a token that has it: a new scope is the administrator's,
/// and the console may ask for it.
pub(super) async fn entrust(connection: &mut SqliteConnection, scope: &str) -> Result<()> {
    sqlx::query(ENTRUST).bind(scope).execute(&mut *connection).await?;
    sqlx::query(LET_CONSOLE_ASK).bind(scope).execute(connection).await?;
    Ok(())
}

const PUT_ROLE: &str = "
    INSERT INTO roles (name, description)
    VALUES ($1, $2)
    ON CONFLICT (name) DO UPDATE
    SET description = excluded.description";

const DROP_ROLE_SCOPES: &str = "
    DELETE FROM role_scopes
    WHERE role_name = $1
        AND scope_name NOT IN (SELECT value FROM json_each($2))";

const PUT_ROLE_SCOPES: &str = "
    INSERT INTO role_scopes (role_name, scope_name)
    SELECT $1, value
    FROM json_each($2)
    WHERE true
    ON CONFLICT DO NOTHING";

async fn put_role(connection: &mut SqliteConnection, role: &DeclaredRole) -> Result<()> {
    let scopes = Json(&role.scopes);
    sqlx::query(PUT_ROLE).bind(&role.name).bind(&role.description).execute(&mut *connection).await?;
    sqlx::query(DROP_ROLE_SCOPES).bind(&role.name).bind(scopes).execute(&mut *connection).await?;
    sqlx::query(PUT_ROLE_SCOPES).bind(&role.name).bind(scopes).execute(&mut *connection).await?;
    Ok(())
}

const PUT_CLIENT: &str = "
    INSERT INTO service_clients (client_id, name, public, enabled)
    VALUES ($1, $2, $3, $4)
    ON CONFLICT (client_id) DO UPDATE
    SET
        name = excluded.name,
        enabled = excluded.enabled,
        updated_at = $5";

const DROP_GRANTS: &str = "
    DELETE FROM client_grants
    WHERE client_id = $1
        AND grant_type NOT IN (SELECT value FROM json_each($2))";

const PUT_GRANTS: &str = "
    INSERT INTO client_grants (client_id, grant_type)
    SELECT $1, value
    FROM json_each($2)
    WHERE true
    ON CONFLICT DO NOTHING";

const DROP_CLIENT_SCOPES: &str = "
    DELETE FROM client_scopes
    WHERE client_id = $1
        AND scope_name NOT IN (SELECT value FROM json_each($2))";

const PUT_CLIENT_SCOPES: &str = "
    INSERT INTO client_scopes (client_id, scope_name, is_default)
    SELECT $1, value, value IN (SELECT value FROM json_each($3))
    FROM json_each($2)
    WHERE true
    ON CONFLICT (client_id, scope_name) DO UPDATE
    SET is_default = excluded.is_default";

const DROP_ORIGINS: &str = "
    DELETE FROM client_origins
    WHERE client_id = $1
        AND origin NOT IN (SELECT value FROM json_each($2))";

const PUT_ORIGINS: &str = "
    INSERT INTO client_origins (client_id, origin)
    SELECT $1, value
    FROM json_each($2)
    WHERE true
    ON CONFLICT DO NOTHING";

pub(super) async fn put_client(connection: &mut SqliteConnection, client: &DeclaredClient) -> Result<()> {
    let id = &client.client_id;
    let now = clock::now(connection).await?;
    let grants = Json(&client.grants);
    let scopes = Json(&client.scopes);
    let defaults = Json(&client.default_scopes);
    let origins = Json(&client.origins);
    sqlx::query(PUT_CLIENT)
        .bind(id)
        .bind(&client.name)
        .bind(client.public)
        .bind(client.enabled)
        .bind(now)
        .execute(&mut *connection)
        .await?;
    sqlx::query(DROP_GRANTS).bind(id).bind(grants).execute(&mut *connection).await?;
    sqlx::query(PUT_GRANTS).bind(id).bind(grants).execute(&mut *connection).await?;
    sqlx::query(DROP_CLIENT_SCOPES).bind(id).bind(scopes).execute(&mut *connection).await?;
    sqlx::query(PUT_CLIENT_SCOPES).bind(id).bind(scopes).bind(defaults).execute(&mut *connection).await?;
    sqlx::query(DROP_ORIGINS).bind(id).bind(origins).execute(&mut *connection).await?;
    sqlx::query(PUT_ORIGINS).bind(id).bind(origins).execute(connection).await?;
    Ok(())
}

const PUT_SECRET: &str = "
    INSERT INTO client_secrets (client_id, slot, hash)
    VALUES ($1, 1, $2)";

async fn put_secret(connection: &mut SqliteConnection, client: &DeclaredClient) -> Result<()> {
    sqlx::query(PUT_SECRET)
        .bind(&client.client_id)
        .bind(&client.secret_if_new[..])
        .execute(connection)
        .await?;
    Ok(())
}

const MOVE_USERS: &str = "
    UPDATE users
    SET epoch = epoch + 1
    WHERE id IN (SELECT user_id FROM user_roles WHERE role_name IN (SELECT value FROM json_each($1)))
    RETURNING id, epoch";

const MOVE_CLIENTS: &str = "
    UPDATE service_clients
    SET epoch = epoch + 1
    WHERE client_id IN (SELECT value FROM json_each($1))
    RETURNING client_id, epoch";

/// Tokens that hold more than their subject does now are revoked; the events are for the caller to publish last.
async fn revoke(connection: &mut SqliteConnection, plan: &Plan<'_>) -> Result<Vec<Event>> {
    let users: Vec<(Uuid, i64)> =
        sqlx::query_as(MOVE_USERS).bind(Json(&plan.reduced_roles)).fetch_all(&mut *connection).await?;
    let clients: Vec<(String, i64)> =
        sqlx::query_as(MOVE_CLIENTS).bind(Json(&plan.reduced_clients)).fetch_all(connection).await?;

    let users = users.into_iter().map(|(id, epoch)| Event::user(id, epoch));
    let clients = clients.into_iter().map(|(client_id, epoch)| Event::client(client_id, epoch));
    Ok(users.chain(clients).collect())
}

#[derive(sqlx::FromRow)]
struct ClientRow {
    client_id: String,
    name: String,
    public: bool,
    enabled: bool,
    grants: Json<BTreeSet<GrantType>>,
    scopes: Json<BTreeSet<String>>,
    default_scopes: Json<BTreeSet<String>>,
    origins: Json<BTreeSet<String>>,
}

impl ClientRow {
    fn known(self) -> (String, KnownClient) {
        let client = KnownClient {
            name: self.name,
            public: self.public,
            enabled: self.enabled,
            grants: self.grants.0,
            scopes: self.scopes.0,
            default_scopes: self.default_scopes.0,
            origins: self.origins.0,
        };
        (self.client_id, client)
    }
}
