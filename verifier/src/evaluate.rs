//! Evaluates the checks of a request in order: path, route, token, scopes, roles. Decisions, explanations and shadow policies
//! share them.

use alloc::string::String;

use crate::Seconds;
use crate::checks::{Check, NoObserver, Observer};
use crate::credentials::{bearer_token, is_in_query};
use crate::error::{Code, Refusal};
use crate::header::{Expected, UnverifiedJws};
use crate::issuers::{Issuer, Issuers};
use crate::path::Path;
use crate::policy::{Access, IssuerPolicy, MatchedRoutes, Policy, Route};
use crate::request::RequestView;
use crate::text::{joined, quoted, quoted_list, shown, text};
use crate::token_cache::{CacheBasis, TokenMemory};
use crate::verify::{ACCESS_TOKEN, Verified, Verifier, current_keys};

/// The policy, keys and time that a request is evaluated with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Evaluator<'a> {
    pub(crate) policy: &'a Policy,
    pub(crate) issuers: Issuers<'a>,
    pub(crate) now: Seconds,
}

impl Evaluator<'_> {
    /// Returns the verified token, or `None` if the route is public.
    pub(crate) fn decide(
        &self,
        request: &RequestView<'_>,
        observer: &mut impl Observer,
        memory: &mut impl TokenMemory,
    ) -> Result<Option<Verified>, Refusal> {
        let routes = self.matched_routes(request, observer)?;
        let is_in_query = is_in_query(request.path);
        let is_public = routes.all().all(|route| route.access == Access::Public);
        if is_public && !is_in_query {
            return Ok(None);
        }
        observer.enter(Check::Credentials);
        observer.detail(|| credentials(request.authorization, is_in_query));
        if is_public {
            return Err(Code::BadAuthorization.into());
        }
        let token = bearer_token(request.authorization)?;
        // Envoy's jwt_authn takes any other spelling of the scheme for no token.
        let is_usual = || request.authorization.iter().any(|value| value.starts_with(b"Bearer "));
        if self.policy.jwt_authn_compatible && !is_usual() {
            return Err(Code::NoCredentials.into());
        }
        if is_in_query {
            return Err(Code::MultipleCredentials.into());
        }
        let (at, verified) = match memory.find(token, &self.issuers, self.now)? {
            Some(cached) => cached,
            None => self.verify(token, observer, memory)?,
        };
        // The last check was whether the issuer revoked it, and this belongs to it.
        if routes.all().any(|route| route.strict)
            && !self.issuers.get(at).is_some_and(|issuer| issuer.state.has_usable_revocations(self.now))
        {
            return Err(Code::RevocationsStale.into());
        }
        authorize(routes.all().map(Route::access), &verified, observer)?;
        Ok(Some(verified))
    }

    fn matched_routes(
        &self,
        request: &RequestView<'_>,
        observer: &mut impl Observer,
    ) -> Result<MatchedRoutes<'_>, Refusal> {
        observer.enter(Check::Path);
        // A query may hold secrets, and no route looks at it.
        observer.detail(|| shown(request.path.split(|&byte| byte == b'?').next().unwrap_or_default()));
        let path = Path::parse(request.path).ok_or(Code::BadPath)?;
        observer.enter(Check::Route);
        observer.detail(|| shown(request.method));
        let routes = self.policy.matched_routes(request.method, path).ok_or(Code::NoRoute)?;
        observer.detail(|| {
            joined(routes.all().map(|route| text!("{route}: {}", route.access)), "; in another reading ")
        });
        Ok(routes)
    }

    /// Dispatches on the exact `iss`, so that one issuer's key never vouches for another's token.
    fn verify(
        &self,
        token: &[u8],
        observer: &mut impl Observer,
        memory: &mut impl TokenMemory,
    ) -> Result<(usize, Verified), Refusal> {
        let issuers = self.issuers;
        let max_bytes = issuers.iter().map(|issuer| issuer.policy.rules.max_token_bytes).max();
        let accepts =
            |algorithm| issuers.iter().any(|issuer| issuer.state.keys.accepted().contains(&algorithm));
        let expected = Expected {
            typ: ACCESS_TOKEN,
            max_bytes: max_bytes.unwrap_or_default(),
            accepts,
            accepts_new_names: !self.policy.jwt_authn_compatible,
        };
        let jws = UnverifiedJws::parse(token, &expected, observer)?;
        observer.enter(Check::Rules);
        let at = self.claimed_issuer(&jws, observer)?;
        let Issuer { policy, state, place } = issuers.get(at).ok_or(Code::Issuer)?;
        // Another issuer of the policy may sign with more algorithms.
        if !state.keys.accepted().contains(&jws.algorithm) {
            return Err(Code::Alg.into());
        }

        let keys = current_keys(&state.keys, self.now, observer)?;
        let key = jws.key(keys, observer).inspect_err(|refusal| {
            if refusal.code() == Code::UnknownKid {
                memory.missed(place);
            }
        })?;
        let verified = Verifier { rules: &policy.rules, now: self.now }.verify(jws, key, observer)?;
        observer.enter(Check::Revocation);
        observer.detail(|| match &state.revocations {
            None => String::from("the feed is not followed"),
            Some(revocations) => revocations.describe(self.now),
        });
        state.check_revocation(&verified, self.now)?;
        let basis = CacheBasis { issuer: at, key: key.clone(), revocations: state.revocation_epoch() };
        memory.insert(token, basis, &verified);
        Ok((at, verified))
    }

    /// Returns the place in the policy of the issuer whose rules apply.
    fn claimed_issuer(
        &self,
        jws: &UnverifiedJws<'_>,
        observer: &mut impl Observer,
    ) -> Result<usize, Refusal> {
        if let [only] = self.issuers.policies() {
            observer.detail(|| text!("{}, the only issuer", quoted(&only.rules.issuer)));
            return Ok(0);
        }
        let claimed = jws.claimed_issuer();
        observer.detail(|| match &claimed {
            Some(claimed) => text!("claims to be from {}", quoted(claimed)),
            None => String::from("claims no issuer"),
        });
        let names = |issuer: &IssuerPolicy| Some(&issuer.rules.issuer) == claimed.as_ref();
        Ok(self.issuers.policies().iter().position(names).ok_or(Code::Issuer)?)
    }
}

impl Access {
    /// Checks that `token` holds the scopes and roles that this asks for, for a host without a policy file. The error is the answer
    /// to the client.
    pub fn authorize(&self, token: &Verified) -> Result<(), Refusal> {
        authorize(core::iter::once(self), token, &mut NoObserver)
    }
}

/// Checks that `token` meets all of `accesses`.
fn authorize<'a>(
    accesses: impl Iterator<Item = &'a Access> + Clone,
    token: &Verified,
    observer: &mut impl Observer,
) -> Result<(), Refusal> {
    observer.enter(Check::Scopes);
    observer.detail(|| text!("holds {}", quoted(token.scope())));
    for access in accesses.clone() {
        let Access::Token { all, any, .. } = access else { continue };
        let all_held = all.iter().all(|scope| token.has(scope));
        let any_held = any.is_empty() || any.iter().any(|scope| token.has(scope));
        if !all_held || !any_held {
            return Err(Refusal::scope(all.iter().chain(any)));
        }
    }
    observer.enter(Check::Roles);
    observer.detail(|| text!("holds {}", quoted_list(token.roles())));
    for access in accesses {
        let Access::Token { roles, .. } = access else { continue };
        if !roles.is_empty() && !token.roles().any(|held| roles.iter().any(|role| role == held)) {
            return Err(Code::InsufficientRole.into());
        }
    }
    Ok(())
}

/// Describes the credentials without their text, which is a secret.
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
