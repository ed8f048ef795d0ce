//! The issuers of a policy with the present state of their keys and revocations.

use crate::Seconds;
use crate::error::Refusal;
use crate::key_cache::KeyCache;
use crate::policy::{IssuerPolicy, KeySource};
use crate::revocations::Revocations;
use crate::verify::Verified;

/// The keys and revocations of one issuer.
#[derive(Clone, Debug)]
pub(crate) struct IssuerState {
    pub(crate) keys: KeyCache,
    /// `None` if its feed is not followed.
    pub(crate) revocations: Option<Revocations>,
}

impl IssuerState {
    pub(crate) fn new(issuer: &IssuerPolicy) -> Self {
        let keys = match &issuer.keys {
            KeySource::Inline(keys) => KeyCache::pinned(keys.clone()),
            KeySource::Remote { .. } => KeyCache::remote(),
        };
        let revocations = issuer.revocations.as_ref();
        let revocations =
            revocations.map(|feed| Revocations::new(issuer.rules.issuer.clone(), feed.max_stale));
        Self { keys, revocations }
    }

    /// Returns [`Revocations::epoch`], or 0 if the feed is not followed.
    pub(crate) fn revocation_epoch(&self) -> u64 {
        self.revocations.as_ref().map_or(0, Revocations::epoch)
    }

    /// Refuses a token that the issuer revoked.
    pub(crate) fn check_revocation(&self, token: &Verified, now: Seconds) -> Result<(), Refusal> {
        self.revocations.as_ref().map_or(Ok(()), |revocations| revocations.check(token, false, now))
    }

    /// Returns whether the revocations are recent enough for a strict route.
    pub(crate) fn has_usable_revocations(&self, now: Seconds) -> bool {
        self.revocations.as_ref().is_some_and(|revocations| revocations.is_usable(now))
    }
}

/// The issuers of one policy. Several policies may share the states.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Issuers<'a> {
    policies: &'a [IssuerPolicy],
    states: &'a [IssuerState],
    places: &'a [usize],
}

/// One of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Issuer<'a> {
    pub(crate) policy: &'a IssuerPolicy,
    pub(crate) state: &'a IssuerState,
    /// The index of its state among all that are shared.
    pub(crate) place: usize,
}

impl<'a> Issuers<'a> {
    /// `places` holds, for each of `policies`, the index of its state.
    pub(crate) const fn new(
        policies: &'a [IssuerPolicy],
        states: &'a [IssuerState],
        places: &'a [usize],
    ) -> Self {
        Self { policies, states, places }
    }

    /// Returns the issuer at this index of the policy.
    pub(crate) fn get(&self, index: usize) -> Option<Issuer<'a>> {
        let place = *self.places.get(index)?;
        Some(Issuer { policy: self.policies.get(index)?, state: self.states.get(place)?, place })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Issuer<'a>> + Clone {
        let issuers = *self;
        (0..self.policies.len()).filter_map(move |index| issuers.get(index))
    }

    pub(crate) const fn policies(&self) -> &'a [IssuerPolicy] {
        self.policies
    }
}
