//! The record by which the workers of one Envoy process agree on who fetches the keys of an issuer.
//!
//! One worker claims the lease by compare-and-swap, renews it while its fetch is under way and gives it back with
//! the outcome. Should it die, the lease runs out.

use std::time::Duration;

/// How long a lease lives without a renewal: under two ticks of an idle worker, many of a fetching one.
pub(crate) const LEASE: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lease {
    /// Milliseconds since 1970 until which the lease is held; 0 when it is free.
    pub(crate) until: u64,
    /// Fetches that have failed since one succeeded: how every worker learns to back off.
    pub(crate) failures: u32,
}

impl Lease {
    /// Held by someone. An end beyond one lease from now is the trace of a clock that was set back.
    pub(crate) fn is_held(&self, now: Duration) -> bool {
        (millis(now) + 1..=millis(now + LEASE)).contains(&self.until)
    }

    pub(crate) fn held(self, now: Duration) -> Self {
        Self { until: millis(now + LEASE), ..self }
    }

    pub(crate) fn failed(self) -> Self {
        Self { until: 0, failures: self.failures.saturating_add(1) }
    }

    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let (until, failures) = bytes.split_first_chunk()?;
        Some(Self {
            until: u64::from_le_bytes(*until),
            failures: u32::from_le_bytes(failures.try_into().ok()?),
        })
    }

    pub(crate) fn write(&self) -> Vec<u8> {
        [&self.until.to_le_bytes()[..], &self.failures.to_le_bytes()].concat()
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_800_000_000);

    #[test]
    fn a_lease_is_held_until_it_runs_out() {
        let lease = Lease::default().held(NOW);

        assert!(!Lease::default().is_held(NOW));
        assert!(lease.is_held(NOW));
        assert!(lease.is_held(NOW + LEASE - Duration::from_millis(1)));
        assert!(!lease.is_held(NOW + LEASE));
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_lock_everyone_out() {
        let lease = Lease::default().held(NOW);

        assert!(!lease.is_held(NOW - Duration::from_secs(3600)));
    }

    #[test]
    fn a_lease_reads_back_as_written_and_anything_else_is_no_lease() {
        let lease = Lease { until: 7, failures: 3 };

        assert_eq!(Lease::read(&lease.write()), Some(lease));
        assert_eq!(Lease::read(b""), None);
        assert_eq!(Lease::read(&[0; 13]), None);
    }
}
