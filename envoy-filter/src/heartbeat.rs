//! A sign of life of each worker, under a number that stays the same while it lives.
//!
//! Envoy does not number the workers of an Envoy process, so each takes the first number in the shared data that no worker has
//! used lately. A worker whose VM was started anew takes another until its old one is free again.

use std::time::Duration;

use crate::host::Host;
use crate::record::Record;

/// The number of one worker.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    /// With the version of the record that says so.
    own: Option<(u32, u32)>,
    last: Duration,
}

impl Heartbeat {
    pub(crate) const fn new() -> Self {
        Self { own: None, last: Duration::ZERO }
    }

    /// Shows that this worker lives, at most once a second. The number it did so under.
    pub(crate) fn beat(&mut self, host: &impl Host) -> Option<u32> {
        let now = host.now();
        // A clock that was set back must not silence a worker.
        if (self.last..self.last.saturating_add(EVERY)).contains(&now) {
            return None;
        }
        self.last = now;
        let kept =
            self.own.filter(|(number, version)| record(*number).write(host, &written(now), Some(*version)));
        let number = match kept {
            Some((number, _)) => number,
            None => (0..MAX_WORKERS).find(|number| claim(host, *number, now))?,
        };
        // Someone who took the number between the two calls has written another time, most likely.
        let version = record(number).read(host).filter(|record| record.value == written(now))?.version;
        self.own = Some((number, version));
        Some(number)
    }
}

/// Takes a number that no worker has, or has used recently.
fn claim(host: &impl Host, number: u32, now: Duration) -> bool {
    let record = record(number);
    if record.read(host).is_none() {
        // A version is only compared where there is a record.
        record.write(host, &written(Duration::ZERO), None);
    }
    let Some(found) = record.read(host) else { return false };
    let last = found
        .value
        .as_slice()
        .try_into()
        .map_or(Duration::ZERO, |m| Duration::from_millis(u64::from_le_bytes(m)));
    let in_use = (last..last.saturating_add(DEAD_AFTER)).contains(&now);
    !in_use && record.write(host, &written(now), Some(found.version))
}

fn record(number: u32) -> Record {
    Record::of_worker(number)
}

fn written(time: Duration) -> [u8; 8] {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).to_le_bytes()
}

const EVERY: Duration = Duration::from_millis(900);
const DEAD_AFTER: Duration = Duration::from_secs(10);
/// More than a machine has cores.
const MAX_WORKERS: u32 = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::Process;

    #[test]
    fn every_worker_keeps_a_number_of_its_own() {
        let process = Process::start();
        let mut workers: Vec<_> = (0..3).map(|_| (process.host(), Heartbeat::new())).collect();

        for _ in 0..20 {
            process.wait(Duration::from_secs(1));
            let numbers: Vec<_> = workers.iter_mut().map(|(host, heart)| heart.beat(host)).collect();
            assert_eq!(numbers, [Some(0), Some(1), Some(2)]);
        }
    }

    #[test]
    fn the_number_of_a_dead_worker_is_taken_again() {
        let process = Process::start();
        let mut dead = (process.host(), Heartbeat::new());
        let mut living = (process.host(), Heartbeat::new());
        assert_eq!(dead.1.beat(&dead.0), Some(0));
        assert_eq!(living.1.beat(&living.0), Some(1));

        let beat_of_a_new_one = || Heartbeat::new().beat(&process.host());
        process.wait(Duration::from_secs(1));
        assert_eq!(living.1.beat(&living.0), Some(1));
        assert_eq!(beat_of_a_new_one(), Some(2));
        process.wait(Duration::from_secs(9));
        assert_eq!(beat_of_a_new_one(), Some(0));
        // Should it live after all, it takes another number and leaves the new owner alone.
        process.wait(Duration::from_secs(1));
        assert_eq!(dead.1.beat(&dead.0), Some(1));
    }

    #[test]
    fn a_clock_that_is_set_back_stops_no_heartbeat() {
        let process = Process::start();
        let (host, mut heart) = (process.host(), Heartbeat::new());
        assert_eq!(heart.beat(&host), Some(0));
        process.wait(Duration::from_millis(200));
        assert_eq!(heart.beat(&host), None);

        process.set_back(Duration::from_secs(3600));

        assert_eq!(heart.beat(&host), Some(0));
    }
}
