//! What Envoy decides, with both filters and what routes change in them.

use super::condition::{Condition, Request, first_match};
use super::document::{Located, Part};
use super::envoy::connection_manager;
use super::envoy::http_filters::{self, Filter, Kind};
use super::envoy::jwt_authentication::JwtAuthentication;
use super::envoy::per_route::{Override, Overrides};
use super::envoy::rbac::Rbac;
use super::envoy::requirement::{Credential, Met, Requirement};
use super::envoy::route_configuration::{self, Filters, Host};
use super::formula::Formula;
use super::report::Said;

#[derive(Debug)]
pub(super) struct Source {
    pub(super) jwt: JwtAuthentication,
    /// The filters in their order; jwt_authn has no rbac.
    chain: Vec<Option<Rbac>>,
    hosts: Vec<Host>,
}

/// What is decided on one method and one kind of path, for every credential.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Outcome {
    pub(super) missing: Formula,
    pub(super) invalid: Formula,
    /// For each provider, what its tokens must hold.
    pub(super) valid: Vec<Formula>,
}

impl Source {
    pub(super) fn read(located: &Located<'_>) -> Said<Self> {
        let (nodes, routes) = match &located.part {
            Part::Manager(node) => {
                let manager = connection_manager::read(node, &located.routes)?;
                (manager.filters, manager.routes)
            }
            Part::Chain(node) => {
                let nodes = if node.value.is_array() { node.items()? } else { vec![node.clone()] };
                (nodes, only(&located.routes).cloned())
            }
        };
        let filters = http_filters::read(&nodes)?;
        let node = located.part.node();
        let jwt = filters.iter().find(|filter| filter.kind == Kind::Jwt);
        let jwt = jwt.ok_or_else(|| node.unsaid("there is no jwt_authn filter in this chain"))?;
        let jwt = JwtAuthentication::read(&jwt.configuration, routes.is_some())?;
        let chain = filters.iter().map(|filter| rbac(filter, &jwt, routes.is_some())).collect::<Said<_>>()?;
        let hosts = match &routes {
            Some(routes) => route_configuration::read(routes, Filters { chain: &filters, jwt: &jwt })?,
            None => {
                node.report.note(
                    "the document holds no routes: what they change in their typed_per_filter_config is not in the policy"
                        .to_owned(),
                );
                vec![Host { rows: Vec::new(), otherwise: Overrides::none(filters.len()) }]
            }
        };
        Ok(Self { jwt, chain, hosts })
    }

    /// Calls `visit` for every part of every condition.
    pub(super) fn visit(&self, visit: &mut impl FnMut(&Condition)) {
        self.jwt.rules.iter().for_each(|(condition, _)| condition.visit(visit));
        self.chain.iter().flatten().for_each(|rbac| rbac.passes.visit(visit));
        for host in &self.hosts {
            let rows = host.rows.iter().map(|(_, overrides)| overrides).chain([&host.otherwise]);
            for overrides in rows {
                let own = (0..self.chain.len()).filter_map(|at| overrides.of(at));
                own.for_each(|own| own.passes().visit(visit));
            }
            host.rows.iter().for_each(|(condition, _)| condition.visit(visit));
        }
    }

    pub(super) fn outcome(&self, method: &str, path: &str) -> Outcome {
        let decided = |credential| {
            let request = Request { method, path, payload: None };
            Formula::all(self.hosts.iter().map(|host| {
                let says = |overrides: &Overrides| self.decide(request, overrides, credential);
                first_match(&host.rows, request, &says, &|| says(&host.otherwise))
            }))
        };
        Outcome {
            missing: decided(Credential::Missing),
            invalid: decided(Credential::Invalid),
            valid: (0..self.jwt.providers.len()).map(|at| decided(Credential::Valid(at))).collect(),
        }
    }

    fn decide(&self, request: Request<'_>, overrides: &Overrides, credential: Credential) -> Formula {
        let jwt = self.chain.iter().position(Option::is_none).and_then(|at| overrides.of(at));
        let usual = match jwt {
            None => {
                let says =
                    |requirement: &Requirement| self.beside(request, overrides, &requirement.met(credential));
                let nothing = || says(&Requirement::Nothing);
                first_match(&self.jwt.rules, request, &says, &nothing)
            }
            Some(Override::Requirement(own)) => self.beside(request, overrides, &own.met(credential)),
            Some(Override::Disabled) => self.beside(request, overrides, &Met::plainly(true, None)),
            Some(Override::Unsaid | Override::Rbac(_)) => Formula::Unsaid,
        };
        if self.jwt.bypasses_preflights && request.method == "OPTIONS" {
            // A policy does not tell preflights from other requests, so both must pass.
            return Formula::all([usual, self.beside(request, overrides, &Met::plainly(true, None))]);
        }
        usual
    }

    /// What jwt_authn says together with every rbac filter. Those before it see no payload.
    fn beside(&self, request: Request<'_>, overrides: &Overrides, met: &Met) -> Formula {
        let provider = met.payload.and_then(|at| self.jwt.providers.get(at));
        let mut payload = None;
        let mut parts = vec![met.formula.clone()];
        for (at, rbac) in self.chain.iter().enumerate() {
            let Some(rbac) = rbac else {
                payload = provider;
                continue;
            };
            let passes = overrides.of(at).map_or_else(|| rbac.passes.clone(), Override::passes);
            parts.push(passes.formula(Request { payload, ..request }));
        }
        Formula::all(parts)
    }
}

fn rbac(filter: &Filter<'_>, jwt: &JwtAuthentication, has_routes: bool) -> Said<Option<Rbac>> {
    if filter.kind == Kind::Jwt {
        return Ok(None);
    }
    let rbac = Rbac::read(&filter.configuration, &jwt.providers);
    if !rbac.enforces && !has_routes {
        return Err(filter
            .configuration
            .unsaid("it has no rules; the routes that bring them must be in the document"));
    }
    Ok(Some(rbac))
}

fn only<T>(items: &[T]) -> Option<&T> {
    match items {
        [one] => Some(one),
        _ => None,
    }
}
