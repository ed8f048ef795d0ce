//! Sessions ended by an administrator: one, or all that a user has.

use uuid::Uuid;

use super::rules::{self, ChangeError};
use super::users;
use super::{Authority, Refused, change};
use crate::store::{EndReason, Event, SessionId, Store, Transaction};

pub async fn end(store: &Store, by: &Authority, id: SessionId) -> Result<(), ChangeError> {
    let by = by.clone();
    change(store, move |transaction| Box::pin(async move { end_one(transaction, &by, id).await })).await
}

/// Ends all sessions of a user with all tokens: one event instead of one for each session.
pub async fn end_all(store: &Store, by: &Authority, user: Uuid) -> Result<(), ChangeError> {
    let by = by.clone();
    change(store, move |transaction| Box::pin(async move { end_every(transaction, &by, user).await })).await
}

async fn end_one(transaction: &mut Transaction, by: &Authority, id: SessionId) -> Result<(), ChangeError> {
    rules::held(transaction, by).await?;
    if !transaction.end_session(id, EndReason::EndedByAdministrator).await? {
        return Err(Refused::Missing.into());
    }
    transaction.record(&[by.entry("session.ended_by_administrator", id)]).await?;
    transaction.publish(&[Event::session(id)]).await?;
    Ok(())
}

async fn end_every(transaction: &mut Transaction, by: &Authority, user: Uuid) -> Result<(), ChangeError> {
    rules::held(transaction, by).await?;
    let whose = transaction.user(user).await?.ok_or(Refused::Missing)?;
    transaction.record(&[by.entry("user.sessions_ended", user).named(&whose.username)]).await?;
    users::revoke(transaction, user, EndReason::EndedByAdministrator).await
}
