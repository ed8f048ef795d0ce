//! From what Envoy decides to the routes of a policy, which never let more through.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::access::Access;
use super::condition::Condition;
use super::formula::Formula;
use super::paths::{Kind, Texts};
use super::report::Report;
use super::source::{Outcome, Source};

/// The methods that routes list. Others are denied, unless the source names them.
pub(super) const METHODS: [&str; 7] = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];

/// What Envoy decides on every kind of request.
#[derive(Debug)]
pub(super) struct Decisions {
    methods: Vec<String>,
    kinds: Vec<Kind>,
    /// Of each kind, if it has one.
    templates: Vec<Option<String>>,
    outcomes: BTreeMap<(String, Kind), Outcome>,
    /// The providers that the policy believes: those whose tokens open something.
    issuers: Vec<usize>,
}

impl Decisions {
    /// `providers` are those that a policy can believe.
    pub(super) fn of(source: &Source, providers: &[usize], report: &Report) -> Self {
        let (mut texts, mut methods) = (Texts::new(), BTreeSet::from(METHODS.map(str::to_owned)));
        let mut may_mean_others = false;
        source.visit(&mut |condition| {
            texts.add(condition);
            if let Condition::Method(matcher) = condition {
                let method = matcher.only().filter(|method| is_method(method));
                // As a prefix does, or a method in lower case.
                may_mean_others |= method.is_none();
                methods.extend(method.map(str::to_owned));
            }
        });
        let (methods, kinds) = (Vec::from_iter(methods), texts.kinds());
        let all = methods.iter().flat_map(|method| kinds.iter().map(move |kind| (method, kind)));
        let outcomes = all
            .map(|(method, kind)| ((method.clone(), kind.clone()), source.outcome(method, &kind.example())));
        let outcomes: BTreeMap<(String, Kind), Outcome> = outcomes.collect();
        let others = kinds.iter().any(|kind| !source.outcome(ANOTHER, &kind.example()).is(&Formula::False));
        if others || may_mean_others {
            report.note(format!("methods other than {} are denied", methods.join(", ")));
        }
        let templates = kinds.iter().map(Kind::template).collect();
        let issuers = believed(providers, &outcomes);
        Self { methods, kinds, templates, outcomes, issuers }
    }

    pub(super) fn issuers(&self) -> &[usize] {
        &self.issuers
    }

    /// The routes, and in the report what they lack.
    pub(super) fn routes(&self, report: &Report) -> Value {
        let (mut routes, mut losses) = (Vec::new(), BTreeMap::new());
        for method in &self.methods {
            let plan = self.plan(method);
            for loss in self.losses(&plan, method, report) {
                losses.entry(loss).or_insert_with(Vec::new).push(method.as_str());
            }
            routes.extend(plan.written().map(|(path, access)| (path, method.clone(), access)));
        }
        for (Loss { kind, why }, methods) in losses {
            let all = methods.len() == self.methods.len();
            let methods = if all { "every method".to_owned() } else { methods.join(",") };
            report.unsaid(format!("{kind} ({methods}): {why}"));
        }
        grouped(routes)
    }

    fn outcome(&self, method: &str, kind: &Kind) -> Option<&Outcome> {
        self.outcomes.get(&(method.to_owned(), kind.clone()))
    }

    /// Gives each template, from the narrowest on, what Envoy allows on all paths that no narrower one has.
    fn plan(&self, method: &str) -> Plan {
        let mut plan =
            Plan { routes: Vec::new(), owners: vec![None; self.kinds.len()], rivals: BTreeMap::new() };
        let outcomes: Vec<Option<&Outcome>> =
            self.kinds.iter().map(|kind| self.outcome(method, kind)).collect();
        for (at, kind) in self.kinds.iter().enumerate() {
            let template = self.templates.get(at).and_then(Option::as_ref);
            let (Some(template), Some(Some(own))) = (template, outcomes.get(at)) else { continue };
            let free = self.kinds.iter().zip(&outcomes).zip(&plan.owners).enumerate();
            let covered = free.filter_map(|(other, ((paths, outcome), owner))| {
                (owner.is_none() && kind.covers(paths)).then_some((other, (*outcome)?))
            });
            let covered: Vec<(usize, &Outcome)> = covered.collect();
            let rival =
                |access: &Access| covered.iter().find(|(_, outcome)| !access.implies(outcome, &self.issuers));
            let mut access = Access::strictest(&[*own], &self.issuers);
            if let Some((other, _)) = rival(&access) {
                plan.rivals.insert(at, *other);
                let all: Vec<&Outcome> = covered.iter().map(|(_, outcome)| *outcome).collect();
                access = Access::strictest(&all, &self.issuers);
            }
            if access == Access::Denied || rival(&access).is_some() {
                continue;
            }
            for (other, _) in &covered {
                if let Some(owner) = plan.owners.get_mut(*other) {
                    *owner = Some(plan.routes.len());
                }
            }
            plan.routes.push(Planned { kind: kind.clone(), path: template.clone(), access });
        }
        plan
    }

    /// Where the plan lets less through than Envoy. What a prefix without a slash meant besides is a note.
    fn losses(&self, plan: &Plan, method: &str, report: &Report) -> Vec<Loss> {
        let mut losses = Vec::new();
        for (at, kind) in self.kinds.iter().enumerate() {
            let Some(outcome) = self.outcome(method, kind) else { continue };
            let why = match Access::exact(outcome, &self.issuers) {
                Ok(exact) if exact == *plan.access(at) => continue,
                Ok(_) => self.rival(plan, at),
                Err(why) => why.to_owned(),
            };
            if kind.is_continued() {
                let text = kind.text();
                report.note(format!(
                    "paths as {text}x are denied, or need more: a prefix of a policy ends at a slash"
                ));
            } else if !(outcome.is_unsaid() && report.has_unsaid()) {
                losses.push(Loss { kind: kind.to_string(), why });
            }
        }
        losses
    }

    /// Why a route for these paths would open others.
    fn rival(&self, plan: &Plan, at: usize) -> String {
        match plan.rivals.get(&at).and_then(|rival| self.kinds.get(*rival)) {
            Some(rival) if rival.is_continued() => format!(
                "Envoy requires something else on paths as {}x, and a prefix of a policy ends at a slash",
                rival.text()
            ),
            Some(rival) => {
                format!("Envoy requires something else on {rival}, and a policy cannot except that")
            }
            None => "a policy cannot express this path".to_owned(),
        }
    }
}

/// The providers whose tokens open something that is not public.
fn believed(providers: &[usize], outcomes: &BTreeMap<(String, Kind), Outcome>) -> Vec<usize> {
    let opens = |at: &usize| {
        let formulas = outcomes.values().filter(|outcome| !outcome.is(&Formula::True));
        let mut formulas = formulas.filter_map(|outcome| outcome.valid.get(*at));
        formulas.any(|formula| formula.clauses().is_some_and(|clauses| !clauses.is_never()))
    };
    providers.iter().copied().filter(opens).collect()
}

/// Paths on which a policy lets less through.
#[derive(Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Loss {
    kind: String,
    why: String,
}

/// The routes for one method, the narrowest first.
#[derive(Debug)]
struct Plan {
    routes: Vec<Planned>,
    /// For each kind of path, which route decides.
    owners: Vec<Option<usize>>,
    /// For a kind whose route cannot say what Envoy does, paths that the route would open, too.
    rivals: BTreeMap<usize, usize>,
}

#[derive(Debug)]
struct Planned {
    kind: Kind,
    path: String,
    access: Access,
}

impl Plan {
    /// What is asked on the paths of a kind.
    fn access(&self, kind: usize) -> &Access {
        let owner = self.owners.get(kind).copied().flatten();
        owner.and_then(|at| self.routes.get(at)).map_or(&Access::Denied, |route| &route.access)
    }

    /// The routes without those that ask for the same as the next wider one.
    fn written(&self) -> impl Iterator<Item = (String, Access)> {
        let is_needed = |at: usize, route: &Planned| {
            let mut wider = self.routes.iter().skip(at + 1).filter(|other| other.kind.covers(&route.kind));
            wider.next().is_none_or(|next| next.access != route.access)
        };
        let needed = self.routes.iter().enumerate().filter(move |(at, route)| is_needed(*at, route));
        needed.map(|(_, route)| (route.path.clone(), route.access.clone()))
    }
}

/// Methods of one path that need the same, in one route.
fn grouped(mut routes: Vec<(String, String, Access)>) -> Value {
    routes.sort_by(|(path, method, _), (other, another, _)| (path, method).cmp(&(other, another)));
    let mut grouped: Vec<(String, Vec<String>, Access)> = Vec::new();
    for (path, method, access) in routes {
        match grouped.iter_mut().find(|(other, _, needs)| *other == path && *needs == access) {
            Some((_, methods, _)) => methods.push(method),
            None => grouped.push((path, vec![method], access)),
        }
    }
    let route = |(path, methods, access): (String, Vec<String>, Access)| {
        let mut members = access.members()?;
        let object = members.as_object_mut()?;
        object.insert("methods".to_owned(), json!(methods));
        object.insert("path".to_owned(), json!(path));
        Some(members)
    };
    grouped.into_iter().filter_map(route).collect()
}

/// As the policy reads methods.
fn is_method(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-')
}

/// Stands for every method that nobody names.
const ANOTHER: &str = "\u{10FFFF}";
