//! What people do with their own sessions: look at them, end one, log out.

use keystone_verifier::Verified;
use uuid::Uuid;

use crate::access::{self, Caller};
use crate::issuer::Issuer;
use crate::session;
use crate::store::{Actor, EndReason, EndSession, Holder, LiveSession, SessionId, StoreError};

#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    #[error("the token belongs to a client; only users have sessions")]
    NoSession,
    /// Someone else's and none at all are one answer.
    #[error("the user has no session with this id")]
    Unknown,
    #[error("the server is temporarily unavailable; try again shortly")]
    Store(#[from] StoreError),
}

/// The newest first.
pub async fn list(issuer: &Issuer, caller: &Verified) -> Result<Vec<LiveSession>, SessionError> {
    let (user_id, _) = user_session(caller)?;
    Ok(issuer.store.live_sessions(user_id, issuer.config.sessions.inactivity).await?)
}

pub async fn end(issuer: &Issuer, caller: &Caller, id: SessionId) -> Result<(), SessionError> {
    let (user_id, _) = user_session(caller)?;
    let end = EndSession {
        id,
        actor: Actor::User(user_id),
        reason: EndReason::EndedByUser,
        context: caller.context.clone(),
    };
    if session::end(issuer, &end).await? { Ok(()) } else { Err(SessionError::Unknown) }
}

/// Ends the session of the presented token. One that has ended already is where the caller wants it: a retry succeeds.
pub async fn log_out(issuer: &Issuer, caller: &Caller) -> Result<(), SessionError> {
    let (user_id, id) = user_session(caller)?;
    let end = EndSession {
        id,
        actor: Actor::User(user_id),
        reason: EndReason::LoggedOut,
        context: caller.context.clone(),
    };
    session::end(issuer, &end).await?;
    Ok(())
}

fn user_session(caller: &Verified) -> Result<(Uuid, SessionId), SessionError> {
    match access::holder(caller) {
        Some(Holder::User { id, session }) => Ok((id, session)),
        Some(Holder::Client) | None => Err(SessionError::NoSession),
    }
}
