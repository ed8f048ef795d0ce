//! Changes to clients. To touch one takes all that it holds: a new secret would otherwise hand it over.

use super::desk::Desk;
use super::differences;
use super::rules::{self, CONSOLE, Held, Stop};
use super::{Authority, ClientChange, ClientProfile, Expected, NewSecret, Refused};
use crate::store::ledger::Event;
use crate::store::{DeclaredClient, bootstrap_rules};

pub(super) async fn create(
    desk: &mut impl Desk,
    by: &Authority,
    client: &DeclaredClient,
) -> Result<ClientProfile, Stop> {
    let held = rules::held(desk, by).await?;
    if client.client_id == CONSOLE {
        return Err(Refused::BuiltIn.into());
    }
    if desk.client_profile(&client.client_id).await?.is_some() {
        return Err(Refused::Exists.into());
    }
    rules::known(desk, &client.scopes).await?;
    rules::gives(by, &held, &client.scopes, &client.scopes)?;
    desk.put_client(client).await?;
    // What was published of an earlier client of this name must not match this one's tokens.
    desk.continue_epoch(&client.client_id).await?;
    if !client.public {
        desk.insert_secret(&client.client_id, 1, client.secret_if_new).await?;
    }
    let entry = by.entry("client.created", &client.client_id).named(&client.name);
    desk.record(&[entry.with(differences::of_clients(None, Some(client.into())))]).await?;
    Ok(desk.client_profile(&client.client_id).await?.ok_or(Refused::Missing)?)
}

pub(super) async fn change(
    desk: &mut impl Desk,
    by: &Authority,
    change: &ClientChange,
) -> Result<ClientProfile, Stop> {
    let (held, before) = touched(desk, by, (&change.client_id, &change.expected)).await?;
    let wanted = change.applied_to(&before)?;
    if wanted.client_id == CONSOLE && bootstrap_rules::console_lacks(&wanted, &before.scopes).is_some() {
        return Err(Refused::BuiltIn.into());
    }
    rules::known(desk, &wanted.scopes).await?;
    let given = wanted.scopes.difference(&before.scopes).cloned().collect();
    rules::gives(by, &held, &given, &given)?;

    desk.put_client(&wanted).await?;
    let verb = match (before.enabled, wanted.enabled) {
        (true, false) => "client.disabled",
        (false, true) => "client.enabled",
        _ => "client.updated",
    };
    let changes = differences::of_clients(Some((&before).into()), Some((&wanted).into()));
    desk.record(&[by.entry(verb, &before.client_id).named(&wanted.name).with(changes)]).await?;
    let after = desk.client_profile(&before.client_id).await?.ok_or(Refused::Missing)?;
    if !before.scopes.is_subset(&wanted.scopes) || (before.enabled && !wanted.enabled) {
        revoke(desk, &before.client_id).await?;
    }
    Ok(after)
}

pub(super) async fn delete(
    desk: &mut impl Desk,
    by: &Authority,
    client: (&str, &Expected),
) -> Result<(), Stop> {
    if client.0 == CONSOLE {
        rules::held(desk, by).await?;
        return Err(Refused::BuiltIn.into());
    }
    let (_, before) = touched(desk, by, client).await?;
    let entry = by.entry("client.deleted", &before.client_id).named(&before.name);
    // First, while a client that deletes itself has a name.
    desk.record(&[entry.with(differences::of_clients(Some((&before).into()), None))]).await?;
    let epoch = desk.move_client(&before.client_id).await?;
    desk.delete_client(&before.client_id).await?;
    desk.publish(&[Event::client(before.client_id, epoch)]).await?;
    Ok(())
}

/// The slot of the new secret. The old one lives on until its deadline, or until it is deleted.
pub(super) async fn add_secret(
    desk: &mut impl Desk,
    by: &Authority,
    secret: &NewSecret,
) -> Result<i64, Stop> {
    let (_, before) = touched(desk, by, (&secret.client_id, &Expected::Any)).await?;
    if before.public {
        return Err(Refused::PublicClient.into());
    }
    desk.drop_dead_secrets(&before.client_id).await?;
    let live: Vec<i64> = desk.secrets(&before.client_id).await?.iter().map(|secret| secret.slot).collect();
    let slot = [1, 2].into_iter().find(|slot| !live.contains(slot)).ok_or(Refused::TwoSecrets)?;
    if let Some(still) = secret.old_valid_for {
        desk.expire_secrets(&before.client_id, still).await?;
    }
    desk.insert_secret(&before.client_id, slot, secret.hash).await?;
    desk.record(&[by.entry("client.secret_added", &before.client_id).named(&before.name)]).await?;
    Ok(slot)
}

/// At once, for a secret that leaked: the tokens it may have fetched end with it.
pub(super) async fn remove_secret(
    desk: &mut impl Desk,
    by: &Authority,
    (client_id, slot): (&str, i64),
) -> Result<(), Stop> {
    let (_, before) = touched(desk, by, (client_id, &Expected::Any)).await?;
    if !desk.delete_secret(client_id, slot).await? {
        return Err(Refused::Missing.into());
    }
    desk.record(&[by.entry("client.secret_removed", &before.client_id).named(&before.name)]).await?;
    revoke(desk, client_id).await
}

async fn touched(
    desk: &mut impl Desk,
    by: &Authority,
    (client_id, expected): (&str, &Expected),
) -> Result<(Held, ClientProfile), Stop> {
    let held = rules::held(desk, by).await?;
    let before = desk.client_profile(client_id).await?.ok_or(Refused::Missing)?;
    expected.holds(&before.version())?;
    // Its `keystone:grant` gives nothing without a user who holds it.
    rules::takes(by, &held, &before.scopes)?;
    Ok((held, before))
}

async fn revoke(desk: &mut impl Desk, client_id: &str) -> Result<(), Stop> {
    let epoch = desk.move_client(client_id).await?;
    desk.publish(&[Event::client(client_id.to_owned(), epoch)]).await?;
    Ok(())
}
