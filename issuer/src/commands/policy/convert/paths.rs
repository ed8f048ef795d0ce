//! The paths that a configuration tells apart, and the templates of a policy for them.

use std::collections::BTreeSet;

use super::condition::Condition;
use super::sayable;

/// Paths fall into kinds that every comparison of a configuration treats alike: for each text in it, the path that is this text,
/// and the paths that begin with it and with no longer one.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Kind {
    Whole(String),
    Beginning(String),
}

/// The texts that a configuration compares paths with, and those that routes need to keep them apart.
#[derive(Debug, Default)]
pub(super) struct Texts(BTreeSet<String>);

impl Texts {
    pub(super) fn new() -> Self {
        Self(["/".to_owned()].into())
    }

    pub(super) fn add(&mut self, condition: &Condition) {
        match condition {
            Condition::Path(path) => self.insert(path),
            Condition::Prefix(prefix) => {
                self.insert(prefix);
                if let Some((directory, rest)) = prefix.rsplit_once('/')
                    && !rest.is_empty()
                {
                    self.insert(&format!("{prefix}/"));
                    self.insert(&format!("{directory}/"));
                }
            }
            _ => {}
        }
    }

    /// No path begins in another way.
    fn insert(&mut self, text: &str) {
        if text.starts_with('/') {
            self.0.insert(text.to_owned());
        }
    }

    /// Every kind, the narrowest first.
    pub(super) fn kinds(&self) -> Vec<Kind> {
        let mut texts: Vec<&String> = self.0.iter().collect();
        texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
        texts
            .into_iter()
            .flat_map(|text| [Kind::Whole(text.clone()), Kind::Beginning(text.clone())])
            .collect()
    }
}

impl Kind {
    pub(super) const fn text(&self) -> &String {
        match self {
            Self::Whole(text) | Self::Beginning(text) => text,
        }
    }

    /// A path that stands for all of the kind.
    pub(super) fn example(&self) -> String {
        match self {
            Self::Whole(text) => text.clone(),
            Self::Beginning(text) => format!("{text}{STRANGER}"),
        }
    }

    /// The template of the kind, if a policy can say it. Without a slash at its end a beginning has none.
    pub(super) fn template(&self) -> Option<String> {
        match self {
            Self::Whole(text) => sayable::path(text).then(|| text.clone()),
            Self::Beginning(text) => {
                (text.ends_with('/') && sayable::path(text)).then(|| format!("{text}{{*rest}}"))
            }
        }
    }

    /// Whether the template of this kind matches the paths of the other.
    pub(super) fn covers(&self, other: &Self) -> bool {
        match self {
            Self::Whole(_) => self == other,
            Self::Beginning(text) => other.text().starts_with(text),
        }
    }

    /// Whether these are the paths that begin like another one and go on without a slash.
    pub(super) fn is_continued(&self) -> bool {
        matches!(self, Self::Beginning(text) if !text.ends_with('/'))
    }
}

/// No configuration holds it.
const STRANGER: char = '\u{10FFFF}';

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Whole(text) => f.write_str(text),
            Self::Beginning(text) => write!(f, "{text}…"),
        }
    }
}
