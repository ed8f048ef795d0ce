//! Reads messages closed: every member is known by name, and what is not is recorded with its place.

use std::collections::BTreeMap;

use serde_json::Value;

use super::report::{Report, Said, Unsaid};

/// A value of the document and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node<'a> {
    pub(super) value: &'a Value,
    pub(super) place: String,
    pub(super) report: &'a Report,
}

/// The members of a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    /// Members that are read, or that have no influence on who is let in.
    pub(super) read: &'static [&'static str],
    /// Members that exist in Envoy and that a policy has no counterpart for.
    pub(super) refused: &'static [&'static str],
}

/// A message that has no member but the known ones.
#[derive(Debug)]
pub(super) struct Message<'a> {
    pub(super) node: Node<'a>,
    members: BTreeMap<&'static str, Node<'a>>,
}

impl<'a> Node<'a> {
    pub(super) const fn new(value: &'a Value, place: String, report: &'a Report) -> Self {
        Self { value, place, report }
    }

    /// Records that this part cannot be said.
    pub(super) fn unsaid(&self, why: &str) -> Unsaid {
        let place = if self.place.is_empty() { "the document" } else { &self.place };
        self.report.unsaid(format!("{place}: {why}"))
    }

    fn child(&self, name: &str, value: &'a Value) -> Self {
        let place = if self.place.is_empty() { name.to_owned() } else { format!("{}.{name}", self.place) };
        Self { value, place, report: self.report }
    }

    /// Reads an object whose members are known. Every member that is not is recorded.
    pub(super) fn message(&self, known: Known) -> Said<Message<'a>> {
        let Some(object) = self.value.as_object() else { return Err(self.unsaid("must be an object")) };
        let mut members = BTreeMap::new();
        let mut fault = None;
        for (name, value) in object {
            let node = self.child(name, value);
            let named = |known: &&&'static str| **known == *name || camel(known) == *name;
            if let Some(known) = known.read.iter().find(named) {
                // `null` is the same as absent (ProtoJSON).
                if !value.is_null() && members.insert(*known, node.clone()).is_some() {
                    fault = Some(node.unsaid("the member is set twice, in two spellings"));
                }
            } else if known.refused.iter().any(|known| named(&known)) {
                if !is_default(value) {
                    fault = Some(node.unsaid("a policy has no counterpart for this member"));
                }
            } else {
                fault = Some(node.unsaid("the member is unknown"));
            }
        }
        fault.map_or_else(|| Ok(Message { node: self.clone(), members }), Err)
    }

    pub(super) fn text(&self) -> Said<&'a str> {
        self.value.as_str().ok_or_else(|| self.unsaid("must be a text"))
    }

    pub(super) fn boolean(&self) -> Said<bool> {
        self.value.as_bool().ok_or_else(|| self.unsaid("must be true or false"))
    }

    pub(super) fn number(&self) -> Said<u64> {
        self.value.as_u64().ok_or_else(|| self.unsaid("must be a whole number"))
    }

    /// Reads an enum by name or number (ProtoJSON allows both).
    pub(super) fn one_of(&self, names: &[&'static str]) -> Said<&'static str> {
        let by_number = self.value.as_u64().and_then(|at| names.get(usize::try_from(at).ok()?));
        let by_name = || names.iter().find(|name| self.value.as_str() == Some(**name));
        let found = by_number.or_else(by_name).copied();
        found.ok_or_else(|| self.unsaid(&format!("must be one of {}", names.join(", "))))
    }

    pub(super) fn items(&self) -> Said<Vec<Self>> {
        let items = self.value.as_array().ok_or_else(|| self.unsaid("must be a list"))?;
        let named = |(at, value)| Self { value, place: format!("{}[{at}]", self.place), report: self.report };
        Ok(items.iter().enumerate().map(named).collect())
    }

    /// The members of an object, whatever they are.
    pub(super) fn children(&self) -> Vec<Self> {
        let members = self.value.as_object().into_iter().flatten();
        members.map(|(name, value)| self.child(name, value)).collect()
    }

    /// Reads a map; its keys are the configuration's own names.
    pub(super) fn entries(&self) -> Said<Vec<(&'a str, Self)>> {
        let object = self.value.as_object().ok_or_else(|| self.unsaid("must be an object"))?;
        let named = |(name, value): (&'a String, &'a Value)| {
            (name.as_str(), Self { value, place: format!("{}[{name}]", self.place), report: self.report })
        };
        Ok(object.iter().map(named).collect())
    }
}

impl<'a> Message<'a> {
    pub(super) fn get(&self, name: &str) -> Option<&Node<'a>> {
        self.members.get(name)
    }

    pub(super) fn need(&self, name: &str) -> Said<&Node<'a>> {
        self.get(name).ok_or_else(|| self.node.unsaid(&format!("`{name}` is missing")))
    }

    /// Reads a text; empty is the same as absent (proto3).
    pub(super) fn text(&self, name: &str) -> Said<Option<&'a str>> {
        Ok(self.get(name).map(Node::text).transpose()?.filter(|text| !text.is_empty()))
    }

    pub(super) fn boolean(&self, name: &str) -> Said<bool> {
        Ok(self.get(name).map(Node::boolean).transpose()?.unwrap_or_default())
    }

    pub(super) fn items(&self, name: &str) -> Said<Vec<Node<'a>>> {
        Ok(self.get(name).map(Node::items).transpose()?.unwrap_or_default())
    }

    pub(super) fn texts(&self, name: &str) -> Said<Vec<String>> {
        self.items(name)?.iter().map(|item| item.text().map(str::to_owned)).collect()
    }

    pub(super) fn entries(&self, name: &str) -> Said<Vec<(&'a str, Node<'a>)>> {
        Ok(self.get(name).map(Node::entries).transpose()?.unwrap_or_default())
    }

    /// Returns the member of a oneof that is set. More than one is a fault.
    pub(super) fn one_of(&self, names: &[&'static str]) -> Said<Option<(&'static str, &Node<'a>)>> {
        let mut set = names.iter().filter_map(|name| Some((*name, self.get(name)?)));
        let first = set.next();
        match set.next() {
            Some((_, second)) => Err(second.unsaid("only one of these members can be set")),
            None => Ok(first),
        }
    }
}

/// `clock_skew_seconds` as JSON also spells it: `clockSkewSeconds`.
fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |mut text, word| {
        let mut letters = word.chars();
        text.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        text + letters.as_str()
    })
}

/// A scalar or list at its default says nothing (proto3). An empty message does: its presence counts.
fn is_default(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_u64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Bool(true) | Value::Object(_) => false,
    }
}
