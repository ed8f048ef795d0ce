//! A refresh token: whose session it is of, where in that session's life it stands, and what its use would do.

use super::explanation::Outcome;
use super::{Case, Explanation, Failure};
use crate::commands::open;
use crate::commands::times::{date, relative, span};
use crate::secret::Secret;
use crate::session::Presented;
use crate::store::{AskedScope, RequestContext, Rotate, RotationRefusal, SessionRecord};

pub(super) async fn explain(case: &Case<'_>, text: &Secret) -> Result<Explanation, Failure> {
    let mut explanation = Explanation::of("refresh token");
    let Some(presented) = Presented::parse(text) else {
        explanation.add("form", Outcome::Failed, "the checksum is wrong: it is truncated or mistyped");
        return Ok(explanation.refused("malformed"));
    };
    explanation.add("form", Outcome::Passed, format!("session {}", presented.session));
    let salt = case.store.session_salt(presented.session).await.map_err(open::failed)?;
    let record = case.store.session_record(presented.session).await.map_err(open::failed)?;
    let Some(record) = record else {
        explanation.add(
            "session",
            Outcome::Failed,
            "no session has this id: it was deleted, or is from another database",
        );
        return Ok(explanation.refused("unknown"));
    };
    let is_genuine = presented.is_genuine(&case.secrets().await?, salt);
    let says = if is_genuine {
        "issued by this issuer"
    } else {
        "not issued by this issuer, or issued before its secrets were replaced"
    };
    explanation.judge("authenticity", is_genuine, says);
    if !is_genuine {
        return Ok(explanation.refused("forged"));
    }

    session(case, &record, &mut explanation);
    let rotate = Rotate {
        id: presented.session,
        presented: presented.generation,
        client_id: record.client_id.clone(),
        grace: case.config.sessions.grace,
        inactivity: case.config.sessions.inactivity,
        scope: AskedScope::All,
        context: RequestContext::default(),
    };
    let refusal = case.store.rotation_refusal(&rotate).await.map_err(open::failed)?;
    generation(&rotate, (&record, refusal), &mut explanation);
    holders(case, &record, &mut explanation).await?;
    scopes(case, &rotate, &mut explanation).await?;
    Ok(explanation.decided(refusal.map(word)))
}

fn session(case: &Case<'_>, record: &SessionRecord, explanation: &mut Explanation) {
    let now = case.world.now();
    match record.end() {
        Some((at, reason)) => explanation.judge("session", false, format!("ended {} ({reason})", date(at))),
        None => explanation.judge("session", true, format!("open since {}", date(record.auth_time))),
    }
    let unused_until = record.last_used_at + case.config.sessions.inactivity;
    let ends = record.expires_at.min(unused_until);
    let verbs = ("expired", "expires");
    let cause = if unused_until < record.expires_at { "if it is not used" } else { "at last" };
    explanation.judge("lifetime", ends > now, format!("{} {cause}", relative(verbs, ends, now)));
}

fn generation(
    rotate: &Rotate,
    (record, refusal): (&SessionRecord, Option<RotationRefusal>),
    explanation: &mut Explanation,
) {
    let (presented, current) = (rotate.presented, record.generation);
    let grace = span(rotate.grace);
    let says = match (presented == current, refusal) {
        (true, _) => "the latest of its session; using it returns the next one".to_owned(),
        (_, _) if presented > current => {
            "it was never issued: the database is older than the token".to_owned()
        }
        (_, None | Some(RotationRefusal::NothingHeld)) => {
            format!("already used; within {grace}, using it again returns the same successor")
        }
        (_, Some(RotationRefusal::Reused)) => {
            format!("already used, more than {grace} ago: using it again would end the session as stolen")
        }
        (_, Some(_)) => "used before".to_owned(),
    };
    let holds = presented == current || matches!(refusal, None | Some(RotationRefusal::NothingHeld));
    explanation.judge("generation", holds, format!("{presented}; now {current}: {says}"));
}

async fn holders(
    case: &Case<'_>,
    record: &SessionRecord,
    explanation: &mut Explanation,
) -> Result<(), Failure> {
    let user = case.store.user(record.user_id).await.map_err(open::failed)?;
    let client = case.store.client(&record.client_id).await.map_err(open::failed)?;
    let state = |enabled| if enabled { "enabled" } else { "disabled" };
    if let Some(user) = user {
        explanation.judge("user", user.enabled, format!("{:?}, {}", user.username, state(user.enabled)));
    }
    if let Some(client) = client {
        let says = format!(
            "{:?}, {}; the request must come from this client",
            client.client_id,
            state(client.enabled)
        );
        explanation.judge("client", client.enabled, says);
    }
    Ok(())
}

/// Whether anything is left of what the session may hold.
async fn scopes(case: &Case<'_>, rotate: &Rotate, explanation: &mut Explanation) -> Result<(), Failure> {
    let live = case.store.live_session(rotate.id, rotate.inactivity).await.map_err(open::failed)?;
    // What is not live is refused already.
    let Some(session) = live else { return Ok(()) };
    let names = crate::rbac::join(&session.scopes);
    let says =
        if names.is_empty() { "the user and the client no longer share any scope".to_owned() } else { names };
    explanation.judge("scopes", !session.scopes.is_empty(), says);
    Ok(())
}

const fn word(refusal: RotationRefusal) -> &'static str {
    match refusal {
        RotationRefusal::Unknown => "unknown",
        RotationRefusal::Ended => "ended",
        RotationRefusal::Expired => "expired",
        RotationRefusal::Reused => "reused",
        RotationRefusal::ForeignClient => "foreign_client",
        RotationRefusal::BeyondScope => "beyond_scope",
        RotationRefusal::NothingHeld => "nothing_held",
    }
}
