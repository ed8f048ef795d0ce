//! What a token must hold for a request to pass, as far as a policy can say it.

use std::collections::BTreeSet;

/// One thing that a token can hold.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Held {
    Scope(String),
    Role(String),
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Formula {
    True,
    False,
    /// True of every token that a policy accepts, but not of every one that Envoy does.
    Accepted,
    /// Asks for something that a policy cannot ask for.
    Unsaid,
    Holds(Held),
    All(Vec<Self>),
    Any(Vec<Self>),
}

/// A disjunction.
pub(super) type Clause = BTreeSet<Held>;

/// The conjunctive normal form: every clause holds. It is unique, because nothing is negated and no clause contains another.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Clauses(pub(super) BTreeSet<Clause>);

impl From<bool> for Formula {
    fn from(value: bool) -> Self {
        if value { Self::True } else { Self::False }
    }
}

impl Formula {
    pub(super) fn all(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut kept = Vec::new();
        for part in parts {
            match part {
                Self::True => {}
                Self::False => return Self::False,
                part if kept.contains(&part) => {}
                part => kept.push(part),
            }
        }
        alone(kept, Self::True, Self::All)
    }

    pub(super) fn any(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut kept = Vec::new();
        for part in parts {
            match part {
                Self::False => {}
                Self::True => return Self::True,
                part if kept.contains(&part) => {}
                part => kept.push(part),
            }
        }
        alone(kept, Self::False, Self::Any)
    }

    /// Whether a part of it cannot be said.
    pub(super) fn is_unsaid(&self) -> bool {
        match self {
            Self::Unsaid => true,
            Self::All(parts) | Self::Any(parts) => parts.iter().any(Self::is_unsaid),
            Self::True | Self::False | Self::Accepted | Self::Holds(_) => false,
        }
    }

    /// The normal form for a token that the policy accepts, where what cannot be said counts as false. `None` if it is too large.
    pub(super) fn clauses(&self) -> Option<Clauses> {
        match self {
            Self::True | Self::Accepted => Some(Clauses::default()),
            Self::False | Self::Unsaid => Some(Clauses::never()),
            Self::Holds(held) => Some(Clauses([Clause::from([held.clone()])].into())),
            Self::All(parts) => parts.iter().try_fold(Clauses::default(), |together, part| {
                Some(Clauses(together.0.into_iter().chain(part.clauses()?.0).collect()).absorbed())
            }),
            Self::Any(parts) => parts.iter().try_fold(Clauses::never(), |together, part| {
                let part = part.clauses()?;
                (together.0.len() * part.0.len() <= MAX_CLAUSES).then(|| together.product(&part).absorbed())
            }),
        }
    }
}

/// More of them than a policy could ever say.
const MAX_CLAUSES: usize = 4096;

fn alone(mut parts: Vec<Formula>, none: Formula, several: fn(Vec<Formula>) -> Formula) -> Formula {
    match (parts.pop(), parts.is_empty()) {
        (None, _) => none,
        (Some(only), true) => only,
        (Some(last), false) => {
            parts.push(last);
            several(parts)
        }
    }
}

impl Clauses {
    fn never() -> Self {
        Self([Clause::new()].into())
    }

    pub(super) fn is_never(&self) -> bool {
        self.0.contains(&Clause::new())
    }

    /// Whether every token that satisfies these satisfies `others`.
    pub(super) fn imply(&self, others: &Self) -> bool {
        others.0.iter().all(|asked| self.0.iter().any(|clause| clause.is_subset(asked)))
    }

    fn product(&self, other: &Self) -> Self {
        let pairs = self.0.iter().flat_map(|one| other.0.iter().map(move |two| one | two));
        Self(pairs.collect())
    }

    /// Without clauses that a smaller one implies.
    fn absorbed(self) -> Self {
        let implied = |clause: &Clause| {
            self.0.iter().any(|other| other.len() < clause.len() && other.is_subset(clause))
        };
        Self(self.0.iter().filter(|clause| !implied(clause)).cloned().collect())
    }
}
