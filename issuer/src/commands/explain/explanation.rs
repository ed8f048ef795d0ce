//! An explanation: what was checked, in order, and what follows.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use crate::commands::{Failure, Output, open};

#[derive(Debug, Serialize)]
pub(super) struct Explanation {
    kind: &'static str,
    pub(super) accepted: bool,
    /// The reason of a refusal, in the words of the verifier or of the issuer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) code: Option<&'static str>,
    /// The same as a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
    /// Which of Keystone's own verifiers refuse what the issuer accepts, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refused_elsewhere: Option<String>,
    checks: Vec<Check>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) header: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) claims: Option<Value>,
}

#[derive(Debug, Serialize)]
struct Check {
    check: &'static str,
    outcome: Outcome,
    says: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    Passed,
    Failed,
    /// An earlier check failed; what is said is only what the token claims.
    NotReached,
}

impl From<keystone_verifier::Outcome> for Outcome {
    fn from(outcome: keystone_verifier::Outcome) -> Self {
        match outcome {
            keystone_verifier::Outcome::Passed => Self::Passed,
            keystone_verifier::Outcome::Failed => Self::Failed,
            keystone_verifier::Outcome::NotReached => Self::NotReached,
        }
    }
}

impl Explanation {
    pub(super) const fn of(kind: &'static str) -> Self {
        Self {
            kind,
            accepted: false,
            code: None,
            reason: None,
            refused_elsewhere: None,
            checks: Vec::new(),
            header: None,
            claims: None,
        }
    }

    pub(super) fn add(&mut self, check: &'static str, outcome: Outcome, says: impl Into<String>) {
        self.checks.push(Check { check, outcome, says: says.into() });
    }

    pub(super) fn judge(&mut self, check: &'static str, holds: bool, says: impl Into<String>) {
        self.add(check, if holds { Outcome::Passed } else { Outcome::Failed }, says);
    }

    /// Nothing more can be found out.
    pub(super) const fn refused(mut self, code: &'static str) -> Self {
        self.accepted = false;
        self.code = Some(code);
        self
    }

    /// `refusal`: why it is refused.
    pub(super) fn decided(mut self, refusal: Option<&'static str>) -> Self {
        self.accepted = refusal.is_none();
        self.code = refusal;
        self
    }

    pub(super) fn output(&self, json: bool) -> Result<Output, Failure> {
        let text = if json { serde_json::to_string(self).map_err(open::failed)? } else { self.to_string() };
        Ok(Output { fit: self.accepted, ..text.into() })
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Check { check, outcome, says } in &self.checks {
            writeln!(f, "{outcome:<11}  {check:<14}  {says}")?;
        }
        match (self.code, self.reason.as_ref().or(self.refused_elsewhere.as_ref())) {
            (None, Some(elsewhere)) => write!(f, "the {} is accepted by the issuer; {elsewhere}", self.kind),
            (None, None) => write!(f, "the {} is accepted", self.kind),
            (Some(code), None) => write!(f, "the {} is refused: {code}", self.kind),
            (Some(code), Some(reason)) => write!(f, "the {} is refused: {code} ({reason})", self.kind),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Passed => "passed",
            Self::Failed => "FAILED",
            Self::NotReached => "not reached",
        })
    }
}
