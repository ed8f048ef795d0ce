//! The ledger of secrets: every password, secret and token of a run, so that the logs can be searched for them.

use std::collections::BTreeSet;
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
        let leak = |line: &str| {
            let book = self.book();
            let secret = book.iter().find(|secret| line.contains(secret.as_str()))?;
            Some(format!("holds the secret {}…", secret.chars().take(6).collect::<String>()))
        };
        search(directory, &leak)
    }

    fn book(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

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
    fn the_signature_of_a_token_counts_as_the_token() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("some.log"), "signature bm90LXJlYWw was wrong\n").unwrap();
        let ledger = Ledger::default();
        ledger.note("aaa.bbb.bm90LXJlYWw");

        assert_eq!(ledger.leaks_below(home.path()).unwrap().len(), 1);
    }
}
