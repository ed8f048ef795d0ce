use super::*;
use crate::PAGE;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer, SigningKey};

pub(crate) const NOW: f64 = 1_800_000_000.0;
const KEYS: Option<u8> = Some(1);
const ISSUER: &str = "https://as.example";
pub(crate) const TOKENS: [u8; 32] = [7; 32];
pub(crate) const PAGES: [u8; 32] = [8; 32];

fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn jwks(secret: [u8; 32]) -> Vec<u8> {
    let x = encode(SigningKey::from_bytes(&secret).verifying_key().as_bytes());
    format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"k1","alg":"EdDSA","x":"{x}"}}]}}"#).into_bytes()
}

fn signed(secret: [u8; 32], typ: &str, claims: &str) -> Vec<u8> {
    let header = format!(r#"{{"alg":"EdDSA","kid":"k1","typ":"{typ}"}}"#);
    let signed = format!("{}.{}", encode(header), encode(claims));
    let signature = SigningKey::from_bytes(&secret).sign(signed.as_bytes());
    format!("{signed}.{}", encode(signature.to_bytes())).into_bytes()
}

/// A page that goes on where `from` ended.
pub(crate) fn page(from: &str, events: &str, seconds: f64) -> Vec<u8> {
    let (iat, exp) = (NOW + seconds, NOW + seconds + 10.0);
    let claims = format!(
        r#"{{"iss":"{ISSUER}","iat":{iat},"exp":{exp},"from":"{from}","to":"{from}1","more":false,"ev":[{events}]}}"#
    );
    signed(PAGES, "keystone-revocations+jwt", &claims)
}

pub(crate) fn revoked(session: &str) -> String {
    format!(r#"["sid","{session}",null,{}]"#, NOW + 1000.0)
}

pub(crate) fn token(session: &str) -> Vec<u8> {
    let (iat, exp) = (NOW, NOW + 600.0);
    let claims = format!(
        r#"{{"iss":"{ISSUER}","aud":"orders","sub":"u1","client_id":"c1","jti":"j1","scope":"","sid":"{session}","iat":{iat},"exp":{exp}}}"#
    );
    signed(TOKENS, "at+jwt", &claims)
}

fn engine() -> Engine {
    let mut engine = Engine::new(ISSUER.into(), vec!["orders".into()], None, None);
    assert_eq!(engine.replace_keys(&jwks(TOKENS), NOW, None), None);
    engine
}

fn following() -> Engine {
    let mut engine = engine();
    assert_eq!(engine.replace_keys(&jwks(PAGES), NOW, KEYS), None);
    engine
}

/// The code of a refusal.
pub(crate) fn word(answer: &str) -> &str {
    if answer.starts_with('[') { "accepted" } else { answer.split('"').nth(3).unwrap() }
}

#[test]
fn what_a_page_revokes_is_refused_from_then_on_and_nothing_else() {
    let mut engine = following();
    assert_eq!(word(&engine.verify(&token("s1"), NOW)), "accepted");
    let before = engine.epoch();

    assert_eq!(engine.replace_keys(&page("", &revoked("s1"), 0.0), NOW, Some(PAGE)), None);

    assert!(engine.epoch() > before);
    assert_eq!(word(&engine.verify(&token("s1"), NOW)), "revoked");
    assert_eq!(word(&engine.verify(&token("s2"), NOW)), "accepted");
    let bearer = format!("Bearer {}", String::from_utf8(token("s1")).unwrap());
    assert_eq!(word(&engine.authorize(vec![bearer], vec![], vec![], vec![], NOW)), "revoked");
}

#[test]
fn a_strict_engine_refuses_every_token_without_a_recent_page() {
    let mut engine = following();
    engine.require_feed();
    assert_eq!((word(&engine.verify(&token("s2"), NOW)), engine.usable_until()), ("revocations_stale", 0.0));

    engine.replace_keys(&page("", &revoked("s1"), 0.0), NOW, Some(PAGE));

    assert_eq!(engine.usable_until(), NOW + 61.0);
    assert_eq!(word(&engine.verify(&token("s2"), NOW + 60.0)), "accepted");
    assert_eq!(word(&engine.verify(&token("s2"), NOW + 61.0)), "revocations_stale");
    assert_eq!(word(&engine.verify(&token("s1"), NOW + 61.0)), "revoked");
}

#[test]
fn an_engine_that_is_not_strict_goes_by_what_it_knows() {
    let mut engine = following();

    assert_eq!(word(&engine.verify(&token("s2"), NOW)), "accepted");
    assert_eq!(engine.usable_until(), NOW + 600.0);
}

#[test]
fn a_page_is_due_each_second_and_follows_the_last_one() {
    let mut engine = following();
    assert!(engine.wants_fetch(NOW, Some(PAGE)));
    assert_eq!(engine.page_started(NOW), "");
    assert!(!engine.wants_fetch(NOW + 5.0, Some(PAGE)));
    engine.replace_keys(&page("", "", 0.0), NOW, Some(PAGE));

    assert_eq!(
        (engine.wants_fetch(NOW, Some(PAGE)), engine.wants_fetch(NOW + 1.0, Some(PAGE))),
        (false, true)
    );
    assert_eq!(engine.page_started(NOW + 1.0), "1");
    engine.page_failed(false, NOW + 1.0);
    assert!(!engine.wants_fetch(NOW + 1.0, Some(PAGE)));
    assert_eq!(engine.page_started(NOW + 2.0), "1");
    engine.page_failed(true, NOW + 2.0);
    assert_eq!(engine.page_started(NOW + 4.0), "");
}

#[test]
fn what_is_refused_is_told_and_nothing_is_no_set_of_keys() {
    let mut engine = engine();
    let page = page("", "", 0.0);
    assert!(engine.wants_fetch(NOW, KEYS));
    assert!(engine.replace_keys(&page, NOW, Some(PAGE)).unwrap().contains("keys of the feed"));

    assert!(engine.replace_keys(b"", NOW, KEYS).is_some());
    assert!(!engine.wants_fetch(NOW, KEYS));
    assert_eq!(engine.replace_keys(&jwks(TOKENS), NOW + 1.0, KEYS), None);
    assert!(engine.replace_keys(&page, NOW, Some(PAGE)).unwrap().contains("signature"));
}

#[cfg(feature = "policy")]
#[test]
fn a_decision_in_two_steps_checks_revocation_too() {
    let mut engine = following();
    let pending = engine.begin(&token("s1"), NOW).unwrap();
    assert_eq!(word(&engine.resume(&pending, true)), "accepted");

    engine.replace_keys(&page("", &revoked("s1"), 0.0), NOW, Some(PAGE));

    assert_eq!(word(&engine.resume(&pending, true)), "revoked");
}
