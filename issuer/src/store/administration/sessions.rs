//! Sessions ended by an administrator: one, or all that a user has.

use uuid::Uuid;

use super::desk::Desk;
use super::rules::{self, Stop};
use super::users;
use super::{Authority, Refused};
use crate::store::ledger::Event;
use crate::store::{EndReason, SessionId};

pub(super) async fn end(desk: &mut impl Desk, by: &Authority, id: SessionId) -> Result<(), Stop> {
    rules::held(desk, by).await?;
    if !desk.end_session(id, REASON).await? {
        return Err(Refused::Missing.into());
    }
    desk.record(&[by.entry(format!("session.{REASON}"), id)]).await?;
    desk.publish(&[Event::session(id)]).await?;
    Ok(())
}

/// With the user's tokens: one event instead of one for each session.
pub(super) async fn end_all(desk: &mut impl Desk, by: &Authority, user: Uuid) -> Result<(), Stop> {
    rules::held(desk, by).await?;
    let whose = desk.user(user).await?.ok_or(Refused::Missing)?;
    desk.record(&[by.entry("user.sessions_ended", user).named(&whose.username)]).await?;
    users::revoke(desk, user, REASON).await
}

const REASON: &str = EndReason::EndedByAdministrator.as_str();
