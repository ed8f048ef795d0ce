//! Every check of a decision with its outcome, as data and as text.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write as _};

use crate::checks::{Check, Watch};
use crate::error::Refusal;
use crate::json::write_string;
use crate::text::text;
use crate::verify::Verified;

/// How one check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It holds.
    Passed,
    /// It gave the reason of the refusal.
    Failed,
    /// It was not made: a check before it failed, or the route is public.
    NotReached,
}

impl Outcome {
    /// The stable text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::NotReached => "not_reached",
        }
    }
}

/// One check, how it ended and what it looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Which.
    pub check: Check,
    /// How it ended.
    pub outcome: Outcome,
    /// What it looked at, escaped; empty where there is nothing to say. Before the signature is found right this is
    /// whatever the sender wrote.
    pub seen: String,
}

/// Why a request or a token is accepted or refused. It holds claims, but neither a signature nor a whole token.
#[derive(Clone, Debug)]
pub struct Explanation {
    steps: Vec<Step>,
    outcome: Result<Option<Verified>, Refusal>,
}

impl Explanation {
    /// Every check, in the order in which they are made.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The refusal. `None`: accepted.
    pub fn refusal(&self) -> Option<&Refusal> {
        self.outcome.as_ref().err()
    }

    /// The token, where it is accepted. `None` also on a public route.
    pub fn verified(&self) -> Option<&Verified> {
        self.outcome.as_ref().ok()?.as_ref()
    }

    /// `public`, `allow`, or the code of the refusal: what `Decision::word` says of the same request.
    pub fn verdict(&self) -> &'static str {
        match &self.outcome {
            Err(refusal) => refusal.code().as_str(),
            Ok(Some(_)) => "allow",
            Ok(None) => "public",
        }
    }

    /// One JSON object: `verdict`, for a refusal also `status` and `reason`, and `checks`, an array of objects with
    /// `check`, `outcome` (`passed`, `failed`, `not_reached`) and `seen`.
    pub fn to_json(&self) -> String {
        let mut json = String::from("{\"verdict\":");
        write_string(self.verdict(), &mut json);
        if let Some(refusal) = self.refusal() {
            // Writing to a `String` cannot fail.
            let _ = write!(json, ",\"status\":{},\"reason\":", refusal.status());
            write_string(&text!("{refusal}"), &mut json);
        }
        json.push_str(",\"checks\":[");
        for (at, Step { check, outcome, seen }) in self.steps.iter().enumerate() {
            json.push_str(if at == 0 { "{\"check\":" } else { ",{\"check\":" });
            write_string(check.as_str(), &mut json);
            json.push_str(",\"outcome\":");
            write_string(outcome.as_str(), &mut json);
            json.push_str(",\"seen\":");
            write_string(seen, &mut json);
            json.push('}');
        }
        json.push_str("]}");
        json
    }
}

/// A line for each check, then the verdict.
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Step { check, outcome, seen } in &self.steps {
            let line = text!("{:<11}  {check:<11}  {seen}", outcome.as_str());
            writeln!(f, "{}", line.trim_end())?;
        }
        match self.refusal() {
            None => f.write_str(self.verdict()),
            Some(refusal) => write!(f, "{}: {refusal}", self.verdict()),
        }
    }
}

/// Writes down the checks as they are made.
#[derive(Debug, Default)]
pub(crate) struct Record(Vec<Step>);

impl Watch for Record {
    fn at(&mut self, check: Check) {
        self.0.push(Step { check, outcome: Outcome::Passed, seen: String::new() });
    }

    fn saw(&mut self, seen: impl FnOnce() -> String) {
        if let Some(step) = self.0.last_mut() {
            step.seen = seen();
        }
    }
}

impl Record {
    /// `belongs`: the checks that this kind of decision has.
    pub(crate) fn explained(
        self,
        outcome: Result<Option<Verified>, Refusal>,
        belongs: impl Fn(Check) -> bool,
    ) -> Explanation {
        let Self(mut steps) = self;
        if let (Err(_), Some(last)) = (&outcome, steps.last_mut()) {
            last.outcome = Outcome::Failed;
        }
        for &check in Check::ALL {
            if belongs(check) && !steps.iter().any(|step| step.check == check) {
                steps.push(Step { check, outcome: Outcome::NotReached, seen: String::new() });
            }
        }
        Explanation { steps, outcome }
    }
}

#[cfg(test)]
mod tests;
