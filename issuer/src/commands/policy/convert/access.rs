//! What a route of a policy asks for.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::formula::{Clause, Clauses, Formula, Held};
use super::source::Outcome;

/// No route, a public one, or one that needs a token.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Access {
    Denied,
    Public,
    Token(Needs),
}

/// Every one of `all`, at least one of `any`, and one of the roles.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Needs {
    all: BTreeSet<String>,
    any: BTreeSet<String>,
    roles: BTreeSet<String>,
}

impl Access {
    /// What says the same as Envoy, or why nothing does. `issuers` are the providers that the policy believes.
    pub(super) fn exact(outcome: &Outcome, issuers: &[usize]) -> Result<Self, &'static str> {
        if outcome.is(&Formula::True) {
            return Ok(Self::Public);
        }
        if outcome.is(&Formula::False) {
            return Ok(Self::Denied);
        }
        if outcome.is_unsaid() {
            return Err("it depends on a condition that a policy cannot express");
        }
        if outcome.missing != Formula::False || outcome.invalid != Formula::False {
            return Err("Envoy lets requests without a valid token pass, and checks the token of others");
        }
        let normal = |at: &usize| outcome.valid.get(*at).and_then(Formula::clauses);
        let forms: Vec<Option<Clauses>> = issuers.iter().map(normal).collect();
        let Some(Some(first)) = forms.first() else { return Err("it needs too many combinations") };
        if forms.iter().any(|form| form.as_ref() != Some(first)) {
            return Err("a policy trusts each of its issuers on every route, but Envoy does not here");
        }
        let needs = Needs::of(first)
            .ok_or("a policy can require only all of some scopes, one of others, and one of some roles")?;
        Ok(Self::Token(needs))
    }

    /// The most open access that Envoy allows in each of these cases.
    pub(super) fn strictest(outcomes: &[&Outcome], issuers: &[usize]) -> Self {
        if outcomes.iter().all(|outcome| outcome.is(&Formula::True)) {
            return Self::Public;
        }
        let valid =
            outcomes.iter().flat_map(|outcome| issuers.iter().filter_map(|at| outcome.valid.get(*at)));
        let clauses = Formula::all(valid.cloned()).clauses();
        match clauses.filter(|clauses| !issuers.is_empty() && !clauses.is_never()) {
            Some(clauses) => Needs::of(&clauses).map_or(Self::Denied, Self::Token),
            None => Self::Denied,
        }
    }

    /// Whether Envoy lets through what this does.
    pub(super) fn implies(&self, outcome: &Outcome, issuers: &[usize]) -> bool {
        match self {
            Self::Denied => true,
            Self::Public => outcome.is(&Formula::True),
            Self::Token(needs) => issuers.iter().all(|at| {
                let clauses = outcome.valid.get(*at).and_then(Formula::clauses);
                clauses.is_some_and(|clauses| needs.clauses().imply(&clauses))
            }),
        }
    }

    /// The members of a route.
    pub(super) fn members(&self) -> Option<Value> {
        match self {
            Self::Denied => None,
            Self::Public => Some(json!({ "public": true })),
            Self::Token(needs) => Some(needs.members()),
        }
    }
}

impl Outcome {
    fn all(&self) -> impl Iterator<Item = &Formula> {
        [&self.missing, &self.invalid].into_iter().chain(&self.valid)
    }

    /// Whether it depends on a condition that a policy cannot express.
    pub(super) fn is_unsaid(&self) -> bool {
        self.all().any(Formula::is_unsaid)
    }

    /// Whether every credential comes to this.
    pub(super) fn is(&self, formula: &Formula) -> bool {
        self.all().all(|own| own == formula)
    }
}

impl Needs {
    /// `None` if no route can ask for this.
    fn of(clauses: &Clauses) -> Option<Self> {
        let mut needs = Self::default();
        for clause in &clauses.0 {
            let (scopes, roles) = split(clause);
            let list = match (scopes.len(), roles.is_empty()) {
                (0, _) => &mut needs.roles,
                (1, true) => {
                    needs.all.extend(scopes);
                    continue;
                }
                (_, true) => &mut needs.any,
                (_, false) => return None,
            };
            if !list.is_empty() {
                return None;
            }
            list.extend(scopes.into_iter().chain(roles));
        }
        // An empty clause is never true.
        (!clauses.is_never()).then_some(needs)
    }

    fn clauses(&self) -> Clauses {
        let scope = |name: &String| Held::Scope(name.clone());
        let all = self.all.iter().map(|name| Clause::from([scope(name)]));
        let any: Clause = self.any.iter().map(scope).collect();
        let roles: Clause = self.roles.iter().map(|name| Held::Role(name.clone())).collect();
        Clauses(all.chain([any, roles].into_iter().filter(|clause| !clause.is_empty())).collect())
    }

    fn members(&self) -> Value {
        let lists = [("all", &self.all), ("any", &self.any)];
        let scopes: serde_json::Map<String, Value> = lists
            .into_iter()
            .filter(|(_, list)| !list.is_empty())
            .map(|(name, list)| (name.to_owned(), json!(list)))
            .collect();
        let mut members =
            if scopes.is_empty() { json!({ "authenticated": true }) } else { json!({ "require": scopes }) };
        if let Some(members) = members.as_object_mut().filter(|_| !self.roles.is_empty()) {
            members.insert("roles".to_owned(), json!(self.roles));
        }
        members
    }
}

fn split(clause: &Clause) -> (Vec<String>, Vec<String>) {
    let (mut scopes, mut roles) = (Vec::new(), Vec::new());
    for held in clause {
        match held {
            Held::Scope(name) => scopes.push(name.clone()),
            Held::Role(name) => roles.push(name.clone()),
        }
    }
    (scopes, roles)
}
