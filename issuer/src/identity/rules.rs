//! The rules of administration: each change is judged inside its transaction, on the scopes that are held at that moment.

use std::collections::BTreeSet;

use super::{Authority, Refused};
use crate::rbac;
use crate::store::{Actor, StoreError, Transaction};

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The scopes that the caller holds at this moment: a right that was taken away since the token was made is no right.
pub(super) struct Held {
    now: BTreeSet<String>,
    /// Those that the token has too: a token for little must not make one for more (CVE-2026-57458).
    in_token: BTreeSet<String>,
}

impl Held {
    /// Whether the caller may use `keystone:grant`. Only a user can log in again for each use.
    fn may_grant(&self, by: &Authority) -> bool {
        matches!(by.actor, Actor::User(_)) && self.in_token.contains(rbac::GRANT)
    }
}

/// Returns what the caller holds, or refuses a caller who does not hold the scope that the route takes.
pub(super) async fn held(transaction: &mut Transaction, by: &Authority) -> Result<Held, ChangeError> {
    let now = transaction.held_scopes(&by.actor).await?;
    let allowed = |scope: &&String| by.token.as_ref().is_none_or(|token| token.contains(*scope));
    let held = Held { in_token: now.iter().filter(allowed).cloned().collect(), now };
    may(&held.in_token, &BTreeSet::from([by.scope.to_owned()]))?;
    Ok(held)
}

/// The basis on which a change to rights is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Basis {
    /// Everything that the change touches is in the caller's token.
    Token,
    /// Some of it is not, but the caller holds it and the token has `keystone:grant`.
    Grant,
}

/// Judges the scopes that a change takes away, or touches without giving them. A caller who could take away scopes that they
/// do not hold could make themselves their last holder.
pub(super) fn takes(by: &Authority, held: &Held, taken: &BTreeSet<String>) -> Result<Basis, Refused> {
    // A token has it only if it was asked for by name, and a harmful administrator must be stopped at once.
    let is_theirs = |scope: &&String| *scope != rbac::GRANT || !held.now.contains(rbac::GRANT);
    basis(by, held, &taken.iter().filter(is_theirs).cloned().collect())
}

/// Judges what a change gives. `after`: what the receivers hold from then on.
///
/// Holders of `keystone:grant`, the caller included, receive nothing through it. The scope itself is given only if the token has
/// all scopes of its receivers. Otherwise two changes could do together what one must not.
pub(super) fn gives(
    by: &Authority,
    held: &Held,
    given: &BTreeSet<String>,
    after: &BTreeSet<String>,
) -> Result<Basis, Refused> {
    let basis = basis(by, held, given)?;
    let to_holders = basis == Basis::Grant && after.contains(rbac::GRANT);
    let itself = given.contains(rbac::GRANT) && !after.is_subset(&held.in_token);
    if to_holders || itself { Err(Refused::ThroughGrant) } else { Ok(basis) }
}

/// A change to rights over Keystone itself takes a recent login (ASVS 7.5.3), and so does each use of `keystone:grant`.
fn basis(by: &Authority, held: &Held, touched: &BTreeSet<String>) -> Result<Basis, Refused> {
    let basis = match may(&held.in_token, touched) {
        Ok(()) => Basis::Token,
        Err(_) if held.may_grant(by) => may(&held.now, touched).map(|()| Basis::Grant)?,
        Err(refused) => return Err(refused),
    };
    match by.login_older_than {
        Some(most) if basis == Basis::Grant || rbac::administers(touched) => Err(Refused::LoginTooOld(most)),
        _ => Ok(basis),
    }
}

fn may(held: &BTreeSet<String>, touched: &BTreeSet<String>) -> Result<(), Refused> {
    if rbac::may_grant(held, touched) {
        Ok(())
    } else {
        Err(Refused::BeyondCaller(touched.difference(held).cloned().collect()))
    }
}

/// Returns the scopes that these roles give together. A text that cannot be a name is not looked up: PostgreSQL takes no NUL.
pub(super) async fn closure(
    transaction: &mut Transaction,
    roles: impl IntoIterator<Item = &String> + Send,
) -> Result<BTreeSet<String>, ChangeError> {
    let roles: Vec<&String> = roles.into_iter().collect();
    let mut scopes = BTreeSet::new();
    for role in roles {
        if !rbac::is_scope_token(role) {
            return Err(Refused::UnknownRole(role.clone()).into());
        }
        let given =
            transaction.scopes_of_role(role).await?.ok_or_else(|| Refused::UnknownRole(role.clone()))?;
        scopes.extend(given);
    }
    Ok(scopes)
}

/// Names that stand for something.
pub(super) async fn known(
    transaction: &mut Transaction,
    scopes: &BTreeSet<String>,
) -> Result<(), ChangeError> {
    for scope in scopes {
        if !rbac::is_scope_token(scope) || transaction.scope(scope).await?.is_none() {
            return Err(Refused::UnknownScope(scope.clone()).into());
        }
    }
    Ok(())
}

/// Keystone's own scopes are the program's, not its users'.
pub(super) fn is_own_scope(name: &str, resource: &str) -> bool {
    resource == OWN_RESOURCE || name.starts_with(rbac::OWN_PREFIX)
}

/// The built-in role. Its holders are the administrators, of whom one must always be there and enabled.
pub const ADMINISTRATOR: &str = "administrator";
/// The client with which administrators log in; the bootstrap makes it.
pub const CONSOLE: &str = "keystone-console";
const OWN_RESOURCE: &str = "keystone";
