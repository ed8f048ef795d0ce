//! A second policy that is evaluated beside the enforced one, to show what would change before it does.

use alloc::vec::Vec;
use core::fmt;

use crate::policy::Policy;
use crate::request::Decision;
use crate::token_cache::TokenCache;

#[derive(Clone, Debug)]
pub(crate) struct Shadow {
    pub(crate) policy: Policy,
    /// For each issuer of the policy, the place of its state.
    pub(crate) places: Vec<usize>,
    /// Its own: the same token may be for another audience here.
    pub(crate) cache: TokenCache,
}

/// Two decisions on one request that differ.
#[derive(Clone, Debug)]
pub struct Difference {
    /// [`Decision::as_str`] of the enforced policy.
    pub enforced: &'static str,
    /// The decision of the shadow policy.
    pub shadow: Decision,
}

impl Difference {
    /// Returns `None` if both decide the same. Who was allowed is not compared, nor which scope is lacking.
    pub(crate) fn between(enforced: &Decision, shadow: Decision) -> Option<Self> {
        let enforced = enforced.as_str();
        (enforced != shadow.as_str()).then_some(Self { enforced, shadow })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "enforced {}, shadow {}", self.enforced, self.shadow.as_str())?;
        match &self.shadow {
            Decision::Deny(refusal) => write!(f, " ({refusal})"),
            _ => Ok(()),
        }
    }
}
