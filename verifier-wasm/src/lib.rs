//! The verifier for JavaScript: marshals, decides nothing.
//!
//! Every answer is one string, because each crossing into JavaScript costs more than the bytes it carries.

#[cfg(feature = "policy")]
mod authorizer;
mod feed;
mod self_test;
#[cfg(feature = "policy")]
mod webcrypto;

use core::fmt::{self, Write as _};
use core::ops::Range;

use keystone_verifier::danger::ExternalVerifier;
use keystone_verifier::{Access, Code, KeyCache, Refusal, Revocations, Rules, Seconds, Verified};
use keystone_verifier::{bearer_token, text, verify_cached};
use wasm_bindgen::prelude::wasm_bindgen;

pub use crate::self_test::self_test;

/// Pages load this module, and Rust's own allocator is a sixteenth of it.
#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: rlsf::GlobalTlsf = rlsf::GlobalTlsf::new();

/// The rules and the keys of one issuer.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Engine {
    issuer: ExternalVerifier,
    /// Knows of none while the feed is not followed.
    revocations: Revocations,
    /// Refuses every token while the feed is not known well enough.
    strict: bool,
}

#[wasm_bindgen]
impl Engine {
    /// Makes an engine without keys; `wantsFetch` is true at once. Undefined values stay the verifier's defaults.
    #[wasm_bindgen(constructor)]
    pub fn new(
        issuer: String,
        audiences: Vec<String>,
        leeway: Option<f64>,
        max_lifetime: Option<f64>,
    ) -> Self {
        let mut rules = Rules::new(issuer, audiences);
        rules.leeway = leeway.map_or(rules.leeway, seconds);
        rules.max_lifetime = max_lifetime.map_or(rules.max_lifetime, seconds);
        let revocations = Revocations::new(rules.issuer.clone(), MAX_STALE);
        let issuer = ExternalVerifier { rules, keys: KeyCache::remote().with_refresh_interval(FRESH) };
        Self { issuer, revocations, strict: false }
    }

    /// Returns the size of the longest token that is looked at. The caller need not pass more than one byte over it.
    #[wasm_bindgen(getter, js_name = maxTokenBytes)]
    pub fn max_token_bytes(&self) -> usize {
        self.issuer.rules.max_token_bytes
    }

    /// Takes what was fetched, see `PAGE`, or says why it was refused and keeps what it had.
    #[wasm_bindgen(js_name = replaceKeys)]
    pub fn replace_keys(&mut self, bytes: &[u8], now: f64, what: Option<u8>) -> Option<String> {
        match what {
            Some(PAGE) => taken(self.revocations.take(bytes, seconds(now))),
            Some(_) => taken(self.revocations.keys().replace(bytes, seconds(now))),
            None => taken(self.issuer.keys.replace(bytes, seconds(now))),
        }
    }

    /// Returns whether a fetch is due, see `PAGE`.
    #[wasm_bindgen(js_name = wantsFetch)]
    pub fn wants_fetch(&mut self, now: f64, what: Option<u8>) -> bool {
        match what {
            Some(PAGE) => self.revocations.wants_page(seconds(now)),
            Some(_) => self.revocations.keys().wants_fetch(seconds(now)),
            None => self.issuer.keys.wants_fetch(seconds(now)),
        }
    }

    /// Notes that a fetch has begun.
    #[wasm_bindgen(js_name = fetchStarted)]
    pub fn fetch_started(&mut self, now: f64) {
        self.issuer.keys.started(seconds(now));
    }

    /// Notes that a fetch brought nothing.
    #[wasm_bindgen(js_name = fetchFailed)]
    pub fn fetch_failed(&mut self, now: f64) {
        self.issuer.keys.failed(seconds(now));
    }

    /// Returns the keys and their age, for `restore` in another process or at the next start, or undefined if there are none.
    pub fn snapshot(&self) -> Option<String> {
        self.issuer.keys.snapshot(&self.issuer.rules.issuer)
    }

    /// Takes the keys of a snapshot, or says why not.
    pub fn restore(&mut self, snapshot: &str, now: f64) -> Option<String> {
        let restored = self.issuer.keys.restore(snapshot.as_bytes(), &self.issuer.rules.issuer, seconds(now));
        restored.err().map(|error| text!("{error}"))
    }

    /// Returns until when an accepted token may be cached, whatever it says itself; exclusive.
    #[wasm_bindgen(getter, js_name = usableUntil)]
    pub fn usable_until(&self) -> f64 {
        let feed = if self.strict { self.revocations.usable_until() } else { Seconds::MAX };
        self.issuer.keys.usable_until().min(feed) as f64
    }

    /// Returns a larger number after every change of the keys and revocations: cached tokens are dropped then.
    #[wasm_bindgen(getter)]
    pub fn epoch(&self) -> f64 {
        (self.issuer.keys.epoch() + self.revocations.epoch()) as f64
    }

    /// Returns the decision on a token, see `reusable` and `refused`.
    pub fn verify(&mut self, token: &[u8], now: f64) -> String {
        self.answer(token, None, seconds(now))
    }

    /// Returns the decision on the token in the values of `Authorization`, which must hold every scope of `all`, one of `any` and
    /// one of `roles`; an empty list asks for nothing. An invalid scope refuses every request.
    pub fn authorize(
        &mut self,
        authorization: Vec<String>,
        all: Vec<String>,
        any: Vec<String>,
        roles: Vec<String>,
        now: f64,
    ) -> String {
        let values: Vec<Vec<u8>> = authorization.iter().map(|value| bytes(value)).collect();
        let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
        let required = Access::token(all, any, roles).map_err(|_| Code::NoRoute);
        match required.and_then(|required| Ok((required, bearer_token(&values)?))) {
            Ok((required, token)) => self.answer(token, Some(&required), seconds(now)),
            Err(code) => refused(&code.into()),
        }
    }

    fn answer(&mut self, token: &[u8], required: Option<&Access>, now: Seconds) -> String {
        let outcome = verify_cached(token, &self.issuer.rules, &mut self.issuer.keys, now);
        let outcome = outcome.and_then(|verified| self.check_revocation(verified, now));
        let outcome = outcome.and_then(|verified| {
            required.map_or(Ok(()), |access| access.authorize(&verified)).map(|()| verified)
        });
        match outcome {
            Ok(verified) => reusable(&verified, &self.issuer.rules),
            Err(refusal) => refused(&refusal),
        }
    }

    /// Makes the last check of a token: that the issuer did not revoke it.
    fn check_revocation(&self, verified: Verified, now: Seconds) -> Result<Verified, Refusal> {
        self.revocations.check(&verified, self.strict, now).map(|()| verified)
    }
}

/// Returns the refusal of a request while there are no keys.
#[wasm_bindgen]
pub fn unavailable() -> String {
    refused(&Code::KeysUnavailable.into())
}

/// Returns every reason code, separated by spaces.
#[cfg(feature = "policy")]
#[wasm_bindgen]
pub fn codes() -> String {
    let mut codes = String::new();
    for code in Code::ALL {
        codes.push_str(if codes.is_empty() { "" } else { " " });
        codes.push_str(code.as_str());
    }
    codes
}

/// Seconds between two fetches, a few seconds more to the next look and a request under way: together less than a
/// minute, so that the issuer may be away for nine of the ten minutes that keys may be used.
const FRESH: Seconds = 20;

/// The number for a page of the revocation feed. Any other number stands for the feed's own keys, none for the keys of tokens.
/// One export for all, because each costs a page that loads this.
const PAGE: u8 = 2;

/// Why it was not.
fn taken<E: fmt::Display>(outcome: Result<(), E>) -> Option<String> {
    outcome.err().map(|error| text!("{error}"))
}

/// As in a policy that does not say.
const MAX_STALE: Seconds = 60;

/// A JSON array: the times between which the same token need not be verified again, the two times of the token as the
/// verifier read them, and the claims as they were signed.
fn reusable(verified: &Verified, rules: &Rules) -> String {
    let Range { start, end } = verified.valid_during(rules);
    array(&[start, end, verified.issued_at(), verified.expires_at()], verified.claims_json())
}

/// Written into one place: `format!` would copy the claims twice.
fn array(times: &[Seconds], claims: &str) -> String {
    const MAX_DIGITS: usize = 21;
    let mut array = String::with_capacity(claims.len() + times.len() * MAX_DIGITS + 2);
    array.push('[');
    for time in times {
        // A `String` takes everything.
        let _ = write!(array, "{time},");
    }
    array.push_str(claims);
    array.push(']');
    array
}

/// A JSON object, where what is accepted is a JSON array or a word.
fn refused(refusal: &Refusal) -> String {
    refusal.to_json()
}

/// A character up to U+00FF is a byte, as JavaScript's HTTP interfaces have it. What is none stays text: it becomes
/// bytes over 0x7F, which nothing of a good request holds.
fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for character in text.chars() {
        match u8::try_from(character) {
            Ok(byte) => bytes.push(byte),
            Err(_) => bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    bytes
}

/// JavaScript has no whole numbers of this size: fractions are cut, nonsense is 0.
const fn seconds(number: f64) -> Seconds {
    number as Seconds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_an_object_that_begins_with_its_code() {
        for &code in Code::ALL {
            let answer = refused(&code.into());
            assert!(
                answer.starts_with(&format!("{{\"code\":\"{code}\",\"status\":{}", code.status())),
                "{answer}"
            );
        }
    }

    #[test]
    fn a_time_that_is_none_is_the_year_1970() {
        for nonsense in [f64::NAN, f64::NEG_INFINITY, -1.0] {
            assert_eq!(seconds(nonsense), 0);
        }
        assert_eq!(seconds(1.9), 1);
        assert_eq!(seconds(f64::INFINITY), u64::MAX);
    }

    #[test]
    fn a_character_is_a_byte() {
        assert_eq!(bytes("a\u{ff}\u{80}"), [b'a', 0xff, 0x80]);
        assert_eq!(bytes("\u{100}"), [0xc4, 0x80]);
    }

    #[test]
    fn what_is_no_scope_lets_nobody_in() {
        let mut engine = Engine::new("https://as.example".into(), vec!["orders".into()], None, None);

        let answer = engine.authorize(vec!["Bearer a.b.c".into()], vec!["a\"".into()], vec![], vec![], 0.0);

        assert!(answer.starts_with(r#"{"code":"no_route""#), "{answer}");
    }

    #[test]
    fn what_is_left_out_is_the_verifiers_default() {
        let engine = Engine::new("https://as.example".into(), vec!["orders".into()], None, Some(900.0));
        let default = Rules::new("https://as.example".into(), vec!["orders".into()]);

        assert_eq!(engine.issuer.rules, Rules { max_lifetime: 900, ..default });
    }
}
