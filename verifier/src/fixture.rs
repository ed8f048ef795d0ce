//! Tokens for tests: signed for real, with one defect each.

use alloc::format;
use alloc::string::String;
use alloc::vec;

use ed25519_dalek::{Signer, SigningKey};

pub(crate) use crate::base64url::encode;
use crate::{KeySet, Rules, Seconds};

pub(crate) const NOW: Seconds = 1_800_000_000;
pub(crate) const HEADER: &str = r#"{"alg":"EdDSA","kid":"k1","typ":"at+jwt"}"#;

pub(crate) fn rules() -> Rules {
    Rules::new("https://as.example".into(), vec!["https://api.example".into()])
}

pub(crate) fn jwks() -> String {
    let x = encode(signing_key().verifying_key().as_bytes());
    format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"k1","use":"sig","alg":"EdDSA","x":"{x}"}}]}}"#)
}

pub(crate) fn keys() -> KeySet {
    KeySet::parse(jwks().as_bytes()).unwrap()
}

/// The claims of a valid token; `replace` takes `member` and the JSON to stand for it, `""` to leave it out.
pub(crate) fn claims(replace: &[(&str, &str)]) -> String {
    let (iat, exp) = (format!("{NOW}"), format!("{}", NOW + 300));
    let valid = [
        ("iss", r#""https://as.example""#),
        ("aud", r#""https://api.example""#),
        ("sub", r#""u1""#),
        ("client_id", r#""c1""#),
        ("iat", &iat),
        ("exp", &exp),
        ("jti", r#""j1""#),
        ("scope", r#""orders:read""#),
    ];
    let kept = valid.iter().filter(|(name, _)| !replace.iter().any(|(other, _)| name == other));
    let members = kept.chain(replace).filter(|(_, json)| !json.is_empty());
    let members = members.map(|(name, json)| format!("\"{name}\":{json}")).collect::<vec::Vec<_>>();
    format!("{{{}}}", members.join(","))
}

/// The header of a page of the revocation feed, which here has the key of the tokens.
pub(crate) const FEED_HEADER: &str = r#"{"alg":"EdDSA","kid":"k1","typ":"keystone-revocations+jwt"}"#;

/// The claims of the page from one cursor to another, signed at `iat`.
pub(crate) fn page_claims((from, to): (&str, &str), events: &str, iat: Seconds) -> String {
    let (iss, exp) = (rules().issuer, iat + 10);
    format!(
        r#"{{"iss":"{iss}","iat":{iat},"exp":{exp},"from":"{from}","to":"{to}","more":false,"ev":[{events}]}}"#
    )
}

pub(crate) fn page(span: (&str, &str), events: &str, iat: Seconds) -> String {
    sign(FEED_HEADER, &page_claims(span, events, iat))
}

pub(crate) fn sign(header: &str, claims: &str) -> String {
    sign_bytes(header.as_bytes(), claims.as_bytes())
}

pub(crate) fn sign_bytes(header: &[u8], claims: &[u8]) -> String {
    sign_segments(&encode(header), &encode(claims))
}

/// Signs segments as they are, so that a defect of their encoding is the only one.
pub(crate) fn sign_segments(header: &str, claims: &str) -> String {
    let signed = format!("{header}.{claims}");
    let signature = signing_key().sign(signed.as_bytes());
    format!("{signed}.{}", encode(&signature.to_bytes()))
}

fn signing_key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}
