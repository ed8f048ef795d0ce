//! Explains a decision: every check with its outcome, as data and as text.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write as _};

use crate::Seconds;
use crate::authorizer::Authorizer;
use crate::checks::{Check, Observer};
use crate::error::Refusal;
use crate::json::write_string;
use crate::key_cache::KeyCache;
use crate::request::RequestView;
use crate::text::text;
use crate::token_cache::Uncached;
use crate::verify::{Rules, Verified, Verifier, current_keys, parse_token};

/// Returns every check that [`verify_cached`](crate::verify_cached) makes of this token at `now`, with its outcome. Changes
/// nothing.
pub fn explain(token: &[u8], rules: &Rules, cache: &KeyCache, now: Seconds) -> Explanation {
    let mut record = Record::default();
    let outcome = Verifier { rules, now }.verify_token(token, cache, &mut record);
    record.explained(outcome.map(Some), Check::is_of_token)
}

/// Returns every check that [`verify_for_any_audience`](crate::danger::verify_for_any_audience) makes of this token at `now`,
/// with its outcome. Changes nothing.
pub fn explain_for_any_audience(token: &[u8], rules: &Rules, cache: &KeyCache, now: Seconds) -> Explanation {
    let mut record = Record::default();
    let outcome = parse_token(token, rules, cache.accepted(), &mut record).and_then(|jws| {
        let key = jws.key(current_keys(cache, now, &mut record)?, &mut record)?;
        Verifier { rules, now }.verify_for_any_audience(jws, key, &mut record)
    });
    record.explained(outcome.map(Some), |check| check.is_of_token() && check != Check::Audience)
}

impl Authorizer {
    /// Returns every check that [`Authorizer::decide`] makes of this request at `now`, with its outcome. Changes nothing: no
    /// token is cached or taken from the cache, no key is asked for.
    pub fn explain(&self, request: &RequestView<'_>, now: Seconds) -> Explanation {
        let mut record = Record::default();
        let outcome = self.evaluator(now).decide(request, &mut record, &mut Uncached);
        record.explained(outcome, |_| true)
    }
}

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
    /// Returns the stable text.
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
    /// The values that it looked at, escaped; empty where there are none. Before the signature is found valid this is
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
    /// Returns every check, in the order in which they are made.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Returns the refusal, or `None` if it was accepted.
    pub fn refusal(&self) -> Option<&Refusal> {
        self.outcome.as_ref().err()
    }

    /// Returns the token if it was accepted, or `None` on a public route.
    pub fn verified(&self) -> Option<&Verified> {
        self.outcome.as_ref().ok()?.as_ref()
    }

    /// Returns `public`, `allow`, or the code of the refusal: as [`Decision::as_str`](crate::Decision::as_str) on the same request.
    pub fn verdict(&self) -> &'static str {
        match &self.outcome {
            Err(refusal) => refusal.code().as_str(),
            Ok(Some(_)) => "allow",
            Ok(None) => "public",
        }
    }

    /// Returns one JSON object: `verdict`, for a refusal also `status` and `reason`, and `checks`, an array of objects with
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

impl Observer for Record {
    fn enter(&mut self, check: Check) {
        self.0.push(Step { check, outcome: Outcome::Passed, seen: String::new() });
    }

    fn detail(&mut self, seen: impl FnOnce() -> String) {
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
