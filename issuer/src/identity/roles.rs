//! Changes to roles. The scopes that a role loses are revoked for every user who has it.

use std::collections::BTreeSet;

use super::differences;
use super::rules::{self, ADMINISTRATOR, ChangeError, Held};
use super::{Authority, Expected, Refused, RoleChange, change};
use crate::store::{DeclaredRole, Event, Store, Transaction};

pub async fn create(store: &Store, by: &Authority, role: &DeclaredRole) -> Result<DeclaredRole, ChangeError> {
    let (by, role) = (by.clone(), role.clone());
    change(store, move |transaction| Box::pin(async move { insert(transaction, &by, &role).await })).await
}

pub async fn update(store: &Store, by: &Authority, role: &RoleChange) -> Result<DeclaredRole, ChangeError> {
    let (by, role) = (by.clone(), role.clone());
    change(store, move |transaction| Box::pin(async move { apply_change(transaction, &by, &role).await }))
        .await
}

pub async fn delete(
    store: &Store,
    by: &Authority,
    name: &str,
    expected: &Expected,
) -> Result<(), ChangeError> {
    let (by, name, expected) = (by.clone(), name.to_owned(), expected.clone());
    change(store, move |transaction| {
        Box::pin(async move { remove(transaction, &by, &name, &expected).await })
    })
    .await
}

async fn insert(
    transaction: &mut Transaction,
    by: &Authority,
    role: &DeclaredRole,
) -> Result<DeclaredRole, ChangeError> {
    let held = rules::held(transaction, by).await?;
    if transaction.role(&role.name).await?.is_some() {
        return Err(Refused::Exists.into());
    }
    rules::known(transaction, &role.scopes).await?;
    rules::gives(by, &held, &role.scopes, &role.scopes)?;
    transaction.insert_role(role).await?;
    for scope in &role.scopes {
        transaction.add_role_scope(&role.name, scope).await?;
    }
    transaction
        .record(&[by.entry("role.created", &role.name).with(differences::of_roles(None, Some(role)))])
        .await?;
    Ok(transaction.role(&role.name).await?.ok_or(Refused::Missing)?)
}

/// A role that changes hands out, and takes away, its difference from all who have it.
async fn apply_change(
    transaction: &mut Transaction,
    by: &Authority,
    change: &RoleChange,
) -> Result<DeclaredRole, ChangeError> {
    let (held, before) = touched(transaction, by, &change.name, &change.expected).await?;
    let wanted = change.scopes.as_ref().unwrap_or(&before.scopes);
    rules::known(transaction, wanted).await?;
    rules::takes(by, &held, &before.scopes.difference(wanted).cloned().collect())?;
    let given: BTreeSet<String> = wanted.difference(&before.scopes).cloned().collect();
    let mut after = match given.is_empty() {
        true => BTreeSet::new(),
        false => transaction.scopes_of_holders(&change.name).await?,
    };
    after.extend(wanted.iter().cloned());
    rules::gives(by, &held, &given, &after)?;

    if let Some(description) = &change.description {
        transaction.describe_role(&change.name, description).await?;
    }
    for scope in wanted.difference(&before.scopes) {
        transaction.add_role_scope(&change.name, scope).await?;
    }
    for scope in before.scopes.difference(wanted) {
        transaction.remove_role_scope(&change.name, scope).await?;
    }
    let after = transaction.role(&change.name).await?.ok_or(Refused::Missing)?;
    let changes = differences::of_roles(Some(&before), Some(&after));
    transaction.record(&[by.entry("role.updated", &change.name).with(changes)]).await?;
    if !before.scopes.is_subset(wanted) {
        let events = revoked(transaction, &change.name).await?;
        transaction.publish(&events).await?;
    }
    Ok(after)
}

async fn remove(
    transaction: &mut Transaction,
    by: &Authority,
    name: &str,
    expected: &Expected,
) -> Result<(), ChangeError> {
    let (held, before) = touched(transaction, by, name, expected).await?;
    rules::takes(by, &held, &before.scopes)?;
    let events = revoked(transaction, &before.name).await?;
    transaction.delete_role(&before.name).await?;
    transaction
        .record(&[by.entry("role.deleted", &before.name).with(differences::of_roles(Some(&before), None))])
        .await?;
    transaction.publish(&events).await?;
    Ok(())
}

async fn touched(
    transaction: &mut Transaction,
    by: &Authority,
    name: &str,
    expected: &Expected,
) -> Result<(Held, DeclaredRole), ChangeError> {
    let held = rules::held(transaction, by).await?;
    let before = transaction.role(name).await?.ok_or(Refused::Missing)?;
    if before.name == ADMINISTRATOR {
        return Err(Refused::BuiltIn.into());
    }
    expected.holds(&before.version())?;
    Ok((held, before))
}

async fn revoked(transaction: &mut Transaction, role: &str) -> Result<Vec<Event>, ChangeError> {
    let users = transaction.increment_epochs_of_role(role).await?;
    Ok(users.into_iter().map(|(id, epoch)| Event::user(id, epoch)).collect())
}
