//! What the bootstrap makes, whichever database holds it.

use std::collections::BTreeSet;

use super::{DeclaredClient, GrantType, NewUser, StoreError, UserConflict};

/// The client of the console: public, for users only, all of Keystone by default; whatever else there is where it is asked.
///
/// `scopes`: all there are, and whether they are Keystone's own.
pub(super) fn console(client_id: &str, scopes: &[(String, bool)]) -> DeclaredClient {
    let own = scopes.iter().filter(|(_, own)| *own);
    DeclaredClient {
        client_id: client_id.to_owned(),
        name: "The Keystone console".to_owned(),
        public: true,
        enabled: true,
        grants: BTreeSet::from([GrantType::Password, GrantType::RefreshToken]),
        scopes: scopes.iter().map(|(name, _)| name.clone()).collect(),
        default_scopes: own.map(|(name, _)| name.clone()).collect(),
        origins: BTreeSet::new(),
        // A public client takes none.
        secret_if_new: [0; 32],
    }
}

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
