//! `cargo xtask prose`: checks documents, documentation comments, texts of the program and names of tests against the
//! writing rules that a program can check.

mod baseline;
mod passages;
mod rules;
mod rust;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

use crate::args::Prose;
use crate::prose::baseline::Counts;
use crate::prose::rules::{Finding, findings};
use crate::{place, shell};

pub(crate) fn run(options: &Prose) -> Result<()> {
    let found = all_findings(place::root())?;
    if options.list {
        let wanted = |path: &str| {
            options.paths.is_empty() || options.paths.iter().any(|start| path.starts_with(start))
        };
        found
            .iter()
            .filter(|(path, _)| wanted(path))
            .for_each(|(path, finding)| println!("{}", shown(path, finding)));
        return Ok(());
    }
    if options.lower { lower(&counts(&found)) } else { compare(&found, &baseline::read()?) }
}

/// Checks that every file has exactly as many violations as the baseline says.
pub(crate) fn check() -> Result<()> {
    compare(&all_findings(place::root())?, &baseline::read()?)
}

type Found = Vec<(String, Finding)>;

fn compare(found: &Found, known: &Counts) -> Result<()> {
    let counts = counts(found);
    let is_new = |path: &str, finding: &Finding| {
        let key = (path.to_owned(), finding.rule.name());
        counts.get(&key) > Some(known.get(&key).unwrap_or(&0))
    };
    let new: Vec<String> = found
        .iter()
        .filter(|(path, finding)| is_new(path, finding))
        .map(|(path, finding)| shown(path, finding))
        .collect();
    ensure!(
        new.is_empty(),
        "more violations of the writing rules than {} allows; for each file these are all:\n{}",
        baseline::NAME,
        new.join("\n")
    );
    ensure!(
        counts == *known,
        "fewer violations of the writing rules than {} allows: run `cargo xtask prose --lower`",
        baseline::NAME
    );
    Ok(())
}

/// Writes the numbers of today. Files may be renamed, so only the total of each rule must not grow.
fn lower(counts: &Counts) -> Result<()> {
    let (before, after) = (baseline::totals(&baseline::read()?), baseline::totals(counts));
    for (rule, count) in &after {
        let allowed = before.get(rule).copied().unwrap_or_default();
        ensure!(
            *count <= allowed,
            "{count} violations of `{rule}`, {allowed} are allowed: run `cargo xtask prose`"
        );
    }
    baseline::write(counts)?;
    shell::say(&format!("violations in {}: {after:?}", baseline::NAME));
    Ok(())
}

fn counts(found: &Found) -> Counts {
    let mut counts = Counts::new();
    for (path, finding) in found {
        *counts.entry((path.clone(), finding.rule.name())).or_default() += 1;
    }
    counts
}

fn shown(path: &str, finding: &Finding) -> String {
    format!("{path}:{}: {}: {}", finding.line, finding.rule.name(), finding.message)
}

fn all_findings(root: &Path) -> Result<Found> {
    let mut found = Found::new();
    for file in files(root)? {
        let path = place::shown(&file);
        let Ok(text) = fs::read_to_string(&file) else { continue };
        let passages = passages::of(&path, &text);
        found.extend(
            passages
                .iter()
                .flat_map(|passage| findings(&path, passage))
                .map(|finding| (path.clone(), finding)),
        );
    }
    Ok(found)
}

/// Returns all files of the project except those that are built, installed or generated.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (name, path) = (entry.file_name(), entry.path());
        if IGNORED.iter().any(|ignored| name == *ignored) {
            continue;
        }
        if path.is_dir() { found.extend(files(&path)?) } else { found.push(path) }
    }
    found.sort();
    Ok(found)
}

const IGNORED: [&str; 9] =
    [".git", "API.md", "corpus", "dist", "keystone-data", "keystone-demo", "node_modules", "pkg", "target"];
