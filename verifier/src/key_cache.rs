//! When to fetch an issuer's keys and how long to trust the last good ones: a state machine without I/O.
//!
//! The host fetches when [`KeyCache::wants_fetch`] says so, announces it with [`KeyCache::started`], and reports
//! [`KeyCache::replace`] or [`KeyCache::failed`]. What is known can be handed on as a snapshot, to another process or the next
//! start.

use crate::Seconds;
use crate::keys::{KeySet, KeySetError, STRICT};
use crate::pause::Pause;
use crate::signature::Algorithm;

mod snapshot;

pub use snapshot::SnapshotError;

/// How old the keys of an issuer are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// There were never any: tokens are refused as `keys_unavailable`.
    Missing,
    /// Fetched less than 300 seconds ago, or what the host chose instead, or pinned.
    Fresh,
    /// Due to be fetched again, and still used.
    Usable,
    /// 600 seconds old or more: tokens are refused as `keys_unavailable`.
    Expired,
}

impl KeyState {
    /// Returns the stable text, for logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Fresh => "fresh",
            Self::Usable => "usable",
            Self::Expired => "expired",
        }
    }
}

/// Why keys should be fetched now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NeedKeys {
    /// There are none to verify with: every token is refused until then.
    Unavailable,
    /// Those that are there are due.
    Due,
    /// A token named a key that is not there. This is asked for once in 30 seconds, however many tokens do.
    UnknownKid,
}

/// The keys of one issuer and their age.
#[derive(Clone, Debug)]
pub struct KeyCache {
    keys: Option<KeySet>,
    fetched_at: Seconds,
    /// Before the next fetch.
    pause: Pause,
    /// Seconds to wait after the next failure.
    back_off: Seconds,
    /// Before an unknown `kid` may ask for the next fetch.
    miss_pause: Pause,
    pinned: bool,
    accepted: &'static [Algorithm],
    epoch: u64,
    /// Seconds until a good set is fetched anew.
    fresh: Seconds,
}

impl KeyCache {
    /// Makes a cache of keys from the configuration, which never age and are never fetched.
    pub fn pinned(keys: KeySet) -> Self {
        let accepted = keys.accepted();
        Self { keys: Some(keys), pinned: true, ..Self::accepting(accepted) }
    }

    /// Makes a cache without keys; the first fetch is due at once.
    pub const fn remote() -> Self {
        Self::accepting(STRICT)
    }

    /// Fetches a good set anew after so many seconds instead of 300, and a failure leaves no longer a pause than that: the
    /// sooner, the longer the issuer may be away before the hard age.
    #[must_use]
    pub fn with_refresh_interval(self, seconds: Seconds) -> Self {
        Self { fresh: seconds, ..self }
    }

    pub(crate) const fn accepting(accepted: &'static [Algorithm]) -> Self {
        Self {
            keys: None,
            fetched_at: 0,
            pause: Pause::NONE,
            back_off: 1,
            miss_pause: Pause::NONE,
            pinned: false,
            accepted,
            epoch: 0,
            fresh: FRESH,
        }
    }

    pub(crate) const fn accepted(&self) -> &'static [Algorithm] {
        self.accepted
    }

    /// Returns the keys to verify with, or `None` if there were never any or the last good ones are past their hard age.
    pub fn current(&self, now: Seconds) -> Option<&KeySet> {
        self.keys.as_ref().filter(|_| self.pinned || now < self.fetched_at.saturating_add(HARD_AGE))
    }

    /// Returns until when a host may use what was verified with the keys, exclusive: their hard age. 0 without any.
    pub fn usable_until(&self) -> Seconds {
        match (&self.keys, self.pinned) {
            (None, _) => 0,
            (Some(_), true) => Seconds::MAX,
            (Some(_), false) => self.fetched_at.saturating_add(HARD_AGE),
        }
    }

    /// Returns another number after every change of the keys: a host drops its cached tokens then.
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Returns the seconds since the last good fetch.
    pub fn age(&self, now: Seconds) -> Option<Seconds> {
        self.keys.as_ref().map(|_| now.saturating_sub(self.fetched_at))
    }

    /// Returns whether the keys can be used, and for how long they were not fetched.
    pub fn state(&self, now: Seconds) -> KeyState {
        match self.age(now) {
            None => KeyState::Missing,
            Some(_) if self.pinned => KeyState::Fresh,
            Some(age) if age < self.fresh => KeyState::Fresh,
            Some(age) if age < HARD_AGE => KeyState::Usable,
            Some(_) => KeyState::Expired,
        }
    }

    /// Returns why a fetch is due, or `None` if it is not.
    pub fn needs_keys(&self, now: Seconds) -> Option<NeedKeys> {
        let reason = match self.state(now) {
            KeyState::Missing | KeyState::Expired => NeedKeys::Unavailable,
            KeyState::Usable => NeedKeys::Due,
            // Fetched by a clock that was ahead: how old the keys are is not known.
            KeyState::Fresh if now < self.fetched_at => NeedKeys::Due,
            KeyState::Fresh => NeedKeys::UnknownKid,
        };
        self.wants_fetch(now).then_some(reason)
    }

    /// Returns whether a fetch is due.
    pub const fn wants_fetch(&self, now: Seconds) -> bool {
        !self.pinned && self.pause.is_over(now)
    }

    /// Notes that a fetch has begun: none other is due until it ends or times out.
    pub fn started(&mut self, now: Seconds) {
        self.age_from(now);
        self.pause = Pause::of(FETCH_TIMEOUT, now);
    }

    /// Takes the fetched set. A bad one changes nothing but the time of the next try.
    pub fn replace(&mut self, jwks: &[u8], now: Seconds) -> Result<(), KeySetError> {
        let checked =
            KeySet::accepting(self.accepted, jwks).and_then(|new| self.refuse_changed_key(new, now));
        checked.map(|new| self.take(new, now)).inspect_err(|_| self.failed(now))
    }

    fn take(&mut self, keys: KeySet, fetched_at: Seconds) {
        if self.keys.as_ref().is_none_or(|old| !old.is_same(&keys)) {
            self.epoch += 1;
        }
        self.keys = Some(keys);
        self.fetched_at = fetched_at;
        self.pause = Pause::of(self.fresh, fetched_at);
        self.back_off = 1;
    }

    /// Notes that a fetch failed: the next try waits twice as long, up to a minute.
    pub fn failed(&mut self, now: Seconds) {
        self.age_from(now);
        self.pause = Pause::of(self.back_off, now);
        self.back_off = (self.back_off * 2).min(self.fresh).min(MAX_BACK_OFF);
    }

    /// Notes that a token named a key that is not here. Asks for a fetch, at most once in 30 seconds whatever the tokens say.
    pub fn missed(&mut self, now: Seconds) {
        if self.miss_pause.is_over(now) && !self.pinned && self.keys.is_some() {
            self.miss_pause = Pause::of(MISS_INTERVAL, now);
            self.pause = Pause::NONE;
        }
    }

    /// Keys that were fetched after `now` were so by a clock that was ahead. From here on they age as if they were new.
    fn age_from(&mut self, now: Seconds) {
        self.fetched_at = self.fetched_at.min(now);
    }

    /// A `kid` is the thumbprint of its key: another key under the same name is an attack or a broken deployment, as long as
    /// the old one is in use. Later it only would keep the issuer away for ever.
    fn refuse_changed_key(&self, new: KeySet, now: Seconds) -> Result<KeySet, KeySetError> {
        let Some(old) = self.current(now) else { return Ok(new) };
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
/// By how much the clock of another machine may be ahead.
const LEEWAY: Seconds = 30;

#[cfg(test)]
mod tests;
