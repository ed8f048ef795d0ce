//! `PerRouteConfig` of jwt_authn, `RBACPerRoute` and `FilterConfig`: what a route changes.

use super::http_filters::Kind;
use super::rbac::Rbac;
use super::requirement::Requirement;
use super::route_configuration::Filters;
use crate::commands::policy::convert::condition::Condition;
use crate::commands::policy::convert::document;
use crate::commands::policy::convert::node::{Known, Node};
use crate::commands::policy::convert::report::Said;

/// For each filter of the chain, what replaces it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overrides(Vec<Option<Override>>);

#[derive(Clone, Debug)]
pub(crate) enum Override {
    /// Recorded in the report.
    Unsaid,
    Disabled,
    Requirement(Requirement),
    Rbac(Rbac),
}

impl Overrides {
    pub(crate) fn none(filters: usize) -> Self {
        Self(vec![None; filters])
    }

    pub(crate) fn unsaid(filters: usize) -> Self {
        Self(vec![Some(Override::Unsaid); filters])
    }

    /// What replaces the filter at this place of the chain.
    pub(crate) fn of(&self, at: usize) -> Option<&Override> {
        self.0.get(at)?.as_ref()
    }
}

const JWT_ROUTE: &str = "envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig";
const RBAC_ROUTE: &str = "envoy.extensions.filters.http.rbac.v3.RBACPerRoute";
const FILTER: &str = "envoy.config.route.v3.FilterConfig";

/// Reads an entry of `typed_per_filter_config` into the overrides of the filters that have its name.
pub(crate) fn apply(overrides: &mut Overrides, name: &str, node: &Node<'_>, filters: Filters<'_, '_>) {
    let mut is_known = false;
    for (filter, slot) in filters.chain.iter().zip(&mut overrides.0) {
        if filter.name == name {
            is_known = true;
            *slot = Some(read(node, filter.kind, filters).unwrap_or(Override::Unsaid));
        }
    }
    let types = ["envoy.extensions.filters.http.jwt_authn.", "envoy.extensions.filters.http.rbac."];
    if !is_known && types.iter().any(|kind| document::mentions(node.value, kind)) {
        node.unsaid("no filter of the chain has this name");
        *overrides = Overrides::unsaid(filters.chain.len());
    }
}

fn read(node: &Node<'_>, kind: Kind, filters: Filters<'_, '_>) -> Said<Override> {
    match (document::type_name(node.value), kind) {
        (Some(FILTER), _) => {
            let wrapper =
                node.message(Known { read: &["@type", "config", "is_optional", "disabled"], refused: &[] })?;
            if wrapper.boolean("disabled")? {
                return Ok(Override::Disabled);
            }
            read(wrapper.need("config")?, kind, filters)
        }
        (Some(JWT_ROUTE), Kind::Jwt) => {
            let route =
                node.message(Known { read: &["@type", "disabled", "requirement_name"], refused: &[] })?;
            if route.boolean("disabled")? {
                return Ok(Override::Disabled);
            }
            let name = route.need("requirement_name")?;
            let found = filters.jwt.named.get(name.text()?).cloned();
            found.map(Override::Requirement).ok_or_else(|| name.unsaid("no requirement has this name"))
        }
        (Some(RBAC_ROUTE), Kind::Rbac) => {
            let route = node.message(Known { read: &["@type", "rbac"], refused: &[] })?;
            Ok(route
                .get("rbac")
                .map_or(Override::Disabled, |rbac| Override::Rbac(Rbac::read(rbac, &filters.jwt.providers))))
        }
        _ => Err(node.unsaid("must be what the filter of this name takes on a route")),
    }
}

impl Override {
    /// What an rbac filter with this override lets through.
    pub(crate) fn passes(&self) -> Condition {
        match self {
            Self::Disabled => Condition::Always,
            Self::Rbac(rbac) => rbac.passes.clone(),
            Self::Unsaid | Self::Requirement(_) => Condition::Unsaid,
        }
    }
}
