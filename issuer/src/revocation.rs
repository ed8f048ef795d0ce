//! Revocation (RFC 7009): a client gives up a token of its own, and with it the session.

use crate::access;
use crate::grant::GrantError;
use crate::issuer::Issuer;
use crate::secret::Secret;
use crate::session;
use crate::store::{Actor, Client, EndReason, EndSession, Holder, Initiator, RequestContext, SessionId};

/// `Ok` says that the token is of no use any more, or never was of any to this client: unknown, expired and another
/// client's tokens are one answer (RFC 7009 §2.2). What could not be done is an error (CVE-2020-15223).
pub async fn revoke(
    issuer: &Issuer,
    client: &Client,
    context: RequestContext,
    token: &Secret,
) -> Result<(), GrantError> {
    let by = Initiator { actor: Actor::Client(client.client_id.clone()), context };
    // Also a token that was rotated already: its client says that it is done with the session.
    if let Some(presented) = session::genuine(issuer, token).await? {
        return end(issuer, by, presented.session).await;
    }
    let Ok(token) = access::verify(issuer, token.expose().as_bytes())? else { return Ok(()) };
    if token.client_id() != client.client_id {
        return Ok(());
    }
    match access::holder(&token) {
        Some(Holder::User { session, .. }) => end(issuer, by, session).await,
        Some(Holder::Client) => {
            issuer.store.revoke_token(&by, token.token_id()).await?;
            issuer.world.metrics.revocations.count("client_token");
            Ok(())
        }
        None => Ok(()),
    }
}

/// Of another client's session the store leaves everything as it is.
async fn end(issuer: &Issuer, by: Initiator, id: SessionId) -> Result<(), GrantError> {
    let Initiator { actor, context } = by;
    if session::end(issuer, &EndSession { id, actor, reason: EndReason::Revoked, context }).await? {
        tracing::info!(session = %id, "session revoked by its client");
    }
    Ok(())
}
