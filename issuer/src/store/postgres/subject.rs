//! What a subject holds.

use std::collections::BTreeSet;

use sqlx::{PgConnection, PgPool};

use crate::store::{Actor, Result};

const HELD_BY_USER: &str = "
    SELECT h.scope_name
    FROM users AS u
    JOIN held_scopes AS h ON h.user_id = u.id
    WHERE u.id = $1
        AND u.enabled";

const HELD_BY_CLIENT: &str = "
    SELECT cs.scope_name
    FROM service_clients AS c
    JOIN client_scopes AS cs ON cs.client_id = c.client_id
    WHERE c.client_id = $1
        AND c.enabled";

const HELD_BY_OPERATOR: &str = "
    SELECT name
    FROM scopes";

pub(super) async fn held_scopes(pool: &PgPool, actor: &Actor) -> Result<BTreeSet<String>> {
    held(&mut *pool.acquire().await?, actor).await
}

/// The same inside a transaction.
pub(super) async fn held(connection: &mut PgConnection, actor: &Actor) -> Result<BTreeSet<String>> {
    let scopes: Vec<String> = match actor {
        Actor::User(id) => sqlx::query_scalar(HELD_BY_USER).bind(id).fetch_all(connection).await?,
        Actor::Client(client_id) => {
            sqlx::query_scalar(HELD_BY_CLIENT).bind(client_id).fetch_all(connection).await?
        }
        Actor::Schedule => Vec::new(),
        Actor::Operator => sqlx::query_scalar(HELD_BY_OPERATOR).fetch_all(connection).await?,
    };
    Ok(scopes.into_iter().collect())
}
