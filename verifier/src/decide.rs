//! One request in, one decision out: the policy's routes, the issuer's keys, the token.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::Seconds;
use crate::credentials::bearer_token;
use crate::error::{Code, Refusal};
use crate::header::Unverified;
use crate::key_cache::KeyCache;
use crate::path::Path;
use crate::policy::{Access, IdentityField, KeySource, Policy};
use crate::verdicts::{Under, Verdicts};
use crate::verify::{Verified, verify_signed_cached};

/// What a decision rests on. Nothing else of a request is ever consulted, whatever it claims its original path was.
#[derive(Clone, Copy, Debug)]
pub struct RequestView<'a> {
    /// As sent: methods are case-sensitive (RFC 9110 §9.1).
    pub method: &'a [u8],
    /// The request target in origin form, with its query.
    pub path: &'a [u8],
    /// Every value of `Authorization`, one for each field line.
    pub authorization: &'a [&'a [u8]],
}

/// The verdict on a request.
#[derive(Clone, Debug)]
pub enum Decision {
    /// The route is public: no token was looked at.
    Public,
    /// The token is valid and holds what the route needs.
    Allow(Verified),
    /// The answer is the refusal's.
    Deny(Refusal),
}

/// A policy together with the keys of its issuers, and the tokens accepted lately.
#[derive(Clone, Debug)]
pub struct Gate {
    policy: Policy,
    /// One for each issuer of the policy, in its order.
    keys: Vec<KeyCache>,
    verdicts: Verdicts,
}

impl Gate {
    /// Inline keys are there at once; all others the host must fetch (see [`KeyCache`]).
    pub fn new(policy: Policy) -> Self {
        let keys = policy.issuers().iter().map(|issuer| match &issuer.keys {
            KeySource::Inline(keys) => KeyCache::pinned(keys.clone()),
            KeySource::Remote { .. } => KeyCache::remote(),
        });
        Self { keys: keys.collect(), policy, verdicts: Verdicts::new(REMEMBERED) }
    }

    /// Remembers so many accepted tokens, a power of two and at least 4, instead of 1,024. Each takes about the double
    /// of its text.
    #[must_use]
    pub fn remembering(self, tokens: usize) -> Self {
        Self { verdicts: Verdicts::new(tokens), ..self }
    }

    /// The policy.
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The key cache of the policy's issuer at `index`. `None`: there is no such issuer.
    pub fn keys(&mut self, index: usize) -> Option<&mut KeyCache> {
        self.keys.get_mut(index)
    }

    /// Decides on a request at `now`, Unix time in seconds. What no route allows is denied.
    pub fn decide(&mut self, request: &RequestView<'_>, now: Seconds) -> Decision {
        match self.allowed(request, now) {
            Ok(None) => Decision::Public,
            Ok(Some(token)) => Decision::Allow(token),
            Err(refusal) => Decision::Deny(refusal),
        }
    }

    fn allowed(&mut self, request: &RequestView<'_>, now: Seconds) -> Result<Option<Verified>, Refusal> {
        let path = Path::parse(request.path).ok_or(Code::BadPath)?;
        let access = self.policy.access(request.method, path).ok_or(Code::NoRoute)?;
        let Access::Token { all, any, roles } = access else { return Ok(None) };

        let token = bearer_token(request.authorization)?;
        let known = remembered(&self.policy, &self.keys, &mut self.verdicts, (token, now))?;
        let token = match known {
            Some(verified) => verified,
            None => {
                let (under, verified) = verify_for_issuer(&self.policy, &mut self.keys, token, now)?;
                self.verdicts.keep(token, under, verified.clone());
                verified
            }
        };

        let all_held = all.iter().all(|scope| token.has(scope));
        let any_held = any.is_empty() || any.iter().any(|scope| token.has(scope));
        if !all_held || !any_held {
            return Err(Refusal::scope([all.as_slice(), any.as_slice()].concat().join(" ").into()));
        }
        if !roles.is_empty() && !token.roles().any(|held| roles.iter().any(|role| role == held)) {
            return Err(Code::InsufficientRole.into());
        }
        Ok(Some(token))
    }

    /// The names of the identity headers: to be removed from every inbound request, whatever the decision.
    pub fn identity_headers(&self) -> impl Iterator<Item = &str> {
        self.policy.identity_headers().iter().map(|(_, name)| name.as_str())
    }

    /// The identity headers to set on an allowed request. A claim that the token lacks has none.
    pub fn identity(&self, token: &Verified) -> Vec<(&str, String)> {
        let headers = self.policy.identity_headers().iter();
        headers.filter_map(|(field, name)| Some((name.as_str(), identity_value(*field, token)?))).collect()
    }
}

/// The verdict on the same token a while ago, if it still holds.
fn remembered(
    policy: &Policy,
    caches: &[KeyCache],
    verdicts: &mut Verdicts,
    (token, now): (&[u8], Seconds),
) -> Result<Option<Verified>, Refusal> {
    let Some((under, verified)) = verdicts.find(token) else { return Ok(None) };
    let (Some(issuer), Some(cache)) = (policy.issuers().get(under.issuer), caches.get(under.issuer)) else {
        return Ok(None);
    };
    // A key that went, or is too old, takes its verdicts along.
    if cache.current(now).and_then(|keys| keys.key(&under.kid)) != Some(&under.key) {
        return Ok(None);
    }
    let verified = verified.clone();
    match verified.check_times(&issuer.rules, now) {
        Ok(()) => Ok(Some(verified)),
        Err(refusal) => {
            verdicts.forget(token);
            Err(refusal)
        }
    }
}

/// Dispatches on the exact `iss`, so that one issuer's key never vouches for another's token.
fn verify_for_issuer(
    policy: &Policy,
    caches: &mut [KeyCache],
    token: &[u8],
    now: Seconds,
) -> Result<(Under, Verified), Refusal> {
    let issuers = policy.issuers();
    let longest = issuers.iter().map(|issuer| issuer.rules.max_token_bytes).max().unwrap_or_default();
    let accepts = |algorithm| caches.iter().any(|cache| cache.accepted().contains(&algorithm));
    let unverified = Unverified::parse(token, longest, accepts)?;
    let at = match issuers {
        [_] => 0,
        _ => {
            let claimed = unverified.claimed_issuer();
            issuers
                .iter()
                .position(|issuer| Some(&issuer.rules.issuer) == claimed.as_ref())
                .ok_or(Code::Issuer)?
        }
    };
    let (Some(issuer), Some(cache)) = (issuers.get(at), caches.get_mut(at)) else {
        return Err(Code::Issuer.into());
    };
    // Another issuer of the policy may sign with more.
    if !cache.accepted().contains(&unverified.algorithm) {
        return Err(Code::Alg.into());
    }

    let verified = verify_signed_cached(&unverified, &issuer.rules, cache, now)?;
    let key = cache.current(now).and_then(|keys| keys.key(&unverified.kid)).ok_or(Code::UnknownKid)?;
    Ok((Under { issuer: at, key: key.clone(), kid: unverified.kid }, verified))
}

/// Accepted tokens that a gate remembers.
const REMEMBERED: usize = 1024;

fn identity_value(field: IdentityField, token: &Verified) -> Option<String> {
    match field {
        IdentityField::Subject => Some(header_text(token.subject())),
        IdentityField::ClientId => Some(header_text(token.client_id())),
        IdentityField::Session => token.session().map(header_text),
        // Scope tokens are printable ASCII already (RFC 6749 §3.3).
        IdentityField::Scope => Some(token.scope().to_owned()),
        IdentityField::Roles => Some(token.roles().map(header_text).collect::<Vec<_>>().join(",")),
    }
}

/// Percent-encodes everything that could end a header value, split a list or be trimmed.
fn header_text(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        match byte {
            b'%' | b',' | 0..=0x20 | 0x7f.. => encoded.push_str(&format!("%{byte:02X}")),
            _ => encoded.push(char::from(byte)),
        }
        encoded
    })
}

#[cfg(test)]
mod tests;
