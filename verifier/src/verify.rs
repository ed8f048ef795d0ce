//! The list of checks. Only [`verify`] can make a [`Verified`].

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use crate::Seconds;
use crate::checks::{Check, NoObserver, Observer};
use crate::claims::Claims;
use crate::error::{Code, Refusal};
use crate::header::{Payload, UnverifiedJws, parse_jws};
use crate::key_cache::KeyCache;
use crate::keys::KeySet;
use crate::signature::{Algorithm, PublicKey};
use crate::text::{joined, quoted, quoted_list, shown, text, words};

/// The rules for an issuer's tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Compared byte by byte with `iss`.
    pub issuer: String,
    /// One of them must be in `aud`.
    pub audiences: Vec<String>,
    /// Seconds by which clocks may differ. 30 unless changed.
    pub leeway: Seconds,
    /// The longest `exp` − `iat`, in seconds. A day unless changed.
    pub max_lifetime: Seconds,
    /// The longest token, in bytes. 8,192 unless changed.
    pub max_token_bytes: usize,
}

impl Rules {
    /// Makes strict rules for tokens of `issuer` meant for one of `audiences`.
    pub const fn new(issuer: String, audiences: Vec<String>) -> Self {
        Self { issuer, audiences, leeway: 30, max_lifetime: 86_400, max_token_bytes: 8192 }
    }
}

/// Checks that `token` is a valid access token (RFC 9068 §4) of the issuer that `keys` belong to.
///
/// `now` is Unix time in seconds. The first check that fails gives the reason.
pub fn verify(token: &[u8], rules: &Rules, keys: &KeySet, now: Seconds) -> Result<Verified, Refusal> {
    let jws = parse_token(token, rules, keys.accepted(), &mut NoObserver)?;
    let key = jws.key(keys, &mut NoObserver)?;
    Verifier { rules, now }.verify(jws, key, &mut NoObserver)
}

/// Like [`verify`], but does not check whom the token is for: `rules.audiences` is not read.
///
/// For the issuer alone, which is asked about tokens meant for others (RFC 7009, RFC 7662). A resource that used it
/// would accept tokens that were given to another resource.
pub fn verify_for_any_audience(
    token: &[u8],
    rules: &Rules,
    keys: &KeySet,
    now: Seconds,
) -> Result<Verified, Refusal> {
    let jws = parse_token(token, rules, keys.accepted(), &mut NoObserver)?;
    let key = jws.key(keys, &mut NoObserver)?;
    Verifier { rules, now }.verify_for_any_audience(jws, key, &mut NoObserver)
}

/// Like [`verify`], with the keys that `cache` has at `now`. Without any a sound token is refused as `keys_unavailable`; an
/// unknown `kid` makes the cache ask for a fetch.
pub fn verify_cached(
    token: &[u8],
    rules: &Rules,
    cache: &mut KeyCache,
    now: Seconds,
) -> Result<Verified, Refusal> {
    let outcome = Verifier { rules, now }.verify_token(token, cache, &mut NoObserver);
    ask_for_unknown_key(&outcome, cache, now);
    outcome
}

/// Asks `cache` for a fetch if the token names a key that it does not hold: the key may be a new one.
pub(crate) fn ask_for_unknown_key(outcome: &Result<Verified, Refusal>, cache: &mut KeyCache, now: Seconds) {
    if outcome.as_ref().is_err_and(|refusal| refusal.code() == Code::UnknownKid) {
        cache.missed(now);
    }
}

/// Checks the form and the header of an access token.
pub(crate) fn parse_token<'a>(
    token: &'a [u8],
    rules: &Rules,
    accepted: &[Algorithm],
    observer: &mut impl Observer,
) -> Result<UnverifiedJws<'a>, Refusal> {
    parse_jws(token, ACCESS_TOKEN, rules.max_token_bytes, accepted, observer)
}

/// RFC 9068 §2.1.
pub(crate) const ACCESS_TOKEN: &str = "at+jwt";

/// Returns the keys to verify with.
pub(crate) fn current_keys<'c>(
    cache: &'c KeyCache,
    now: Seconds,
    observer: &mut impl Observer,
) -> Result<&'c KeySet, Refusal> {
    observer.enter(Check::Keys);
    observer.detail(|| match (cache.current(now), cache.age(now)) {
        (Some(keys), _) => joined(keys.kids(), ", "),
        (None, Some(age)) => text!("too old: {age} seconds"),
        (None, None) => String::from("never fetched"),
    });
    Ok(cache.current(now).ok_or(Code::KeysUnavailable)?)
}

/// The checks of a token by the rules of one issuer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Verifier<'a> {
    pub(crate) rules: &'a Rules,
    pub(crate) now: Seconds,
}

/// Claims that the issuer signed, at any time and for any audience.
struct Signed {
    claims: Claims,
    payload: Payload,
}

impl Verifier<'_> {
    /// Makes every check, with the keys that `cache` has.
    pub(crate) fn verify_token(
        &self,
        token: &[u8],
        cache: &KeyCache,
        observer: &mut impl Observer,
    ) -> Result<Verified, Refusal> {
        let jws = parse_token(token, self.rules, cache.accepted(), observer)?;
        let key = jws.key(current_keys(cache, self.now, observer)?, observer)?;
        self.verify(jws, key, observer)
    }

    /// Makes the checks from the signature on.
    pub(crate) fn verify(
        &self,
        jws: UnverifiedJws<'_>,
        key: &PublicKey,
        observer: &mut impl Observer,
    ) -> Result<Verified, Refusal> {
        let signed = self.signed_claims(jws, key, observer)?;
        let audiences = &signed.claims.audiences;
        observer.enter(Check::Audience);
        observer.detail(|| {
            text!("{}, expected one of {}", quoted_list(audiences), quoted_list(&self.rules.audiences))
        });
        if !audiences.iter().any(|audience| self.rules.audiences.contains(audience)) {
            return Err(Code::Audience.into());
        }
        self.in_time(signed, observer)
    }

    /// Makes the checks from the signature on but for the audience.
    pub(crate) fn verify_for_any_audience(
        &self,
        jws: UnverifiedJws<'_>,
        key: &PublicKey,
        observer: &mut impl Observer,
    ) -> Result<Verified, Refusal> {
        let signed = self.signed_claims(jws, key, observer)?;
        self.in_time(signed, observer)
    }

    fn signed_claims(
        &self,
        jws: UnverifiedJws<'_>,
        key: &PublicKey,
        observer: &mut impl Observer,
    ) -> Result<Signed, Refusal> {
        let payload = jws.into_payload(key, observer)?;
        observer.detail(|| shown(&payload.bytes));
        let claims = Claims::parse(&payload.bytes)?;
        observer.enter(Check::Issuer);
        observer.detail(|| text!("{}, expected {}", quoted(&claims.issuer), quoted(&self.rules.issuer)));
        if claims.issuer == self.rules.issuer {
            Ok(Signed { claims, payload })
        } else {
            Err(Code::Issuer.into())
        }
    }

    fn in_time(&self, signed: Signed, observer: &mut impl Observer) -> Result<Verified, Refusal> {
        let Signed { claims, payload: Payload { bytes, kid } } = signed;
        check_times(&claims, self.rules, self.now, observer)?;
        // Parsed as JSON before, so it is UTF-8.
        let json = String::from_utf8(bytes).map_err(|_| Code::ClaimsJson)?;
        Ok(Verified(Arc::new(Accepted { claims, kid, json })))
    }
}

/// RFC 7519 §4.1.4 to §4.1.6: `exp` is exclusive and comes after all else; nothing comes from the future; nothing lives for
/// ever.
fn check_times(
    claims: &Claims,
    rules: &Rules,
    now: Seconds,
    observer: &mut impl Observer,
) -> Result<(), Refusal> {
    let Rules { leeway, max_lifetime, .. } = *rules;
    let latest = now.saturating_add(leeway);
    observer.enter(Check::Exp);
    // The leeway is for clocks that differ. It must not let a token pass that no clock ever found valid.
    let begins = claims.issued_at.max(claims.not_before.unwrap_or_default());
    let is_never_valid = claims.expires_at <= begins;
    observer.detail(|| {
        let never = if is_never_valid { text!(", begins at {begins} only") } else { String::new() };
        text!("{}, it is {now}, leeway {leeway}{never}", claims.expires_at)
    });
    if is_never_valid || claims.expires_at.saturating_add(leeway) <= now {
        return Err(Code::Expired.into());
    }
    observer.enter(Check::Nbf);
    observer.detail(|| claims.not_before.map_or_else(|| String::from("none"), |at| text!("{at}")));
    if claims.not_before.is_some_and(|not_before| not_before > latest) {
        return Err(Code::NotYetValid.into());
    }
    observer.enter(Check::Iat);
    observer.detail(|| text!("{}", claims.issued_at));
    if claims.issued_at > latest {
        return Err(Code::IssuedInFuture.into());
    }
    let lifetime = claims.expires_at.saturating_sub(claims.issued_at);
    observer.enter(Check::Lifetime);
    observer.detail(|| text!("{lifetime} seconds, at most {max_lifetime}"));
    if lifetime > max_lifetime { Err(Code::Lifetime.into()) } else { Ok(()) }
}

/// A token that passed every check. It holds the claims, not the token. Clones share them; they cannot be changed.
#[derive(Clone, Debug)]
pub struct Verified(Arc<Accepted>);

#[derive(Debug)]
struct Accepted {
    claims: Claims,
    kid: String,
    json: String,
}

impl Verified {
    /// The checks whose outcome changes with time, again.
    pub(crate) fn check_times(&self, rules: &Rules, now: Seconds) -> Result<(), Refusal> {
        check_times(&self.0.claims, rules, now, &mut NoObserver)
    }

    /// About how much memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        let Accepted { claims, kid, json } = &*self.0;
        let lists = claims.audiences.iter().chain(&claims.roles);
        let texts =
            [&claims.issuer, &claims.subject, &claims.client_id, &claims.token_id, &claims.scope, kid, json];
        // A text takes what its allocation rounds up to, and its place in the list.
        let each = |text: &String| text.len().saturating_add(2 * size_of::<String>());
        texts
            .into_iter()
            .chain(lists)
            .chain(&claims.session)
            .map(each)
            .fold(size_of::<Accepted>(), usize::saturating_add)
    }

    /// Returns the times at which the decision under `rules` stays the same, as long as the keys do.
    ///
    /// For a host that remembers what was accepted: within this range, before [`KeyCache::usable_until`] and in the same
    /// [`KeyCache::epoch`] it need not ask again. Where it follows the issuer's feed, [`crate::Revocations`] has the same two.
    pub fn valid_during(&self, rules: &Rules) -> Range<Seconds> {
        let claims = &self.0.claims;
        let first = claims.not_before.unwrap_or_default().max(claims.issued_at);
        first.saturating_sub(rules.leeway)..claims.expires_at.saturating_add(rules.leeway)
    }

    /// Returns `iss`.
    pub fn issuer(&self) -> &str {
        &self.0.claims.issuer
    }

    /// Returns `sub`.
    pub fn subject(&self) -> &str {
        &self.0.claims.subject
    }

    /// Returns `client_id`.
    pub fn client_id(&self) -> &str {
        &self.0.claims.client_id
    }

    /// Returns `jti`.
    pub fn token_id(&self) -> &str {
        &self.0.claims.token_id
    }

    /// Returns `aud`.
    pub fn audiences(&self) -> &[String] {
        &self.0.claims.audiences
    }

    /// Returns `iat`, Unix time in seconds.
    pub fn issued_at(&self) -> Seconds {
        self.0.claims.issued_at
    }

    /// Returns `exp`, Unix time in seconds.
    pub fn expires_at(&self) -> Seconds {
        self.0.claims.expires_at
    }

    /// Returns `kid` of the header: the key that signed it.
    pub fn kid(&self) -> &str {
        &self.0.kid
    }

    /// `sv`: how often the subject's tokens had been revoked as a whole when it was issued.
    pub(crate) fn subject_epoch(&self) -> u64 {
        self.0.claims.subject_epoch
    }

    /// `cv`: the same of the client's.
    pub(crate) fn client_epoch(&self) -> u64 {
        self.0.claims.client_epoch
    }

    /// Returns `sid`, or `None` if the token belongs to no session.
    pub fn session(&self) -> Option<&str> {
        self.0.claims.session.as_deref()
    }

    /// Returns `scope`: scope tokens separated by single spaces, or empty.
    pub fn scope(&self) -> &str {
        &self.0.claims.scope
    }

    /// Returns the scope tokens.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        words(&self.0.claims.scope).filter(|token| !token.is_empty())
    }

    /// Returns `roles`.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.0.claims.roles.iter().map(String::as_str)
    }

    /// Returns whether the token holds `scope`: whole tokens, case-sensitive, no wildcards (RFC 6749 §3.3).
    pub fn has(&self, scope: &str) -> bool {
        self.scopes().any(|token| token == scope)
    }

    /// Returns whether the token holds every one of `scopes`.
    pub fn has_all(&self, scopes: &[&str]) -> bool {
        scopes.iter().all(|scope| self.has(scope))
    }

    /// Returns whether the token holds at least one of `scopes`.
    pub fn has_any(&self, scopes: &[&str]) -> bool {
        scopes.iter().any(|scope| self.has(scope))
    }

    /// Returns the claims as the JSON object that was signed: strict, so every parser reads the same.
    pub fn claims_json(&self) -> &str {
        &self.0.json
    }
}

#[cfg(test)]
mod tests;
