//! `JwtRequirement` of jwt_authn: whose token is needed.

use std::collections::BTreeSet;

use super::provider::Provider;
use crate::commands::policy::convert::formula::Formula;
use crate::commands::policy::convert::node::{Known, Node};
use crate::commands::policy::convert::report::Said;

#[derive(Clone, Debug)]
pub(crate) enum Requirement {
    /// Recorded in the report.
    Unsaid,
    Nothing,
    Provider(usize),
    /// No token, or one of these providers. With `failed` also one that is not valid.
    Optional {
        of: Vec<usize>,
        failed: bool,
    },
    /// The first that is met counts.
    Any(Vec<Self>),
    All(Vec<Self>),
}

/// What a request brings in `Authorization`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Credential {
    Missing,
    Invalid,
    /// A token that this provider accepts, and no other.
    Valid(usize),
}

/// Whether a requirement is met, and whose payload is written to the metadata then.
#[derive(Clone, Debug)]
pub(crate) struct Met {
    pub(crate) formula: Formula,
    pub(crate) payload: Option<usize>,
}

impl Met {
    pub(crate) fn plainly(met: bool, payload: Option<usize>) -> Self {
        Self { formula: met.into(), payload: payload.filter(|_| met) }
    }

    fn unsaid() -> Self {
        Self { formula: Formula::Unsaid, payload: None }
    }
}

impl Requirement {
    pub(crate) fn met(&self, credential: Credential) -> Met {
        let valid = |of: &[usize]| match credential {
            Credential::Valid(at) if of.contains(&at) => Some(at),
            _ => None,
        };
        match self {
            Self::Unsaid => Met::unsaid(),
            Self::Nothing => Met::plainly(true, None),
            Self::Provider(at) => {
                let payload = valid(&[*at]);
                Met::plainly(payload.is_some(), payload)
            }
            Self::Optional { of, failed } => {
                let payload = valid(of);
                Met::plainly(payload.is_some() || *failed || credential == Credential::Missing, payload)
            }
            Self::Any(parts) => {
                let met = parts.iter().map(|part| part.met(credential));
                met.into_iter()
                    .find(|met| met.formula != Formula::False)
                    .unwrap_or_else(|| Met::plainly(false, None))
            }
            Self::All(parts) => {
                let met: Vec<Met> = parts.iter().map(|part| part.met(credential)).collect();
                let payload = met.iter().find_map(|met| met.payload);
                Met { formula: Formula::all(met.into_iter().map(|met| met.formula)), payload }
            }
        }
    }
}

/// Reads requirements, and remembers which audiences they ask for.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    pub(crate) providers: &'a [Provider],
    /// For each use of a provider, its audiences there.
    pub(crate) audiences: Vec<(usize, BTreeSet<String>)>,
}

const KINDS: [&str; 6] = [
    "provider_name",
    "provider_and_audiences",
    "requires_any",
    "requires_all",
    "allow_missing_or_failed",
    "allow_missing",
];

impl Reader<'_> {
    pub(crate) fn read(&mut self, node: &Node<'_>) -> Requirement {
        self.requirement(node).unwrap_or(Requirement::Unsaid)
    }

    fn requirement(&mut self, node: &Node<'_>) -> Said<Requirement> {
        let message = node.message(Known { read: &KINDS, refused: &["extract_only_without_validation"] })?;
        match message.one_of(&KINDS)? {
            None => Ok(Requirement::Nothing),
            Some(("provider_name", name)) => self.provider(name, None),
            Some(("provider_and_audiences", pair)) => {
                let pair = pair.message(Known { read: &["provider_name", "audiences"], refused: &[] })?;
                self.provider(pair.need("provider_name")?, Some(pair.texts("audiences")?))
            }
            Some(("requires_any", list)) => self.any(list),
            Some(("requires_all", list)) => self.all(list),
            Some((kind, _)) => Ok(self.optional(kind == "allow_missing_or_failed", Vec::new())),
        }
    }

    fn provider(&mut self, name: &Node<'_>, audiences: Option<Vec<String>>) -> Said<Requirement> {
        let wanted = name.text()?;
        let found = self.providers.iter().enumerate().find(|(_, provider)| provider.name == wanted);
        let (at, provider) = found.ok_or_else(|| name.unsaid("no provider has this name"))?;
        // An empty list is the same as none.
        let audiences =
            audiences.filter(|list| !list.is_empty()).unwrap_or_else(|| provider.audiences.clone());
        self.audiences.push((at, audiences.into_iter().collect()));
        Ok(Requirement::Provider(at))
    }

    /// Of the providers that stand beside it, or of all if there are none.
    fn optional(&mut self, failed: bool, beside: Vec<usize>) -> Requirement {
        let of = if beside.is_empty() { (0..self.providers.len()).collect() } else { beside };
        for at in &of {
            if let Some(provider) = self.providers.get(*at) {
                self.audiences.push((*at, provider.audiences.iter().cloned().collect()));
            }
        }
        Requirement::Optional { of, failed }
    }

    /// Envoy asks after the others first, and then whether a token may be missing.
    fn any(&mut self, list: &Node<'_>) -> Said<Requirement> {
        let (mut parts, mut beside, mut optional) = (Vec::new(), Vec::new(), None);
        for node in self.parts(list)? {
            let bypass = |name| node.value.get(name).is_some_and(|value| !value.is_null());
            if bypass("allow_missing_or_failed") || bypass("allowMissingOrFailed") {
                node.message(Known { read: &["allow_missing_or_failed"], refused: &[] })?;
                optional = Some(true);
            } else if bypass("allow_missing") || bypass("allowMissing") {
                node.message(Known { read: &["allow_missing"], refused: &[] })?;
                optional = optional.or(Some(false));
            } else {
                let part = self.requirement(&node)?;
                if let Requirement::Provider(at) = part {
                    beside.push(at);
                }
                parts.push(simple(part, &node)?);
            }
        }
        if let Some(failed) = optional {
            parts.push(self.optional(failed, beside));
        }
        Ok(Requirement::Any(parts))
    }

    fn all(&mut self, list: &Node<'_>) -> Said<Requirement> {
        let nodes = self.parts(list)?;
        let mut parts = Vec::new();
        for node in &nodes {
            parts.push(simple(self.requirement(node)?, node)?);
        }
        let named = parts.iter().filter_map(|part| match part {
            Requirement::Provider(at) => Some(*at),
            _ => None,
        });
        if named.collect::<BTreeSet<usize>>().len() > 1 {
            return Err(list.unsaid("a policy checks one token, and so one issuer"));
        }
        Ok(Requirement::All(parts))
    }

    fn parts<'a>(&self, list: &Node<'a>) -> Said<Vec<Node<'a>>> {
        let list = list.message(Known { read: &["requirements"], refused: &[] })?;
        list.need("requirements")?.items()
    }
}

/// A list within a list has effects on the metadata that cannot be said.
fn simple(part: Requirement, node: &Node<'_>) -> Said<Requirement> {
    match part {
        Requirement::Any(_) | Requirement::All(_) => Err(node.unsaid("a list must not hold another list")),
        part => Ok(part),
    }
}
