//! An access token: the verifier explains its own checks, the store knows the rest.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keystone_verifier::danger::explain_for_any_audience;
use keystone_verifier::{self as verifier, Check, Code, KeyCache, Refusal, Rules, Step};
use serde_json::Value;
use time::OffsetDateTime;

use super::{Case, Explanation, Failure, holder};
use crate::access;
use crate::commands::open;
use crate::commands::times::{date, relative, span};
use crate::keys::{Algorithm, public_keys};
use crate::secret::Secret;
use crate::store::KeyHistory;

pub(super) async fn explain(
    case: &Case<'_>,
    text: &Secret,
    audience: Option<&str>,
) -> Result<Explanation, Failure> {
    let history = case.store.key_history().await.map_err(open::failed)?;
    let checked = check(case, text.expose(), audience).await?;
    let facts = Facts { now: case.world.now(), ..Facts::of(text.expose()) };
    let mut explanation = Explanation::of("access token");
    for step in checked.steps() {
        explanation.add(step.check.as_str(), step.outcome.into(), says(step, &facts, &history));
    }
    let standing = match checked.verified() {
        Some(token) => access::standing(case.store, token).await.map_err(open::failed)?,
        None => None,
    };
    explanation.refused_elsewhere = facts.refused_elsewhere();
    // Whose it claims to be is of interest only where we made it.
    let made_here = |step: &Step| step.check == Check::Signature && step.outcome == verifier::Outcome::Passed;
    if checked.steps().iter().any(made_here) {
        holder::add(case, &facts, &mut explanation).await?;
        explanation.claims = facts.claims;
    }
    explanation.header = facts.header;
    let revoked = Refusal::from(Code::Revoked);
    let refusal = checked.refusal().or_else(|| standing.is_none().then_some(&revoked));
    explanation.reason = refusal.map(Refusal::to_string);
    Ok(explanation.decided(refusal.map(|refusal| refusal.code().as_str())))
}

/// By every key that the database holds, like the issuer itself.
async fn check(
    case: &Case<'_>,
    text: &str,
    audience: Option<&str>,
) -> Result<verifier::Explanation, Failure> {
    let stored = case.store.signing_keys().await.map_err(open::failed)?;
    let keys =
        public_keys(&stored).map_err(|error| Failure::new(format!("the keys in the database: {error}")))?;
    let keys = KeyCache::pinned(keys);
    let rules = Rules::new(case.config.issuer.clone(), audience.map(str::to_owned).into_iter().collect());
    let now = case.world.now().unix_timestamp().try_into().unwrap_or_default();
    Ok(match audience {
        Some(_) => verifier::explain(text.as_bytes(), &rules, &keys, now),
        None => explain_for_any_audience(text.as_bytes(), &rules, &keys, now),
    })
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

    /// The issuer may sign with an algorithm that not every verifier accepts.
    fn refused_elsewhere(&self) -> Option<String> {
        let alg = self.header.as_ref()?.get("alg")?.as_str()?;
        let says =
            format!("Keystone's Envoy filter and npm package reject it: alg ({alg}; they accept EdDSA only)");
        (alg != Algorithm::EdDsa.as_str()).then_some(says)
    }

    fn kid(&self) -> &str {
        self.header.as_ref().and_then(|header| header.get("kid")?.as_str()).unwrap_or_default()
    }

    fn shown(&self, name: &str) -> String {
        self.claim(name).map(Value::to_string).unwrap_or_default()
    }
}

/// What the verifier saw, with what we know beside it. Of a check that was not reached: what the token claims.
fn says(step: &Step, facts: &Facts, history: &KeyHistory) -> String {
    let relative = |name, verbs| facts.date(name).map(|at| relative(verbs, at, facts.now));
    let reached = step.outcome != verifier::Outcome::NotReached;
    match step.check {
        Check::Key if reached => key(facts.kid(), history),
        Check::Signature if step.outcome == verifier::Outcome::Failed => {
            "the token was altered or truncated, or is not from this issuer".to_owned()
        }
        Check::Signature if reached => "valid for this key".to_owned(),
        Check::Issuer if !reached => facts.shown("iss"),
        Check::Audience if !reached => facts.shown("aud"),
        Check::Exp => relative("exp", ("expired", "expires")).unwrap_or_default(),
        Check::Nbf => relative("nbf", ("valid since", "valid")).unwrap_or_default(),
        Check::Iat => relative("iat", ("issued", "will be issued")).unwrap_or_default(),
        Check::Lifetime => {
            let lifetime = facts.number("exp").saturating_sub(facts.number("iat"));
            span(std::time::Duration::from_secs(lifetime.try_into().unwrap_or_default()))
        }
        _ => step.seen.clone(),
    }
}

fn key(kid: &str, history: &KeyHistory) -> String {
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
