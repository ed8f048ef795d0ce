//! The list of checks. Only [`verify`] can make a [`Verified`].

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use crate::Seconds;
use crate::base64url;
use crate::checks::{Check, Unwatched, Watch};
use crate::claims::Claims;
use crate::error::{Code, Refusal};
use crate::explain::{Explanation, Record};
use crate::header::{Expected, Unverified};
use crate::key_cache::KeyCache;
use crate::keys::KeySet;
use crate::signature::Algorithm;
use crate::text::{joined, quoted, quoted_list, shown, text, words};

/// What an issuer's tokens must look like.
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
    /// Strict rules for tokens of `issuer` meant for one of `audiences`.
    pub const fn new(issuer: String, audiences: Vec<String>) -> Self {
        Self { issuer, audiences, leeway: 30, max_lifetime: 86_400, max_token_bytes: 8192 }
    }
}

/// Checks that `token` is a valid access token (RFC 9068 §4) of the issuer that `keys` belong to.
///
/// `now` is Unix time in seconds. The first check that fails gives the reason.
pub fn verify(token: &[u8], rules: &Rules, keys: &KeySet, now: Seconds) -> Result<Verified, Refusal> {
    let unverified = unverified(token, rules, keys.accepted(), &mut Unwatched)?;
    Standard { rules, keys, now }.verify(&unverified, &mut Unwatched)
}

/// [`verify`] without the question whom the token is for: `rules.audiences` is not read.
///
/// For the issuer alone, which is asked about tokens meant for others (RFC 7009, RFC 7662). A resource that used it
/// would accept tokens that were given to another resource.
pub fn verify_for_any_audience(
    token: &[u8],
    rules: &Rules,
    keys: &KeySet,
    now: Seconds,
) -> Result<Verified, Refusal> {
    let unverified = unverified(token, rules, keys.accepted(), &mut Unwatched)?;
    Standard { rules, keys, now }.verify_for_any_audience(&unverified, &mut Unwatched)
}

/// [`verify`] with the keys that `cache` has at `now`. Without any a sound token is refused as `keys_unavailable`; an
/// unknown `kid` makes the cache ask for a fetch.
pub fn verify_cached(
    token: &[u8],
    rules: &Rules,
    cache: &mut KeyCache,
    now: Seconds,
) -> Result<Verified, Refusal> {
    let verdict = verify_watched(token, (rules, cache), now, &mut Unwatched);
    ask_for_unknown(&verdict, cache, now);
    verdict
}

/// Every check that [`verify_cached`] makes of this token at `now`, with its outcome. Changes nothing.
pub fn explain(token: &[u8], rules: &Rules, cache: &KeyCache, now: Seconds) -> Explanation {
    let mut record = Record::default();
    let outcome = verify_watched(token, (rules, cache), now, &mut record);
    record.explained(outcome.map(Some), Check::is_of_token)
}

/// Every check that [`verify_for_any_audience`] makes of this token at `now`, with its outcome. Changes nothing.
pub fn explain_for_any_audience(token: &[u8], rules: &Rules, cache: &KeyCache, now: Seconds) -> Explanation {
    let mut record = Record::default();
    let outcome = unverified(token, rules, cache.accepted(), &mut record).and_then(|unverified| {
        let keys = usable(cache, now, &mut record)?;
        Standard { rules, keys, now }.verify_for_any_audience(&unverified, &mut record)
    });
    record.explained(outcome.map(Some), |check| check.is_of_token() && check != Check::Audience)
}

pub(crate) fn verify_watched(
    token: &[u8],
    (rules, cache): (&Rules, &KeyCache),
    now: Seconds,
    watch: &mut impl Watch,
) -> Result<Verified, Refusal> {
    let unverified = unverified(token, rules, cache.accepted(), watch)?;
    let keys = usable(cache, now, watch)?;
    Standard { rules, keys, now }.verify(&unverified, watch)
}

/// The key may be a new one: asks for a fetch.
pub(crate) fn ask_for_unknown(verdict: &Result<Verified, Refusal>, cache: &mut KeyCache, now: Seconds) {
    if verdict.as_ref().is_err_and(|refusal| refusal.code() == Code::UnknownKid) {
        cache.missed(now);
    }
}

fn unverified<'a>(
    token: &'a [u8],
    rules: &Rules,
    accepted: &[Algorithm],
    watch: &mut impl Watch,
) -> Result<Unverified<'a>, Refusal> {
    opened(token, (ACCESS_TOKEN, rules.max_token_bytes), accepted, watch)
}

/// Any JWS of this type and size.
pub(crate) fn opened<'a>(
    jws: &'a [u8],
    (typ, max_bytes): (&'static str, usize),
    accepted: &[Algorithm],
    watch: &mut impl Watch,
) -> Result<Unverified<'a>, Refusal> {
    let accepts = |algorithm| accepted.contains(&algorithm);
    Unverified::parse(jws, &Expected { typ, max_bytes, accepts }, watch)
}

/// What a key of `keys` signed.
pub(crate) fn signed_payload(
    jws: &Unverified<'_>,
    keys: &KeySet,
    watch: &mut impl Watch,
) -> Result<Vec<u8>, Refusal> {
    watch.at(Check::Key);
    watch.saw(|| quoted(&jws.kid));
    let key = keys.key(&jws.kid).ok_or(Code::UnknownKid)?;
    // RFC 8725 §3.1: the key says which algorithm it is for, whatever the token says.
    if key.algorithm() != jws.algorithm {
        return Err(Code::Alg.into());
    }
    watch.at(Check::Signature);
    let signature = base64url::decode(jws.signature).ok_or(Code::Base64)?;
    if !watch.verifies(key, jws.signed, &signature) {
        return Err(Code::Signature.into());
    }
    watch.at(Check::Claims);
    Ok(base64url::decode(jws.payload).ok_or(Code::Base64)?)
}

/// RFC 9068 §2.1.
pub(crate) const ACCESS_TOKEN: &str = "at+jwt";

/// The keys to verify with.
pub(crate) fn usable<'c>(
    cache: &'c KeyCache,
    now: Seconds,
    watch: &mut impl Watch,
) -> Result<&'c KeySet, Refusal> {
    watch.at(Check::Keys);
    watch.saw(|| match (cache.current(now), cache.age(now)) {
        (Some(keys), _) => joined(keys.kids(), ", "),
        (None, Some(age)) => text!("too old: {age} seconds"),
        (None, None) => String::from("never fetched"),
    });
    Ok(cache.current(now).ok_or(Code::KeysUnavailable)?)
}

/// What a token is held against.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standard<'a> {
    pub(crate) rules: &'a Rules,
    pub(crate) keys: &'a KeySet,
    pub(crate) now: Seconds,
}

/// What the issuer signed, whenever that was and whomever it is for.
struct Signed {
    claims: Claims,
    kid: String,
    payload: Vec<u8>,
}

impl Standard<'_> {
    pub(crate) fn verify(&self, token: &Unverified<'_>, watch: &mut impl Watch) -> Result<Verified, Refusal> {
        let signed = self.signed_claims(token, watch)?;
        let audiences = &signed.claims.audiences;
        watch.at(Check::Audience);
        watch.saw(|| {
            text!("{}, expected one of {}", quoted_list(audiences), quoted_list(&self.rules.audiences))
        });
        if !audiences.iter().any(|audience| self.rules.audiences.contains(audience)) {
            return Err(Code::Audience.into());
        }
        self.in_time(signed, watch)
    }

    fn verify_for_any_audience(
        &self,
        token: &Unverified<'_>,
        watch: &mut impl Watch,
    ) -> Result<Verified, Refusal> {
        let signed = self.signed_claims(token, watch)?;
        self.in_time(signed, watch)
    }

    fn signed_claims(&self, token: &Unverified<'_>, watch: &mut impl Watch) -> Result<Signed, Refusal> {
        let payload = signed_payload(token, self.keys, watch)?;
        watch.saw(|| shown(&payload));
        let claims = Claims::parse(&payload)?;
        watch.at(Check::Issuer);
        watch.saw(|| text!("{}, expected {}", quoted(&claims.issuer), quoted(&self.rules.issuer)));
        if claims.issuer == self.rules.issuer {
            Ok(Signed { claims, kid: token.kid.clone(), payload })
        } else {
            Err(Code::Issuer.into())
        }
    }

    fn in_time(&self, signed: Signed, watch: &mut impl Watch) -> Result<Verified, Refusal> {
        let Signed { claims, kid, payload } = signed;
        check_times(&claims, self.rules, self.now, watch)?;
        // Parsed as JSON before, so it is UTF-8.
        let json = String::from_utf8(payload).map_err(|_| Code::ClaimsJson)?;
        Ok(Verified(Arc::new(Accepted { claims, kid, json })))
    }
}

/// RFC 7519 §4.1.4 to §4.1.6: `exp` is exclusive and comes after all else; nothing comes from the future; nothing lives for
/// ever.
fn check_times(claims: &Claims, rules: &Rules, now: Seconds, watch: &mut impl Watch) -> Result<(), Refusal> {
    let Rules { leeway, max_lifetime, .. } = *rules;
    let latest = now.saturating_add(leeway);
    watch.at(Check::Exp);
    // The leeway is for clocks that differ. It must not let a token pass that no clock ever found valid.
    let begins = claims.issued_at.max(claims.not_before.unwrap_or_default());
    let is_never_valid = claims.expires_at <= begins;
    watch.saw(|| {
        let never = if is_never_valid { text!(", begins at {begins} only") } else { String::new() };
        text!("{}, it is {now}, leeway {leeway}{never}", claims.expires_at)
    });
    if is_never_valid || claims.expires_at.saturating_add(leeway) <= now {
        return Err(Code::Expired.into());
    }
    watch.at(Check::Nbf);
    watch.saw(|| claims.not_before.map_or_else(|| String::from("none"), |at| text!("{at}")));
    if claims.not_before.is_some_and(|not_before| not_before > latest) {
        return Err(Code::NotYetValid.into());
    }
    watch.at(Check::Iat);
    watch.saw(|| text!("{}", claims.issued_at));
    if claims.issued_at > latest {
        return Err(Code::IssuedInFuture.into());
    }
    let lifetime = claims.expires_at.saturating_sub(claims.issued_at);
    watch.at(Check::Lifetime);
    watch.saw(|| text!("{lifetime} seconds, at most {max_lifetime}"));
    if lifetime > max_lifetime { Err(Code::Lifetime.into()) } else { Ok(()) }
}

/// A token that passed every check. It holds the claims, not the token. Clones share them; nobody can change them.
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
        check_times(&self.0.claims, rules, now, &mut Unwatched)
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

    /// The times at which a verdict under `rules` stays the same, as long as the keys do.
    ///
    /// For a host that remembers what was accepted: within this range, before [`KeyCache::usable_until`] and in the same
    /// [`KeyCache::epoch`] it need not ask again. Where it follows the issuer's feed, [`crate::Revocations`] has the same two.
    pub fn valid_during(&self, rules: &Rules) -> Range<Seconds> {
        let claims = &self.0.claims;
        let first = claims.not_before.unwrap_or_default().max(claims.issued_at);
        first.saturating_sub(rules.leeway)..claims.expires_at.saturating_add(rules.leeway)
    }

    /// `iss`.
    pub fn issuer(&self) -> &str {
        &self.0.claims.issuer
    }

    /// `sub`.
    pub fn subject(&self) -> &str {
        &self.0.claims.subject
    }

    /// `client_id`.
    pub fn client_id(&self) -> &str {
        &self.0.claims.client_id
    }

    /// `jti`.
    pub fn token_id(&self) -> &str {
        &self.0.claims.token_id
    }

    /// `aud`.
    pub fn audiences(&self) -> &[String] {
        &self.0.claims.audiences
    }

    /// `iat`, Unix time in seconds.
    pub fn issued_at(&self) -> Seconds {
        self.0.claims.issued_at
    }

    /// `exp`, Unix time in seconds.
    pub fn expires_at(&self) -> Seconds {
        self.0.claims.expires_at
    }

    /// `kid` of the header: the key that signed it.
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

    /// `sid`. `None`: the token belongs to no session.
    pub fn session(&self) -> Option<&str> {
        self.0.claims.session.as_deref()
    }

    /// `scope`: scope tokens separated by single spaces, or empty.
    pub fn scope(&self) -> &str {
        &self.0.claims.scope
    }

    /// The scope tokens.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        words(&self.0.claims.scope).filter(|token| !token.is_empty())
    }

    /// `roles`.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.0.claims.roles.iter().map(String::as_str)
    }

    /// Whether the token holds `scope`: whole tokens, case-sensitive, no wildcards (RFC 6749 §3.3).
    pub fn has(&self, scope: &str) -> bool {
        self.scopes().any(|token| token == scope)
    }

    /// Whether the token holds every one of `scopes`.
    pub fn has_all(&self, scopes: &[&str]) -> bool {
        scopes.iter().all(|scope| self.has(scope))
    }

    /// Whether the token holds at least one of `scopes`.
    pub fn has_any(&self, scopes: &[&str]) -> bool {
        scopes.iter().any(|scope| self.has(scope))
    }

    /// The claims as the JSON object that was signed: strict, so every parser reads the same.
    pub fn claims_json(&self) -> &str {
        &self.0.json
    }
}

#[cfg(test)]
mod tests;
