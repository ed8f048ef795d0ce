//! The keys of one issuer, fetched once per Envoy process and seen by all its workers.
//!
//! Workers share no memory, only records in the host's shared data: the raw key set with the time of its fetch, and
//! the lease that says who fetches. Both are read on ticks, never for a request.

use std::time::Duration;

use keystone_verifier::{IssuerPolicy, KeyCache, Seconds, text};

use crate::host::{Host, Level};
use crate::lease::Lease;
use crate::metrics::{Metrics, part};
use crate::source::{Source, body};

/// An issuer whose keys come over the network, as one worker sees it.
#[derive(Debug)]
pub(crate) struct Remote {
    issuer: String,
    source: Source,
    set_record: String,
    lease_record: String,
    /// The version of the shared set that this worker uses.
    version: Option<u32>,
    /// The failures in a row that this worker has backed off for.
    failures: u32,
    flight: Option<Flight>,
    /// Fetches of this worker that ended well and badly, not yet reported.
    ended: (u64, u64),
}

/// A fetch of this worker that is under way.
#[derive(Clone, Copy, Debug)]
struct Flight {
    call: u32,
    since: Duration,
    lease: Lease,
}

impl Remote {
    /// `None` if the keys are in the policy itself. The error is what the policy lacks for Envoy.
    pub(crate) fn new(policy: &IssuerPolicy) -> Result<Option<Self>, String> {
        let Some(source) = Source::new(policy)? else { return Ok(None) };
        let issuer = policy.rules.issuer.clone();
        // Plugins of one VM share keys only if they ask the same place for the same issuer's. The number is that of
        // the records' form: a newer release may run beside this one during an update.
        let place = text!("{} {issuer}", source.url);
        Ok(Some(Self {
            set_record: text!("keystone/1/keys {place}"),
            lease_record: text!("keystone/1/lease {place}"),
            issuer,
            source,
            version: None,
            failures: 0,
            flight: None,
            ended: (0, 0),
        }))
    }

    /// Before the first tick: takes what an earlier configuration left, and makes sure there is a lease to claim.
    pub(crate) fn prepare(&mut self, host: &impl Host, cache: &mut KeyCache) {
        self.adopt(host, cache);
        self.lease(host);
    }

    /// One tick: learns what the other workers did, and fetches if that is due and nobody else does.
    pub(crate) fn tick(&mut self, host: &impl Host, cache: &mut KeyCache) {
        self.adopt(host, cache);
        let Some((lease, version)) = self.lease(host) else { return };
        match self.flight {
            Some(flight) => self.renew(host, cache, flight),
            None => {
                self.back_off_with_the_others(lease, cache, host.now().as_secs());
                self.claim(host, cache, (lease, version));
            }
        }
    }

    /// The answer to `call`, of `size` bytes, if that is this issuer's fetch.
    pub(crate) fn fetched(&mut self, host: &impl Host, cache: &mut KeyCache, (call, size): (u32, usize)) {
        let Some(flight) = self.flight.filter(|flight| flight.call == call) else { return };
        let now = host.now().as_secs();
        let jwks = match body(host, size) {
            Ok(jwks) => jwks,
            Err(why) => {
                cache.failed(now);
                return self.fail(host, flight.lease, &self.consequence(&why, cache, now));
            }
        };
        match cache.replace(&jwks, now) {
            Ok(()) => self.publish(host, (&jwks, now), flight.lease),
            Err(error) => {
                let why = text!("the answer is no usable key set: {error}");
                self.fail(host, flight.lease, &self.consequence(&why, cache, now));
            }
        }
    }

    pub(crate) const fn is_fetching(&self) -> bool {
        self.flight.is_some()
    }

    /// What Envoy's statistics say about these keys.
    pub(crate) fn report(&mut self, host: &impl Host, cache: &KeyCache, metrics: &mut Metrics) {
        let (well, badly) = std::mem::take(&mut self.ended);
        metrics.raise(("keystone_key_fetches_total", "result", "ok"), well);
        metrics.raise(("keystone_key_fetches_total", "result", "failed"), badly);
        let now = host.now().as_secs();
        let issuer = part(&self.issuer);
        let usable = u64::from(cache.current(now).is_some());
        metrics.set(host, text!("keystone_keys_usable.issuer.{issuer}"), usable);
        if let Some(age) = cache.age(now) {
            metrics.set(host, text!("keystone_key_age_seconds.issuer.{issuer}"), age);
        }
    }

    /// Takes the set that another worker has fetched, if it is new.
    fn adopt(&mut self, host: &impl Host, cache: &mut KeyCache) {
        let Some(record) = host.shared(&self.set_record) else { return };
        if self.version.replace(record.version) == Some(record.version) {
            return;
        }
        let Some((fetched_at, jwks)) = record.value.split_first_chunk() else { return };
        let fetched_at = Seconds::from_le_bytes(*fetched_at);
        spend_miss(cache, fetched_at);
        if let Err(error) = cache.replace(jwks, fetched_at) {
            self.log(host, Level::Error, &text!("as another worker fetched them, are refused: {error}"));
        }
    }

    /// The lease and its version. `None` in the tick that makes it: two workers may make it at the same moment, but
    /// only one can claim it by its version afterwards.
    fn lease(&self, host: &impl Host) -> Option<(Lease, u32)> {
        let read = host.shared(&self.lease_record).and_then(|r| Some((Lease::read(&r.value)?, r.version)));
        if read.is_none() {
            host.share(&self.lease_record, &Lease::default().write(), None);
        }
        read
    }

    /// A failure of one worker makes all of them wait, so that the process backs off and not each worker by itself.
    fn back_off_with_the_others(&mut self, lease: Lease, cache: &mut KeyCache, now: Seconds) {
        if lease.failures > self.failures {
            spend_miss(cache, now);
            cache.failed(now);
        }
        self.failures = lease.failures;
    }

    fn claim(&mut self, host: &impl Host, cache: &mut KeyCache, (lease, version): (Lease, u32)) {
        let now = host.now();
        let held = lease.held(now);
        if !cache.wants_fetch(now.as_secs())
            || lease.is_held(now)
            || !host.share(&self.lease_record, &held.write(), Some(version))
        {
            return;
        }
        cache.started(now.as_secs());
        match self.source.fetch(host) {
            Some(call) => self.flight = Some(Flight { call, since: now, lease: held }),
            None => {
                cache.failed(now.as_secs());
                let why = text!("Envoy has no usable cluster {}", self.source.cluster);
                self.fail(host, held, &self.consequence(&why, cache, now.as_secs()));
            }
        }
    }

    /// Keeps the lease while the answer is awaited. The host answers within its timeout; a lost answer is a failure.
    fn renew(&mut self, host: &impl Host, cache: &mut KeyCache, flight: Flight) {
        let now = host.now();
        if now.saturating_sub(flight.since) > LOST_AFTER {
            cache.failed(now.as_secs());
            return self.fail(
                host,
                flight.lease,
                &self.consequence("the answer got lost", cache, now.as_secs()),
            );
        }
        let lease = flight.lease.held(now);
        self.hand_on(host, flight.lease, lease);
        self.flight = Some(Flight { lease, ..flight });
    }

    fn publish(&mut self, host: &impl Host, (jwks, now): (&[u8], Seconds), lease: Lease) {
        let record = [&now.to_le_bytes()[..], jwks].concat();
        host.share(&self.set_record, &record, None);
        // This worker has the set already, unless someone else was faster by a hair: then the next tick takes theirs.
        self.version = host.shared(&self.set_record).filter(|r| r.value == record).map(|r| r.version);
        if lease.failures > 0 {
            self.log(host, Level::Info, "are fetched again");
        }
        self.flight = None;
        self.failures = 0;
        self.ended.0 += 1;
        self.hand_on(host, lease, Lease::default());
    }

    fn fail(&mut self, host: &impl Host, lease: Lease, line: &str) {
        self.log(host, Level::Warn, line);
        let failed = lease.failed();
        self.flight = None;
        self.failures = failed.failures;
        self.ended.1 += 1;
        self.hand_on(host, lease, failed);
    }

    /// Writes the lease's next state, if it is still this worker's.
    fn hand_on(&self, host: &impl Host, own: Lease, next: Lease) {
        if let Some((lease, version)) = self.lease(host)
            && lease == own
        {
            host.share(&self.lease_record, &next.write(), Some(version));
        }
    }

    fn consequence(&self, why: &str, cache: &KeyCache, now: Seconds) -> String {
        let Source { url, cluster, .. } = &self.source;
        let consequence = match cache.age(now).filter(|_| cache.current(now).is_some()) {
            Some(age) => text!("those of {age} s ago stay in use"),
            None => "requests that need them are answered 503".into(),
        };
        text!("cannot be fetched from {url} through cluster {cluster}: {why}; {consequence}")
    }

    fn log(&self, host: &impl Host, level: Level, what: &str) {
        host.log(level, &text!("the keys of {} {what}", self.issuer));
    }
}

/// An unknown `kid` may bring one fetch in 30 seconds, for the process: whatever another worker fetched or failed to
/// fetch has used up the turn of this one.
fn spend_miss(cache: &mut KeyCache, at: Seconds) {
    cache.missed(at);
}

/// Twice the timeout that the host was given.
const LOST_AFTER: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
