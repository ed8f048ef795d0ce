//! The revocation feed of the engine's issuer: what JavaScript fetches for it, and what it says of that.

use keystone_verifier::{Refusal, Revocations, Seconds, Verified, text};
use wasm_bindgen::prelude::wasm_bindgen;

use crate::{Engine, seconds};

/// A feed that is followed.
#[derive(Debug)]
pub(crate) struct Feed {
    revocations: Revocations,
    /// Refuses every token while the feed is not known well enough.
    strict: bool,
}

impl Feed {
    /// Passes on a token that the issuer did not take back.
    pub(crate) fn check(&self, verified: Verified, now: Seconds) -> Result<Verified, Refusal> {
        self.revocations.check(&verified, self.strict, now).map(|()| verified)
    }

    pub(crate) const fn epoch(&self) -> u64 {
        self.revocations.epoch()
    }

    /// Until when what was accepted may be used, exclusive.
    pub(crate) fn usable_until(&self) -> Seconds {
        if self.strict { self.revocations.usable_until() } else { Seconds::MAX }
    }
}

#[wasm_bindgen]
impl Engine {
    /// Follows the issuer's revocation feed from now on. `strict`: refuses every token while it is not known well enough.
    #[wasm_bindgen(js_name = followFeed)]
    pub fn follow_feed(&mut self, strict: bool) {
        let issuer = self.issuer.rules.issuer.clone();
        self.feed.get_or_insert_with(|| Feed { revocations: Revocations::new(issuer, MAX_STALE), strict });
    }

    /// Whether the next page needs the feed's keys fetched first.
    #[wasm_bindgen(js_name = wantsFeedKeys)]
    pub fn wants_feed_keys(&mut self, now: f64) -> bool {
        self.revocations().is_some_and(|feed| feed.keys().wants_fetch(seconds(now)))
    }

    /// Takes a fetched set of the feed's keys, or says why it was refused and keeps the old one. Nothing is a set that is
    /// refused.
    #[wasm_bindgen(js_name = replaceFeedKeys)]
    pub fn replace_feed_keys(&mut self, jwks: &[u8], now: f64) -> Option<String> {
        replace_keys(self.revocations()?, jwks, now)
    }

    /// Whether a page is due.
    #[wasm_bindgen(js_name = wantsPage)]
    pub fn wants_page(&mut self, now: f64) -> bool {
        self.revocations().is_some_and(|feed| feed.wants_page(seconds(now)))
    }

    /// A page is being fetched.
    #[wasm_bindgen(js_name = pageStarted)]
    pub fn page_started(&mut self, now: f64) {
        if let Some(feed) = self.revocations() {
            feed.started(seconds(now));
        }
    }

    /// The fetch of a page brought nothing; `gone`: the issuer does not know any more what it should follow.
    #[wasm_bindgen(js_name = pageFailed)]
    pub fn page_failed(&mut self, gone: bool, now: f64) {
        if let Some(feed) = self.revocations() {
            failed(feed, gone, now);
        }
    }

    /// Takes a fetched page, or says why it was refused.
    #[wasm_bindgen(js_name = takePage)]
    pub fn take_page(&mut self, page: &[u8], now: f64) -> Option<String> {
        take(self.revocations()?, page, now)
    }

    /// What the next page must follow; empty: nothing.
    #[wasm_bindgen(js_name = feedAfter)]
    pub fn feed_after(&mut self) -> String {
        self.revocations().map(|feed| feed.after().to_owned()).unwrap_or_default()
    }
}

impl Engine {
    fn revocations(&mut self) -> Option<&mut Revocations> {
        self.feed.as_mut().map(|feed| &mut feed.revocations)
    }
}

pub(crate) fn replace_keys(feed: &mut Revocations, jwks: &[u8], now: f64) -> Option<String> {
    feed.keys().replace(jwks, seconds(now)).err().map(|error| text!("{error}"))
}

pub(crate) fn take(feed: &mut Revocations, page: &[u8], now: f64) -> Option<String> {
    feed.take(page, seconds(now)).err().map(|error| text!("{error}"))
}

pub(crate) fn failed(feed: &mut Revocations, gone: bool, now: f64) {
    if gone {
        feed.restart(seconds(now));
    } else {
        feed.failed(seconds(now));
    }
}

/// As in a policy that does not say.
const MAX_STALE: Seconds = 60;

#[cfg(test)]
pub(crate) mod tests;
