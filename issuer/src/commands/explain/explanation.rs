//! An explanation: what was checked, in order, and what follows.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

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
    Ok,
    Failed,
    /// An earlier check failed; what is said is only what the token claims.
    Unjudged,
}

impl Explanation {
    pub(super) const fn of(kind: &'static str) -> Self {
        Self {
            kind,
            accepted: false,
            code: None,
            reason: None,
            checks: Vec::new(),
            header: None,
            claims: None,
        }
    }

    pub(super) fn add(&mut self, check: &'static str, outcome: Outcome, says: impl Into<String>) {
        self.checks.push(Check { check, outcome, says: says.into() });
    }

    pub(super) fn judge(&mut self, check: &'static str, holds: bool, says: impl Into<String>) {
        self.add(check, if holds { Outcome::Ok } else { Outcome::Failed }, says);
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
        Ok(Output { text, fit: self.accepted })
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Check { check, outcome, says } in &self.checks {
            writeln!(f, "{outcome:<8}  {check:<14}  {says}")?;
        }
        match (self.code, &self.reason) {
            (None, _) => write!(f, "the {} is accepted", self.kind),
            (Some(code), None) => write!(f, "the {} is refused: {code}", self.kind),
            (Some(code), Some(reason)) => write!(f, "the {} is refused: {code} ({reason})", self.kind),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Failed => "FAILED",
            Self::Unjudged => "unjudged",
        })
    }
}

/// `expired 5 min 3 s ago`, `expires in 9 min 57 s`.
pub(super) fn relative((past, coming): (&str, &str), at: OffsetDateTime, now: OffsetDateTime) -> String {
    let between = |duration: time::Duration| span(Duration::try_from(duration).unwrap_or_default());
    if at <= now {
        format!("{past} {} ago", between(now - at))
    } else {
        format!("{coming} in {}", between(at - now))
    }
}

/// Two units are enough for a person.
pub(super) fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{minutes} min {} s", seconds % 60),
        3600..86_400 => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

/// To the second, which is what a person compares.
pub(super) fn date(at: OffsetDateTime) -> String {
    at.replace_nanosecond(0).ok().and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_else(|| at.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_two_units() {
        let spans = [0, 59, 61, 3600, 90_061].map(|seconds| span(Duration::from_secs(seconds)));

        assert_eq!(spans, ["0 s", "59 s", "1 min 1 s", "1 h 0 min", "1 d 1 h"]);
    }

    #[test]
    fn what_is_past_was_and_what_comes_is_in() {
        let at = |second| OffsetDateTime::from_unix_timestamp(second).unwrap();

        assert_eq!(relative(("expired", "expires"), at(10), at(13)), "expired 3 s ago");
        assert_eq!(relative(("expired", "expires"), at(75), at(13)), "expires in 1 min 2 s");
    }
}
