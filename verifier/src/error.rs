//! The one list of reasons, and how a refusal is told to a client (RFC 6750 §3, RFC 9457).

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::json::{JsonError, JsonFault, write_string};
use crate::scope::is_scope_token;
use crate::text::{joined, text};

macro_rules! codes {
    ($($(#[$doc:meta])+ $variant:ident $name:literal $status:literal $sentence:literal;)+) => {
        /// Why a request or a token was refused: the same text on every platform. Extended, never renamed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[$doc])+ $variant,)+
        }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Returns the stable text, as in `code` of a problem document, logs and metrics.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// Returns the HTTP status of the answer.
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)+ }
            }

            /// Returns one sentence for the client; ASCII without quotes or backslashes, so it fits a challenge as it is.
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$variant => $sentence,)+ }
            }
        }
    };
}

codes! {
    /// There is no bearer token.
    NoCredentials "no_credentials" 401 "a bearer token is required";
    /// More than one `Authorization` value, or several tokens in one (RFC 6750 §2).
    MultipleCredentials "multiple_credentials" 400 "send exactly one Authorization header with one token";
    /// `Bearer` without a well-formed token after it.
    BadAuthorization "bad_authorization" 400 "the Authorization header must be the word Bearer, one space and the token";
    /// Not three segments (RFC 7515 §7.1).
    Malformed "malformed" 401 "the token is not a compact JWS of three segments";
    /// Longer than the limit.
    TooLarge "too_large" 401 "the token is too large";
    /// A segment is not canonical base64url (RFC 7515 §2).
    Base64 "base64" 401 "a segment of the token is not canonical base64url";
    /// The header is not a JSON object.
    HeaderJson "header_json" 401 "the header of the token is not a JSON object";
    /// The claims are not a JSON object.
    ClaimsJson "claims_json" 401 "the claims of the token are not a JSON object";
    /// A member name occurs twice (RFC 7515 §4, RFC 7519 §4).
    DuplicateMember "duplicate_member" 401 "the token names a member twice";
    /// Too deep, too many members or too long names.
    Limits "limits" 401 "the JSON of the token is too deep or too wide";
    /// Any algorithm but the one of the key: Ed25519, unless the host accepts more (RFC 8725 §3.1).
    Alg "alg" 401 "the algorithm of the token is not accepted";
    /// Not an access token (RFC 9068 §2.1 and §4).
    Typ "typ" 401 "the token is not an access token of type at+jwt";
    /// The header asks for processing this verifier does not do: `crit`, `b64`, `zip` (RFC 7515 §4.1.11).
    Crit "crit" 401 "the token asks for an extension that is not supported";
    /// No usable `kid`.
    Kid "kid" 401 "the token does not name its key";
    /// No such key in the issuer's set.
    UnknownKid "unknown_kid" 401 "the token names a key that its issuer does not publish";
    /// The signature is wrong.
    Signature "signature" 401 "the signature of the token is wrong";
    /// A claim has the wrong JSON type.
    ClaimType "claim_type" 401 "a claim of the token has the wrong type";
    /// One of the seven claims of RFC 9068 §2.2 is missing.
    MissingClaim "missing_claim" 401 "a required claim is missing from the token";
    /// Another issuer.
    Issuer "issuer" 401 "the token is from another issuer";
    /// Another audience.
    Audience "audience" 401 "the token is for another audience";
    /// `exp` has passed, or had before `iat` or `nbf` came.
    Expired "expired" 401 "the token has expired";
    /// `nbf` has not come.
    NotYetValid "not_yet_valid" 401 "the token is not valid yet";
    /// `iat` lies in the future.
    IssuedInFuture "issued_in_future" 401 "the token was issued in the future";
    /// `exp` − `iat` is longer than allowed.
    Lifetime "lifetime" 401 "the token lives longer than allowed";
    /// The token is bound to a key (`cnf`) that was not shown (RFC 7800 §3.1).
    Binding "binding" 401 "the token is bound to a key and must not be sent as a bearer token";
    /// `scope` is not a list of scope tokens with single spaces (RFC 6749 §3.3).
    ScopeSyntax "scope_syntax" 401 "the scope claim is malformed";
    /// `scope` and its array form disagree.
    ScopeMismatch "scope_mismatch" 401 "the scope claims of the token disagree";
    /// Revoked.
    Revoked "revoked" 401 "the token was revoked";
    /// The token lacks a scope that the route needs.
    InsufficientScope "insufficient_scope" 403 "the token lacks a scope that this request needs";
    /// The subject lacks a role that the route needs.
    InsufficientRole "insufficient_role" 403 "the subject lacks a role that this request needs";
    /// No route of the policy matches: default deny.
    NoRoute "no_route" 403 "no route of the policy allows this request";
    /// The path has more than one reading.
    BadPath "bad_path" 400 "the path is ambiguous or malformed";
    /// No usable key set: the issuer could not be reached for too long.
    KeysUnavailable "keys_unavailable" 503 "the keys of the issuer are not available, try again";
    /// The revocation feed is too old for this route.
    RevocationsStale "revocations_stale" 503 "the revocations of the issuer are not available, try again";
}

/// News from the issuer that can turn a refusal into another decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaits {
    /// Its keys: the first ones, or one that is not known yet.
    Keys,
    /// A page of its revocation feed.
    Revocations,
}

impl Awaits {
    /// Returns the stable text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Keys => "keys",
            Self::Revocations => "revocations",
        }
    }
}

impl Code {
    /// Returns the code for a JSON fault in a segment of a token; `syntax` is that of the segment.
    pub(crate) const fn of_json(error: JsonError, syntax: Self) -> Self {
        match error.fault {
            JsonFault::Syntax => syntax,
            JsonFault::DuplicateMember => Self::DuplicateMember,
            JsonFault::Limits => Self::Limits,
        }
    }

    /// Returns the news that may help if it is on its way already: a host may hold the request until then, and decide anew.
    /// Returns `None` if the refusal stands whatever the issuer publishes.
    pub const fn awaits(self) -> Option<Awaits> {
        match self {
            Self::UnknownKid | Self::KeysUnavailable => Some(Awaits::Keys),
            Self::RevocationsStale => Some(Awaits::Revocations),
            _ => None,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A refused token or request, with everything a client is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    code: Code,
    /// The claim, for `missing_claim` and `claim_type`.
    claim: Option<&'static str>,
    /// The scopes the route needs, for `insufficient_scope`.
    scope: Option<Box<str>>,
}

impl Refusal {
    pub(crate) const fn claim(code: Code, claim: &'static str) -> Self {
        Self { code, claim: Some(claim), scope: None }
    }

    /// Returns the refusal for a lack of these scopes. Names that are not scope tokens are left out: they must not stand in a
    /// header.
    pub(crate) fn scope<'a>(required: impl IntoIterator<Item = &'a String>) -> Self {
        let scopes = required.into_iter().filter(|scope| is_scope_token(scope));
        Self { code: Code::InsufficientScope, claim: None, scope: Some(joined(scopes, " ").into()) }
    }

    /// Returns the reason.
    pub const fn code(&self) -> Code {
        self.code
    }

    /// Returns the HTTP status of the answer: 400, 401, 403 or 503.
    pub const fn status(&self) -> u16 {
        self.code.status()
    }

    /// Returns the scopes that the route needs, separated by spaces, if that is the reason.
    pub fn required_scope(&self) -> Option<&str> {
        self.scope.as_deref()
    }

    /// Returns the seconds after which a retry makes sense (RFC 9110 §10.2.3), if the fault is not the client's.
    pub const fn retry_after(&self) -> Option<u32> {
        if self.status() == 503 { Some(1) } else { None }
    }

    /// Returns the value of `WWW-Authenticate` (RFC 6750 §3), or `None` if other credentials would not help.
    pub fn challenge(&self) -> Option<String> {
        let error = match (self.code, self.status()) {
            (Code::NoCredentials, _) => return Some("Bearer realm=\"keystone\"".to_owned()),
            (Code::NoRoute | Code::BadPath, _) | (_, 503) => return None,
            (_, 400) => "invalid_request",
            (_, 403) => "insufficient_scope",
            _ => "invalid_token",
        };
        let sentence = self.code.sentence();
        let mut challenge =
            text!("Bearer realm=\"keystone\", error=\"{error}\", error_description=\"{sentence}\"");
        if let Some(scope) = &self.scope {
            challenge.push_str(&text!(", scope=\"{scope}\""));
        }
        Some(challenge)
    }

    /// Returns the headers of the answer beside its length, with names in lower case. No value holds what a sender wrote.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = Vec::from([
            ("content-type", "application/problem+json".to_owned()),
            ("cache-control", "no-store".to_owned()),
        ]);
        headers.extend(self.challenge().map(|challenge| ("www-authenticate", challenge)));
        headers.extend(self.retry_after().map(|seconds| ("retry-after", text!("{seconds}"))));
        headers
    }

    /// Returns the body of the answer, `application/problem+json` (RFC 9457).
    pub fn problem(&self) -> String {
        let Self { code, claim, scope } = self;
        let mut json = text!(
            "{{\"type\":\"about:blank\",\"title\":\"{}\",\"status\":{},\"code\":\"{code}\",\"detail\":",
            title(code.status()),
            code.status()
        );
        write_string(code.sentence(), &mut json);
        if let Some(claim) = claim {
            json.push_str(",\"claim\":");
            write_string(claim, &mut json);
        }
        if let Some(scope) = scope {
            json.push_str(",\"scope\":");
            write_string(scope, &mut json);
        }
        json.push('}');
        json
    }
}

impl Refusal {
    /// Returns all parts of the answer and the sentence for logs as a JSON object, for hosts in another language.
    pub fn to_json(&self) -> String {
        let mut json = text!("{{\"code\":\"{}\",\"status\":{}", self.code, self.status());
        if let Some(seconds) = self.retry_after() {
            json.push_str(&text!(",\"retry_after\":{seconds}"));
        }
        if let Some(awaits) = self.code.awaits() {
            json.push_str(&text!(",\"awaits\":\"{}\"", awaits.as_str()));
        }
        if let Some(challenge) = self.challenge() {
            json.push_str(",\"challenge\":");
            write_string(&challenge, &mut json);
        }
        json.push_str(",\"problem\":");
        write_string(&self.problem(), &mut json);
        json.push_str(",\"message\":");
        write_string(&text!("{self}"), &mut json);
        json.push('}');
        json
    }
}

impl From<Code> for Refusal {
    fn from(code: Code) -> Self {
        Self { code, claim: None, scope: None }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code.sentence())?;
        if let Some(claim) = self.claim {
            write!(f, ": {claim}")?;
        }
        if let Some(scope) = &self.scope {
            write!(f, ": {scope}")?;
        }
        Ok(())
    }
}

impl core::error::Error for Refusal {}

/// The reason phrase, as RFC 9457 §4.2.1 asks of `about:blank`.
const fn title(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        403 => "Forbidden",
        503 => "Service Unavailable",
        _ => "Unauthorized",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    #[test]
    fn a_request_without_credentials_gets_a_bare_challenge() {
        let refusal = Refusal::from(Code::NoCredentials);

        assert_eq!(refusal.challenge().unwrap(), "Bearer realm=\"keystone\"");
    }

    #[test]
    fn a_missing_scope_is_named_in_the_challenge_and_the_body() {
        let refusal = Refusal::scope(&["orders:read".to_owned(), "orders:write".to_owned()]);

        assert_eq!(refusal.status(), 403);
        let challenge = refusal.challenge().unwrap();
        assert!(challenge.contains("error=\"insufficient_scope\""), "{challenge}");
        assert!(challenge.ends_with("scope=\"orders:read orders:write\""), "{challenge}");
        assert!(refusal.problem().contains("\"scope\":\"orders:read orders:write\""));
    }

    #[test]
    fn nothing_but_scopes_stands_in_a_challenge() {
        let names = ["a\", realm=\"evil", "orders:read", "b\r\nset-cookie: c", ""].map(ToOwned::to_owned);
        let refusal = Refusal::scope(&names);

        assert_eq!(refusal.required_scope(), Some("orders:read"));
        assert!(refusal.challenge().unwrap().ends_with(", scope=\"orders:read\""));
    }

    #[test]
    fn unavailable_keys_are_no_fault_of_the_client() {
        let refusal = Refusal::from(Code::KeysUnavailable);

        assert_eq!((refusal.status(), refusal.challenge(), refusal.retry_after()), (503, None, Some(1)));
    }

    #[test]
    fn a_refusal_as_json_holds_whatever_a_host_wrote_into_it() {
        let scope = Some("a\"\n[1]\r\u{2028}".into());
        let refusal = Refusal { code: Code::InsufficientScope, claim: None, scope };

        let json = refusal.to_json();

        let value = json::parse(json.as_bytes()).unwrap().value;
        let text = |name| {
            value.as_object().unwrap().get(name).and_then(|node| node.value.as_str()).map(str::to_owned)
        };
        assert_eq!(text("code").unwrap(), "insufficient_scope");
        assert_eq!(text("challenge"), refusal.challenge());
        assert_eq!(text("problem").unwrap(), refusal.problem());
        assert_eq!(text("message").unwrap(), text!("{refusal}"));
        assert!(json.starts_with('{') && !json.contains('\n'));
        let unavailable = Refusal::from(Code::KeysUnavailable).to_json();
        let members = r#""status":503,"retry_after":1,"awaits":"keys","problem":"#;
        assert!(unavailable.contains(members), "{unavailable}");
    }

    #[test]
    fn only_keys_and_revocations_can_change_a_refusal() {
        let awaits = |wanted| Code::ALL.iter().copied().filter(move |code| code.awaits() == Some(wanted));

        assert!(awaits(Awaits::Keys).eq([Code::UnknownKid, Code::KeysUnavailable]));
        assert!(awaits(Awaits::Revocations).eq([Code::RevocationsStale]));
    }

    #[test]
    fn every_code_is_unique_and_fits_a_challenge_and_a_body() {
        let mut names: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Code::ALL.len());

        for &code in Code::ALL {
            assert!(
                code.sentence()
                    .bytes()
                    .all(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\')
            );
            assert!(matches!(code.status(), 400 | 401 | 403 | 503));
            json::parse(Refusal::from(code).problem().as_bytes()).unwrap();
        }
    }
}
