//! The verifier for JavaScript: marshals, decides nothing.
//!
//! Every answer is one string, because each crossing into JavaScript costs more than the bytes it carries.

use keystone_verifier::{Code, KeyCache, Refusal, Rules, Seconds, Verified, verify_cached};
use wasm_bindgen::prelude::wasm_bindgen;

/// The rules and the keys of one issuer.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Engine {
    rules: Rules,
    keys: KeyCache,
}

#[wasm_bindgen]
impl Engine {
    /// An engine without keys; `wantsFetch` is true at once. What is left out stays the verifier's default.
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
        Self { rules, keys: KeyCache::remote() }
    }

    /// The longest token that is looked at. The caller need not pass more than one byte over it.
    #[wasm_bindgen(getter, js_name = maxTokenBytes)]
    pub fn max_token_bytes(&self) -> usize {
        self.rules.max_token_bytes
    }

    /// Takes a fetched key set, or says why it was refused and keeps the old one.
    #[wasm_bindgen(js_name = replaceKeys)]
    pub fn replace_keys(&mut self, jwks: &[u8], now: f64) -> Option<String> {
        self.keys.replace(jwks, seconds(now)).err().map(|error| error.to_string())
    }

    /// Whether a fetch is due.
    #[wasm_bindgen(js_name = wantsFetch)]
    pub fn wants_fetch(&self, now: f64) -> bool {
        self.keys.wants_fetch(seconds(now))
    }

    /// A fetch is under way.
    #[wasm_bindgen(js_name = fetchStarted)]
    pub fn fetch_started(&mut self, now: f64) {
        self.keys.started(seconds(now));
    }

    /// A fetch brought nothing.
    #[wasm_bindgen(js_name = fetchFailed)]
    pub fn fetch_failed(&mut self, now: f64) {
        self.keys.failed(seconds(now));
    }

    /// The verdict, see `accepted` and `refused`.
    pub fn verify(&mut self, token: &str, now: f64) -> String {
        match verify_cached(token.as_bytes(), &self.rules, &mut self.keys, seconds(now)) {
            Ok(verified) => accepted(&verified),
            Err(refusal) => refused(&refusal),
        }
    }
}

/// Every reason code, separated by spaces.
#[wasm_bindgen]
pub fn codes() -> String {
    Code::ALL.iter().map(|code| code.as_str()).collect::<Vec<_>>().join(" ")
}

/// Begins with a digit: the two times as the verifier read them, then the claims as they were signed.
fn accepted(verified: &Verified) -> String {
    format!("{} {} {}", verified.issued_at(), verified.expires_at(), verified.claims_json())
}

/// Begins with a letter. Five lines; the sentence is last, so that it may hold anything.
fn refused(refusal: &Refusal) -> String {
    let retry_after = refusal.retry_after().map(|seconds| seconds.to_string()).unwrap_or_default();
    let challenge = refusal.challenge().unwrap_or_default();
    format!("{}\n{}\n{retry_after}\n{challenge}\n{refusal}", refusal.code(), refusal.status())
}

/// JavaScript has no whole numbers of this size: fractions are cut, nonsense is 0.
const fn seconds(number: f64) -> Seconds {
    number as Seconds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_five_lines_that_begin_with_a_letter() {
        let unavailable = refused(&Refusal::from(Code::KeysUnavailable));
        let expired = refused(&Refusal::from(Code::Expired));

        assert_eq!(unavailable.lines().take(4).collect::<Vec<_>>(), ["keys_unavailable", "503", "1", ""]);
        assert_eq!(expired.lines().take(3).collect::<Vec<_>>(), ["expired", "401", ""]);
        for &code in Code::ALL {
            let answer = refused(&code.into());
            assert!(answer.starts_with(|first: char| first.is_ascii_lowercase()), "{answer}");
            assert_eq!(answer.lines().count(), 5, "{answer}");
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
    fn what_is_left_out_is_the_verifiers_default() {
        let engine = Engine::new("https://as.example".into(), vec!["orders".into()], None, Some(900.0));
        let default = Rules::new("https://as.example".into(), vec!["orders".into()]);

        assert_eq!(engine.rules, Rules { max_lifetime: 900, ..default });
    }
}
