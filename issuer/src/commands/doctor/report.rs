//! What was found, as a person and as a program reads it.

use std::fmt;

use serde::Serialize;

#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    findings: Vec<Finding>,
}

#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    outcome: Outcome,
    says: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Ok,
    /// It works, and something could be better.
    Warning,
    Failed,
    /// Something else must be right first.
    Skipped,
}

impl Report {
    pub(super) fn ok(&mut self, check: &'static str, says: impl Into<String>) {
        self.add(check, Outcome::Ok, says);
    }

    pub(super) fn warning(&mut self, check: &'static str, says: impl Into<String>) {
        self.add(check, Outcome::Warning, says);
    }

    pub(super) fn failed(&mut self, check: &'static str, says: impl Into<String>) {
        self.add(check, Outcome::Failed, says);
    }

    pub(super) fn skipped(&mut self, check: &'static str, says: impl Into<String>) {
        self.add(check, Outcome::Skipped, says);
    }

    /// Nothing failed.
    pub(super) fn is_fit(&self) -> bool {
        self.count(Outcome::Failed) == 0
    }

    pub(super) fn json(&self) -> serde_json::Result<String> {
        let Self { findings } = self;
        serde_json::to_string(&serde_json::json!({ "ok": self.is_fit(), "findings": findings }))
    }

    fn add(&mut self, check: &'static str, outcome: Outcome, says: impl Into<String>) {
        self.findings.push(Finding { check, outcome, says: says.into() });
    }

    fn count(&self, outcome: Outcome) -> usize {
        self.findings.iter().filter(|finding| finding.outcome == outcome).count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Finding { check, outcome, says } in &self.findings {
            writeln!(f, "{outcome:<7}  {check:<18}  {says}")?;
        }
        match (self.count(Outcome::Failed), self.count(Outcome::Warning)) {
            (0, 0) => f.write_str("all checks passed"),
            (0, warnings) => write!(f, "nothing failed; warnings: {warnings}"),
            (failed, warnings) => write!(f, "failed: {failed}; warnings: {warnings}"),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "FAILED",
            Self::Skipped => "skipped",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_failure_is_unfit() {
        let mut report = Report::default();
        report.ok("redis", "PONG");
        report.warning("configuration", "could be better");
        report.skipped("clock", "the database must be ready first");
        assert!(report.is_fit());

        report.failed("database", "nobody answers");

        assert!(!report.is_fit());
        assert!(
            report
                .to_string()
                .ends_with("FAILED   database            nobody answers\nfailed: 1; warnings: 1")
        );
        let json: serde_json::Value = serde_json::from_str(&report.json().unwrap()).unwrap();
        assert_eq!((&json["ok"], &json["findings"][3]["outcome"]), (&false.into(), &"failed".into()));
    }
}
