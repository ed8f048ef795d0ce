//! A policy with the keys and revocations of its issuers: decides on requests.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;

use crate::Seconds;
use crate::checks::{NoObserver, Observer};
use crate::evaluate::Evaluator;
use crate::issuers::{IssuerState, Issuers};
use crate::key_cache::KeyCache;
use crate::policy::{IdentityField, IssuerPolicy, Policy};
use crate::request::{Decision, RequestView};
use crate::revocations::Revocations;
use crate::shadow::{Difference, Shadow};
use crate::text::joined;
use crate::token_cache::{Cached, TokenCache};
use crate::verify::Verified;

/// A policy together with the keys of its issuers and a cache of accepted tokens.
#[derive(Clone, Debug)]
pub struct Authorizer {
    policy: Policy,
    /// One for each issuer of the policy, in its order, followed by those that only the shadow policy names.
    states: Vec<IssuerState>,
    /// For each issuer of the policy, its place in `states`.
    places: Vec<usize>,
    cache: TokenCache,
    shadow: Option<Box<Shadow>>,
}

impl Authorizer {
    /// Makes an authorizer. Inline keys are available at once; the host must fetch all others (see [`KeyCache`]).
    pub fn new(policy: Policy) -> Self {
        let states: Vec<_> = policy.issuers().iter().map(IssuerState::new).collect();
        let places = (0..states.len()).collect();
        Self { policy, states, places, cache: TokenCache::new(DEFAULT_CACHE_SIZE), shadow: None }
    }

    /// Caches this many accepted tokens instead of 1,024, rounded up to a power of two and at least 4. Each takes about twice
    /// the size of its text.
    #[must_use]
    pub fn with_cache_size(self, tokens: usize) -> Self {
        Self { cache: TokenCache::new(tokens), ..self }
    }

    /// Limits the token cache to `cache_bytes` instead of 32 MB, the shadow policy's as well, and the revocations of each issuer
    /// to `revocations` instead of 100,000. A feed with more goes stale.
    pub fn set_limits(&mut self, cache_bytes: usize, revocations: usize) {
        self.cache.set_max_bytes(cache_bytes);
        if let Some(shadow) = &mut self.shadow {
            shadow.cache.set_max_bytes(cache_bytes);
        }
        for known in self.states.iter_mut().filter_map(|state| state.revocations.as_mut()) {
            known.set_max_events(revocations);
        }
    }

    /// Evaluates `policy` beside the enforced one in [`Authorizer::shadow`], without enforcing it. An issuer that both name has
    /// one key cache and one state of its feed, those of the enforced policy.
    #[must_use]
    pub fn with_shadow(mut self, policy: Policy) -> Self {
        self.states.truncate(self.places.len());
        let own = self.policy.issuers();
        let mut places = Vec::new();
        for issuer in policy.issuers() {
            let same = own.iter().position(|other| other.rules.issuer == issuer.rules.issuer);
            places.push(same.unwrap_or(self.states.len()));
            if same.is_none() {
                self.states.push(IssuerState::new(issuer));
            }
        }
        self.shadow = Some(Box::new(Shadow { policy, places, cache: TokenCache::new(DEFAULT_CACHE_SIZE) }));
        self
    }

    /// Returns the enforced policy.
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Returns whether a shadow policy is evaluated beside it.
    pub const fn has_shadow(&self) -> bool {
        self.shadow.is_some()
    }

    /// Returns how many tokens were accepted from the cache.
    pub const fn cache_hits(&self) -> u64 {
        self.cache.hits()
    }

    /// Returns every issuer whose keys are needed: those of the policy, then those of the shadow policy alone.
    /// [`Authorizer::keys`] counts in this order.
    pub fn issuers(&self) -> impl Iterator<Item = &IssuerPolicy> {
        let of_shadow =
            self.shadow.iter().flat_map(|shadow| shadow.policy.issuers().iter().zip(&shadow.places));
        let added = of_shadow.filter(|(_, place)| **place >= self.places.len()).map(|(issuer, _)| issuer);
        self.policy.issuers().iter().chain(added)
    }

    /// Returns the key cache of the issuer at `index`, or `None` if there is no such issuer.
    pub fn keys(&mut self, index: usize) -> Option<&mut KeyCache> {
        self.states.get_mut(index).map(|state| &mut state.keys)
    }

    /// Returns the revocations of the issuer at `index`, or `None` if there is no such issuer or its policy names no feed.
    pub fn revocations(&mut self, index: usize) -> Option<&mut Revocations> {
        self.states.get_mut(index)?.revocations.as_mut()
    }

    /// Decides on a request at `now`, Unix time in seconds. A request that no route allows is denied.
    pub fn decide(&mut self, request: &RequestView<'_>, now: Seconds) -> Decision {
        self.decide_observed(request, now, &mut NoObserver)
    }

    pub(crate) fn decide_observed(
        &mut self,
        request: &RequestView<'_>,
        now: Seconds,
        observer: &mut impl Observer,
    ) -> Decision {
        let mut cached = Cached::new(&mut self.cache);
        let issuers = Issuers::new(self.policy.issuers(), &self.states, &self.places);
        let evaluator = Evaluator { policy: &self.policy, issuers, now };
        let outcome = evaluator.decide(request, observer, &mut cached);
        let missed = cached.missed;
        self.ask_for_keys(missed, now);
        outcome.into()
    }

    pub(crate) fn evaluator(&self, now: Seconds) -> Evaluator<'_> {
        let issuers = Issuers::new(self.policy.issuers(), &self.states, &self.places);
        Evaluator { policy: &self.policy, issuers, now }
    }

    /// Returns what the shadow policy decides on a request where that differs from `enforced`, or `None` without a shadow policy.
    /// Costs a second signature check for a token that is not cached.
    pub fn shadow(
        &mut self,
        request: &RequestView<'_>,
        enforced: &Decision,
        now: Seconds,
    ) -> Option<Difference> {
        let Shadow { policy, places, cache } = self.shadow.as_deref_mut()?;
        let mut cached = Cached::new(cache);
        let issuers = Issuers::new(policy.issuers(), &self.states, places);
        let outcome = Evaluator { policy, issuers, now }.decide(request, &mut NoObserver, &mut cached);
        let missed = cached.missed;
        self.ask_for_keys(missed, now);
        Difference::between(enforced, outcome.into())
    }

    fn ask_for_keys(&mut self, missed: Option<usize>, now: Seconds) {
        if let Some(state) = missed.and_then(|place| self.states.get_mut(place)) {
            state.keys.missed(now);
        }
    }

    /// Returns whether a header could pass for an identity header: to be removed from every inbound request, whatever the
    /// decision. Many servers hand `x_keystone_subject` to the application as if it were `x-keystone-subject` (RFC 3875 §4.1.18).
    pub fn is_identity_header(&self, name: &[u8]) -> bool {
        let spelled = |byte: u8| if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
        let reads_as = |known: &str| {
            known.len() == name.len() && known.bytes().map(spelled).eq(name.iter().copied().map(spelled))
        };
        self.identity_headers().any(reads_as)
    }

    /// Returns the names of the identity headers.
    pub fn identity_headers(&self) -> impl Iterator<Item = &str> {
        self.policy.identity_headers().iter().map(|(_, name)| name.as_str())
    }

    /// Returns the identity headers to set on an allowed request. A claim that the token lacks has none.
    pub fn identity(&self, token: &Verified) -> Vec<(&str, String)> {
        let headers = self.policy.identity_headers().iter();
        headers.filter_map(|(field, name)| Some((name.as_str(), identity_value(*field, token)?))).collect()
    }
}

/// How many accepted tokens an [`Authorizer`] caches.
const DEFAULT_CACHE_SIZE: usize = 1024;

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
