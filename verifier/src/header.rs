//! The three segments and the protected header of a compact JWS (RFC 7515 §4 and §7.1), before anything is trusted.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use crate::base64url;
use crate::checks::{Check, Observer};
use crate::error::{Code, Refusal};
use crate::json::{self, Node, Object};
use crate::keys::KeySet;
use crate::signature::{Algorithm, PublicKey};
use crate::text::{quoted, shown, text};

/// A JWS whose header is acceptable and whose signature is not checked.
#[derive(Debug)]
pub(crate) struct UnverifiedJws<'a> {
    /// The bytes that the signature covers.
    pub(crate) signed: &'a [u8],
    /// Private, so that nothing but [`Self::claimed_issuer`] is read before the signature is checked. `None` if it is not base64url.
    payload: Option<Vec<u8>>,
    pub(crate) signature: &'a [u8],
    pub(crate) algorithm: Algorithm,
    pub(crate) kid: String,
}

/// A signed payload and the name of the key.
#[derive(Debug)]
pub(crate) struct Payload {
    pub(crate) bytes: Vec<u8>,
    pub(crate) kid: String,
}

/// The form that a JWS must have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected<A> {
    /// Without `application/`.
    pub(crate) typ: &'static str,
    pub(crate) max_bytes: usize,
    /// Returns whether signatures of an algorithm are accepted.
    pub(crate) accepts: A,
    /// Whether `alg` may have a name of RFC 9864.
    pub(crate) accepts_new_names: bool,
}

impl<'a> UnverifiedJws<'a> {
    /// Checks the form and the header.
    pub(crate) fn parse(
        token: &'a [u8],
        expected: &Expected<impl Fn(Algorithm) -> bool>,
        observer: &mut impl Observer,
    ) -> Result<Self, Refusal> {
        let max_bytes = expected.max_bytes;
        observer.enter(Check::Size);
        observer.detail(|| text!("{} bytes, at most {max_bytes}", token.len()));
        if token.is_empty() {
            return Err(Code::NoCredentials.into());
        }
        if token.len() > max_bytes {
            return Err(Code::TooLarge.into());
        }
        observer.enter(Check::Form);
        observer.detail(|| text!("{} segments", token.split(|&byte| byte == b'.').count()));
        let mut segments = token.split(|&byte| byte == b'.');
        let (Some(header), Some(payload), Some(signature), None) =
            (segments.next(), segments.next(), segments.next(), segments.next())
        else {
            return Err(Code::Malformed.into());
        };
        // An empty signature is left for the signature check to refuse.
        if header.is_empty() || payload.is_empty() {
            return Err(Code::Malformed.into());
        }
        let signed = token.get(..header.len() + 1 + payload.len()).ok_or(Code::Malformed)?;
        observer.enter(Check::Header);
        let header = base64url::decode(header).ok_or(Code::Base64)?;
        let (algorithm, kid) = check_header(&header, expected, observer)?;
        Ok(Self { signed, payload: base64url::decode(payload), signature, algorithm, kid })
    }

    /// Returns the claimed issuer, to choose whose rules and keys apply; nothing else may rest on it.
    pub(crate) fn claimed_issuer(&self) -> Option<String> {
        let claims = json::parse(self.payload.as_deref()?).ok()?;
        Some(claims.value.as_object()?.get("iss")?.value.as_str()?.to_owned())
    }

    /// Returns the key that the header names. The key says which algorithm it is for, whatever the token says (RFC 8725 §3.1).
    pub(crate) fn key<'k>(
        &self,
        keys: &'k KeySet,
        observer: &mut impl Observer,
    ) -> Result<&'k PublicKey, Refusal> {
        observer.enter(Check::Key);
        observer.detail(|| quoted(&self.kid));
        let key = keys.key(&self.kid).ok_or(Code::UnknownKid)?;
        if key.algorithm() == self.algorithm { Ok(key) } else { Err(Code::Alg.into()) }
    }

    /// Returns the payload if `key` signed it, and the `kid`.
    pub(crate) fn into_payload(
        self,
        key: &PublicKey,
        observer: &mut impl Observer,
    ) -> Result<Payload, Refusal> {
        observer.enter(Check::Signature);
        let signature = base64url::decode(self.signature).ok_or(Code::Base64)?;
        if !observer.verify(key, self.signed, &signature) {
            return Err(Code::Signature.into());
        }
        observer.enter(Check::Claims);
        Ok(Payload { bytes: self.payload.ok_or(Code::Base64)?, kid: self.kid })
    }
}

/// Parses a JWS of this type and size. Tokens and pages of feeds share it, because modules for pages must be small.
pub(crate) fn parse_jws<'a>(
    jws: &'a [u8],
    typ: &'static str,
    max_bytes: usize,
    accepted: &[Algorithm],
    observer: &mut impl Observer,
) -> Result<UnverifiedJws<'a>, Refusal> {
    let accepts = |algorithm| accepted.contains(&algorithm);
    UnverifiedJws::parse(jws, &Expected { typ, max_bytes, accepts, accepts_new_names: true }, observer)
}

/// Checks the header and returns its `alg` and `kid`. Keys it carries or points to (`jwk`, `jku`, `x5u`, `x5c`) are never
/// looked at.
fn check_header(
    bytes: &[u8],
    expected: &Expected<impl Fn(Algorithm) -> bool>,
    observer: &mut impl Observer,
) -> Result<(Algorithm, String), Refusal> {
    observer.detail(|| shown(bytes));
    let node = json::parse(bytes).map_err(|error| Code::of_json(error, Code::HeaderJson))?;
    let header = node.value.as_object().ok_or(Code::HeaderJson)?;
    let seen = |name| quoted(member(header, name).unwrap_or_default());

    // RFC 8725 §3.1.
    observer.enter(Check::Alg);
    observer.detail(|| seen("alg"));
    let name = member(header, "alg").filter(|name| expected.accepts_new_names || *name != "Ed25519");
    let algorithm = name.and_then(Algorithm::named);
    let can_verify = |named: &Algorithm| (expected.accepts)(*named) && observer.can_verify(*named);
    let algorithm = algorithm.filter(can_verify).ok_or(Code::Alg)?;
    observer.enter(Check::Typ);
    observer.detail(|| seen("typ"));
    // RFC 9068 §4; media types compare without case and `application/` may be left out (RFC 7515 §4.1.9).
    let is_expected = member(header, "typ").is_some_and(|typ| {
        let (kind, name) = typ.split_at_checked(PREFIX.len()).unwrap_or_default();
        let name = if kind.eq_ignore_ascii_case(PREFIX) { name } else { typ };
        name.eq_ignore_ascii_case(expected.typ)
    });
    if !is_expected {
        return Err(Code::Typ.into());
    }
    observer.enter(Check::Crit);
    // RFC 7515 §4.1.11, RFC 7797 §7, RFC 8725 §3.6: none of these is ever right in an access token.
    if ["crit", "b64", "zip"].iter().any(|name| header.get(name).is_some()) {
        return Err(Code::Crit.into());
    }
    observer.enter(Check::Kid);
    observer.detail(|| seen("kid"));
    let kid = member(header, "kid").filter(|kid| !kid.is_empty()).ok_or(Code::Kid)?;
    Ok((algorithm, kid.to_owned()))
}

const PREFIX: &str = "application/";

fn member<'a>(header: &'a Object<'_>, name: &str) -> Option<&'a str> {
    header.get(name).and_then(|Node { value, .. }| value.as_str())
}
