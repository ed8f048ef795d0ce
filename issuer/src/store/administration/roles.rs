//! Changes to roles and scopes. What they take away is revoked for everyone who holds it through them.

use std::collections::BTreeSet;

use super::desk::Desk;
use super::differences;
use super::rules::{self, ADMINISTRATOR, Basis, Held, Stop};
use super::{Authority, Expected, Refused, RoleChange, ScopeChange};
use crate::store::ledger::Event;
use crate::store::{DeclaredRole, DeclaredScope};

pub(super) async fn create_role(
    desk: &mut impl Desk,
    by: &Authority,
    role: &DeclaredRole,
) -> Result<DeclaredRole, Stop> {
    let held = rules::held(desk, by).await?;
    if desk.role(&role.name).await?.is_some() {
        return Err(Refused::Exists.into());
    }
    rules::known(desk, &role.scopes).await?;
    rules::gives(by, &held, &role.scopes, &role.scopes)?;
    desk.insert_role(role).await?;
    for scope in &role.scopes {
        desk.add_role_scope(&role.name, scope).await?;
    }
    desk.record(&[by.entry("role.created", &role.name).with(differences::of_roles(None, Some(role)))])
        .await?;
    Ok(desk.role(&role.name).await?.ok_or(Refused::Missing)?)
}

/// A role that changes hands out, and takes away, its difference from all who have it.
pub(super) async fn change_role(
    desk: &mut impl Desk,
    by: &Authority,
    change: &RoleChange,
) -> Result<DeclaredRole, Stop> {
    let (held, before) = touched_role(desk, by, (&change.name, &change.expected)).await?;
    let wanted = change.scopes.as_ref().unwrap_or(&before.scopes);
    rules::known(desk, wanted).await?;
    rules::takes(by, &held, &before.scopes.difference(wanted).cloned().collect())?;
    let given: BTreeSet<String> = wanted.difference(&before.scopes).cloned().collect();
    let mut after = match given.is_empty() {
        true => BTreeSet::new(),
        false => desk.scopes_of_holders(&change.name).await?,
    };
    after.extend(wanted.iter().cloned());
    rules::gives(by, &held, &given, &after)?;

    if let Some(description) = &change.description {
        desk.describe_role(&change.name, description).await?;
    }
    for scope in wanted.difference(&before.scopes) {
        desk.add_role_scope(&change.name, scope).await?;
    }
    for scope in before.scopes.difference(wanted) {
        desk.drop_role_scope(&change.name, scope).await?;
    }
    let after = desk.role(&change.name).await?.ok_or(Refused::Missing)?;
    let changes = differences::of_roles(Some(&before), Some(&after));
    desk.record(&[by.entry("role.updated", &change.name).with(changes)]).await?;
    if !before.scopes.is_subset(wanted) {
        let events = moved_by_role(desk, &change.name).await?;
        desk.publish(&events).await?;
    }
    Ok(after)
}

pub(super) async fn delete_role(
    desk: &mut impl Desk,
    by: &Authority,
    role: (&str, &Expected),
) -> Result<(), Stop> {
    let (held, before) = touched_role(desk, by, role).await?;
    rules::takes(by, &held, &before.scopes)?;
    let events = moved_by_role(desk, &before.name).await?;
    desk.delete_role(&before.name).await?;
    desk.record(&[by.entry("role.deleted", &before.name).with(differences::of_roles(Some(&before), None))])
        .await?;
    desk.publish(&events).await?;
    Ok(())
}

/// Administrators hold every scope made here: what nobody holds, nobody could ever give to anyone.
pub(super) async fn create_scope(
    desk: &mut impl Desk,
    by: &Authority,
    scope: &DeclaredScope,
) -> Result<DeclaredScope, Stop> {
    rules::held(desk, by).await?;
    not_built_in(&scope.name, &scope.resource)?;
    if desk.scope(&scope.name).await?.is_some() {
        return Err(Refused::Exists.into());
    }
    desk.insert_scope(scope).await?;
    desk.entrust(&scope.name).await?;
    desk.record(&[by.entry("scope.created", &scope.name).with(differences::of_scopes(None, Some(scope)))])
        .await?;
    Ok(desk.scope(&scope.name).await?.ok_or(Refused::Missing)?)
}

/// Another resource makes it another right: what was issued for the old one ends.
pub(super) async fn change_scope(
    desk: &mut impl Desk,
    by: &Authority,
    change: &ScopeChange,
) -> Result<DeclaredScope, Stop> {
    let (before, basis) = touched_scope(desk, by, (&change.name, &change.expected)).await?;
    let resource = change.resource.as_ref().unwrap_or(&before.resource);
    not_built_in(&change.name, resource)?;
    // Administrators hold every scope, so another right under its name is one that they give to themselves.
    if basis == Basis::Grant && *resource != before.resource {
        return Err(Refused::ThroughGrant.into());
    }
    desk.put_scope(change).await?;
    let after = desk.scope(&change.name).await?.ok_or(Refused::Missing)?;
    let changes = differences::of_scopes(Some(&before), Some(&after));
    desk.record(&[by.entry("scope.updated", &change.name).with(changes)]).await?;
    if before.resource != after.resource {
        let events = moved(desk, &change.name).await?;
        desk.publish(&events).await?;
    }
    Ok(after)
}

pub(super) async fn delete_scope(
    desk: &mut impl Desk,
    by: &Authority,
    scope: (&str, &Expected),
) -> Result<(), Stop> {
    let (before, _) = touched_scope(desk, by, scope).await?;
    let events = moved(desk, &before.name).await?;
    desk.delete_scope(&before.name).await?;
    desk.record(&[by.entry("scope.deleted", &before.name).with(differences::of_scopes(Some(&before), None))])
        .await?;
    desk.publish(&events).await?;
    Ok(())
}

async fn touched_role(
    desk: &mut impl Desk,
    by: &Authority,
    (name, expected): (&str, &Expected),
) -> Result<(Held, DeclaredRole), Stop> {
    let held = rules::held(desk, by).await?;
    let before = desk.role(name).await?.ok_or(Refused::Missing)?;
    if before.name == ADMINISTRATOR {
        return Err(Refused::BuiltIn.into());
    }
    expected.holds(&before.version())?;
    Ok((held, before))
}

async fn touched_scope(
    desk: &mut impl Desk,
    by: &Authority,
    (name, expected): (&str, &Expected),
) -> Result<(DeclaredScope, Basis), Stop> {
    let held = rules::held(desk, by).await?;
    let before = desk.scope(name).await?.ok_or(Refused::Missing)?;
    not_built_in(&before.name, &before.resource)?;
    expected.holds(&before.version())?;
    let basis = rules::takes(by, &held, &BTreeSet::from([before.name.clone()]))?;
    Ok((before, basis))
}

fn not_built_in(name: &str, resource: &str) -> Result<(), Refused> {
    if rules::is_own_scope(name, resource) { Err(Refused::BuiltIn) } else { Ok(()) }
}

async fn moved_by_role(desk: &mut impl Desk, role: &str) -> Result<Vec<Event>, Stop> {
    let users = desk.move_users_of_role(role).await?;
    Ok(users.into_iter().map(|(id, epoch)| Event::user(id, epoch)).collect())
}

/// Everyone whose tokens may hold the scope.
async fn moved(desk: &mut impl Desk, scope: &str) -> Result<Vec<Event>, Stop> {
    let users = desk.move_users_of_scope(scope).await?;
    let clients = desk.move_clients_of_scope(scope).await?;
    let users = users.into_iter().map(|(id, epoch)| Event::user(id, epoch));
    Ok(users.chain(clients.into_iter().map(|(id, epoch)| Event::client(id, epoch))).collect())
}
