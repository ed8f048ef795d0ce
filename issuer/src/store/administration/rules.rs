//! Who may change what: judged inside the change, on what everyone holds at that moment.

use std::collections::BTreeSet;

use super::desk::Desk;
use super::{Authority, Refused};
use crate::rbac;
use crate::store::StoreError;

/// Why a change goes no further.
#[derive(Debug)]
pub(super) enum Stop {
    Refused(Refused),
    Failed(StoreError),
}

impl From<Refused> for Stop {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

/// What the caller may hand out: what they hold now, since a right that was taken away since the token was made is no
/// right; and of that what the token allows, since a token for little must not make one for more (CVE-2026-57458).
pub(super) async fn held(desk: &mut impl Desk, by: &Authority) -> Result<BTreeSet<String>, Stop> {
    let mut held = desk.held(&by.actor).await?;
    held.retain(|scope| by.token.as_ref().is_none_or(|token| token.contains(scope)));
    may(&held, &BTreeSet::from([by.scope.to_owned()]))?;
    Ok(held)
}

/// Grants and removals alike: whoever may take away what they do not hold can make themselves the last to hold it.
///
/// What touches rights over Keystone itself also takes a recent login (ASVS 7.5.3).
pub(super) fn within(
    by: &Authority,
    held: &BTreeSet<String>,
    touched: &BTreeSet<String>,
) -> Result<(), Refused> {
    may(held, touched)?;
    match by.login_older_than {
        Some(most) if rbac::administers(touched) => Err(Refused::LoginTooOld(most)),
        _ => Ok(()),
    }
}

fn may(held: &BTreeSet<String>, touched: &BTreeSet<String>) -> Result<(), Refused> {
    if rbac::may_grant(held, touched) {
        Ok(())
    } else {
        Err(Refused::BeyondCaller(touched.difference(held).cloned().collect()))
    }
}

/// What these roles give together. What cannot be a name is not asked for: PostgreSQL takes no NUL in a text.
pub(super) async fn closure(
    desk: &mut impl Desk,
    roles: impl IntoIterator<Item = &String> + Send,
) -> Result<BTreeSet<String>, Stop> {
    let roles: Vec<&String> = roles.into_iter().collect();
    let mut scopes = BTreeSet::new();
    for role in roles {
        if !rbac::is_scope_token(role) {
            return Err(Refused::UnknownRole(role.clone()).into());
        }
        let given = desk.scopes_of_role(role).await?.ok_or_else(|| Refused::UnknownRole(role.clone()))?;
        scopes.extend(given);
    }
    Ok(scopes)
}

/// Names that stand for something.
pub(super) async fn known(desk: &mut impl Desk, scopes: &BTreeSet<String>) -> Result<(), Stop> {
    for scope in scopes {
        if !rbac::is_scope_token(scope) || desk.scope(scope).await?.is_none() {
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
