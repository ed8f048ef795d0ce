//! A second policy that is tried and not enforced: what would change, before it does.

use alloc::vec::Vec;
use core::fmt;

use crate::decide::Decision;
use crate::policy::Policy;
use crate::verdicts::Verdicts;

#[derive(Clone, Debug)]
pub(crate) struct Shadow {
    pub(crate) policy: Policy,
    /// For each issuer of the policy, which of the gate's caches is its.
    pub(crate) places: Vec<usize>,
    /// Its own: the same token may be for another audience here.
    pub(crate) verdicts: Verdicts,
}

/// One request, two verdicts.
#[derive(Clone, Debug)]
pub struct Difference {
    /// [`Decision::word`] of what happened.
    pub enforced: &'static str,
    /// What the shadow policy would have done.
    pub shadow: Decision,
}

impl Difference {
    /// `None`: both say the same. Who was allowed is not compared, nor which scope is lacking.
    pub(crate) fn between(enforced: &Decision, shadow: Decision) -> Option<Self> {
        let enforced = enforced.word();
        (enforced != shadow.word()).then_some(Self { enforced, shadow })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "enforced {}, shadow {}", self.enforced, self.shadow.word())?;
        match &self.shadow {
            Decision::Deny(refusal) => write!(f, " ({refusal})"),
            _ => Ok(()),
        }
    }
}
