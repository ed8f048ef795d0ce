//! Changes to scopes. A scope that goes is revoked for everyone who holds it.

use std::collections::BTreeSet;

use super::differences;
use super::rules::{self, Basis, ChangeError};
use super::{Authority, Expected, Refused, change};
use crate::store::{DeclaredScope, Event, ScopeChange, Store, Transaction};

pub async fn create(
    store: &Store,
    by: &Authority,
    scope: &DeclaredScope,
) -> Result<DeclaredScope, ChangeError> {
    let (by, scope) = (by.clone(), scope.clone());
    change(store, move |transaction| Box::pin(async move { insert(transaction, &by, &scope).await })).await
}

pub async fn update(
    store: &Store,
    by: &Authority,
    expected: &Expected,
    scope: &ScopeChange,
) -> Result<DeclaredScope, ChangeError> {
    let (by, expected, scope) = (by.clone(), expected.clone(), scope.clone());
    change(store, move |transaction| {
        Box::pin(async move { apply_change(transaction, &by, &expected, &scope).await })
    })
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

/// Creates a scope and gives it to the administrators. A scope without a holder could never be given.
async fn insert(
    transaction: &mut Transaction,
    by: &Authority,
    scope: &DeclaredScope,
) -> Result<DeclaredScope, ChangeError> {
    rules::held(transaction, by).await?;
    not_built_in(&scope.name, &scope.resource)?;
    if transaction.scope(&scope.name).await?.is_some() {
        return Err(Refused::Exists.into());
    }
    transaction.insert_scope(scope).await?;
    transaction.give_to_administrators(&scope.name).await?;
    transaction
        .record(&[by.entry("scope.created", &scope.name).with(differences::of_scopes(None, Some(scope)))])
        .await?;
    Ok(transaction.scope(&scope.name).await?.ok_or(Refused::Missing)?)
}

/// Another resource makes it another right: what was issued for the old one ends.
async fn apply_change(
    transaction: &mut Transaction,
    by: &Authority,
    expected: &Expected,
    change: &ScopeChange,
) -> Result<DeclaredScope, ChangeError> {
    let (before, basis) = touched(transaction, by, &change.name, expected).await?;
    let resource = change.resource.as_ref().unwrap_or(&before.resource);
    not_built_in(&change.name, resource)?;
    // Administrators hold every scope, so another right under its name is one that they give to themselves.
    if basis == Basis::Grant && *resource != before.resource {
        return Err(Refused::ThroughGrant.into());
    }
    transaction.update_scope(change).await?;
    let after = transaction.scope(&change.name).await?.ok_or(Refused::Missing)?;
    let changes = differences::of_scopes(Some(&before), Some(&after));
    transaction.record(&[by.entry("scope.updated", &change.name).with(changes)]).await?;
    if before.resource != after.resource {
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
    let (before, _) = touched(transaction, by, name, expected).await?;
    let events = revoked(transaction, &before.name).await?;
    transaction.delete_scope(&before.name).await?;
    transaction
        .record(&[by.entry("scope.deleted", &before.name).with(differences::of_scopes(Some(&before), None))])
        .await?;
    transaction.publish(&events).await?;
    Ok(())
}

async fn touched(
    transaction: &mut Transaction,
    by: &Authority,
    name: &str,
    expected: &Expected,
) -> Result<(DeclaredScope, Basis), ChangeError> {
    let held = rules::held(transaction, by).await?;
    let before = transaction.scope(name).await?.ok_or(Refused::Missing)?;
    not_built_in(&before.name, &before.resource)?;
    expected.holds(&before.version())?;
    let basis = rules::takes(by, &held, &BTreeSet::from([before.name.clone()]))?;
    Ok((before, basis))
}

fn not_built_in(name: &str, resource: &str) -> Result<(), Refused> {
    if rules::is_own_scope(name, resource) { Err(Refused::BuiltIn) } else { Ok(()) }
}

/// Everyone whose tokens may hold the scope.
async fn revoked(transaction: &mut Transaction, scope: &str) -> Result<Vec<Event>, ChangeError> {
    let users = transaction.increment_user_epochs_of_scope(scope).await?;
    let clients = transaction.increment_client_epochs_of_scope(scope).await?;
    let users = users.into_iter().map(|(id, epoch)| Event::user(id, epoch));
    Ok(users.chain(clients.into_iter().map(|(id, epoch)| Event::client(id, epoch))).collect())
}
