//! The revocations of one issuer: fetched once a second per Envoy process, verified and kept by every worker.
//!
//! The newest page is a record in the host's shared data, and a lease says who fetches the next, as with keys. A worker
//! that the record does not fit, such as one that has just started, fetches by itself what it lacks. What was revoked before it
//! started it reads back from other records ([`Memory`]), for as long as the issuer does not answer.

use std::time::Duration;

use keystone_verifier::{FeedState, IssuerPolicy, PageError, Revocations, text};

use crate::endpoint::{Endpoint, FeedEndpoints, body};
use crate::fetch_coordinator::FetchCoordinator;
use crate::host::{Host, Level};
use crate::keys::Remote;
use crate::memory::Memory;
use crate::metrics::{Metrics, REVOCATION_AGE, REVOCATION_PAGES, REVOCATIONS, part};
use crate::record::Record;

/// An issuer's feed, as one worker sees it.
#[derive(Debug)]
pub(crate) struct Feed {
    issuer: String,
    keys: Remote,
    endpoint: Endpoint,
    page_record: Record,
    memory: Memory,
    coordinator: FetchCoordinator,
    /// The version of the shared page that this worker has looked at.
    version: Option<u32>,
    /// That page follows one that this worker has not.
    behind: bool,
    /// The last fetch of this worker for itself has failed.
    failed_alone: bool,
}

impl Feed {
    /// `None` if the feed is not followed. The error is what the policy lacks for Envoy.
    pub(crate) fn new(policy: &IssuerPolicy) -> Result<Option<Self>, String> {
        let Some(FeedEndpoints { keys, pages }) = FeedEndpoints::new(policy)? else { return Ok(None) };
        let issuer = policy.rules.issuer.clone();
        let origin = pages.origin(&issuer);
        Ok(Some(Self {
            keys: Remote::of_feed(&issuer, keys),
            page_record: Record::new("page", origin),
            memory: Memory::new(&issuer, origin),
            coordinator: FetchCoordinator::new(Record::new("page-lease", origin)),
            issuer,
            endpoint: pages,
            version: None,
            behind: false,
            failed_alone: false,
        }))
    }

    /// Before the first tick, as with keys.
    pub(crate) fn prepare(&mut self, host: &impl Host, feed: &mut Revocations) {
        self.keys.prepare(host, feed.keys());
        self.memory.open(host, feed);
        self.adopt(host, feed);
        self.coordinator.lease(host);
    }

    /// One tick: learns what the other workers did, and fetches if that is due and no other worker does.
    pub(crate) fn tick(&mut self, host: &impl Host, feed: &mut Revocations) {
        self.keys.tick(host, feed.keys());
        self.memory.read_on(host, feed);
        if !self.coordinator.is_under_way() {
            // Not before: the answer that is awaited must still follow what is known.
            self.adopt(host, feed);
            self.fetch(host, feed);
        } else if !self.coordinator.renew(host) {
            self.fail(host, feed, "the answer got lost");
        }
        let now = host.now();
        self.coordinator.watch(feed.wants_page(now.as_secs()), now);
    }

    /// The answer to `call`, of `size` bytes, if that is a fetch of this feed.
    pub(crate) fn fetched(&mut self, host: &impl Host, feed: &mut Revocations, call: u32, size: usize) {
        self.keys.fetched(host, feed.keys(), call, size);
        if self.coordinator.awaits(call) {
            self.take(host, feed, size);
        }
        // After the keys the first page, after a page that was not the last one the next.
        if !self.coordinator.is_under_way() {
            self.fetch(host, feed);
        }
    }

    /// Returns whether what was known before this VM started is being read back.
    pub(crate) const fn is_reading_back(&self) -> bool {
        self.memory.is_reading()
    }

    /// As [`Self::awaited_since`], before anything went wrong: what is not refused waits for nothing else.
    pub(crate) fn first_awaited_since(&self, feed: &mut Revocations, now: Duration) -> Option<Duration> {
        let has_failed = self.failed_alone || self.coordinator.has_failed() || self.keys.has_failed();
        self.awaited_since(feed, now).filter(|_| !has_failed)
    }

    /// Since when a first word of the feed has been on its way, or been about to be. `None`: it is not.
    pub(crate) fn awaited_since(&self, feed: &mut Revocations, now: Duration) -> Option<Duration> {
        if self.is_reading_back() {
            return Some(now);
        }
        let is_due = feed.wants_page(now.as_secs());
        let of_page = self
            .coordinator
            .awaited_since(is_due, now)
            .filter(|_| feed.state(now.as_secs()) == FeedState::Cold)?;
        if self.coordinator.is_under_way() || feed.keys().current(now.as_secs()).is_some() {
            return Some(of_page);
        }
        // Without keys the page is not asked for.
        self.keys.awaited_since(feed.keys(), now)
    }

    /// Updates Envoy's statistics about this feed.
    pub(crate) fn report(&mut self, host: &impl Host, feed: &Revocations, metrics: &mut Metrics) {
        self.keys.count(metrics);
        let (well, badly) = self.coordinator.ended();
        metrics.raise(REVOCATION_PAGES, "ok", well);
        metrics.raise(REVOCATION_PAGES, "failed", badly);
        let issuer = part(&self.issuer);
        if let Some(age) = feed.age(host.now().as_secs()) {
            metrics.set(host, REVOCATION_AGE, &issuer, age);
        }
        let known = u64::try_from(feed.len()).unwrap_or(u64::MAX);
        metrics.set(host, REVOCATIONS, &issuer, known);
    }

    /// Takes the page that another worker has fetched, if it is new.
    fn adopt(&mut self, host: &impl Host, feed: &mut Revocations) {
        let Some(page) = self.page_record.read_new(host, &mut self.version) else { return };
        // One of a key that this worker does not know yet, or too old, is no loss: the next comes within a second.
        let adopted = feed.adopt(&page, host.now().as_secs());
        self.behind = adopted == Err(PageError::OutOfOrder);
        if adopted.is_ok() {
            self.recovered(host, false);
        }
    }

    fn fetch(&mut self, host: &impl Host, feed: &mut Revocations) {
        let Some((lease, version)) = self.coordinator.lease(host) else { return };
        let now = host.now().as_secs();
        if self.coordinator.others_failed(lease) {
            feed.failed(now);
        }
        // Without keys no page could be taken.
        if !feed.wants_page(now) || feed.keys().current(now).is_none() {
            return;
        }
        if self.behind {
            self.coordinator.go_alone(host);
        } else if !self.coordinator.claim(host, lease, version) {
            return;
        }
        feed.started(now);
        if !self.coordinator.sent(self.endpoint.fetch_after(host, feed.after())) {
            self.fail(host, feed, &self.endpoint.no_cluster());
        }
    }

    fn take(&mut self, host: &impl Host, feed: &mut Revocations, size: usize) {
        let now = host.now().as_secs();
        if host.fetched_status().as_deref() == Some(b"409") {
            feed.restart(now);
            let why = "the issuer rejected the cursor; re-reading the feed from the start";
            return self.end_badly(host, feed, why);
        }
        let page = match body(host, size) {
            Ok(page) => page,
            Err(why) => return self.fail(host, feed, &why),
        };
        match feed.take(&page, now) {
            Ok(()) => self.taken(host, feed, &page),
            Err(error) => self.end_badly(host, feed, &text!("the answer is not a usable page: {error}")),
        }
    }

    fn taken(&mut self, host: &impl Host, feed: &mut Revocations, page: &[u8]) {
        let now = host.now().as_secs();
        let is_complete = !feed.wants_page(now);
        if self.coordinator.is_alone() {
            // The others may be further. This worker is where they are when no other page follows.
            self.behind = !is_complete;
        } else {
            // Who has lost the lease may know less than who has it now.
            if let Some(age) = feed.age(now).filter(|_| is_complete && self.coordinator.holds_lease(host)) {
                self.memory.write(host, feed, now.saturating_sub(age));
            }
            self.version = self.page_record.publish(host, page);
        }
        let had_failed = self.coordinator.succeed(host);
        self.recovered(host, had_failed);
    }

    fn recovered(&mut self, host: &impl Host, had_failed: bool) {
        if std::mem::take(&mut self.failed_alone) || had_failed {
            self.log(host, Level::Info, "was read again");
        }
    }

    fn fail(&mut self, host: &impl Host, feed: &mut Revocations, why: &str) {
        feed.failed(host.now().as_secs());
        self.end_badly(host, feed, why);
    }

    /// Logs the failure and gives up the lease. The core knows of it already.
    fn end_badly(&mut self, host: &impl Host, feed: &Revocations, why: &str) {
        let now = host.now().as_secs();
        let Endpoint { url, cluster, .. } = &self.endpoint;
        let consequence = match feed.age(now) {
            Some(age) if feed.is_usable(now) => text!("the revocations of {age} s ago stay in use"),
            Some(age) => {
                text!("strict routes are answered 503, all others use the revocations of {age} s ago")
            }
            None if feed.is_restoring() => "requests with a token are answered 503".into(),
            None => "strict routes are answered 503, no revocation is known for all others".into(),
        };
        let line = text!("could not be read from {url} through cluster {cluster}: {why}; {consequence}");
        self.log(host, Level::Warn, &line);
        self.failed_alone = self.coordinator.is_alone();
        self.coordinator.fail(host);
    }

    fn log(&self, host: &impl Host, level: Level, what: &str) {
        host.log(level, &text!("the revocation feed of {} {what}", self.issuer));
    }
}

#[cfg(test)]
mod tests;
