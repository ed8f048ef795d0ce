//! An access token: the verdict is the verifier's and the store's; what is said beside it are facts.
//!
//! The verifier gives the first reason only, so which check it belongs to is read off that reason.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keystone_verifier::danger::verify_for_any_audience;
use keystone_verifier::{Code, Refusal, Rules, Verified, verify};
use serde_json::Value;
use time::OffsetDateTime;

use super::explanation::Outcome;
use super::{Case, Explanation, Failure, holder};
use crate::access;
use crate::commands::open;
use crate::commands::times::{date, relative, span};
use crate::keys::public_keys;
use crate::secret::Secret;
use crate::store::KeyHistory;

pub(super) async fn explain(
    case: &Case<'_>,
    text: &Secret,
    audience: Option<&str>,
) -> Result<Explanation, Failure> {
    let history = case.store.key_history().await.map_err(open::failed)?;
    let verdict = Verdict::of(case, text.expose(), audience).await?;
    let facts = Facts { now: case.world.now(), ..Facts::of(text.expose()) };
    let mut explanation = Explanation::of("access token");
    let position = STEPS.iter().position(|step| Some(*step) == verdict.failed_step);
    for (index, step) in STEPS.iter().enumerate() {
        let outcome = match position {
            Some(failed) if index == failed => Outcome::Failed,
            Some(failed) if index > failed => Outcome::Unjudged,
            _ => Outcome::Ok,
        };
        explanation.add(step, outcome, says((step, outcome), &facts, (case, &history, audience)));
    }
    // Whose it claims to be is of interest only where we made it.
    let signature = STEPS.iter().position(|step| *step == SIGNATURE);
    let made_here = position.is_none() || position > signature;
    let standing = match &verdict.token {
        Ok(token) => access::standing(case.store, token).await.map_err(open::failed)?,
        Err(_) => None,
    };
    if made_here {
        holder::add(case, &facts, &mut explanation).await?;
        explanation.claims = facts.claims;
    }
    explanation.header = facts.header;
    let refusal = match (verdict.token, standing) {
        (Err(refusal), _) => Some(refusal),
        (Ok(_), None) => Some(Code::Revoked.into()),
        (Ok(_), Some(_)) => None,
    };
    explanation.reason = refusal.as_ref().map(Refusal::to_string);
    Ok(explanation.decided(refusal.map(|refusal| refusal.code().as_str())))
}

struct Verdict {
    token: Result<Verified, Refusal>,
    failed_step: Option<&'static str>,
}

impl Verdict {
    async fn of(case: &Case<'_>, text: &str, audience: Option<&str>) -> Result<Self, Failure> {
        let stored = case.store.signing_keys().await.map_err(open::failed)?;
        let keys = public_keys(&stored)
            .map_err(|error| Failure::new(format!("the keys in the database: {error}")))?;
        let audiences = audience.map(str::to_owned).into_iter().collect();
        let rules = Rules::new(case.config.issuer.clone(), audiences);
        let now = case.world.now().unix_timestamp().try_into().unwrap_or_default();
        let judge = |text: &str| match audience {
            Some(_) => verify(text.as_bytes(), &rules, &keys, now),
            None => verify_for_any_audience(text.as_bytes(), &rules, &keys, now),
        };
        let token = judge(text);
        let failed_step = token.as_ref().err().map(|refusal| {
            // Some reasons may lie in the header or in the claims: the same header before nothing tells.
            let header = text.split('.').next().unwrap_or_default();
            let bare = judge(&format!("{header}.e30."));
            let in_header = bare.is_err_and(|bare| bare.code() == refusal.code());
            step(refusal.code(), in_header)
        });
        Ok(Self { token, failed_step })
    }
}

/// The check that gives this reason.
const fn step(code: Code, in_header: bool) -> &'static str {
    match code {
        Code::UnknownKid | Code::KeysUnavailable => KEY,
        Code::Signature => SIGNATURE,
        Code::Issuer => ISSUER,
        Code::Audience => AUDIENCE,
        Code::Expired | Code::NotYetValid | Code::IssuedInFuture | Code::Lifetime => TIMES,
        Code::ClaimsJson
        | Code::ClaimType
        | Code::MissingClaim
        | Code::Binding
        | Code::ScopeSyntax
        | Code::ScopeMismatch => CLAIMS,
        // Of the payload it could only be said once the signature is right, and what we sign is canonical.
        Code::Base64 if !in_header => SIGNATURE,
        Code::DuplicateMember | Code::Limits | Code::Typ if !in_header => CLAIMS,
        _ => HEADER,
    }
}

/// What the token says, believed or not.
pub(super) struct Facts {
    header: Option<Value>,
    claims: Option<Value>,
    now: OffsetDateTime,
}

impl Facts {
    fn of(text: &str) -> Self {
        let mut segments = text.split('.').map(|segment| {
            URL_SAFE_NO_PAD.decode(segment).ok().and_then(|json| serde_json::from_slice(&json).ok())
        });
        let (header, claims) = (segments.next().flatten(), segments.next().flatten());
        Self { header, claims, now: OffsetDateTime::UNIX_EPOCH }
    }

    pub(super) fn claim(&self, name: &str) -> Option<&Value> {
        self.claims.as_ref()?.get(name)
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.claim(name)?.as_str()
    }

    pub(super) fn number(&self, name: &str) -> i64 {
        self.claim(name).and_then(Value::as_i64).unwrap_or_default()
    }

    fn date(&self, name: &str) -> Option<OffsetDateTime> {
        OffsetDateTime::from_unix_timestamp(self.claim(name)?.as_i64()?).ok()
    }

    fn kid(&self) -> &str {
        self.header.as_ref().and_then(|header| header.get("kid")?.as_str()).unwrap_or_default()
    }

    fn shown(&self, names: &[&str]) -> String {
        let shown = |name: &&str| Some(format!("{name} {}", self.claim(name)?));
        names.iter().filter_map(shown).collect::<Vec<_>>().join(", ")
    }
}

fn says(
    (step, outcome): (&str, Outcome),
    facts: &Facts,
    (case, history, audience): (&Case<'_>, &KeyHistory, Option<&str>),
) -> String {
    match step {
        HEADER => facts.header.as_ref().map_or_else(|| "no JSON object".to_owned(), Value::to_string),
        KEY => key(facts.kid(), history),
        SIGNATURE => match outcome {
            Outcome::Ok => "by that key, over header and claims".to_owned(),
            Outcome::Failed => "the token was changed or cut off, or somebody else made it".to_owned(),
            Outcome::Unjudged => "there is no key to judge it with".to_owned(),
        },
        _ if facts.claims.is_none() => "no JSON object".to_owned(),
        CLAIMS => facts.shown(&["type", "client_id", "sub", "jti", "scope", "roles"]),
        ISSUER => format!("{}; this issuer is {:?}", facts.shown(&["iss"]), case.config.issuer),
        AUDIENCE => match audience {
            Some(audience) => format!("{}; asked for {audience:?}", facts.shown(&["aud"])),
            None => format!("{}; any will do without --audience", facts.shown(&["aud"])),
        },
        _ => times(facts),
    }
}

fn key(kid: &str, history: &KeyHistory) -> String {
    if kid.is_empty() {
        return "the header names none".to_owned();
    }
    let Some(key) = history.keys.iter().find(|key| key.kid == kid) else {
        return format!("{kid:?} was never a key of this issuer");
    };
    let state = key.state(history.now);
    let since = [key.compromised_at, key.removed_at, key.retires_at, key.activates_at];
    match since.into_iter().flatten().find(|at| *at <= history.now) {
        Some(at) => format!("{kid} is {state} since {}", date(at)),
        None => format!("{kid} is {state}"),
    }
}

fn times(facts: &Facts) -> String {
    let relative = |name, verbs| facts.date(name).map(|at| relative(verbs, at, facts.now));
    let lifetime = facts.number("exp").saturating_sub(facts.number("iat")).try_into().unwrap_or_default();
    let said = [
        relative("iat", ("issued", "will be issued")),
        relative("nbf", ("valid since", "valid")).filter(|_| facts.number("nbf") != facts.number("iat")),
        relative("exp", ("expired", "expires")),
        Some(format!("lives {}", span(std::time::Duration::from_secs(lifetime)))),
    ];
    said.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

const HEADER: &str = "header";
const KEY: &str = "key";
const SIGNATURE: &str = "signature";
const CLAIMS: &str = "claims";
const ISSUER: &str = "issuer";
const AUDIENCE: &str = "audience";
const TIMES: &str = "times";
/// In the verifier's order.
const STEPS: [&str; 7] = [HEADER, KEY, SIGNATURE, CLAIMS, ISSUER, AUDIENCE, TIMES];

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said about those behind a token rests on it.
    #[test]
    fn no_reason_from_before_the_signature_counts_as_after_it() {
        let after = [CLAIMS, ISSUER, AUDIENCE, TIMES];
        let judged_after = |code: &&Code| after.contains(&step(**code, false));

        let codes: Vec<&str> = Code::ALL.iter().filter(judged_after).map(|code| code.as_str()).collect();

        assert_eq!(
            codes.join(" "),
            "claims_json duplicate_member limits typ claim_type missing_claim issuer audience expired not_yet_valid \
             issued_in_future lifetime binding scope_syntax scope_mismatch"
        );
    }
}
