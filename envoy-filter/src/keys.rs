//! The keys of one issuer, fetched once per Envoy process and seen by all its workers.
//!
//! Workers share no memory, only records in the host's shared data: the raw key set with the time of its fetch, and
//! the lease that says who fetches. Both are read on ticks, never for a request.

use std::time::Duration;

use keystone_verifier::{IssuerPolicy, KeyCache, Seconds, text};

use crate::endpoint::{Endpoint, body};
use crate::fetch_coordinator::FetchCoordinator;
use crate::host::{Host, Level};
use crate::metrics::{KEY_AGE, KEY_FETCHES, KEYS_USABLE, Metrics, part};
use crate::record::Record;

/// An issuer whose keys come over the network, as one worker sees it.
#[derive(Debug)]
pub(crate) struct Remote {
    issuer: String,
    /// For the log: whose keys they are.
    name: String,
    /// For the log: what it means that there are none.
    lack: &'static str,
    endpoint: Endpoint,
    set_record: Record,
    coordinator: FetchCoordinator,
    /// The version of the shared set that this worker uses.
    version: Option<u32>,
}

impl Remote {
    /// The keys of tokens. `None` if they are in the policy itself. The error is what the policy lacks for Envoy.
    pub(crate) fn new(policy: &IssuerPolicy) -> Result<Option<Self>, String> {
        let Some(endpoint) = Endpoint::of_keys(policy)? else { return Ok(None) };
        let issuer = policy.rules.issuer.clone();
        let origin = endpoint.origin(&issuer);
        Ok(Some(Self {
            set_record: Record::new("keys", origin),
            coordinator: FetchCoordinator::new(Record::new("lease", origin)),
            name: issuer.clone(),
            lack: "requests that need them are answered 503",
            issuer,
            endpoint,
            version: None,
        }))
    }

    /// The keys of the revocation feed, in records of their own: they sign no token, even where one address serves both.
    pub(crate) fn of_feed(issuer: &str, endpoint: Endpoint) -> Self {
        let origin = endpoint.origin(issuer);
        Self {
            set_record: Record::new("feed-keys", origin),
            coordinator: FetchCoordinator::new(Record::new("feed-keys-lease", origin)),
            name: text!("the revocation feed of {issuer}"),
            lack: "the feed cannot be read",
            issuer: issuer.into(),
            endpoint,
            version: None,
        }
    }

    /// Before the first tick: takes what an earlier configuration left, and makes sure there is a lease to claim.
    pub(crate) fn prepare(&mut self, host: &impl Host, cache: &mut KeyCache) {
        self.adopt(host, cache);
        self.coordinator.lease(host);
    }

    /// One tick: learns what the other workers did, and fetches if that is due and no other worker does.
    pub(crate) fn tick(&mut self, host: &impl Host, cache: &mut KeyCache) {
        self.adopt(host, cache);
        self.take_turn(host, cache);
        let now = host.now();
        self.coordinator.watch(cache.wants_fetch(now.as_secs()), now);
    }

    fn take_turn(&mut self, host: &impl Host, cache: &mut KeyCache) {
        let Some((lease, version)) = self.coordinator.lease(host) else { return };
        let now = host.now().as_secs();
        if self.coordinator.is_under_way() {
            if !self.coordinator.renew(host) {
                self.fail(host, cache, "the answer got lost");
            }
            return;
        }
        if self.coordinator.others_failed(lease) {
            spend_miss(cache, now);
            cache.failed(now);
        }
        if cache.wants_fetch(now) && self.coordinator.claim(host, lease, version) {
            cache.started(now);
            if !self.coordinator.sent(self.endpoint.fetch(host)) {
                self.fail(host, cache, &self.endpoint.no_cluster());
            }
        }
    }

    /// The answer to `call`, of `size` bytes, if that is this issuer's fetch.
    pub(crate) fn fetched(&mut self, host: &impl Host, cache: &mut KeyCache, call: u32, size: usize) {
        if !self.coordinator.awaits(call) {
            return;
        }
        let now = host.now().as_secs();
        let jwks = match body(host, size) {
            Ok(jwks) => jwks,
            Err(why) => return self.fail(host, cache, &why),
        };
        match cache.replace(&jwks, now) {
            Ok(()) => self.publish(host, &jwks, now),
            Err(error) => self.end_badly(host, cache, &text!("the answer is not a usable key set: {error}")),
        }
    }

    pub(crate) const fn is_fetching(&self) -> bool {
        self.coordinator.is_under_way()
    }

    /// Since when keys have been on their way, or been about to be. `None`: they are not.
    pub(crate) fn awaited_since(&self, cache: &KeyCache, now: Duration) -> Option<Duration> {
        self.coordinator.awaited_since(cache.wants_fetch(now.as_secs()), now)
    }

    /// Returns whether the last fetch of the process has failed.
    pub(crate) const fn has_failed(&self) -> bool {
        self.coordinator.has_failed()
    }

    /// Updates Envoy's statistics about these keys.
    pub(crate) fn report(&mut self, host: &impl Host, cache: &KeyCache, metrics: &mut Metrics) {
        self.count(metrics);
        let now = host.now().as_secs();
        let issuer = part(&self.issuer);
        let usable = u64::from(cache.current(now).is_some());
        metrics.set(host, KEYS_USABLE, &issuer, usable);
        if let Some(age) = cache.age(now) {
            metrics.set(host, KEY_AGE, &issuer, age);
        }
    }

    /// How the fetches ended.
    pub(crate) fn count(&mut self, metrics: &mut Metrics) {
        let (well, badly) = self.coordinator.ended();
        metrics.raise(KEY_FETCHES, "ok", well);
        metrics.raise(KEY_FETCHES, "failed", badly);
    }

    /// Takes the set that another worker has fetched, if it is new.
    fn adopt(&mut self, host: &impl Host, cache: &mut KeyCache) {
        let Some(record) = self.set_record.read_new(host, &mut self.version) else { return };
        let Some((fetched_at, jwks)) = record.split_first_chunk() else { return };
        let (fetched_at, now) = (Seconds::from_le_bytes(*fetched_at), host.now().as_secs());
        if fetched_at > now.saturating_add(LEEWAY) {
            // From a clock that was ahead: its age is not known.
            return self.log(
                host,
                Level::Warn,
                "that another worker fetched are dated in the future and not used",
            );
        }
        let fetched_at = fetched_at.min(now);
        spend_miss(cache, fetched_at);
        if let Err(error) = cache.replace(jwks, fetched_at) {
            self.log(host, Level::Error, &text!("that another worker fetched were refused: {error}"));
        }
    }

    fn publish(&mut self, host: &impl Host, jwks: &[u8], now: Seconds) {
        let record = [&now.to_le_bytes()[..], jwks].concat();
        self.version = self.set_record.publish(host, &record);
        if self.coordinator.succeed(host) {
            self.log(host, Level::Info, "were fetched again");
        }
    }

    fn fail(&mut self, host: &impl Host, cache: &mut KeyCache, why: &str) {
        cache.failed(host.now().as_secs());
        self.end_badly(host, cache, why);
    }

    /// Logs the failure and gives up the lease. The cache knows of it already.
    fn end_badly(&mut self, host: &impl Host, cache: &KeyCache, why: &str) {
        let now = host.now().as_secs();
        let Endpoint { url, cluster, .. } = &self.endpoint;
        let consequence = match cache.age(now).filter(|_| cache.current(now).is_some()) {
            Some(age) => text!("those of {age} s ago stay in use"),
            None => self.lack.into(),
        };
        let line = text!("could not be fetched from {url} through cluster {cluster}: {why}; {consequence}");
        self.log(host, Level::Warn, &line);
        self.coordinator.fail(host);
    }

    fn log(&self, host: &impl Host, level: Level, what: &str) {
        host.log(level, &text!("the keys of {} {what}", self.name));
    }
}

/// An unknown `kid` may bring one fetch in 30 seconds, for the process: whatever another worker fetched or failed to
/// fetch has used up the turn of this one.
fn spend_miss(cache: &mut KeyCache, at: Seconds) {
    cache.missed(at);
}

/// By how much the clock may be set back and keys be used as if that had not happened.
const LEEWAY: Seconds = 30;

#[cfg(test)]
mod tests;
