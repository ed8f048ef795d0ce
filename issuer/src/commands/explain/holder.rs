//! What became of those behind an access token since it was made.

use std::collections::BTreeSet;

use serde_json::Value;
use uuid::Uuid;

use super::access_token::Facts;
use super::{Case, Explanation, Failure};
use crate::commands::open;
use crate::commands::times::date;
use crate::hex;
use crate::store::{Actor, Client, SessionId};
use crate::token::CLIENT_SUBJECT;

pub(super) async fn add(
    case: &Case<'_>,
    facts: &Facts,
    explanation: &mut Explanation,
) -> Result<(), Failure> {
    let client_id = facts.text("client_id").unwrap_or_default();
    let known = case.store.client(client_id).await.map_err(open::failed)?;
    let subject = facts.text("sub").unwrap_or_default();
    let held = match subject.strip_prefix(CLIENT_SUBJECT) {
        Some(_) => {
            explanation.judge(
                "subject",
                subject == format!("{CLIENT_SUBJECT}{client_id}"),
                "the client itself",
            );
            None
        }
        None => Some(user(case, (subject, facts), explanation).await?),
    };
    client((client_id, known.as_ref()), facts, explanation);
    token_id(case, facts, explanation).await?;
    scopes((known.as_ref(), held.as_ref()), facts, explanation);
    Ok(())
}

/// The scopes that the user holds now.
async fn user(
    case: &Case<'_>,
    (subject, facts): (&str, &Facts),
    explanation: &mut Explanation,
) -> Result<BTreeSet<String>, Failure> {
    let id = subject.parse().unwrap_or_default();
    let profile = case.store.user(id).await.map_err(open::failed)?;
    match &profile {
        None => explanation.judge("subject", false, format!("user {subject:?} no longer exists")),
        Some(user) => {
            let state = if user.enabled { "enabled" } else { "disabled" };
            explanation.judge("subject", user.enabled, format!("user {:?}, {state}", user.username));
        }
    }
    if let Some(epoch) = case.store.user_epoch(id).await.map_err(open::failed)? {
        epochs(("subject epoch", "sv"), epoch, (facts, explanation));
    }
    session(case, (id, facts), explanation).await?;
    if let Some(user) = profile {
        let claimed = facts.claim("roles").and_then(Value::as_array).into_iter().flatten();
        let claimed = claimed.filter_map(Value::as_str).map(str::to_owned).collect();
        let says = beside(&claimed, &user.roles);
        explanation.judge("roles", claimed.is_subset(&user.roles), says);
    }
    case.store.held_scopes(&Actor::User(id)).await.map_err(open::failed)
}

async fn session(
    case: &Case<'_>,
    (user, facts): (Uuid, &Facts),
    explanation: &mut Explanation,
) -> Result<(), Failure> {
    let id = facts.text("sid").and_then(hex::decode).map(SessionId);
    let record = match id {
        None => None,
        Some(id) => case.store.session_record(id).await.map_err(open::failed)?,
    };
    let (holds, says) = match record {
        None => (false, "the session no longer exists".to_owned()),
        Some(session) if session.user_id != user => (false, "it belongs to another user".to_owned()),
        Some(session) => match session.end() {
            Some((at, reason)) => (false, format!("ended {} ({reason})", date(at))),
            None => (true, format!("open since {}", date(session.auth_time))),
        },
    };
    explanation.judge("session", holds, says);
    Ok(())
}

fn client((client_id, client): (&str, Option<&Client>), facts: &Facts, explanation: &mut Explanation) {
    let Some(client) = client else {
        return explanation.judge("client", false, format!("client {client_id:?} no longer exists"));
    };
    let state = if client.enabled { "enabled" } else { "disabled" };
    explanation.judge("client", client.enabled, format!("{client_id:?}, {state}"));
    epochs(("client epoch", "cv"), client.epoch, (facts, explanation));
}

fn epochs((check, claim): (&'static str, &str), now: i64, (facts, explanation): (&Facts, &mut Explanation)) {
    let token = facts.number(claim);
    let says = match token >= now {
        true => format!("{claim} {token}; now {now}"),
        false => format!("{claim} {token}; now {now}: earlier tokens were revoked"),
    };
    explanation.judge(check, token >= now, says);
}

async fn token_id(case: &Case<'_>, facts: &Facts, explanation: &mut Explanation) -> Result<(), Failure> {
    let Some(id) = facts.text("jti") else { return Ok(()) };
    let is_revoked = case.store.is_token_revoked(id).await.map_err(open::failed)?;
    explanation.judge("token id", !is_revoked, if is_revoked { "revoked" } else { "not revoked" });
    Ok(())
}

/// A token keeps its scopes until it expires, unless it is revoked: these checks say what a new one would get.
fn scopes(
    (client, user): (Option<&Client>, Option<&BTreeSet<String>>),
    facts: &Facts,
    explanation: &mut Explanation,
) {
    let claimed = facts.text("scope").unwrap_or_default();
    let claimed: BTreeSet<String> =
        claimed.split(' ').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    let client = client.map(|client| client.scopes.iter().map(|scope| scope.name.clone()).collect());
    if let Some(client) = &client {
        explanation.judge("client scopes", claimed.is_subset(client), beside(&claimed, client));
    }
    if let Some(user) = user {
        explanation.judge("user scopes", claimed.is_subset(user), beside(&claimed, user));
    }
}

fn beside(claimed: &BTreeSet<String>, held: &BTreeSet<String>) -> String {
    let list =
        |names: &mut dyn Iterator<Item = &String>| names.map(String::as_str).collect::<Vec<_>>().join(" ");
    let lost = list(&mut claimed.difference(held));
    let held = list(&mut held.iter());
    let held = if held.is_empty() { "none".to_owned() } else { held };
    if lost.is_empty() {
        format!("now: {held}")
    } else {
        format!("still held: {held}; no longer held: {lost}")
    }
}
