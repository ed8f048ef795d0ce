//! Requests that wait for a key or for revocations: how many may, for how long, and which need wait no longer.
//!
//! The host carries out the answers of one call into the VM inside each other: each answer ends a stream, the end of a stream is
//! a call into the VM, and the end of that call carries out the next answer. Some 320 of them exhaust the stack of Envoy 1.40,
//! so one call answers few.

use std::time::Duration;

/// The news that a request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awaited {
    /// Keys; the number stands for the header of the token that names its key.
    Keys(u64),
    /// The revocations of an issuer, without which the request is refused.
    Revocations,
    /// The same, without which it goes on.
    FirstPage,
}

/// A request that waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeldRequest {
    pub(crate) context: u32,
    pub(crate) root: u32,
    pub(crate) awaited: Awaited,
    pub(crate) since: Duration,
    /// The number of changes that its root knew when it was decided on last, see [`crate::root::Root::news`].
    pub(crate) news: u64,
}

impl HeldRequest {
    /// Returns whether it may wait longer. A clock that was set back must not make it wait for as long as that.
    pub(crate) fn may_wait(&self, now: Duration) -> bool {
        (self.since..self.since.saturating_add(HOLD_TIMEOUT)).contains(&now)
    }
}

/// The requests of one VM that wait, the oldest first.
#[derive(Debug)]
pub(crate) struct HeldRequests(Vec<HeldRequest>);

impl HeldRequests {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Returns whether one more may wait for this.
    pub(crate) fn has_room_for(&self, awaited: Awaited) -> bool {
        let most = match awaited {
            Awaited::Keys(_) => MAX_HELD_PER_KEY,
            Awaited::Revocations | Awaited::FirstPage => MAX_HELD,
        };
        self.0.len() < MAX_HELD && self.0.iter().filter(|held| held.awaited == awaited).count() < most
    }

    pub(crate) fn push(&mut self, held: HeldRequest) {
        self.0.push(held);
    }

    pub(crate) fn remove(&mut self, context: u32) {
        self.0.retain(|held| held.context != context);
    }

    /// The same request goes on waiting.
    pub(crate) fn put_back(&mut self, held: HeldRequest) {
        if let Some(place) = self.0.iter_mut().find(|other| other.context == held.context) {
            *place = held;
        }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those of a root, the oldest first.
    pub(crate) fn of(&self, root: u32) -> impl Iterator<Item = HeldRequest> {
        self.0.iter().copied().filter(move |held| held.root == root)
    }
}

/// A tick less than half a second.
pub(crate) const HOLD_TIMEOUT: Duration = Duration::from_millis(480);
/// Requests beyond this number are answered at once, as if nothing were on its way.
pub(crate) const MAX_HELD: usize = 512;
/// The most held requests for the same unknown key, so that one key leaves room for others.
pub(crate) const MAX_HELD_PER_KEY: usize = 128;
/// How many of them one call into the VM answers or lets go on: a twentieth of what a plain filter chain endures.
pub(crate) const MAX_ANSWERS_PER_CALL: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn held(context: u32, awaited: Awaited) -> HeldRequest {
        HeldRequest { context, root: 1, awaited, since: Duration::from_secs(1000), news: 0 }
    }

    #[test]
    fn one_key_takes_a_part_of_the_room_and_all_take_no_more() {
        let mut requests = HeldRequests::new();
        let mut fill = |awaited| {
            let before = requests.0.len();
            while requests.has_room_for(awaited) {
                requests.push(held(0, awaited));
            }
            requests.0.len() - before
        };

        assert_eq!(fill(Awaited::Keys(1)), MAX_HELD_PER_KEY);
        assert_eq!(fill(Awaited::Keys(2)), MAX_HELD_PER_KEY);
        assert_eq!(fill(Awaited::Revocations), MAX_HELD - 2 * MAX_HELD_PER_KEY);
        assert_eq!(fill(Awaited::Keys(3)), 0);
    }

    #[test]
    fn a_request_waits_no_longer_when_the_clock_is_set_back() {
        let held = held(7, Awaited::Revocations);

        assert!(
            held.may_wait(held.since) && held.may_wait(held.since + HOLD_TIMEOUT - Duration::from_millis(1))
        );
        assert!(!held.may_wait(held.since + HOLD_TIMEOUT) && !held.may_wait(Duration::ZERO));
    }
}
