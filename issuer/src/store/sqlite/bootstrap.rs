//! The first administrator, once ever.

use sqlx::SqliteConnection;

use super::administration::put_client;
use super::pool::Pools;
use super::{ledger, users};
use crate::store::ledger::Entry;
use crate::store::{Actor, Bootstrap, Result, bootstrap_rules};

const ONCE: &str = "
    INSERT INTO bootstrap_done (administrator)
    VALUES ($1)
    ON CONFLICT DO NOTHING";

pub(super) async fn bootstrap(pools: &Pools, bootstrap: &Bootstrap) -> Result<bool> {
    let administrator = &bootstrap.administrator;
    let mut transaction = pools.write().await?;
    let done = sqlx::query(ONCE)
        .bind(administrator.id.to_string())
        .execute(&mut *transaction)
        .await?
        .rows_affected();
    if done == 0 {
        return Ok(false);
    }

    if let Some(conflict) = users::insert(&mut transaction, administrator).await? {
        return Err(bootstrap_rules::taken(administrator, conflict));
    }
    let mut entries = vec![
        Entry::new(&Actor::Operator, "bootstrap.done", administrator.id),
        Entry::new(&Actor::Operator, "user.created", administrator.id).named(&administrator.username),
    ];
    if console(&mut transaction, &bootstrap.console_client).await? {
        entries.push(Entry::new(&Actor::Operator, "client.created", &bootstrap.console_client));
    }
    ledger::record(&mut transaction, &entries).await?;
    transaction.commit().await?;
    Ok(true)
}

const HAS_CLIENT: &str = "
    SELECT EXISTS (SELECT 1 FROM service_clients WHERE client_id = $1)";

const SCOPES: &str = "
    SELECT name, resource = 'keystone' AS own
    FROM scopes";

/// `false`: a declaration made it before, and knows better what it is for.
async fn console(connection: &mut SqliteConnection, client_id: &str) -> Result<bool> {
    if sqlx::query_scalar(HAS_CLIENT).bind(client_id).fetch_one(&mut *connection).await? {
        return Ok(false);
    }
    let scopes: Vec<(String, bool)> = sqlx::query_as(SCOPES).fetch_all(&mut *connection).await?;
    let console = bootstrap_rules::console(client_id, &scopes);
    put_client(connection, &console).await?;
    Ok(true)
}
