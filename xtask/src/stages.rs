//! The stages of a test run and the time each of them took.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::shell;

/// Runs stages one after another; prints their times when it is dropped, also after a failure.
#[derive(Debug, Default)]
pub(crate) struct Stages {
    finished: Vec<(&'static str, Duration)>,
}

impl Stages {
    /// Prints the name of a stage, runs it and records its time.
    pub(crate) fn run<T>(&mut self, name: &'static str, stage: impl FnOnce() -> Result<T>) -> Result<T> {
        shell::say(name);
        let start = now();
        let result = stage();
        self.finished.push((name, now().duration_since(start)));
        result.with_context(|| format!("the stage \"{name}\" failed"))
    }

    fn report(&self) -> String {
        let line = |name: &str, time: Duration| format!("  {:>4} s  {name}\n", time.as_secs());
        let stages: String = self.finished.iter().map(|(name, time)| line(name, *time)).collect();
        stages + &line("in total", self.finished.iter().map(|(_, time)| *time).sum())
    }
}

impl Drop for Stages {
    fn drop(&mut self) {
        shell::say(&format!("the time of each stage\n{}", self.report().trim_end()));
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the time of a stage is for the person who waits, no test reads it"
)]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    #[test]
    fn a_failed_stage_is_named_and_timed() {
        let mut stages = Stages::default();

        stages.run("format", || Ok(())).unwrap();
        let error = stages.run("lints", || -> Result<()> { bail!("two warnings") }).unwrap_err();

        assert_eq!(format!("{error:#}"), "the stage \"lints\" failed: two warnings");
        assert_eq!(stages.report(), "     0 s  format\n     0 s  lints\n     0 s  in total\n");
    }
}
