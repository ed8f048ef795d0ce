//! What looks at the published key set mean for the keys that wait: a stuck replica or cache is not in any sum of waits.

use std::time::Duration;

use time::OffsetDateTime;

use super::View;
use crate::config::KeyTimes;
use crate::store::{KeyChange, KeyHistory, KeyLine, KeyState};

/// Whether a key that waits has not been looked for lately. Of many replicas, one looks and the others see that it did.
pub fn wants_look(history: &KeyHistory) -> bool {
    let stale = |key: &KeyLine| key.seen_at.is_none_or(|at| at + BETWEEN_LOOKS <= history.now);
    waiting(history).any(stale)
}

/// What follows from a look that found `seen`, the keys in every copy of the key set.
pub fn sighting(history: &KeyHistory, times: &KeyTimes, seen: &[String]) -> Vec<KeyChange> {
    let view = View { history, times };
    waiting(history).flat_map(|key| view.looked(key, seen.contains(&key.kid))).collect()
}

/// Whether the last looks found the key, and there were looks lately.
pub fn is_seen(history: &KeyHistory, times: &KeyTimes, key: &KeyLine) -> bool {
    View { history, times }.seen_since(key).is_some()
}

/// The keys that have not signed yet.
pub(super) fn waiting(history: &KeyHistory) -> impl Iterator<Item = &KeyLine> {
    history.keys.iter().filter(|key| matches!(key.state(history.now), KeyState::Standby | KeyState::Planned))
}

impl View<'_> {
    /// Since when the key is in the published key set without a doubt.
    pub(super) fn seen_since(self, key: &KeyLine) -> Option<OffsetDateTime> {
        let lately = key.seen_at.is_some_and(|at| at + SIGHT_LASTS > self.history.now);
        key.seen_since.filter(|_| lately)
    }

    /// When the key has been seen for long enough, if it goes on being seen: nobody has an older key set then.
    pub(super) fn watched(self, key: &KeyLine) -> Option<OffsetDateTime> {
        let watch = key.watch.unwrap_or_default().max(self.times.cache);
        self.seen_since(key).map(|since| since + watch)
    }

    fn looked(self, key: &KeyLine, seen: bool) -> Vec<KeyChange> {
        let kid = key.kid.clone();
        let news = match (seen, self.seen_since(key)) {
            (true, Some(since)) => return vec![KeyChange::Sighted { kid, since }],
            (true, None) => Some(KeyChange::Sighted { kid, since: self.history.now }),
            (false, _) => key.seen_since.map(|_| KeyChange::Missed { kid }),
        };
        // Somebody may have an older key set again.
        let changes = match key.activates_at {
            None => Vec::new(),
            Some(at) if self.is_heard(at) => self.call_off(key),
            // Replicas may not hear of a change any more, and two of them must not sign with two keys.
            Some(_) => return Vec::new(),
        };
        changes.into_iter().chain(news).collect()
    }

    /// The key in use goes on.
    pub(super) fn call_off(self, planned: &KeyLine) -> Vec<KeyChange> {
        let mut changes = vec![KeyChange::CallOff { kid: planned.kid.clone() }];
        changes.extend(self.unplan());
        changes
    }

    /// Raised, never cut: by the longer of what the row says and what we say.
    pub(super) fn watch_longer(self) -> impl Iterator<Item = KeyChange> {
        let watch = self.times.cache;
        self.in_state(KeyState::Standby)
            .filter(move |key| key.watch.is_none_or(|old| old < watch))
            .map(move |key| KeyChange::Watch { kid: key.kid.clone(), watch: Some(watch) })
    }
}

/// A key that was seen is looked for again after this.
const BETWEEN_LOOKS: Duration = Duration::from_secs(60);
/// Without a look for so long, nothing is known any more.
const SIGHT_LASTS: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests;
