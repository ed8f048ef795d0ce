//! The claims of a page of the revocation feed, signed for real: read as serde_json would, refused for the same reason, and
//! taken whole or not at all.

use keystone_verifier::{FeedState, PageError, Revocations};
use serde_json::{Map, Value};

use crate::forge::{self, ISSUER, NOW};
use crate::strict;

/// Judges the claims of one page, and the same bytes as a page.
pub fn check(input: &[u8]) {
    let expected = expected(input);
    let page = forge::sign(HEADER, input);
    // Too long, or no claims at all: not even read.
    let expected = (page.len() <= 64 * 1024 && !input.is_empty()).then_some(expected);

    let mut feed = feed();
    let taken = feed.take(page.as_bytes(), NOW);
    match (&taken, expected) {
        (Err(PageError::Form(_)), None) => {}
        (Ok(()), Some(Ok(page))) => follows(&mut feed, &page),
        (Err(error), Some(Err(why))) => assert_eq!(*error, why),
        (taken, expected) => panic!("{taken:?}, expected {expected:?}"),
    }
    if taken.is_err() {
        is_as_before(&feed);
    }
    let mut feed = self::feed();
    assert!(feed.take(input, NOW).is_err());
    is_as_before(&feed);
    let mut feed = self::feed();
    if feed.restore(input, NOW).is_ok() {
        is_restored(&feed);
    }
}

/// From its own pieces.
fn is_restored(feed: &Revocations) {
    let mut other = self::feed();
    for at in 0..feed.pieces() {
        other.restore(feed.piece(at, feed.pieces()).as_bytes(), NOW).expect("a piece of its own");
    }
    assert_eq!(other.len(), feed.len());
}

fn feed() -> Revocations {
    let mut feed = Revocations::new(ISSUER.into(), 60);
    feed.keys().replace(forge::jwks().to_string().as_bytes(), NOW).expect("a good set");
    feed
}

fn is_as_before(feed: &Revocations) {
    assert_eq!((feed.after(), feed.epoch(), feed.len(), feed.state(NOW)), ("", 0, 0, FeedState::Cold));
    assert!(!feed.wants_page(NOW) && feed.wants_page(NOW + 1));
}

fn follows(feed: &mut Revocations, page: &Page) {
    assert_eq!(feed.after(), page.to);
    assert_eq!(feed.wants_page(NOW), page.more);
    assert_eq!(feed.state(NOW) == FeedState::Cold, page.more);
    assert!(page.more || feed.len() == page.names.len());
}

#[derive(Debug)]
struct Page {
    to: String,
    more: bool,
    /// Returns the values that the events name, each once.
    names: Vec<(String, String)>,
}

fn expected(input: &[u8]) -> Result<Page, PageError> {
    let document = strict::read(input).ok_or(PageError::Claims)?;
    let claims = document.as_object().ok_or(PageError::Claims)?;
    if text(claims, "iss")? != ISSUER {
        return Err(PageError::Issuer);
    }
    let exp = number(claims.get("exp"))?;
    let events = claims.get("ev").and_then(Value::as_array).ok_or(PageError::Claims)?;
    let mut names = Vec::new();
    for event in events {
        let name = event_name(event)?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let more = claims.get("more").and_then(Value::as_bool).ok_or(PageError::Claims)?;
    let iat = number(claims.get("iat"))?;
    let (from, to) = (text(claims, "from")?, text(claims, "to")?.to_owned());
    let plain = to.len() <= 64 && to.chars().all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '-');
    if !plain || more && from == to {
        return Err(PageError::Claims);
    }
    if exp.saturating_add(30) <= NOW {
        return Err(PageError::Expired);
    }
    if iat > NOW + 30 {
        return Err(PageError::Future);
    }
    if from.is_empty() { Ok(Page { to, more, names }) } else { Err(PageError::OutOfOrder) }
}

fn event_name(event: &Value) -> Result<(String, String), PageError> {
    let parts = event.as_array().filter(|parts| parts.len() == 4).ok_or(PageError::Claims)?;
    let part = |at: usize| parts.get(at).unwrap_or(&Value::Null);
    let kind = part(0).as_str().ok_or(PageError::Claims)?;
    if !["sid", "jti", "kid", "sub", "cid"].contains(&kind) {
        return Err(PageError::UnknownKind);
    }
    let value = part(1).as_str().filter(|value| !value.is_empty()).ok_or(PageError::Claims)?;
    if ["sub", "cid"].contains(&kind) {
        number(Some(part(2)))?;
    } else if !part(2).is_null() {
        return Err(PageError::Claims);
    }
    number(Some(part(3)))?;
    Ok((kind.to_owned(), value.to_owned()))
}

/// Whole numbers only.
fn number(value: Option<&Value>) -> Result<u64, PageError> {
    value.and_then(Value::as_u64).ok_or(PageError::Claims)
}

fn text<'a>(claims: &'a Map<String, Value>, name: &str) -> Result<&'a str, PageError> {
    claims.get(name).and_then(Value::as_str).ok_or(PageError::Claims)
}

const HEADER: &[u8] = br#"{"alg":"EdDSA","kid":"k1","typ":"keystone-revocations+jwt"}"#;
