//! The list of checks of a request: path, route, token, scopes, roles. Deciding, explaining and shadowing all read it.

use alloc::string::String;

use crate::Seconds;
use crate::checks::{Check, Unwatched, Watch};
use crate::credentials::{bearer_token, is_in_query};
use crate::decide::RequestView;
use crate::error::{Code, Refusal};
use crate::header::{Expected, Unverified};
use crate::key_cache::KeyCache;
use crate::path::Path;
use crate::policy::{Access, Deciding, IssuerPolicy, Policy, Route};
use crate::revocations::Revocations;
use crate::text::{joined, quoted, quoted_list, shown, text};
use crate::verdicts::Under;
use crate::verify::{ACCESS_TOKEN, Standard, Verified, usable};

/// What a request is judged by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Judge<'a> {
    pub(crate) policy: &'a Policy,
    pub(crate) sources: &'a [Source],
    /// For each issuer of the policy, which of the sources is its.
    pub(crate) places: &'a [usize],
    pub(crate) now: Seconds,
}

/// What is known of an issuer besides its rules.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) keys: KeyCache,
    /// `None`: its feed is not followed.
    pub(crate) revocations: Option<Revocations>,
}

impl Source {
    pub(crate) fn revocation_epoch(&self) -> u64 {
        self.revocations.as_ref().map_or(0, Revocations::epoch)
    }

    /// The issuer did not take the token back.
    pub(crate) fn stands(&self, token: &Verified, now: Seconds) -> Result<(), Refusal> {
        self.revocations.as_ref().map_or(Ok(()), |revocations| revocations.check(token, false, now))
    }

    /// What is known of revocations is young enough for a route that is strict.
    fn is_fresh(&self, now: Seconds) -> bool {
        self.revocations.as_ref().is_some_and(|revocations| revocations.is_usable(now))
    }
}

/// What is known from before, and what should be known later. A decision has one, an explanation has none.
pub(crate) trait Memory {
    /// The verdict on the same token a while ago with its issuer's place in the policy, if it still holds.
    fn recall(&mut self, judge: &Judge<'_>, token: &[u8]) -> Result<Option<(usize, Verified)>, Refusal>;

    fn keep(&mut self, token: &[u8], under: Under, verified: &Verified);

    /// A token named a key that this cache does not hold.
    fn missed(&mut self, cache: usize);
}

impl Judge<'_> {
    /// `None`: the route is public.
    pub(crate) fn decide(
        &self,
        request: &RequestView<'_>,
        watch: &mut impl Watch,
        memory: &mut impl Memory,
    ) -> Result<Option<Verified>, Refusal> {
        let deciding = self.routes(request, watch)?;
        let is_in_query = is_in_query(request.path);
        let is_public = deciding.all().all(|route| route.access == Access::Public);
        if is_public && !is_in_query {
            return Ok(None);
        }
        watch.at(Check::Credentials);
        watch.saw(|| credentials(request.authorization, is_in_query));
        if is_public {
            return Err(Code::BadAuthorization.into());
        }
        let token = bearer_token(request.authorization)?;
        if is_in_query {
            return Err(Code::MultipleCredentials.into());
        }
        let (at, verified) = match memory.recall(self, token)? {
            Some(known) => known,
            None => self.verify(token, watch, memory)?,
        };
        // The last check was whether the issuer took it back, and this belongs to it.
        if deciding.all().any(|route| route.strict)
            && !self.source(at).is_some_and(|source| source.is_fresh(self.now))
        {
            return Err(Code::RevocationsStale.into());
        }
        authorize(deciding.all().map(Route::access), &verified, watch)?;
        Ok(Some(verified))
    }

    fn routes(&self, request: &RequestView<'_>, watch: &mut impl Watch) -> Result<Deciding<'_>, Refusal> {
        watch.at(Check::Path);
        // A query may hold secrets, and no route looks at it.
        watch.saw(|| shown(request.path.split(|&byte| byte == b'?').next().unwrap_or_default()));
        let path = Path::parse(request.path).ok_or(Code::BadPath)?;
        watch.at(Check::Route);
        watch.saw(|| shown(request.method));
        let deciding = self.policy.deciding(request.method, path).ok_or(Code::NoRoute)?;
        watch.saw(|| {
            joined(deciding.all().map(|route| text!("{route}: {}", route.access)), "; in another reading ")
        });
        Ok(deciding)
    }

    /// Dispatches on the exact `iss`, so that one issuer's key never vouches for another's token.
    fn verify(
        &self,
        token: &[u8],
        watch: &mut impl Watch,
        memory: &mut impl Memory,
    ) -> Result<(usize, Verified), Refusal> {
        let issuers = self.policy.issuers();
        let longest = issuers.iter().map(|issuer| issuer.rules.max_token_bytes).max().unwrap_or_default();
        let places = 0..issuers.len();
        let accepts = |algorithm| {
            places.clone().any(|at| self.source(at).is_some_and(|of| of.keys.accepted().contains(&algorithm)))
        };
        let expected = Expected { typ: ACCESS_TOKEN, max_bytes: longest, accepts };
        let unverified = Unverified::parse(token, &expected, watch)?;
        watch.at(Check::Rules);
        let at = self.claimed_issuer(&unverified, watch)?;
        let (Some(issuer), Some(source)) = (issuers.get(at), self.source(at)) else {
            return Err(Code::Issuer.into());
        };
        // Another issuer of the policy may sign with more.
        if !source.keys.accepted().contains(&unverified.algorithm) {
            return Err(Code::Alg.into());
        }

        let keys = usable(&source.keys, self.now, watch)?;
        let standard = Standard { rules: &issuer.rules, keys, now: self.now };
        let verified = standard.verify(&unverified, watch).inspect_err(|refusal| {
            if let (Code::UnknownKid, Some(&place)) = (refusal.code(), self.places.get(at)) {
                memory.missed(place);
            }
        })?;
        watch.at(Check::Revocation);
        watch.saw(|| match &source.revocations {
            None => String::from("the feed is not followed"),
            Some(revocations) => revocations.describe(self.now),
        });
        source.stands(&verified, self.now)?;
        let key = keys.key(&unverified.kid).ok_or(Code::UnknownKid)?.clone();
        memory.keep(token, Under { issuer: at, key, revocations: source.revocation_epoch() }, &verified);
        Ok((at, verified))
    }

    /// The place in the policy of whose rules apply.
    fn claimed_issuer(&self, token: &Unverified<'_>, watch: &mut impl Watch) -> Result<usize, Refusal> {
        if let [only] = self.policy.issuers() {
            watch.saw(|| text!("{}, the only issuer", quoted(&only.rules.issuer)));
            return Ok(0);
        }
        let claimed = token.claimed_issuer();
        watch.saw(|| match &claimed {
            Some(claimed) => text!("claims to be from {}", quoted(claimed)),
            None => String::from("claims no issuer"),
        });
        let names = |issuer: &IssuerPolicy| Some(&issuer.rules.issuer) == claimed.as_ref();
        Ok(self.policy.issuers().iter().position(names).ok_or(Code::Issuer)?)
    }

    pub(crate) fn source(&self, issuer: usize) -> Option<&Source> {
        self.sources.get(*self.places.get(issuer)?)
    }
}

impl Access {
    /// Whether `token` holds what this asks for, for a host that has no policy file. `Err` is the answer to the client.
    pub fn authorize(&self, token: &Verified) -> Result<(), Refusal> {
        authorize(core::iter::once(self), token, &mut Unwatched)
    }
}

/// All of `accesses` must be met.
fn authorize<'a>(
    accesses: impl Iterator<Item = &'a Access> + Clone,
    token: &Verified,
    watch: &mut impl Watch,
) -> Result<(), Refusal> {
    watch.at(Check::Scopes);
    watch.saw(|| text!("holds {}", quoted(token.scope())));
    for access in accesses.clone() {
        let Access::Token { all, any, .. } = access else { continue };
        let all_held = all.iter().all(|scope| token.has(scope));
        let any_held = any.is_empty() || any.iter().any(|scope| token.has(scope));
        if !all_held || !any_held {
            return Err(Refusal::scope(all.iter().chain(any)));
        }
    }
    watch.at(Check::Roles);
    watch.saw(|| text!("holds {}", quoted_list(token.roles())));
    for access in accesses {
        let Access::Token { roles, .. } = access else { continue };
        if !roles.is_empty() && !token.roles().any(|held| roles.iter().any(|role| role == held)) {
            return Err(Code::InsufficientRole.into());
        }
    }
    Ok(())
}

/// How much was sent, never what: it is a secret.
fn credentials(authorization: &[&[u8]], is_in_query: bool) -> String {
    let headers = match authorization {
        [] => String::from("no Authorization header"),
        [value] => text!("an Authorization header of {} bytes", value.len()),
        several => text!("{} Authorization headers", several.len()),
    };
    if is_in_query { text!("{headers}, access_token in the query") } else { headers }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{HEADER, NOW, claims, keys, rules, sign};

    #[test]
    fn a_host_without_a_policy_can_ask_for_the_same() {
        let token = sign(HEADER, &claims(&[("roles", r#"["clerk"]"#)]));
        let token = crate::verify(token.as_bytes(), &rules(), &keys(), NOW).unwrap();
        let names = |text: &str| text.split_whitespace().map(String::from).collect();
        let asked = |all, any, roles| {
            let access = Access::token(names(all), names(any), names(roles)).unwrap();
            access.authorize(&token).map_err(|refusal| refusal.code())
        };

        assert_eq!(Access::Public.authorize(&token), Ok(()));
        assert_eq!(asked("", "", ""), Ok(()));
        assert_eq!(asked("orders:read", "orders:write orders:read", "chief clerk"), Ok(()));
        assert_eq!(asked("orders:read orders:write", "", ""), Err(Code::InsufficientScope));
        assert_eq!(asked("", "orders:write", ""), Err(Code::InsufficientScope));
        assert_eq!(asked("", "", "chief"), Err(Code::InsufficientRole));
    }
}
