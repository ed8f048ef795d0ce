//! What the bootstrap makes, whichever database holds it.

use std::collections::BTreeSet;

use crate::rbac;

use super::{DeclaredClient, GrantType, NewUser, StoreError, UserConflict};

/// The client of the console: public, for users only, all of Keystone by default; whatever else there is where it is asked.
///
/// `scopes`: all there are, and whether they are Keystone's own.
pub(super) fn console(client_id: &str, scopes: &[(String, bool)]) -> DeclaredClient {
    let own = scopes.iter().filter(|(name, own)| *own && name != rbac::GRANT);
    DeclaredClient {
        client_id: client_id.to_owned(),
        name: "The Keystone console".to_owned(),
        public: true,
        enabled: true,
        grants: BTreeSet::from(CONSOLE_GRANTS),
        scopes: scopes.iter().map(|(name, _)| name.clone()).collect(),
        default_scopes: own.map(|(name, _)| name.clone()).collect(),
        origins: BTreeSet::new(),
        forwards_user_address: false,
        // A public client takes none.
        secret_if_new: [0; 32],
    }
}

/// Returns what administrators need of the console's client and `client` lacks, if it lacks anything.
///
/// `scopes`: those of which it must have Keystone's own. `keystone:grant` is not among them: administration goes on without.
pub fn console_lacks(client: &DeclaredClient, scopes: &BTreeSet<String>) -> Option<String> {
    if !client.public {
        return Some("`public = true`".to_owned());
    }
    if !client.enabled {
        return Some("`enabled = true`".to_owned());
    }
    let grant = CONSOLE_GRANTS.iter().find(|grant| !client.grants.contains(grant));
    let grant = grant.map(|grant| format!("the grant `{grant}`"));
    let mut lost = scopes.difference(&client.scopes);
    grant.or_else(|| lost.find(|scope| is_needed(scope)).map(|scope| format!("the scope `{scope}`")))
}

/// Whether nobody could administer Keystone without this scope, or only a part of it.
pub fn is_needed(scope: &str) -> bool {
    scope.starts_with(rbac::OWN_PREFIX) && scope != rbac::GRANT
}

const CONSOLE_GRANTS: [GrantType; 2] = [GrantType::Password, GrantType::RefreshToken];

/// A user was made through the admin API before the bootstrap; it is not promoted silently.
pub(super) fn taken(administrator: &NewUser, conflict: UserConflict) -> StoreError {
    let what = match conflict {
        UserConflict::Username => format!("a user called `{}`", administrator.username),
        UserConflict::Email => "a user with the administrator's email".to_owned(),
    };
    StoreError::Inconsistent(format!(
        "{what} before the bootstrap; choose another name for the administrator"
    ))
}
