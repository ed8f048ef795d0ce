//! The three segments and the protected header of a compact JWS (RFC 7515 §4 and §7.1), before anything is trusted.

use alloc::borrow::ToOwned;
use alloc::string::String;

use crate::base64url;
use crate::checks::{Check, Watch};
use crate::error::{Code, Refusal};
use crate::json::{self, JsonError, JsonFault, Node, Object};
use crate::signature::Algorithm;
use crate::text::{quoted, shown, text};

/// A token whose header is acceptable and whose signature is not checked. It shows no claims.
#[derive(Debug)]
pub(crate) struct Unverified<'a> {
    /// What the signature is over.
    pub(crate) signed: &'a [u8],
    pub(crate) payload: &'a [u8],
    pub(crate) signature: &'a [u8],
    pub(crate) algorithm: Algorithm,
    pub(crate) kid: String,
}

/// What a JWS must be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected<A> {
    /// Without `application/`.
    pub(crate) typ: &'static str,
    pub(crate) max_bytes: usize,
    /// Whether signatures of an algorithm are.
    pub(crate) accepts: A,
}

impl<'a> Unverified<'a> {
    pub(crate) fn parse(
        token: &'a [u8],
        expected: &Expected<impl Fn(Algorithm) -> bool>,
        watch: &mut impl Watch,
    ) -> Result<Self, Refusal> {
        let max_bytes = expected.max_bytes;
        watch.at(Check::Size);
        watch.saw(|| text!("{} bytes, at most {max_bytes}", token.len()));
        if token.is_empty() {
            return Err(Code::NoCredentials.into());
        }
        if token.len() > max_bytes {
            return Err(Code::TooLarge.into());
        }
        watch.at(Check::Form);
        watch.saw(|| text!("{} segments", token.split(|&byte| byte == b'.').count()));
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
        watch.at(Check::Header);
        let header = base64url::decode(header).ok_or(Code::Base64)?;
        let (algorithm, kid) = check_header(&header, expected, watch)?;
        Ok(Self { signed, payload, signature, algorithm, kid })
    }

    /// The claimed issuer, to choose whose rules and keys apply; nothing else may rest on it.
    pub(crate) fn claimed_issuer(&self) -> Option<String> {
        let payload = base64url::decode(self.payload)?;
        let claims = json::parse(&payload).ok()?;
        Some(claims.value.as_object()?.get("iss")?.value.as_str()?.to_owned())
    }
}

/// Checks the header and returns its `alg` and `kid`. Keys it carries or points to (`jwk`, `jku`, `x5u`, `x5c`) are never looked at.
fn check_header(
    bytes: &[u8],
    expected: &Expected<impl Fn(Algorithm) -> bool>,
    watch: &mut impl Watch,
) -> Result<(Algorithm, String), Refusal> {
    watch.saw(|| shown(bytes));
    let node = json::parse(bytes).map_err(|error| code_of(error, Code::HeaderJson))?;
    let header = node.value.as_object().ok_or(Code::HeaderJson)?;
    let seen = |name| quoted(member(header, name).unwrap_or_default());

    // RFC 8725 §3.1.
    watch.at(Check::Alg);
    watch.saw(|| seen("alg"));
    let algorithm = member(header, "alg").and_then(Algorithm::named);
    let can_verify = |named: &Algorithm| (expected.accepts)(*named) && watch.can_verify(*named);
    let algorithm = algorithm.filter(can_verify).ok_or(Code::Alg)?;
    watch.at(Check::Typ);
    watch.saw(|| seen("typ"));
    // RFC 9068 §4; media types compare without case and `application/` may be left out (RFC 7515 §4.1.9).
    let is_expected = member(header, "typ").is_some_and(|typ| {
        let (kind, name) = typ.split_at_checked(PREFIX.len()).unwrap_or_default();
        let name = if kind.eq_ignore_ascii_case(PREFIX) { name } else { typ };
        name.eq_ignore_ascii_case(expected.typ)
    });
    if !is_expected {
        return Err(Code::Typ.into());
    }
    watch.at(Check::Crit);
    // RFC 7515 §4.1.11, RFC 7797 §7, RFC 8725 §3.6: none of these is ever right in an access token.
    if ["crit", "b64", "zip"].iter().any(|name| header.get(name).is_some()) {
        return Err(Code::Crit.into());
    }
    watch.at(Check::Kid);
    watch.saw(|| seen("kid"));
    let kid = member(header, "kid").filter(|kid| !kid.is_empty()).ok_or(Code::Kid)?;
    Ok((algorithm, kid.to_owned()))
}

const PREFIX: &str = "application/";

/// What a JSON fault means in a segment of a token.
pub(crate) const fn code_of(error: JsonError, syntax: Code) -> Code {
    match error.fault {
        JsonFault::Syntax => syntax,
        JsonFault::DuplicateMember => Code::DuplicateMember,
        JsonFault::Limits => Code::Limits,
    }
}

fn member<'a>(header: &'a Object<'_>, name: &str) -> Option<&'a str> {
    header.get(name).and_then(|Node { value, .. }| value.as_str())
}
