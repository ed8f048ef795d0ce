//! A policy with the keys of its issuers: one request in, one answer out.

use keystone_verifier::{Decision, KeyCache, KeySource, PathComparison, Policy, Preflight, RequestView};
use keystone_verifier::{Verified, text};
use wasm_bindgen::prelude::wasm_bindgen;

use crate::{FRESH, PAGE, array, bytes, feed, refused, seconds, taken};

/// Decides on requests by one policy. Issuers are numbered as in the policy.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Authorizer(pub(crate) keystone_verifier::Authorizer);

#[wasm_bindgen]
impl Authorizer {
    /// Reads a policy document, or says which member of it is wrong. Keys that stand in it are there at once.
    #[wasm_bindgen(constructor)]
    pub fn new(policy: &[u8]) -> Result<Self, String> {
        let policy = Policy::parse(policy).map_err(|error| text!("{error}"))?;
        let mut authorizer = keystone_verifier::Authorizer::new(policy);
        let is_remote = |source: &KeySource| matches!(source, KeySource::Remote { .. });
        let remote: Vec<bool> = authorizer.issuers().map(|issuer| is_remote(&issuer.keys)).collect();
        for (index, _) in remote.iter().enumerate().filter(|(_, is_remote)| **is_remote) {
            if let Some(keys) = authorizer.keys(index) {
                *keys = KeyCache::remote().with_refresh_interval(FRESH);
            }
        }
        Ok(Self(authorizer))
    }

    /// Returns whether the policy says that the service compares paths byte by byte.
    #[wasm_bindgen(getter, js_name = exactPaths)]
    pub fn exact_paths(&self) -> bool {
        self.0.policy().path_comparison() == PathComparison::Exact
    }

    /// Returns for each issuer the address of its keys; empty where they stand in the policy.
    pub fn issuers(&self) -> Vec<String> {
        let address = |source: &KeySource| match source {
            KeySource::Inline(_) => String::new(),
            KeySource::Remote { url, .. } => url.clone(),
        };
        self.0.issuers().map(|issuer| address(&issuer.keys)).collect()
    }

    /// Returns for each issuer the address of its revocation feed and that of the feed's keys; both empty where none is followed.
    pub fn feeds(&self) -> Vec<String> {
        let addresses = self.0.issuers().map(|issuer| match &issuer.revocations {
            None => [String::new(), String::new()],
            Some(feed) => [feed.url.clone(), feed.keys_url.clone()],
        });
        addresses.flatten().collect()
    }

    /// Takes what was fetched, see `PAGE`, or says why it was refused and keeps what it had.
    #[wasm_bindgen(js_name = replaceKeys)]
    pub fn replace_keys(
        &mut self,
        issuer: usize,
        bytes: &[u8],
        now: f64,
        what: Option<u8>,
    ) -> Option<String> {
        let now = seconds(now);
        match what {
            Some(PAGE) => taken(self.0.revocations(issuer)?.take(bytes, now)),
            Some(_) => taken(self.0.revocations(issuer)?.keys().replace(bytes, now)),
            None => match self.0.keys(issuer) {
                Some(keys) => taken(keys.replace(bytes, now)),
                None => Some("there is no such issuer".to_owned()),
            },
        }
    }

    /// Returns whether a fetch is due, see `PAGE`.
    #[wasm_bindgen(js_name = wantsFetch)]
    pub fn wants_fetch(&mut self, issuer: usize, now: f64, what: Option<u8>) -> bool {
        let now = seconds(now);
        match what {
            Some(PAGE) => self.0.revocations(issuer).is_some_and(|feed| feed.wants_page(now)),
            Some(_) => self.0.revocations(issuer).is_some_and(|feed| feed.keys().wants_fetch(now)),
            None => self.0.keys(issuer).is_some_and(|keys| keys.wants_fetch(now)),
        }
    }

    /// Notes that a fetch has begun.
    #[wasm_bindgen(js_name = fetchStarted)]
    pub fn fetch_started(&mut self, issuer: usize, now: f64) {
        if let Some(keys) = self.0.keys(issuer) {
            keys.started(seconds(now));
        }
    }

    /// Notes that a fetch brought nothing.
    #[wasm_bindgen(js_name = fetchFailed)]
    pub fn fetch_failed(&mut self, issuer: usize, now: f64) {
        if let Some(keys) = self.0.keys(issuer) {
            keys.failed(seconds(now));
        }
    }

    /// Notes that a page is being fetched: the one that follows the returned cursor, or if that is empty, the first.
    #[wasm_bindgen(js_name = pageStarted)]
    pub fn page_started(&mut self, issuer: usize, now: f64) -> String {
        let Some(feed) = self.0.revocations(issuer) else { return String::new() };
        feed.started(seconds(now));
        feed.after().to_owned()
    }

    /// Notes that the fetch of a page brought nothing; `gone`: the issuer rejected the cursor.
    #[wasm_bindgen(js_name = pageFailed)]
    pub fn page_failed(&mut self, issuer: usize, gone: bool, now: f64) {
        if let Some(feed) = self.0.revocations(issuer) {
            feed::failed(feed, gone, now);
        }
    }

    /// Returns `public`, `accepted` or `refused`. A character of each text is a byte, see `bytes`.
    pub fn decide(&mut self, method: &str, path: &str, authorization: Vec<String>, now: f64) -> String {
        let request = Request::new(method, path, &authorization);
        request.view(|request| answer(&self.0.decide(request, seconds(now))))
    }

    /// Returns the headers by which a page of this origin may read a refusal, name after value; empty if it may not.
    pub fn readable(&self, origin: &str) -> Vec<String> {
        let headers = self.0.policy().cors().map(|cors| cors.readable(&bytes(origin)));
        flat(headers.unwrap_or_default())
    }

    /// Returns the headers of the answer to a preflight, of status 204, name after value. Empty: `decide` answers it.
    pub fn preflight(&self, path: &str, origin: &str, method: &str) -> Vec<String> {
        let (path, origin, method) = (bytes(path), bytes(origin), bytes(method));
        let headers = self.0.policy().preflight(&Preflight { path: &path, origin: &origin, method: &method });
        flat(headers.unwrap_or_default())
    }

    /// Returns every check of `decide` with its outcome, as JSON.
    pub fn explain(&self, method: &str, path: &str, authorization: Vec<String>, now: f64) -> String {
        let request = Request::new(method, path, &authorization);
        request.view(|request| self.0.explain(request, seconds(now)).to_json())
    }
}

/// `public`, `accepted` or `refused`.
pub(crate) fn answer(decision: &Decision) -> String {
    match decision {
        Decision::Public => "public".to_owned(),
        Decision::Allow(verified) => accepted(verified),
        Decision::Deny(refusal) => refused(refusal),
    }
}

/// A JSON array: the two times as the verifier read them, and the claims as they were signed.
fn accepted(verified: &Verified) -> String {
    array(&[verified.issued_at(), verified.expires_at()], verified.claims_json())
}

fn flat(headers: Vec<(&str, String)>) -> Vec<String> {
    headers.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect()
}

/// The parts of a request that a decision rests on.
#[derive(Debug)]
pub(crate) struct Request {
    method: Vec<u8>,
    path: Vec<u8>,
    authorization: Vec<Vec<u8>>,
}

impl Request {
    pub(crate) fn new(method: &str, path: &str, authorization: &[String]) -> Self {
        let authorization = authorization.iter().map(|value| bytes(value)).collect();
        Self { method: bytes(method), path: bytes(path), authorization }
    }

    pub(crate) fn view<Answer>(&self, ask: impl FnOnce(&RequestView<'_>) -> Answer) -> Answer {
        let authorization: Vec<&[u8]> = self.authorization.iter().map(Vec::as_slice).collect();
        ask(&RequestView { method: &self.method, path: &self.path, authorization: &authorization })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::tests::{NOW, PAGES, TOKENS, jwks, page, revoked, token, word};

    const POLICY: &[u8] = br#"{
        "version": 1,
        "issuers": [{
            "issuer": "https://as.example",
            "audiences": ["orders"],
            "keys": { "url": "https://as.example/keys" }
        }],
        "routes": [
            { "methods": ["GET"], "path": "/about", "public": true },
            { "methods": ["GET"], "path": "/me", "authenticated": true }
        ]
    }"#;

    fn authorizer() -> Authorizer {
        Authorizer::new(POLICY).unwrap()
    }

    #[test]
    fn an_answer_is_public_or_an_object_with_the_code() {
        let decide = |path| authorizer().decide("GET", path, vec![], 0.0);

        assert_eq!(decide("/about"), "public");
        assert!(decide("/me").starts_with(r#"{"code":"no_credentials","status":401"#), "{}", decide("/me"));
        assert!(decide("/other").starts_with(r#"{"code":"no_route","status":403"#));
    }

    #[test]
    fn only_pages_of_the_policys_origins_get_headers() {
        let cors = r#""cors": { "origins": ["https://app.example"] }, "routes": ["#;
        let policy = String::from_utf8(POLICY.to_vec()).unwrap().replace(r#""routes": ["#, cors);
        let authorizer = Authorizer::new(policy.as_bytes()).unwrap();

        let readable = authorizer.readable("https://app.example");
        assert_eq!(readable.first_chunk().unwrap(), &["access-control-allow-origin", "https://app.example"]);
        let allowed = authorizer.preflight("/me?x", "https://app.example", "GET");
        assert!(
            allowed.windows(2).any(|pair| pair == ["access-control-allow-methods", "GET"]),
            "{allowed:?}"
        );
        assert!(authorizer.readable("https://evil.example").is_empty());
        assert!(authorizer.preflight("/me", "https://app.example", "PUT").is_empty());
        assert!(self::authorizer().readable("https://app.example").is_empty());
    }

    #[test]
    fn a_policy_says_how_its_service_compares_paths() {
        let policy = String::from_utf8(POLICY.to_vec()).unwrap();
        let exact = policy.replacen('{', r#"{"path_comparison":"exact","#, 1);

        assert!(!authorizer().exact_paths() && Authorizer::new(exact.as_bytes()).unwrap().exact_paths());
    }

    #[test]
    fn an_explanation_says_what_was_decided() {
        let explain = |path| authorizer().explain("GET", path, vec![], 0.0);

        assert!(explain("/about").starts_with("{\"verdict\":\"public\""));
        assert!(explain("/me").starts_with("{\"verdict\":\"no_credentials\""));
    }

    #[test]
    fn every_value_of_the_header_counts() {
        let two = vec!["Bearer a.b.c".to_owned(), "Bearer a.b.c".to_owned()];

        assert!(authorizer().decide("GET", "/me", two, 0.0).starts_with(r#"{"code":"multiple_credentials""#));
    }

    #[test]
    fn the_keys_of_an_issuer_are_fetched_from_where_the_policy_says() {
        let mut authorizer = authorizer();

        assert_eq!(authorizer.issuers(), ["https://as.example/keys"]);
        assert!(authorizer.wants_fetch(0, 1000.0, None));
        authorizer.fetch_started(0, 1000.0);
        assert!(!authorizer.wants_fetch(0, 1001.0, None));
        authorizer.fetch_failed(0, 1001.0);
        assert!(authorizer.wants_fetch(0, 1002.0, None));
        assert!(!authorizer.wants_fetch(1, 1002.0, None));
    }

    #[test]
    fn a_feed_is_followed_where_the_policy_names_one() {
        let (feed, keys) = ("https://as.example/feed", "https://as.example/feed-keys");
        let keys_of_tokens = r#""keys": { "url": "https://as.example/keys" }"#;
        let revocation =
            format!(r#"{keys_of_tokens}, "revocation": {{ "url": "{feed}", "keys_url": "{keys}" }}"#);
        let policy = String::from_utf8(POLICY.to_vec()).unwrap().replace(keys_of_tokens, &revocation);
        let mut authorizer = Authorizer::new(policy.as_bytes()).unwrap();
        let decide = |authorizer: &mut Authorizer, session| {
            let bearer = format!("Bearer {}", String::from_utf8(token(session)).unwrap());
            word(&authorizer.decide("GET", "/me", vec![bearer], NOW)).to_owned()
        };
        assert_eq!(authorizer.feeds(), [feed, keys]);
        assert_eq!(authorizer.replace_keys(0, &jwks(TOKENS), NOW, None), None);
        assert!(authorizer.wants_fetch(0, NOW, Some(PAGE)) && authorizer.wants_fetch(0, NOW, Some(1)));
        assert!(authorizer.replace_keys(0, b"", NOW, Some(1)).is_some());
        assert_eq!(authorizer.replace_keys(0, &jwks(PAGES), NOW, Some(1)), None);
        assert_eq!(decide(&mut authorizer, "s1"), "accepted");

        assert_eq!(authorizer.page_started(0, NOW), "");
        assert_eq!(authorizer.replace_keys(0, &page("", &revoked("s1"), 0.0), NOW, Some(PAGE)), None);

        assert!(!authorizer.wants_fetch(0, NOW, Some(PAGE)));
        assert_eq!(authorizer.page_started(0, NOW + 1.0), "1");
        assert_eq!(decide(&mut authorizer, "s1"), "revoked");
        assert_eq!(decide(&mut authorizer, "s2"), "accepted");
        authorizer.page_failed(0, true, NOW);
        assert_eq!(authorizer.page_started(0, NOW), "");
    }

    #[test]
    fn nothing_is_wanted_of_a_feed_that_the_policy_does_not_name() {
        let mut authorizer = authorizer();

        assert_eq!(authorizer.page_started(0, NOW), "");
        authorizer.page_failed(0, true, NOW);
        assert_eq!(authorizer.feeds(), ["", ""]);
        assert!(!authorizer.wants_fetch(0, NOW, Some(PAGE)) && !authorizer.wants_fetch(0, NOW, Some(1)));
        assert_eq!(
            (authorizer.replace_keys(0, b"", NOW, Some(PAGE)), authorizer.replace_keys(0, b"", NOW, Some(1))),
            (None, None)
        );
    }

    #[test]
    fn a_wrong_policy_and_a_wrong_issuer_are_named() {
        assert!(Authorizer::new(br#"{"version":1,"rules":[]}"#).unwrap_err().contains("rules"));
        assert_eq!(authorizer().replace_keys(1, b"{}", 0.0, None).unwrap(), "there is no such issuer");
        assert!(authorizer().replace_keys(0, b"{}", 0.0, None).is_some());
    }
}
