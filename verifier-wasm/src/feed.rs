//! The revocation feed of the engine's issuer: what JavaScript fetches for it, and what it says of that.

use keystone_verifier::Revocations;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::{Engine, seconds};

#[wasm_bindgen]
impl Engine {
    /// Refuses every token from now on while the feed is not known well enough.
    #[wasm_bindgen(js_name = requireFeed)]
    pub fn require_feed(&mut self) {
        self.strict = true;
    }

    /// Notes that a page is being fetched: the one that follows the returned cursor, or if that is empty, the first.
    #[wasm_bindgen(js_name = pageStarted)]
    pub fn page_started(&mut self, now: f64) -> String {
        self.revocations.started(seconds(now));
        self.revocations.after().to_owned()
    }

    /// Notes that the fetch of a page brought nothing; `gone`: the issuer rejected the cursor.
    #[wasm_bindgen(js_name = pageFailed)]
    pub fn page_failed(&mut self, gone: bool, now: f64) {
        failed(&mut self.revocations, gone, now);
    }
}

pub(crate) fn failed(feed: &mut Revocations, gone: bool, now: f64) {
    if gone {
        feed.restart(seconds(now));
    } else {
        feed.failed(seconds(now));
    }
}

#[cfg(test)]
pub(crate) mod tests;
