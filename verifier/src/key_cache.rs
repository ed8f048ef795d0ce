//! When to fetch an issuer's keys and how long to trust the last good ones: a state machine without I/O.
//!
//! The host fetches when [`KeyCache::wants_fetch`] says so, announces it with [`KeyCache::started`], and reports
//! [`KeyCache::replace`] or [`KeyCache::failed`].

use crate::Seconds;
use crate::keys::{KeySet, KeySetError, STRICT};
use crate::signature::Algorithm;

/// The keys of one issuer and their age.
#[derive(Clone, Debug)]
pub struct KeyCache {
    keys: Option<KeySet>,
    fetched_at: Seconds,
    next_fetch: Seconds,
    /// Seconds to wait after the next failure.
    back_off: Seconds,
    missed_at: Option<Seconds>,
    pinned: bool,
    accepted: &'static [Algorithm],
    epoch: u64,
    /// Seconds until a good set is fetched anew.
    fresh: Seconds,
}

impl KeyCache {
    /// Keys from the configuration: they never age and are never fetched.
    pub fn pinned(keys: KeySet) -> Self {
        let accepted = keys.accepted();
        Self { keys: Some(keys), pinned: true, ..Self::accepting(accepted) }
    }

    /// No keys yet; the first fetch is due at once.
    pub const fn remote() -> Self {
        Self::accepting(STRICT)
    }

    /// Fetches a good set anew after so many seconds instead of 300, and a failure leaves no longer a pause than that: the
    /// sooner, the longer the issuer may be away before the hard age.
    #[must_use]
    pub fn fresh_for(self, seconds: Seconds) -> Self {
        Self { fresh: seconds, ..self }
    }

    pub(crate) const fn accepting(accepted: &'static [Algorithm]) -> Self {
        Self {
            keys: None,
            fetched_at: 0,
            next_fetch: 0,
            back_off: 1,
            missed_at: None,
            pinned: false,
            accepted,
            epoch: 0,
            fresh: FRESH,
        }
    }

    pub(crate) const fn accepted(&self) -> &'static [Algorithm] {
        self.accepted
    }

    /// The keys to verify with. `None`: there were never any, or the last good ones are past their hard age.
    pub fn current(&self, now: Seconds) -> Option<&KeySet> {
        self.keys.as_ref().filter(|_| self.pinned || now < self.fetched_at.saturating_add(HARD_AGE))
    }

    /// Until when a host may go on using what was verified with the keys, exclusive: their hard age. 0 without any.
    pub fn usable_until(&self) -> Seconds {
        match (&self.keys, self.pinned) {
            (None, _) => 0,
            (Some(_), true) => Seconds::MAX,
            (Some(_), false) => self.fetched_at.saturating_add(HARD_AGE),
        }
    }

    /// Another number after every change of the keys: what a host remembers of verified tokens, it forgets then.
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Seconds since the last good fetch.
    pub fn age(&self, now: Seconds) -> Option<Seconds> {
        self.keys.as_ref().map(|_| now.saturating_sub(self.fetched_at))
    }

    /// Whether a fetch is due.
    pub const fn wants_fetch(&self, now: Seconds) -> bool {
        !self.pinned && now >= self.next_fetch
    }

    /// A fetch is under way: none other is due until it ends or times out.
    pub const fn started(&mut self, now: Seconds) {
        self.next_fetch = now.saturating_add(FETCH_TIMEOUT);
    }

    /// Takes the fetched set. A bad one changes nothing but the time of the next try.
    pub fn replace(&mut self, jwks: &[u8], now: Seconds) -> Result<(), KeySetError> {
        let checked = KeySet::accepting(self.accepted, jwks).and_then(|new| self.refuse_changed_key(new));
        match checked {
            Ok(new) => {
                if self.keys.as_ref().is_none_or(|old| !old.is_same(&new)) {
                    self.epoch += 1;
                }
                self.keys = Some(new);
                self.fetched_at = now;
                self.next_fetch = now.saturating_add(self.fresh);
                self.back_off = 1;
                Ok(())
            }
            Err(error) => {
                self.failed(now);
                Err(error)
            }
        }
    }

    /// A fetch failed: the next try waits twice as long, up to a minute.
    pub fn failed(&mut self, now: Seconds) {
        self.next_fetch = now.saturating_add(self.back_off);
        self.back_off = (self.back_off * 2).min(self.fresh).min(MAX_BACK_OFF);
    }

    /// A token named a key that is not here. Asks for a fetch, at most once in 30 seconds whatever the tokens say.
    pub fn missed(&mut self, now: Seconds) {
        let budget = self.missed_at.is_none_or(|at| now >= at.saturating_add(MISS_INTERVAL));
        if budget && !self.pinned && self.keys.is_some() {
            self.missed_at = Some(now);
            self.next_fetch = self.next_fetch.min(now);
        }
    }

    /// A `kid` is the thumbprint of its key: another key under the same name is an attack or a broken deployment.
    fn refuse_changed_key(&self, new: KeySet) -> Result<KeySet, KeySetError> {
        let Some(old) = &self.keys else { return Ok(new) };
        match old.conflict(&new) {
            Some(kid) => Err(KeySetError::ChangedKey(kid.into())),
            None => Ok(new.continuing(old)),
        }
    }
}

/// Refresh after this.
const FRESH: Seconds = 300;
/// Use no longer than this: the issuer plans its rotations with it.
const HARD_AGE: Seconds = 600;
const FETCH_TIMEOUT: Seconds = 10;
const MAX_BACK_OFF: Seconds = 60;
const MISS_INTERVAL: Seconds = 30;

#[cfg(test)]
mod tests {
    use super::*;

    const SET: &[u8] =
        br#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k1","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    /// Another key under the same name.
    const CHANGED: &[u8] =
        br#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k1","x":"PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw"}]}"#;

    /// Another key under another name.
    const OTHER: &[u8] =
        br#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k2","x":"PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw"}]}"#;

    fn loaded(now: Seconds) -> KeyCache {
        let mut cache = KeyCache::remote();
        cache.replace(SET, now).unwrap();
        cache
    }

    #[test]
    fn an_empty_cache_wants_keys_at_once_and_gives_none() {
        let cache = KeyCache::remote();

        assert!(cache.wants_fetch(0));
        assert!(cache.current(0).is_none());
    }

    #[test]
    fn keys_are_refreshed_at_300_seconds_and_used_until_600() {
        let cache = loaded(1000);

        assert!(!cache.wants_fetch(1299));
        assert!(cache.wants_fetch(1300));
        assert!(cache.current(1599).is_some());
        assert!(cache.current(1600).is_none());
        assert_eq!(cache.age(1600), Some(600));
    }

    #[test]
    fn a_fetch_under_way_is_not_doubled_but_given_up_after_its_time() {
        let mut cache = KeyCache::remote();
        cache.started(1000);

        assert!(!cache.wants_fetch(1009));
        assert!(cache.wants_fetch(1010));
    }

    #[test]
    fn failures_back_off_to_a_minute_and_keep_the_keys() {
        let mut cache = loaded(1000);
        let mut now = 1300;
        for wait in [1, 2, 4, 8, 16, 32, 60, 60] {
            cache.failed(now);
            assert!(!cache.wants_fetch(now + wait - 1));
            assert!(cache.wants_fetch(now + wait));
            now += wait;
        }
        assert!(cache.current(now).is_some());
    }

    #[test]
    fn a_host_may_have_keys_fetched_sooner_and_then_waits_less_after_a_failure() {
        let mut cache = KeyCache::remote().fresh_for(20);
        cache.replace(SET, 1000).unwrap();
        assert!(!cache.wants_fetch(1019));
        assert!(cache.wants_fetch(1020));

        let mut now = 1020;
        for wait in [1, 2, 4, 8, 16, 20, 20] {
            cache.failed(now);
            assert!(!cache.wants_fetch(now + wait - 1));
            assert!(cache.wants_fetch(now + wait));
            now += wait;
        }
        assert!(cache.current(1599).is_some() && cache.current(1600).is_none());
    }

    #[test]
    fn a_bad_set_never_replaces_a_good_one() {
        for bad in [&b"{"[..], br#"{"keys":[]}"#, CHANGED] {
            let mut cache = loaded(1000);

            assert!(cache.replace(bad, 1300).is_err());
            assert_eq!(cache.age(1300), Some(300));
            assert!(cache.wants_fetch(1301));
        }
    }

    #[test]
    fn what_was_verified_may_be_used_until_the_hard_age_of_the_keys() {
        let mut cache = KeyCache::remote();
        assert_eq!(cache.usable_until(), 0);

        for now in [1000, 1300] {
            cache.replace(SET, now).unwrap();
            let until = cache.usable_until();
            assert!(cache.current(until - 1).is_some());
            assert!(cache.current(until).is_none());
        }
        assert_eq!(KeyCache::pinned(KeySet::parse(SET).unwrap()).usable_until(), Seconds::MAX);
    }

    #[test]
    fn the_epoch_changes_with_the_keys_and_with_nothing_else() {
        let mut cache = loaded(1000);
        let first = cache.epoch();
        cache.replace(SET, 1300).unwrap();
        cache.replace(b"{", 1301).unwrap_err();
        cache.failed(1302);
        assert_eq!(cache.epoch(), first);

        cache.replace(OTHER, 1303).unwrap();
        let second = cache.epoch();
        assert_ne!(second, first);
        cache.replace(SET, 1304).unwrap();
        assert!(![first, second].contains(&cache.epoch()));
    }

    #[test]
    fn an_unknown_kid_brings_one_fetch_in_30_seconds() {
        let mut cache = loaded(1000);
        cache.missed(1001);
        assert!(cache.wants_fetch(1001));
        cache.replace(SET, 1001).unwrap();

        for now in 1002..1031 {
            cache.missed(now);
            assert!(!cache.wants_fetch(now), "{now}");
        }
        cache.missed(1031);
        assert!(cache.wants_fetch(1031));
    }

    #[test]
    fn an_unknown_kid_does_not_cut_a_back_off_short_without_keys() {
        let mut cache = KeyCache::remote();
        cache.failed(1000);
        cache.failed(1001);
        cache.missed(1002);

        assert!(!cache.wants_fetch(1002));
    }

    #[test]
    fn pinned_keys_never_age_and_are_never_fetched() {
        let mut cache = KeyCache::pinned(KeySet::parse(SET).unwrap());
        cache.missed(1000);

        assert!(!cache.wants_fetch(u64::MAX));
        assert!(cache.current(u64::MAX).is_some());
    }
}
