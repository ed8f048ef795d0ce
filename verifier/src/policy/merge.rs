//! Adding one policy to another: what was said before is neither loosened nor overridden.

use alloc::string::String;
use core::fmt;

use super::read::insert;
use super::{EnvoySettings, IssuerPolicy, KeySource, PathComparison, Policy, Route, paths};
use crate::text::text;

/// Two policies that contradict each other, and in what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergeError {
    /// As `routes GET /orders` or `issuers https://as.example`: the addition that is at fault.
    member: String,
    problem: String,
}

impl fmt::Display for MergeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.member, self.problem)
    }
}

impl core::error::Error for MergeError {}

impl Policy {
    /// Returns this policy with the issuers, routes and identity headers of `addition`.
    ///
    /// Rules that both contain are kept once. A request that this policy decides is decided as before: an addition that would
    /// change that is refused, were it stricter or looser. Only tokens of an added issuer are new to the old routes.
    pub fn merge(mut self, addition: Self) -> Result<Self, MergeError> {
        for issuer in addition.issuers {
            match self.issuers.iter().find(|other| other.rules.issuer == issuer.rules.issuer) {
                None => self.issuers.push(issuer),
                Some(other) if is_same(other, &issuer) => {}
                Some(_) => {
                    let problem = "stands in the policy already, with other rules, keys or feed".into();
                    return Err(MergeError { member: text!("issuers {}", issuer.rules.issuer), problem });
                }
            }
        }
        if addition.paths.is_some_and(|paths| paths != self.path_comparison()) {
            return Err(MergeError {
                member: "path_comparison".into(),
                problem: "contradicts the policy".into(),
            });
        }
        if addition.jwt_authn_compatible && !self.jwt_authn_compatible {
            return Err(MergeError {
                member: "jwt_authn_compatible".into(),
                problem: "contradicts the policy".into(),
            });
        }
        let old = self.routes.clone();
        let is_lenient = self.path_comparison() == PathComparison::Lenient;
        for route in addition.routes {
            if old.iter().any(|old| old.includes(&route)) {
                continue;
            }
            if let Some(overridden) = old.iter().find(|old| route.overrides(old, is_lenient)) {
                let problem = text!("would decide requests that {overridden} decides now");
                return Err(MergeError { member: text!("routes {route}"), problem });
            }
            insert(&mut self.routes, route);
        }
        for (field, name) in addition.identity_headers {
            let known = self.identity_headers.iter().find(|(other, text)| *other == field || *text == name);
            match known {
                None => self.identity_headers.push((field, name)),
                Some(same) if *same == (field, name.clone()) => {}
                Some((_, other)) => {
                    let problem = text!("contradicts the header {other}");
                    return Err(MergeError { member: text!("identity_headers {name}"), problem });
                }
            }
        }
        match (&self.cors, addition.cors) {
            (_, None) => {}
            (None, added) => self.cors = added,
            (Some(own), Some(added)) if *own == added => {}
            (Some(_), Some(_)) => {
                return Err(MergeError {
                    member: "cors".into(),
                    problem: "stands in the policy already".into(),
                });
            }
        }
        if addition.envoy != self.envoy && addition.envoy != EnvoySettings::default() {
            return Err(MergeError { member: "envoy".into(), problem: "contradicts the policy".into() });
        }
        self.alternatives = paths::alternatives(&self.routes);
        Ok(self)
    }
}

impl Route {
    /// Returns whether a request that `other` would decide is decided by this route instead, and otherwise.
    fn overrides(&self, other: &Self, is_lenient: bool) -> bool {
        let comes_first = self.path.by_precedence(&other.path).is_le() && self.path.overlaps(&other.path);
        let comes_along = is_lenient && self.path.may_precede(&other.path);
        self.shares_a_method(other) && self.differs(other) && (comes_first || comes_along)
    }

    /// Returns whether this route says all that `other` says.
    fn includes(&self, other: &Self) -> bool {
        self.path == other.path
            && !self.differs(other)
            && other.methods.iter().all(|method| self.methods.contains(method))
    }
}

fn is_same(one: &IssuerPolicy, other: &IssuerPolicy) -> bool {
    let same_keys = match (&one.keys, &other.keys) {
        (KeySource::Inline(keys), KeySource::Inline(others)) => keys.is_same(others),
        (
            KeySource::Remote { url, cluster },
            KeySource::Remote { url: other_url, cluster: other_cluster },
        ) => (url, cluster) == (other_url, other_cluster),
        _ => false,
    };
    one.rules == other.rules && one.revocations == other.revocations && same_keys
}
