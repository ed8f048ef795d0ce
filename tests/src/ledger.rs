//! The secrets of a run: every password, client secret and token, so that the logs can be searched for them.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;

/// Shared by everything that handles secrets; clones write into the same book.
#[derive(Clone, Debug, Default)]
pub struct Ledger(Arc<Mutex<BTreeSet<String>>>);

impl Ledger {
    /// Remembers a secret. A token's signature alone is as bad as the token, so it is remembered too.
    pub fn note(&self, secret: &str) {
        let signature = secret.rsplit_once('.').map(|(_, signature)| signature);
        // What is very short is no secret, and part of ordinary words.
        let telling = [Some(secret), signature].into_iter().flatten().filter(|text| text.len() >= SHORTEST);
        self.book().extend(telling.map(str::to_owned));
    }

    pub fn len(&self) -> usize {
        self.book().len()
    }

    pub fn is_empty(&self) -> bool {
        self.book().is_empty()
    }

    /// Searches every `*.log` below a directory; each find is named by file, line and the secret's first letters.
    pub fn leaks_below(&self, directory: &Path) -> Result<Vec<String>> {
        let book = Beginnings::of(&self.book());
        let leak = |line: &str| {
            let secret = book.found_in(line)?;
            Some(format!("holds the secret {}…", secret.chars().take(6).collect::<String>()))
        };
        search(directory, &leak)
    }

    fn book(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The secrets by their first bytes, so that one pass over a line asks for all of them: there are thousands of secrets,
/// and of lines many more.
struct Beginnings {
    known: HashMap<u64, Vec<String>>,
    /// Whether any secret may begin with these two bytes: nearly always no, and quicker to know.
    likely: Vec<bool>,
}

impl Beginnings {
    fn of(secrets: &BTreeSet<String>) -> Self {
        let mut all = Self { known: HashMap::new(), likely: vec![false; 1 << 16] };
        for secret in secrets {
            let Some((beginning, _)) = secret.as_bytes().split_first_chunk::<SHORTEST>() else { continue };
            let beginning = u64::from_be_bytes(*beginning);
            all.known.entry(beginning).or_default().push(secret.clone());
            if let Some(likely) = all.likely.get_mut(first_two(beginning)) {
                *likely = true;
            }
        }
        all
    }

    fn found_in(&self, line: &str) -> Option<&String> {
        let mut window = 0_u64;
        for (at, byte) in line.bytes().enumerate() {
            window = window << 8 | u64::from(byte);
            let Some(begins) = (at + 1).checked_sub(SHORTEST) else { continue };
            if self.likely.get(first_two(window)) != Some(&true) {
                continue;
            }
            let here = line.as_bytes().get(begins..).unwrap_or_default();
            let secrets = self.known.get(&window).into_iter().flatten();
            if let Some(secret) = secrets.into_iter().find(|secret| here.starts_with(secret.as_bytes())) {
                return Some(secret);
            }
        }
        None
    }
}

fn first_two(window: u64) -> usize {
    (window >> 48) as usize
}

/// As many as fit in one number.
const SHORTEST: usize = 8;

/// Every line of every `*.log` below a directory that holds this text, with its place.
pub fn lines_below(directory: &Path, text: &str) -> Result<Vec<String>> {
    search(directory, &|line| line.contains(text).then(|| line.to_owned()))
}

fn search(directory: &Path, find: &dyn Fn(&str) -> Option<String>) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() && !path.is_symlink() {
            found.extend(search(&path, find)?);
        } else if path.extension().is_some_and(|end| end == "log") {
            let text = String::from_utf8_lossy(&fs::read(&path)?).into_owned();
            let lines = text.lines().enumerate();
            let place = |number: usize| format!("{}:{}", path.display(), number + 1);
            found.extend(lines.filter_map(|(at, line)| Some(format!("{}: {}", place(at), find(line)?))));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_in_a_log_is_found_and_not_repeated() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("deep")).unwrap();
        fs::write(home.path().join("deep/some.log"), "fine\nlogin with Wonder-Land-42 refused\n").unwrap();
        let ledger = Ledger::default();
        ledger.note("Wonder-Land-42");

        let leaks = ledger.leaks_below(home.path()).unwrap();

        assert_eq!(leaks.len(), 1);
        assert!(leaks[0].contains("some.log:2") && !leaks[0].contains("Wonder-Land-42"), "{leaks:?}");
    }

    #[test]
    fn a_secret_is_found_wherever_it_stands_and_only_whole() {
        let secrets = ["aaaaaaaab", "aaaaaaaac", "ünlíkely-wörds", "12345678"].map(str::to_owned);
        let book = Beginnings::of(&BTreeSet::from(secrets));

        for (line, found) in [
            ("aaaaaaaaaac", Some("aaaaaaaac")),
            ("12345678", Some("12345678")),
            ("012345678", Some("12345678")),
            ("é ünlíkely-wörds.", Some("ünlíkely-wörds")),
            ("aaaaaaaa", None),
            ("1234567", None),
            ("", None),
        ] {
            assert_eq!(book.found_in(line).map(String::as_str), found, "{line}");
        }
    }

    #[test]
    fn the_signature_of_a_token_counts_as_the_token() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("some.log"), "signature bm90LXJlYWw was wrong\n").unwrap();
        let ledger = Ledger::default();
        ledger.note("aaa.bbb.bm90LXJlYWw");

        assert_eq!(ledger.leaks_below(home.path()).unwrap().len(), 1);
    }
}
