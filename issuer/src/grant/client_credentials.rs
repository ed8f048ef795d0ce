//! The client credentials grant (RFC 6749 §4.4): a client on its own. No database, no refresh token (§4.4.3).

use super::{Authorised, GrantError, Granted, ScopeFault, minted};
use crate::rbac::GRANT;
use crate::store::GrantType;
use crate::token::{CLIENT_SUBJECT, Subject};

pub(super) fn grant(request: Authorised<'_>) -> Result<Granted, GrantError> {
    let Authorised { issuer, client, asked, .. } = request;
    // "MUST only be used by confidential clients" (RFC 6749 §4.4).
    if client.public {
        return Err(GrantError::UnauthorizedClient(GrantType::ClientCredentials));
    }
    let asked = asked?;
    // It lets a person give what they hold; a client's own token gives what it has.
    if asked.as_ref().is_some_and(|asked| asked.contains(GRANT)) {
        return Err(ScopeFault::ForUsers.into());
    }
    let wanted = asked.as_ref().unwrap_or(&client.default_scopes);
    let scopes: Vec<_> = client.scopes.iter().filter(|scope| wanted.contains(&scope.name)).cloned().collect();
    if scopes.is_empty() {
        return Err(ScopeFault::NothingLeft.into());
    }
    let sub = format!("{CLIENT_SUBJECT}{}", client.client_id);
    let subject = Subject {
        sub,
        client_id: &client.client_id,
        scopes: &scopes,
        session: None,
        epochs: (client.epoch, client.epoch),
    };
    minted(issuer, &subject)
}
