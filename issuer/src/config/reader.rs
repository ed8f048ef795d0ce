//! Takes settings by key from a file and the environment, and remembers every mistake instead of stopping at one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;

use super::Source;

/// Hands out each setting once; what nobody took is unknown.
#[derive(Debug)]
pub(super) struct Reader {
    settings: BTreeMap<String, Setting>,
    environment: BTreeMap<String, String>,
    known: Vec<&'static str>,
    mistakes: Vec<Mistake>,
    /// Files that hold a secret.
    pub(super) secret_files: BTreeSet<PathBuf>,
}

/// One thing to correct. Never holds a value, which may be a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake(String);

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Debug)]
enum Setting {
    Value(toml::Value),
    Text(String),
}

/// A setting with the name under which the operator wrote it.
struct Found {
    name: String,
    setting: Setting,
}

impl Reader {
    pub(super) fn new(source: &Source) -> Self {
        let mut reader = Self {
            settings: BTreeMap::new(),
            environment: source.environment.clone(),
            known: Vec::new(),
            mistakes: Vec::new(),
            secret_files: BTreeSet::new(),
        };
        if let Some(document) = &source.document {
            match document.text.parse::<toml::Table>() {
                Ok(table) => reader.flatten(table),
                Err(error) => reader.mistakes.push(Mistake(syntax(&document.name, &document.text, &error))),
            }
        }
        reader
    }

    fn flatten(&mut self, table: toml::Table) {
        for (key, value) in table {
            match value {
                toml::Value::Table(section) => {
                    self.settings.extend(
                        section
                            .into_iter()
                            .map(|(inner, value)| (format!("{key}.{inner}"), Setting::Value(value))),
                    );
                }
                value => drop(self.settings.insert(key, Setting::Value(value))),
            }
        }
    }

    /// The environment wins over the file.
    fn take(&mut self, key: &'static str) -> Option<Found> {
        self.known.push(key);
        let from_file = self.settings.remove(key);
        let variable = variable(key);
        match self.environment.remove(&variable) {
            Some(text) => Some(Found { name: variable, setting: Setting::Text(text) }),
            None => from_file.map(|setting| Found { name: key.to_owned(), setting }),
        }
    }

    /// Written in the file or the environment.
    pub(super) fn is_given(&self, key: &str) -> bool {
        self.is_in_file(key) || self.is_in_environment(key)
    }

    pub(super) fn is_in_environment(&self, key: &str) -> bool {
        self.environment.contains_key(&variable(key))
    }

    /// Leaves a setting out that another one wins over.
    pub(super) fn pass_over(&mut self, key: &'static str) {
        drop(self.take(key));
    }

    /// Written in the file, whether the environment overrides it or not.
    pub(super) fn is_in_file(&self, key: &str) -> bool {
        self.settings.contains_key(key)
    }

    pub(super) fn text(&mut self, key: &'static str) -> Option<String> {
        let Found { name, setting } = self.take(key)?;
        match setting {
            Setting::Text(text) | Setting::Value(toml::Value::String(text)) if text.trim().is_empty() => {
                self.mistake(&name, "is empty; leave it out or give it a value")
            }
            Setting::Text(text) | Setting::Value(toml::Value::String(text)) => Some(text),
            Setting::Value(other) => self.wrong_type(&name, "a text in quotes", &other),
        }
    }

    pub(super) fn parsed<T: FromStr>(&mut self, key: &'static str, expected: &str) -> Option<T> {
        let text = self.text(key)?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(_) => self.mistake(key, format!("must be {expected}")),
        }
    }

    pub(super) fn number(&mut self, key: &'static str, default: u64, range: RangeInclusive<u64>) -> u64 {
        let Some(Found { name, setting }) = self.take(key) else { return default };
        let number = match &setting {
            Setting::Text(text) => text.parse().ok(),
            Setting::Value(toml::Value::Integer(number)) => u64::try_from(*number).ok(),
            Setting::Value(other) => {
                return self.wrong_type(&name, "a whole number", other).unwrap_or(default);
            }
        };
        match number.filter(|number| range.contains(number)) {
            Some(number) => number,
            None => {
                let (least, most) = (range.start(), range.end());
                self.mistake(&name, format!("must be a whole number from {least} to {most}"))
                    .unwrap_or(default)
            }
        }
    }

    pub(super) fn flag(&mut self, key: &'static str, default: bool) -> bool {
        let Some(Found { name, setting }) = self.take(key) else { return default };
        match setting {
            Setting::Value(toml::Value::Boolean(flag)) => flag,
            Setting::Text(text) => match text.parse() {
                Ok(flag) => flag,
                Err(_) => self.mistake(&name, "must be true or false").unwrap_or(default),
            },
            Setting::Value(other) => self.wrong_type(&name, "true or false", &other).unwrap_or(default),
        }
    }

    /// A list in the file, comma-separated in the environment.
    pub(super) fn list(&mut self, key: &'static str) -> Vec<String> {
        let Some(Found { name, setting }) = self.take(key) else { return Vec::new() };
        let items = match setting {
            Setting::Text(text) => {
                Some(text.split(',').map(|item| item.trim().to_owned()).collect::<Vec<_>>())
            }
            Setting::Value(toml::Value::Array(items)) => {
                items.into_iter().map(|item| item.as_str().map(str::to_owned)).collect()
            }
            Setting::Value(_) => None,
        };
        items.unwrap_or_else(|| self.mistake(&name, "must be a list of texts").unwrap_or_default())
    }

    pub(super) fn mistake<T>(&mut self, name: &str, what: impl fmt::Display) -> Option<T> {
        self.mistakes.push(Mistake(format!("`{name}` {what}")));
        None
    }

    fn wrong_type<T>(&mut self, name: &str, expected: &str, found: &toml::Value) -> Option<T> {
        self.mistake(name, format!("must be {expected}, but is a TOML {}", found.type_str()))
    }

    /// Every key that was asked for.
    #[cfg(test)]
    pub(super) fn known(&self) -> &[&'static str] {
        &self.known
    }

    /// Call once everything was taken: what is left is unknown.
    pub(super) fn finish(mut self) -> Result<(), Vec<Mistake>> {
        let variables: Vec<String> = self.known.iter().map(|key| variable(key)).collect();
        for name in self.settings.keys() {
            self.mistakes.push(unknown(name, self.known.iter().copied()));
        }
        for name in self.environment.keys() {
            self.mistakes.push(unknown(name, variables.iter().map(String::as_str)));
        }
        if self.mistakes.is_empty() { Ok(()) } else { Err(self.mistakes) }
    }
}

fn variable(key: &str) -> String {
    format!("KEYSTONE_{}", key.replace('.', "_").to_uppercase())
}

fn unknown<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Mistake {
    let nearest = known.map(|key| (strsim::damerau_levenshtein(name, key), key)).min();
    match nearest {
        // A short name is near to every other short one.
        Some((distance, key)) if distance <= 3.min(name.len() / 2) || key.ends_with(&format!(".{name}")) => {
            Mistake(format!("unknown setting `{name}`; did you mean `{key}`?"))
        }
        _ => Mistake(format!("unknown setting `{name}`")),
    }
}

/// The parser's own text quotes the line, and the line may hold a secret.
fn syntax(name: &str, text: &str, error: &toml::de::Error) -> String {
    let line = crate::toml_text::line(text, error.span());
    format!("{name}, line {line}: {}", error.message())
}
