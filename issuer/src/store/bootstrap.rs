//! The first administrator, once ever.

use super::audit::Entry;
use super::queries::Queries as _;
use super::sql::statements;
use super::transaction::Transaction;
use super::{Actor, Bootstrap, Result, Store, bootstrap_rules};

statements! {
    /// The second of two at once waits here for the outcome of the first.
    ONCE = { "
        INSERT INTO bootstrap_done (administrator)
        VALUES ($1)
        ON CONFLICT DO NOTHING" }

    HAS_CLIENT = { "
        SELECT EXISTS (SELECT 1 FROM service_clients WHERE client_id = $1)" }

    SCOPES = { "
        SELECT name, resource = 'keystone' AS own
        FROM scopes" }
}

impl Store {
    /// Makes the first administrator and the console client, once ever. `false`: it was done before.
    pub async fn bootstrap(&self, bootstrap: &Bootstrap) -> Result<bool> {
        let bootstrap = bootstrap.clone();
        self.write_patiently(async move |mut transaction: Transaction| {
            let administrator = &bootstrap.administrator;
            if transaction.execute(ONCE, (administrator.id.to_string(),)).await? == 0 {
                return Ok(false);
            }
            if let Some(conflict) = transaction.insert_user(administrator).await? {
                return Err(bootstrap_rules::taken(administrator, conflict));
            }
            let entry = |action, target: &dyn std::fmt::Display| Entry::new(&Actor::Operator, action, target);
            let mut entries = vec![
                entry("bootstrap.done", &administrator.id),
                entry("user.created", &administrator.id).named(&administrator.username),
            ];
            if insert_console(&mut transaction, &bootstrap.console_client).await? {
                entries.push(entry("client.created", &bootstrap.console_client));
            }
            transaction.record(&entries).await?;
            transaction.commit().await?;
            Ok(true)
        })
        .await
    }
}

/// Makes the console client. `false`: a manifest made it before, and knows better what it is for.
async fn insert_console(transaction: &mut Transaction, client_id: &str) -> Result<bool> {
    if transaction.value(HAS_CLIENT, (client_id,)).await? {
        return Ok(false);
    }
    let scopes: Vec<(String, bool)> = transaction.all(SCOPES, ()).await?;
    transaction.put_client(&bootstrap_rules::console(client_id, &scopes)).await?;
    Ok(true)
}
