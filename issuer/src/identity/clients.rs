//! Changes to clients. To touch one takes all that it holds: a new secret would otherwise hand it over.

use super::differences;
use super::rules::{self, CONSOLE, ChangeError, Held};
use super::{Authority, ClientChange, Expected, NewSecret, Refused, change};
use crate::store::{self, ClientProfile, DeclaredClient, Event, Store, Transaction};

/// Makes a client. A confidential one takes its `secret_if_new`.
pub async fn create(
    store: &Store,
    by: &Authority,
    client: &DeclaredClient,
) -> Result<ClientProfile, ChangeError> {
    let (by, client) = (by.clone(), client.clone());
    change(store, move |transaction| Box::pin(async move { insert(transaction, &by, &client).await })).await
}

/// Changes a client. One that loses a scope or is disabled loses its tokens.
pub async fn update(
    store: &Store,
    by: &Authority,
    client: &ClientChange,
) -> Result<ClientProfile, ChangeError> {
    let (by, client) = (by.clone(), client.clone());
    change(store, move |transaction| Box::pin(async move { apply_change(transaction, &by, &client).await }))
        .await
}

pub async fn delete(
    store: &Store,
    by: &Authority,
    client_id: &str,
    expected: &Expected,
) -> Result<(), ChangeError> {
    let (by, client_id, expected) = (by.clone(), client_id.to_owned(), expected.clone());
    change(store, move |transaction| {
        Box::pin(async move { remove(transaction, &by, &client_id, &expected).await })
    })
    .await
}

/// Adds a secret and returns its slot. The old one lives on until its deadline, or until it is removed.
pub async fn add_secret(store: &Store, by: &Authority, secret: &NewSecret) -> Result<i64, ChangeError> {
    let (by, secret) = (by.clone(), secret.clone());
    change(store, move |transaction| Box::pin(async move { insert_secret(transaction, &by, &secret).await }))
        .await
}

/// Removes a secret that leaked, at once: the tokens that it may have fetched are revoked with it.
pub async fn remove_secret(
    store: &Store,
    by: &Authority,
    client_id: &str,
    slot: i64,
) -> Result<(), ChangeError> {
    let (by, client_id) = (by.clone(), client_id.to_owned());
    change(store, move |transaction| {
        Box::pin(async move { delete_secret(transaction, &by, &client_id, slot).await })
    })
    .await
}

async fn insert(
    transaction: &mut Transaction,
    by: &Authority,
    client: &DeclaredClient,
) -> Result<ClientProfile, ChangeError> {
    let held = rules::held(transaction, by).await?;
    if client.client_id == CONSOLE {
        return Err(Refused::BuiltIn.into());
    }
    if transaction.client_profile(&client.client_id).await?.is_some() {
        return Err(Refused::Exists.into());
    }
    rules::known(transaction, &client.scopes).await?;
    rules::gives(by, &held, &client.scopes, &client.scopes)?;
    transaction.put_client(client).await?;
    // What was published of an earlier client of this name must not match this one's tokens.
    transaction.continue_client_epoch(&client.client_id).await?;
    if !client.public {
        transaction.insert_client_secret(&client.client_id, 1, &client.secret_if_new).await?;
    }
    let entry = by.entry("client.created", &client.client_id).named(&client.name);
    transaction.record(&[entry.with(differences::of_clients(None, Some(client.into())))]).await?;
    Ok(transaction.client_profile(&client.client_id).await?.ok_or(Refused::Missing)?)
}

async fn apply_change(
    transaction: &mut Transaction,
    by: &Authority,
    change: &ClientChange,
) -> Result<ClientProfile, ChangeError> {
    let (held, before) = touched(transaction, by, &change.client_id, &change.expected).await?;
    let wanted = change.applied_to(&before)?;
    if wanted.client_id == CONSOLE && store::console_lacks(&wanted, &before.scopes).is_some() {
        return Err(Refused::BuiltIn.into());
    }
    rules::known(transaction, &wanted.scopes).await?;
    let given = wanted.scopes.difference(&before.scopes).cloned().collect();
    rules::gives(by, &held, &given, &given)?;

    transaction.put_client(&wanted).await?;
    let verb = match (before.enabled, wanted.enabled) {
        (true, false) => "client.disabled",
        (false, true) => "client.enabled",
        _ => "client.updated",
    };
    let changes = differences::of_clients(Some((&before).into()), Some((&wanted).into()));
    transaction.record(&[by.entry(verb, &before.client_id).named(&wanted.name).with(changes)]).await?;
    let after = transaction.client_profile(&before.client_id).await?.ok_or(Refused::Missing)?;
    if !before.scopes.is_subset(&wanted.scopes) || (before.enabled && !wanted.enabled) {
        revoke(transaction, &before.client_id).await?;
    }
    Ok(after)
}

async fn remove(
    transaction: &mut Transaction,
    by: &Authority,
    client_id: &str,
    expected: &Expected,
) -> Result<(), ChangeError> {
    if client_id == CONSOLE {
        rules::held(transaction, by).await?;
        return Err(Refused::BuiltIn.into());
    }
    let (_, before) = touched(transaction, by, client_id, expected).await?;
    let entry = by.entry("client.deleted", &before.client_id).named(&before.name);
    // First, while a client that deletes itself has a name.
    transaction.record(&[entry.with(differences::of_clients(Some((&before).into()), None))]).await?;
    let epoch = transaction.increment_client_epoch(&before.client_id).await?;
    transaction.delete_client(&before.client_id).await?;
    transaction.publish(&[Event::client(before.client_id, epoch)]).await?;
    Ok(())
}

async fn insert_secret(
    transaction: &mut Transaction,
    by: &Authority,
    secret: &NewSecret,
) -> Result<i64, ChangeError> {
    let (_, before) = touched(transaction, by, &secret.client_id, &Expected::Any).await?;
    if before.public {
        return Err(Refused::PublicClient.into());
    }
    transaction.delete_expired_client_secrets(&before.client_id).await?;
    let live: Vec<i64> =
        transaction.client_secrets(&before.client_id).await?.iter().map(|secret| secret.slot).collect();
    let slot = [1, 2].into_iter().find(|slot| !live.contains(slot)).ok_or(Refused::TwoSecrets)?;
    if let Some(still) = secret.old_valid_for {
        transaction.expire_client_secrets(&before.client_id, still).await?;
    }
    transaction.insert_client_secret(&before.client_id, slot, &secret.hash).await?;
    transaction.record(&[by.entry("client.secret_added", &before.client_id).named(&before.name)]).await?;
    Ok(slot)
}

async fn delete_secret(
    transaction: &mut Transaction,
    by: &Authority,
    client_id: &str,
    slot: i64,
) -> Result<(), ChangeError> {
    let (_, before) = touched(transaction, by, client_id, &Expected::Any).await?;
    if !transaction.delete_client_secret(client_id, slot).await? {
        return Err(Refused::Missing.into());
    }
    transaction.record(&[by.entry("client.secret_removed", &before.client_id).named(&before.name)]).await?;
    revoke(transaction, client_id).await
}

async fn touched(
    transaction: &mut Transaction,
    by: &Authority,
    client_id: &str,
    expected: &Expected,
) -> Result<(Held, ClientProfile), ChangeError> {
    let held = rules::held(transaction, by).await?;
    let before = transaction.client_profile(client_id).await?.ok_or(Refused::Missing)?;
    expected.holds(&before.version())?;
    // Its `keystone:grant` gives nothing without a user who holds it.
    rules::takes(by, &held, &before.scopes)?;
    Ok((held, before))
}

async fn revoke(transaction: &mut Transaction, client_id: &str) -> Result<(), ChangeError> {
    let epoch = transaction.increment_client_epoch(client_id).await?;
    transaction.publish(&[Event::client(client_id.to_owned(), epoch)]).await?;
    Ok(())
}
