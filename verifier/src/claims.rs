//! The claims of an access token (RFC 9068 §2.2), typed. Read only after the signature was found right.

use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::Seconds;
use crate::error::{Code, Refusal};
use crate::json::{self, Object, Value};
use crate::scope::is_scope_token;
use crate::text::words;

/// Claims with the right types; whether they are the right values is `verify`'s question.
#[derive(Clone, Debug, Default)]
pub(crate) struct Claims {
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) client_id: String,
    pub(crate) token_id: String,
    pub(crate) audiences: Vec<String>,
    pub(crate) expires_at: Seconds,
    pub(crate) issued_at: Seconds,
    pub(crate) not_before: Option<Seconds>,
    pub(crate) session: Option<String>,
    pub(crate) roles: Vec<String>,
    /// Scope tokens separated by single spaces, or empty.
    pub(crate) scope: String,
    pub(crate) subject_epoch: u64,
    pub(crate) client_epoch: u64,
}

impl Claims {
    pub(crate) fn parse(payload: &[u8]) -> Result<Self, Refusal> {
        let node = json::parse(payload).map_err(|error| Code::of_json(error, Code::ClaimsJson))?;
        let claims = node.value.as_object().ok_or(Code::ClaimsJson)?;
        let mut parsed = Self::default();
        parsed.read(claims)?;
        Ok(parsed)
    }

    /// Member by member into what is there: with all at once, each could fail with others to be dropped, and the code for that
    /// was longer than all else here.
    fn read(&mut self, claims: &Object<'_>) -> Result<(), Refusal> {
        check_types(claims)?;
        self.issuer = needed(claims, "iss")?;
        self.audiences = required(audiences(claims)?, "aud")?;
        self.subject = needed(claims, "sub")?;
        self.client_id = needed(claims, "client_id")?;
        self.token_id = needed(claims, "jti")?;
        self.expires_at = required(date(claims, "exp")?, "exp")?;
        self.issued_at = required(date(claims, "iat")?, "iat")?;
        self.not_before = date(claims, "nbf")?;
        self.session = text(claims, "sid")?;
        self.roles = strings(claims, "roles")?.unwrap_or_default();
        self.scope = scope(claims)?;
        self.subject_epoch = date(claims, "sv")?.unwrap_or_default();
        self.client_epoch = date(claims, "cv")?.unwrap_or_default();
        // Our own issuer says so a second time; a refresh or ID token of another profile would say something else.
        match claims.get("type").map(|node| node.value.as_str()) {
            None | Some(Some("access")) => Ok(()),
            Some(Some(other)) if !other.is_empty() => Err(Code::Typ.into()),
            Some(_) => Err(Refusal::claim(Code::ClaimType, "type")),
        }
    }
}

/// Claims that later checks read as numbers, and the proof of possession that a bearer cannot give (RFC 7800 §3.1).
fn check_types(claims: &Object<'_>) -> Result<(), Refusal> {
    for name in ["auth_time", "sv", "cv"] {
        date(claims, name)?;
    }
    if claims.get("cnf").is_some() { Err(Code::Binding.into()) } else { Ok(()) }
}

fn required<T>(claim: Option<T>, name: &'static str) -> Result<T, Refusal> {
    claim.ok_or(Refusal::claim(Code::MissingClaim, name))
}

#[inline(never)] // for size
fn needed(claims: &Object<'_>, name: &'static str) -> Result<String, Refusal> {
    required(text(claims, name)?, name)
}

#[inline(never)] // for size
fn text(claims: &Object<'_>, name: &'static str) -> Result<Option<String>, Refusal> {
    let Some(node) = claims.get(name) else { return Ok(None) };
    match node.value.as_str() {
        Some(text) if !text.is_empty() => Ok(Some(text.to_owned())),
        _ => Err(Refusal::claim(Code::ClaimType, name)),
    }
}

/// RFC 7519 §2: a JSON number. A string is an error, not an absent date (CVE-2026-25537).
#[inline(never)] // for size
fn date(claims: &Object<'_>, name: &'static str) -> Result<Option<Seconds>, Refusal> {
    let Some(node) = claims.get(name) else { return Ok(None) };
    node.value.as_u64().map(Some).ok_or(Refusal::claim(Code::ClaimType, name))
}

fn strings(claims: &Object<'_>, name: &'static str) -> Result<Option<Vec<String>>, Refusal> {
    let Some(node) = claims.get(name) else { return Ok(None) };
    let items = node.value.as_array();
    let texts =
        items.and_then(|items| items.iter().map(|item| item.value.as_str().map(ToOwned::to_owned)).collect());
    texts.map(Some).ok_or(Refusal::claim(Code::ClaimType, name))
}

/// RFC 7519 §4.1.3: one string or an array of strings.
fn audiences(claims: &Object<'_>) -> Result<Option<Vec<String>>, Refusal> {
    match claims.get("aud").map(|node| &node.value) {
        Some(Value::String(one)) => Ok(Some(Vec::from([one.to_string()]))),
        _ => strings(claims, "aud"),
    }
}

/// The `scope` string; array forms that other gateways read must say the same, or a reader could be misled.
fn scope(claims: &Object<'_>) -> Result<String, Refusal> {
    let scope = match claims.get("scope").map(|node| &node.value) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(scope)) => scope.to_string(),
        Some(_) => return Err(Refusal::claim(Code::ClaimType, "scope")),
    };
    if !scope.is_empty() && !words(&scope).all(is_scope_token) {
        return Err(Code::ScopeSyntax.into());
    }
    for name in ["scopes", "scp"] {
        let other = match claims.get(name).map(|node| &node.value) {
            None => continue,
            Some(Value::String(other)) => words(other).map(ToOwned::to_owned).collect(),
            Some(_) => strings(claims, name)?.unwrap_or_default(),
        };
        if !same_set(&scope, &other) {
            return Err(Code::ScopeMismatch.into());
        }
    }
    Ok(scope)
}

fn same_set(scope: &str, other: &[String]) -> bool {
    words(scope).all(|token| token.is_empty() || other.iter().any(|other| other == token))
        && other.iter().all(|token| token.is_empty() || words(scope).any(|word| word == token))
}
