//! The violations that existed when the check was introduced: how many of each rule a file has. They may only become
//! fewer; an empty file can be deleted.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::place;
use crate::prose::rules::Rule;

/// The number of violations of a rule in a file.
pub(crate) type Counts = BTreeMap<(String, &'static str), usize>;

/// Reads the file, also while a merge has left conflicts in it: of two numbers the larger one counts.
pub(crate) fn read() -> Result<Counts> {
    let text = fs::read_to_string(file()).unwrap_or_default();
    let mut counts = Counts::new();
    let is_mark =
        |line: &&str| ["<<<<<<<", "|||||||", "=======", ">>>>>>>"].iter().any(|mark| line.starts_with(mark));
    for line in text.lines().filter(|line| !line.is_empty() && !is_mark(line)) {
        let (key, count) =
            parse(line).with_context(|| format!("{NAME}: `{line}` is not PATH RULE NUMBER"))?;
        let known = counts.entry(key).or_default();
        *known = count.max(*known);
    }
    Ok(counts)
}

fn parse(line: &str) -> Option<((String, &'static str), usize)> {
    let mut words = line.split(' ');
    let (path, rule, count) = (words.next()?, words.next()?, words.next()?);
    let rule = Rule::ALL.iter().find(|known| known.name() == rule)?;
    Some(((path.to_owned(), rule.name()), count.parse().ok()?))
}

pub(crate) fn write(counts: &Counts) -> Result<()> {
    let line = |((path, rule), count): (&(String, &str), &usize)| format!("{path} {rule} {count}\n");
    let text: String = counts.iter().map(line).collect();
    fs::write(file(), text).with_context(|| format!("cannot write {NAME}"))
}

/// Returns the number of violations of each rule in all files.
pub(crate) fn totals(counts: &Counts) -> BTreeMap<&'static str, usize> {
    let mut totals = BTreeMap::new();
    for ((_, rule), count) in counts {
        *totals.entry(*rule).or_default() += count;
    }
    totals
}

fn file() -> PathBuf {
    place::root().join(NAME)
}

pub(crate) const NAME: &str = "xtask/prose-baseline.txt";
