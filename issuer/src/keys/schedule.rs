//! The scheduler: from what the database holds and its time to what is to be done next. Pure, so that a test can live
//! through years of it.

mod sighting;

use std::time::Duration;

use time::OffsetDateTime;

use self::sighting::waiting;
pub use self::sighting::{is_seen, sighting, wants_look};
use crate::config::KeyTimes;
use crate::store::{KeyChange, KeyHistory, KeyLine, KeyRefusal, KeyState};

type Decision = Result<Vec<KeyChange>, KeyRefusal>;

/// What is due now. Every replica may ask: what one has done is due no more.
pub fn due(history: &KeyHistory, times: &KeyTimes) -> Vec<KeyChange> {
    let view = View { history, times };
    let mut changes = view.keep_longer();
    changes.extend(view.watch_longer());
    changes.extend(view.removals());
    changes.extend(view.leftovers());
    match view.first(KeyState::Planned) {
        Some(planned) => changes.extend(view.postponement(planned)),
        None => changes.extend(view.next_rotation()),
    }
    changes.extend(view.publication(&changes));
    changes
}

/// A rotation as soon as it is safe. Asked again, it changes nothing.
pub fn rotation(history: &KeyHistory, times: &KeyTimes) -> Decision {
    let view = View { history, times };
    let next = view.first(KeyState::Planned).or_else(|| view.next());
    let (Some(active), Some(next)) = (view.first(KeyState::Active), next) else {
        return Err(KeyRefusal::NoStandby);
    };
    let known = view.known();
    if known >= MOST_KNOWN {
        return Err(KeyRefusal::TooMany(known));
    }
    let at = view.soonest(next, times.shortest_lead()).ok_or(KeyRefusal::NotSeen)?;
    if next.activates_at.is_some_and(|planned| planned <= at) {
        return Ok(Vec::new());
    }
    let mut changes = hand_over(active, next, at, times.shortest_lead());
    if !view.has_standby_after(&changes) {
        changes.push(view.publish(false));
    }
    Ok(changes)
}

/// The key is given up and its successor signs at once. `anyway`: even where verifiers do not know the successor yet.
pub fn emergency(history: &KeyHistory, times: &KeyTimes, kid: &str, anyway: bool) -> Decision {
    let view = View { history, times };
    let Some(lost) = history.keys.iter().find(|key| key.kid == kid) else {
        return Err(KeyRefusal::Unknown(kid.to_owned()));
    };
    let mut changes = vec![KeyChange::Compromise { kid: kid.to_owned() }];
    match lost.state(history.now) {
        KeyState::Compromised => return Err(KeyRefusal::Compromised(kid.to_owned())),
        KeyState::Active => changes.extend(view.succession(anyway)?),
        // The key in use goes on.
        KeyState::Planned => changes.extend(view.unplan()),
        KeyState::Standby | KeyState::Retired | KeyState::Removed => {}
    }
    if !view.has_standby_after(&changes) {
        changes.push(view.publish(false));
    }
    Ok(changes)
}

#[derive(Clone, Copy)]
struct View<'a> {
    history: &'a KeyHistory,
    times: &'a KeyTimes,
}

impl<'a> View<'a> {
    fn in_state(self, state: KeyState) -> impl Iterator<Item = &'a KeyLine> {
        self.history.keys.iter().filter(move |key| key.state(self.history.now) == state)
    }

    /// The one published first: verifiers had the most time to fetch it.
    fn first(self, state: KeyState) -> Option<&'a KeyLine> {
        self.in_state(state).min_by_key(|key| key.published_at)
    }

    /// Who signs after a rotation: a change of the algorithm is one.
    fn next(self) -> Option<&'a KeyLine> {
        self.in_state(KeyState::Standby).filter(|key| self.is_wanted(key)).min_by_key(|key| key.published_at)
    }

    /// Whether the key is for the algorithm in the settings.
    fn is_wanted(self, key: &KeyLine) -> bool {
        key.alg == self.times.algorithm.as_str()
    }

    /// Whether every verifier had the time to fetch the key.
    fn is_known(self, key: &KeyLine) -> bool {
        key.published_at + self.times.shortest_lead() <= self.history.now
    }

    /// How many keys the key set holds.
    fn known(self) -> usize {
        self.history
            .keys
            .iter()
            .filter(|key| !matches!(key.state(self.history.now), KeyState::Removed | KeyState::Compromised))
            .count()
    }

    fn publish(self, active: bool) -> KeyChange {
        KeyChange::Publish { active, tail: self.times.tail, watch: self.times.cache }
    }

    /// Raised before any token lives longer: a replica does this before it signs its first token.
    fn keep_longer(self) -> Vec<KeyChange> {
        let shorter = |key: &&KeyLine| {
            !matches!(key.state(self.history.now), KeyState::Removed | KeyState::Compromised)
                && key.tail.is_none_or(|tail| tail < self.times.tail)
        };
        let keep = |key: &KeyLine| KeyChange::Keep { kid: key.kid.clone(), tail: self.times.tail };
        self.history.keys.iter().filter(shorter).map(keep).collect()
    }

    /// By the longer of what the row says and what we say: a replica with older settings must not remove too early.
    fn removals(self) -> impl Iterator<Item = KeyChange> {
        let outlived = move |key: &&KeyLine| {
            let tail = key.tail.unwrap_or_default().max(self.times.tail);
            key.retires_at.is_some_and(|retired| retired + tail <= self.history.now)
        };
        self.in_state(KeyState::Retired)
            .filter(outlived)
            .map(|key| KeyChange::Remove { kid: key.kid.clone() })
    }

    /// Standbys for a former algorithm, once a key for the present one signs and another could follow it. One that was
    /// published since belongs to a replica with other settings, which would only publish it again.
    fn leftovers(self) -> impl Iterator<Item = KeyChange> {
        let signs = self.first(KeyState::Active).filter(|active| self.is_wanted(active));
        let is_ready = |key: &KeyLine| {
            self.is_wanted(key)
                && self.is_known(key)
                && self.watched(key).is_some_and(|at| at <= self.history.now)
        };
        let since =
            signs.and_then(|active| active.activates_at).filter(|_| waiting(self.history).any(is_ready));
        self.in_state(KeyState::Standby)
            .filter(move |key| !self.is_wanted(key) && since.is_some_and(|since| key.published_at < since))
            .map(|key| KeyChange::Remove { kid: key.kid.clone() })
    }

    /// There is a standby at all times: while one is planned to sign, the next one waits already.
    fn publication(self, changes: &[KeyChange]) -> Option<KeyChange> {
        let wanted = !self.has_standby_after(changes) && self.known() < MOST_KNOWN;
        wanted.then(|| self.publish(false))
    }

    fn has_standby_after(self, changes: &[KeyChange]) -> bool {
        let stands_by = |key: &&KeyLine| {
            let before = key.state(self.history.now) == KeyState::Standby;
            changes.iter().fold(before, |stands_by, change| match change {
                KeyChange::CallOff { kid } if *kid == key.kid => true,
                KeyChange::Activate { kid, .. } | KeyChange::Compromise { kid } if *kid == key.kid => false,
                _ => stands_by,
            })
        };
        self.history.keys.iter().filter(stands_by).any(|key| self.is_wanted(key))
    }

    /// A longer `cache` or `propagation` delays what is planned, as long as every replica can still hear of it; a key that is not
    /// seen any more stands by again.
    fn postponement(self, planned: &KeyLine) -> Vec<KeyChange> {
        let lead = self.times.shortest_lead();
        let (Some(at), Some(active)) = (planned.activates_at, self.first(KeyState::Active)) else {
            return Vec::new();
        };
        if !self.is_heard(at) {
            return Vec::new();
        }
        let known = planned.published_at + lead;
        let known = match (planned.watch, self.watched(planned)) {
            (None, _) => known,
            (Some(_), Some(watched)) => known.max(watched),
            (Some(_), None) => return self.call_off(planned),
        };
        if known <= at {
            return Vec::new();
        }
        // The successor moves first: at no instant may two keys sign.
        let mut changes = hand_over(active, planned, known, lead);
        changes.reverse();
        changes
    }

    fn next_rotation(self) -> Vec<KeyChange> {
        let (Some(active), Some(standby)) = (self.first(KeyState::Active), self.next()) else {
            return Vec::new();
        };
        let Some(activated) = active.activates_at else { return Vec::new() };
        let Some(soonest) = self.soonest(standby, self.times.lead) else { return Vec::new() };
        let at = soonest.max(activated + self.times.rotation_interval);
        if at > self.history.now + self.times.lead {
            return Vec::new();
        }
        hand_over(active, standby, at, self.times.lead)
    }

    /// Who signs after the key that is lost.
    fn succession(self, anyway: bool) -> Decision {
        let lead = self.times.shortest_lead();
        // While the algorithm changes, the former one's standby may be the only key that verifiers know.
        let rank = |key: &&KeyLine| {
            (!self.is_known(key), key.activates_at.is_none(), !self.is_wanted(key), key.published_at)
        };
        let Some(next) = waiting(self.history).min_by_key(rank) else {
            return match anyway {
                true => Ok(vec![self.publish(true)]),
                false => Err(KeyRefusal::Window { seconds: lead.as_secs() }),
            };
        };
        let known_for = Duration::try_from(self.history.now - next.published_at).unwrap_or_default();
        if known_for < lead && !anyway {
            return Err(KeyRefusal::Window { seconds: (lead - known_for).as_secs() + 1 });
        }
        let lead = Duration::from_secs(known_for.min(lead).as_secs());
        // A leaked key is worse than a refusal: nobody looks first.
        let mut changes = Vec::new();
        if next.watch.is_some() && self.watched(next).is_none_or(|watched| watched > self.history.now) {
            changes.push(KeyChange::Watch { kid: next.kid.clone(), watch: None });
        }
        changes.push(KeyChange::Activate { kid: next.kid.clone(), at: self.history.now, lead });
        Ok(self.before_planned(next, changes))
    }

    /// `next` signs until what is planned takes over, which replicas may know already.
    fn before_planned(self, next: &KeyLine, changes: Vec<KeyChange>) -> Vec<KeyChange> {
        let planned = self.first(KeyState::Planned).filter(|planned| planned.kid != next.kid);
        let plan = planned.and_then(|planned| Some((planned, planned.activates_at?, planned.lead?)));
        let Some((planned, at, lead)) = plan else { return changes };
        // Out of the way in between, so that at no step two keys sign.
        let off = KeyChange::CallOff { kid: planned.kid.clone() };
        [off].into_iter().chain(changes).chain(hand_over(next, planned, at, lead)).collect()
    }

    fn unplan(self) -> Option<KeyChange> {
        self.first(KeyState::Active).map(|active| KeyChange::Retire { kid: active.kid.clone(), at: None })
    }

    /// When `key` may sign at the earliest: known to every verifier, and the plan to every replica. `None`: it was not seen lately.
    fn soonest(self, key: &KeyLine, lead: Duration) -> Option<OffsetDateTime> {
        self.watched(key).map(|watched| (key.published_at + lead).max(watched).max(self.heard()))
    }

    /// Whether every replica can still hear of a change to what was planned for `at`.
    fn is_heard(self, at: OffsetDateTime) -> bool {
        at > self.heard()
    }

    fn heard(self) -> OffsetDateTime {
        self.history.now + self.times.notice()
    }
}

/// In this order, so that at no instant two keys sign.
fn hand_over(active: &KeyLine, next: &KeyLine, at: OffsetDateTime, lead: Duration) -> Vec<KeyChange> {
    vec![
        KeyChange::Retire { kid: active.kid.clone(), at: Some(at) },
        KeyChange::Activate { kid: next.kid.clone(), at, lead },
    ]
}

/// Verifiers take 32 keys; some are left for emergencies.
const MOST_KNOWN: usize = 24;

#[cfg(test)]
pub(super) mod tests;
