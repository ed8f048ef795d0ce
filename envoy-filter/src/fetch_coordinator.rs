//! One thing that the workers of a process fetch in turn, as one worker sees it: the lease on it, and its own fetch.

use std::time::Duration;

use crate::host::Host;
use crate::lease::Lease;
use crate::record::Record;

#[derive(Debug)]
pub(crate) struct FetchCoordinator {
    /// The record of the lease.
    record: Record,
    /// The failures in a row that this worker has backed off for.
    failures: u32,
    flight: Option<Flight>,
    /// Since when this worker has seen that a fetch was due or under way, without a break.
    awaited_since: Option<Duration>,
    /// Fetches of this worker that ended well and badly, not yet reported.
    ended: (u64, u64),
}

/// A fetch of this worker that is under way.
#[derive(Clone, Copy, Debug)]
struct Flight {
    /// `None` until Envoy has taken the request.
    call: Option<u32>,
    since: Duration,
    /// `None`: this worker fetches for itself alone, without the lease.
    lease: Option<Lease>,
}

impl FetchCoordinator {
    pub(crate) const fn new(record: Record) -> Self {
        Self { record, failures: 0, flight: None, awaited_since: None, ended: (0, 0) }
    }

    /// The lease and its version. `None` in the tick that makes it: two workers may make it at the same moment, but
    /// only one can claim it by its version afterwards.
    pub(crate) fn lease(&self, host: &impl Host) -> Option<(Lease, u32)> {
        let read = self.record.read(host).and_then(|r| Some((Lease::read(&r.value)?, r.version)));
        if read.is_none() {
            self.record.write(host, &Lease::default().write(), None);
        }
        read
    }

    pub(crate) const fn is_under_way(&self) -> bool {
        self.flight.is_some()
    }

    /// Notes whether a fetch is due, or under way.
    pub(crate) fn watch(&mut self, is_due: bool, now: Duration) {
        let begun = self.awaited_since.unwrap_or(now).min(now);
        self.awaited_since = (is_due || self.is_under_way()).then_some(begun);
    }

    /// Since when a fetch has been due, or under way. `None`: it is not.
    pub(crate) fn awaited_since(&self, is_due: bool, now: Duration) -> Option<Duration> {
        (is_due || self.is_under_way()).then(|| self.awaited_since.unwrap_or(now))
    }

    /// Returns whether the fetch under way is for this worker alone.
    pub(crate) fn is_alone(&self) -> bool {
        self.flight.is_some_and(|flight| flight.lease.is_none())
    }

    /// Returns whether the answer to `call` is that of the fetch under way.
    pub(crate) fn awaits(&self, call: u32) -> bool {
        self.flight.is_some_and(|flight| flight.call == Some(call))
    }

    /// Returns whether another worker's fetch has failed since the last look. A failure of one worker makes all of them wait, so
    /// that the process backs off and not each worker by itself.
    pub(crate) fn others_failed(&mut self, lease: Lease) -> bool {
        std::mem::replace(&mut self.failures, lease.failures) < lease.failures
    }

    /// Returns whether the last fetch of the process has failed.
    pub(crate) const fn has_failed(&self) -> bool {
        self.failures > 0
    }

    /// Returns whether the fetch under way is still this worker's to tell the others of: its lease has not run out.
    pub(crate) fn holds_lease(&self, host: &impl Host) -> bool {
        let own = self.flight.and_then(|flight| flight.lease);
        let found = self.record.read(host).and_then(|record| Lease::read(&record.value));
        own.is_some_and(|own| found == Some(own) && own.is_held(host.now()))
    }

    /// Takes the lease, if no worker has it.
    pub(crate) fn claim(&mut self, host: &impl Host, lease: Lease, version: u32) -> bool {
        let now = host.now();
        let held = lease.held(now);
        let claimed = !lease.is_held(now) && self.record.write(host, &held.write(), Some(version));
        if claimed {
            self.flight = Some(Flight { call: None, since: now, lease: Some(held) });
        }
        claimed
    }

    /// Does without the lease.
    pub(crate) fn go_alone(&mut self, host: &impl Host) {
        self.flight = Some(Flight { call: None, since: host.now(), lease: None });
    }

    /// The request is sent, if Envoy took it. `false`: it did not.
    pub(crate) fn sent(&mut self, call: Option<u32>) -> bool {
        if let Some(flight) = &mut self.flight {
            flight.call = call;
        }
        call.is_some()
    }

    /// Keeps the lease while the answer is awaited. `false`: the host answers within its timeout, so this one got lost.
    pub(crate) fn renew(&mut self, host: &impl Host) -> bool {
        let Some(flight) = self.flight else { return true };
        let now = host.now();
        // A clock that was set back must not make it wait for as long as that.
        let since = flight.since.min(now);
        if now.saturating_sub(since) > LOST_FETCH_TIMEOUT {
            return false;
        }
        let lease = flight.lease.map(|own| own.held(now));
        self.hand_on(host, flight.lease.zip(lease));
        self.flight = Some(Flight { lease, since, ..flight });
        true
    }

    /// The fetch ended well. Whether the one before it did not.
    pub(crate) fn succeed(&mut self, host: &impl Host) -> bool {
        let lease = self.flight.take().and_then(|flight| flight.lease);
        self.ended.0 += 1;
        if lease.is_some() {
            self.failures = 0;
        }
        self.hand_on(host, lease.map(|own| (own, Lease::default())));
        lease.is_some_and(|own| own.failures > 0)
    }

    pub(crate) fn fail(&mut self, host: &impl Host) {
        let lease = self.flight.take().and_then(|flight| flight.lease);
        self.ended.1 += 1;
        if let Some(own) = lease {
            let failed = own.failed();
            self.failures = failed.failures;
            self.hand_on(host, Some((own, failed)));
        }
    }

    /// How many fetches ended well and badly since this was asked last.
    pub(crate) fn ended(&mut self) -> (u64, u64) {
        std::mem::take(&mut self.ended)
    }

    /// Writes the lease's next state, if it is still this worker's.
    fn hand_on(&self, host: &impl Host, states: Option<(Lease, Lease)>) {
        if let Some((own, next)) = states
            && let Some((lease, version)) = self.lease(host)
            && lease == own
        {
            self.record.write(host, &next.write(), Some(version));
        }
    }
}

/// Twice the timeout that the host was given.
const LOST_FETCH_TIMEOUT: Duration = Duration::from_secs(10);
