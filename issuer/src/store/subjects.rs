//! The scopes that a user or a client holds.

use std::collections::BTreeSet;

use super::queries::{Autocommit, Queries};
use super::sql::statements;
use super::transaction::Transaction;
use super::{Actor, Result, Store};

statements! {
    HELD_BY_USER = { "
        SELECT h.scope_name
        FROM users AS u
        JOIN held_scopes AS h ON h.user_id = u.id
        WHERE u.id = $1
            AND u.enabled" }

    HELD_BY_CLIENT = { "
        SELECT cs.scope_name
        FROM service_clients AS c
        JOIN client_scopes AS cs ON cs.client_id = c.client_id
        WHERE c.client_id = $1
            AND c.enabled" }

    HELD_BY_OPERATOR = { "
        SELECT name
        FROM scopes" }
}

impl Store {
    /// Returns the scopes that a subject holds: a user through roles, a client by assignment.
    pub async fn held_scopes(&self, actor: &Actor) -> Result<BTreeSet<String>> {
        held_scopes(&mut Autocommit(self.clone()), actor).await
    }
}

impl Transaction {
    /// Returns the scopes that a subject holds at this moment.
    pub async fn held_scopes(&mut self, actor: &Actor) -> Result<BTreeSet<String>> {
        held_scopes(self, actor).await
    }
}

async fn held_scopes(queries: &mut impl Queries, actor: &Actor) -> Result<BTreeSet<String>> {
    let scopes: Vec<String> = match actor {
        Actor::User(id) => queries.values(HELD_BY_USER, (id,)).await?,
        Actor::Client(client_id) => queries.values(HELD_BY_CLIENT, (client_id,)).await?,
        Actor::Operator => queries.values(HELD_BY_OPERATOR, ()).await?,
        Actor::Schedule => Vec::new(),
    };
    Ok(scopes.into_iter().collect())
}
