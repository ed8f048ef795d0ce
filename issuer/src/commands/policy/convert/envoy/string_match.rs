//! `envoy.type.matcher.v3.StringMatcher`

use crate::commands::policy::convert::node::{Known, Node};
use crate::commands::policy::convert::report::Said;

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct StringMatch {
    pub(crate) kind: Kind,
    pub(crate) text: String,
    pub(crate) ignore_case: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Exact,
    Prefix,
    Suffix,
    Contains,
}

impl StringMatch {
    pub(crate) fn read(node: &Node<'_>) -> Said<Self> {
        let message = node.message(Known {
            read: &["exact", "prefix", "suffix", "contains", "ignore_case"],
            refused: &["safe_regex", "custom"],
        })?;
        let ignore_case = message.boolean("ignore_case")?;
        let set = message.one_of(&["exact", "prefix", "suffix", "contains"])?;
        let (name, text) = set.ok_or_else(|| node.unsaid("must have a value to compare with"))?;
        Ok(Self { kind: Kind::named(name), text: text.text()?.to_owned(), ignore_case })
    }

    /// The one text that matches, if there is only one.
    pub(crate) fn only(&self) -> Option<&str> {
        (self.kind == Kind::Exact && !self.ignore_case).then_some(&self.text)
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        let fold = |text: &str| if self.ignore_case { text.to_ascii_lowercase() } else { text.to_owned() };
        let (text, own) = (fold(text), fold(&self.text));
        match self.kind {
            Kind::Exact => text == own,
            Kind::Prefix => text.starts_with(&own),
            Kind::Suffix => text.ends_with(&own),
            Kind::Contains => text.contains(&own),
        }
    }
}

impl Kind {
    /// The kind that a member of the oneof stands for.
    fn named(name: &str) -> Self {
        match name {
            "prefix" => Self::Prefix,
            "suffix" => Self::Suffix,
            "contains" => Self::Contains,
            _ => Self::Exact,
        }
    }
}
