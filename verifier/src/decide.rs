//! One request in, one decision out: the policy's routes, the issuer's keys, the token.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;

use crate::Seconds;
use crate::checks::{Unwatched, Watch};
use crate::error::Refusal;
use crate::explain::{Explanation, Record};
use crate::judge::{Judge, Source};
use crate::key_cache::KeyCache;
use crate::policy::{IdentityField, IssuerPolicy, KeySource, Policy, RevocationSource};
use crate::revocations::Revocations;
use crate::shadow::{Difference, Shadow};
use crate::text::joined;
use crate::verdicts::{Forgetful, Remembering, Verdicts};
use crate::verify::Verified;

/// What a decision rests on. Nothing else of a request is ever consulted, whatever it claims its original path was.
#[derive(Clone, Copy, Debug)]
pub struct RequestView<'a> {
    /// As sent: methods are case-sensitive (RFC 9110 §9.1).
    pub method: &'a [u8],
    /// The request target in origin form, with its query.
    pub path: &'a [u8],
    /// Every value of `Authorization`, one for each field line.
    pub authorization: &'a [&'a [u8]],
}

/// The verdict on a request.
#[derive(Clone, Debug)]
pub enum Decision {
    /// The route is public: no token was looked at.
    Public,
    /// The token is valid and holds what the route needs.
    Allow(Verified),
    /// The answer is the refusal's.
    Deny(Refusal),
}

impl Decision {
    /// `public`, `allow`, or the code of the refusal: one word for logs and metrics.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Allow(_) => "allow",
            Self::Deny(refusal) => refusal.code().as_str(),
        }
    }
}

impl From<Result<Option<Verified>, Refusal>> for Decision {
    fn from(outcome: Result<Option<Verified>, Refusal>) -> Self {
        match outcome {
            Ok(None) => Self::Public,
            Ok(Some(token)) => Self::Allow(token),
            Err(refusal) => Self::Deny(refusal),
        }
    }
}

/// A policy together with the keys of its issuers, and the tokens accepted lately.
#[derive(Clone, Debug)]
pub struct Gate {
    policy: Policy,
    /// One for each issuer of the policy, in its order; after them those that only the shadow believes.
    sources: Vec<Source>,
    /// Of each issuer of the policy, its place in `sources`.
    places: Vec<usize>,
    verdicts: Verdicts,
    shadow: Option<Box<Shadow>>,
}

impl Gate {
    /// Inline keys are there at once; all others the host must fetch (see [`KeyCache`]).
    pub fn new(policy: Policy) -> Self {
        let sources: Vec<_> = policy.issuers().iter().map(source).collect();
        let places = (0..sources.len()).collect();
        Self { policy, sources, places, verdicts: Verdicts::new(REMEMBERED), shadow: None }
    }

    /// Remembers so many accepted tokens, a power of two and at least 4, instead of 1,024. Each takes about the double
    /// of its text.
    #[must_use]
    pub fn remembering(self, tokens: usize) -> Self {
        Self { verdicts: Verdicts::new(tokens), ..self }
    }

    /// Lets what is remembered of accepted tokens take so many bytes at most, instead of 32 MB, and as many those of a shadow. Each
    /// issuer keeps at most so many revocations instead of 100,000: its feed goes stale beyond.
    pub fn limit(&mut self, verdict_bytes: usize, revocations: usize) {
        self.verdicts.limit(verdict_bytes);
        if let Some(shadow) = &mut self.shadow {
            shadow.verdicts.limit(verdict_bytes);
        }
        for known in self.sources.iter_mut().filter_map(|source| source.revocations.as_mut()) {
            known.keep_at_most(revocations);
        }
    }

    /// Evaluates `policy` beside the gate's own in [`Gate::shadow`], and enforces nothing of it. An issuer of both has one
    /// key cache and one state of its feed, those of the enforced policy.
    #[must_use]
    pub fn shadowing(mut self, policy: Policy) -> Self {
        self.sources.truncate(self.places.len());
        let own = self.policy.issuers();
        let mut places = Vec::new();
        for issuer in policy.issuers() {
            let same = own.iter().position(|other| other.rules.issuer == issuer.rules.issuer);
            places.push(same.unwrap_or(self.sources.len()));
            if same.is_none() {
                self.sources.push(source(issuer));
            }
        }
        self.shadow = Some(Box::new(Shadow { policy, places, verdicts: Verdicts::new(REMEMBERED) }));
        self
    }

    /// The policy that is enforced.
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Whether there is a policy that is tried beside.
    pub const fn has_shadow(&self) -> bool {
        self.shadow.is_some()
    }

    /// How many tokens were accepted because they had been a while ago.
    pub const fn reused(&self) -> u64 {
        self.verdicts.reused()
    }

    /// Every issuer whose keys the gate needs: those of the policy, then those of its shadow alone. [`Gate::keys`] counts
    /// in this order.
    pub fn issuers(&self) -> impl Iterator<Item = &IssuerPolicy> {
        let of_shadow =
            self.shadow.iter().flat_map(|shadow| shadow.policy.issuers().iter().zip(&shadow.places));
        let added = of_shadow.filter(|(_, place)| **place >= self.places.len()).map(|(issuer, _)| issuer);
        self.policy.issuers().iter().chain(added)
    }

    /// The key cache of the issuer at `index`. `None`: there is no such issuer.
    pub fn keys(&mut self, index: usize) -> Option<&mut KeyCache> {
        self.sources.get_mut(index).map(|source| &mut source.keys)
    }

    /// The revocations of the issuer at `index`. `None`: there is no such issuer, or its policy names no feed.
    pub fn revocations(&mut self, index: usize) -> Option<&mut Revocations> {
        self.sources.get_mut(index)?.revocations.as_mut()
    }

    /// Decides on a request at `now`, Unix time in seconds. What no route allows is denied.
    pub fn decide(&mut self, request: &RequestView<'_>, now: Seconds) -> Decision {
        self.decide_watched(request, now, &mut Unwatched)
    }

    pub(crate) fn decide_watched(
        &mut self,
        request: &RequestView<'_>,
        now: Seconds,
        watch: &mut impl Watch,
    ) -> Decision {
        let judge = Judge { policy: &self.policy, sources: &self.sources, places: &self.places, now };
        let mut memory = Remembering::new(&mut self.verdicts);
        let outcome = judge.decide(request, watch, &mut memory);
        let missed = memory.missed;
        self.ask_for_keys(missed, now);
        outcome.into()
    }

    /// Every check that [`Gate::decide`] makes of this request at `now`, with its outcome. Changes nothing: no verdict is
    /// remembered or recalled, no key is asked for.
    pub fn explain(&self, request: &RequestView<'_>, now: Seconds) -> Explanation {
        let judge = Judge { policy: &self.policy, sources: &self.sources, places: &self.places, now };
        let mut record = Record::default();
        let outcome = judge.decide(request, &mut record, &mut Forgetful);
        record.explained(outcome, |_| true)
    }

    /// What the shadow policy says of a request on which the gate decided `enforced`, where that is something else.
    /// `None` also without a shadow. Costs a second signature check for a token that is new.
    pub fn shadow(
        &mut self,
        request: &RequestView<'_>,
        enforced: &Decision,
        now: Seconds,
    ) -> Option<Difference> {
        let Shadow { policy, places, verdicts } = self.shadow.as_deref_mut()?;
        let judge = Judge { policy, sources: &self.sources, places, now };
        let mut memory = Remembering::new(verdicts);
        let outcome = judge.decide(request, &mut Unwatched, &mut memory);
        let missed = memory.missed;
        self.ask_for_keys(missed, now);
        Difference::between(enforced, outcome.into())
    }

    fn ask_for_keys(&mut self, missed: Option<usize>, now: Seconds) {
        if let Some(source) = missed.and_then(|place| self.sources.get_mut(place)) {
            source.keys.missed(now);
        }
    }

    /// The names of the identity headers: to be removed from every inbound request, whatever the decision.
    pub fn identity_headers(&self) -> impl Iterator<Item = &str> {
        self.policy.identity_headers().iter().map(|(_, name)| name.as_str())
    }

    /// The identity headers to set on an allowed request. A claim that the token lacks has none.
    pub fn identity(&self, token: &Verified) -> Vec<(&str, String)> {
        let headers = self.policy.identity_headers().iter();
        headers.filter_map(|(field, name)| Some((name.as_str(), identity_value(*field, token)?))).collect()
    }
}

fn source(issuer: &IssuerPolicy) -> Source {
    let keys = match &issuer.keys {
        KeySource::Inline(keys) => KeyCache::pinned(keys.clone()),
        KeySource::Remote { .. } => KeyCache::remote(),
    };
    let follow = |feed: &RevocationSource| Revocations::new(issuer.rules.issuer.clone(), feed.max_stale);
    Source { keys, revocations: issuer.revocations.as_ref().map(follow) }
}

/// Accepted tokens that a gate remembers.
const REMEMBERED: usize = 1024;

fn identity_value(field: IdentityField, token: &Verified) -> Option<String> {
    match field {
        IdentityField::Subject => Some(header_text(token.subject())),
        IdentityField::ClientId => Some(header_text(token.client_id())),
        IdentityField::Session => token.session().map(header_text),
        // Scope tokens are printable ASCII already (RFC 6749 §3.3).
        IdentityField::Scope => Some(token.scope().to_owned()).filter(|scope| !scope.is_empty()),
        IdentityField::Roles => {
            Some(joined(token.roles().map(header_text), ",")).filter(|roles| !roles.is_empty())
        }
    }
}

/// Percent-encodes everything that could end a header value, split a list or be trimmed.
fn header_text(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        match byte {
            b'%' | b',' | 0..=0x20 | 0x7f.. => {
                // A `String` takes everything.
                let _ = write!(encoded, "%{byte:02X}");
            }
            _ => encoded.push(char::from(byte)),
        }
        encoded
    })
}

#[cfg(test)]
mod tests;
