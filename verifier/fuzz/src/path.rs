//! A request target: taken exactly where it has one reading, and led to the route that fits best.

use std::sync::LazyLock;

use keystone_verifier::{Authorizer, Code, Decision, Policy, RequestView};
use serde_json::json;
use url::Url;

use crate::forge::NOW;
use crate::routes;

/// Judges one request target.
pub fn check(input: &[u8]) {
    static AUTHORIZER: LazyLock<Authorizer> = LazyLock::new(authorizer);
    let mut authorizer = AUTHORIZER.clone();
    let mut decide =
        |method: &[u8]| authorizer.decide(&RequestView { method, path: input, authorization: &[] }, NOW);
    let clear = routes::has_one_reading(input);
    let said = decide(b"GET");

    if let (true, Ok(target)) = (clear, str::from_utf8(input)) {
        let path = target.split_once('?').map_or(target, |(path, _)| path);
        assert_eq!(is_public(&said), all_are_public(path), "{path}: {said:?}");
        others_read_the_same(path);
    } else {
        assert_eq!(code(&said), Some(Code::BadPath));
    }
    let nothing_named = if clear { Code::NoRoute } else { Code::BadPath };
    assert_eq!(code(&decide(b"BREW")), Some(nothing_named));
}

const TEMPLATES: [(&str, bool); 11] = [
    ("/", false),
    ("/{*rest}", true),
    ("/a", false),
    ("/a/", true),
    ("/a/{id}", false),
    ("/a/{id}/b", true),
    ("/{kind}/b", true),
    ("/a/b/{*rest}", false),
    ("/c/B", false),
    ("/k/{*rest}", false),
    ("/s@", false),
];

fn authorizer() -> Authorizer {
    let routes = TEMPLATES.map(|(path, public)| {
        let what = if public { "public" } else { "authenticated" };
        json!({ "methods": ["GET"], "path": path, what: true })
    });
    let issuer = json!({ "issuer": "https://as.example", "audiences": ["a"], "keys": { "url": "https://as.example/" } });
    let policy = json!({ "version": 1, "issuers": [issuer], "routes": routes });
    Authorizer::new(Policy::parse(policy.to_string().as_bytes()).expect("a sound policy"))
}

fn all_are_public(path: &str) -> bool {
    let deciding = routes::deciding(&TEMPLATES.map(|(template, _)| template), path);
    !deciding.is_empty()
        && deciding.iter().all(|place| TEMPLATES.get(*place).is_some_and(|(_, public)| *public))
}

fn is_public(decision: &Decision) -> bool {
    matches!(decision, Decision::Public)
}

fn code(decision: &Decision) -> Option<Code> {
    if let Decision::Deny(refusal) = decision { Some(refusal.code()) } else { None }
}

/// Checks that the normalisations of proxies and servers leave this path as it is.
fn others_read_the_same(path: &str) {
    let url = Url::parse(&format!("http://host{path}")).expect("a path fits a URL");
    assert_eq!(with_encoded(url.path()), with_encoded(path));
    assert_eq!(url.host_str(), Some("host"));

    let once = routes::percent_decoded(path.as_bytes());
    assert_eq!(routes::percent_decoded(&once), once, "a second decoding changes it");
    let segments = |path: &[u8]| path.split(|&byte| byte == b'/').count();
    assert_eq!(segments(&once), segments(path.as_bytes()), "decoding makes segments");
    assert!(!once.iter().any(|byte| byte.is_ascii_control() || b"\\;?#%".contains(byte)));
    let dots = |segment: &[u8]| matches!(segment, b"." | b"..");
    assert!(!once.split(|&byte| byte == b'/').any(dots));
}

/// A browser encodes some of these; nobody gives them another meaning.
fn with_encoded(path: &str) -> String {
    ["\"", "<", ">", "^", "`", "{", "|", "}"].iter().fold(path.to_owned(), |path, text| {
        path.replace(text, &format!("%{:02X}", text.as_bytes().first().copied().unwrap_or_default()))
    })
}
