//! `RouteConfiguration`, `VirtualHost` and `Route`: where routes change what the filters do.

use serde_json::Value;

use super::http_filters::Filter;
use super::jwt_authentication::JwtAuthentication;
use super::per_route::{self, Overrides};
use super::route_match;
use crate::commands::policy::convert::condition::Condition;
use crate::commands::policy::convert::document::{self, JWT, RBAC};
use crate::commands::policy::convert::node::{Known, Message, Node};
use crate::commands::policy::convert::report::Said;

/// A virtual host: its routes, of which the first that matches counts.
#[derive(Debug, Default)]
pub(crate) struct Host {
    pub(crate) rows: Vec<(Condition, Overrides)>,
    pub(crate) otherwise: Overrides,
}

const CONFIGURATION: Known = Known {
    read: &[
        "@type",
        "name",
        "virtual_hosts",
        "internal_only_headers",
        "response_headers_to_add",
        "response_headers_to_remove",
        "request_headers_to_add",
        "request_headers_to_remove",
        "most_specific_header_mutations_wins",
        "validate_clusters",
        "max_direct_response_body_size_bytes",
        "cluster_specifier_plugins",
        "request_mirror_policies",
        "ignore_port_in_host_matching",
        "vhost_header",
        "ignore_path_parameters_in_path_matching",
        "typed_per_filter_config",
        "metadata",
    ],
    refused: &["vhds", "route_specifiers"],
};

const HOST: Known = Known {
    read: &[
        "name",
        "domains",
        "routes",
        "require_tls",
        "virtual_clusters",
        "rate_limits",
        "request_headers_to_add",
        "request_headers_to_remove",
        "response_headers_to_add",
        "response_headers_to_remove",
        "cors",
        "typed_per_filter_config",
        "include_request_attempt_count",
        "include_attempt_count_in_response",
        "retry_policy",
        "retry_policy_typed_config",
        "hedge_policy",
        "include_is_timeout_retry_header",
        "per_request_buffer_limit_bytes",
        "request_body_buffer_limit",
        "request_mirror_policies",
        "metadata",
    ],
    refused: &["matcher", "route_specifiers"],
};

const ROUTE: Known = Known {
    read: &[
        "name",
        "match",
        "route",
        "redirect",
        "direct_response",
        "filter_action",
        "non_forwarding_action",
        "metadata",
        "decorator",
        "typed_per_filter_config",
        "request_headers_to_add",
        "request_headers_to_remove",
        "response_headers_to_add",
        "response_headers_to_remove",
        "tracing",
        "per_request_buffer_limit_bytes",
        "stat_prefix",
        "request_body_buffer_limit",
    ],
    refused: &["route_specifiers"],
};

/// What reading a route needs to know of the filters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Filters<'a, 'b> {
    pub(crate) chain: &'b [Filter<'a>],
    pub(crate) jwt: &'b JwtAuthentication,
}

/// Reads the virtual hosts. Without any override there is nothing to know about their routes.
pub(crate) fn read<'a>(node: &Node<'a>, filters: Filters<'a, '_>) -> Said<Vec<Host>> {
    let message = node.message(CONFIGURATION)?;
    let overrides = overridden(&message, &Overrides::none(filters.chain.len()), filters);
    let overridden_anywhere = touches(node.value, filters.chain);
    let hosts: Vec<Node<'a>> = message.items("virtual_hosts")?;
    let mut read = Vec::new();
    for node in &hosts {
        read.push(host(node, &overrides, filters, overridden_anywhere)?);
    }
    if !overridden_anywhere {
        return Ok(vec![Host { rows: Vec::new(), otherwise: overrides }]);
    }
    if hosts.len() > 1 {
        node.unsaid(
            "a policy has no host names, so only one virtual host can have routes that change filters",
        );
    }
    Ok(read)
}

fn host(node: &Node<'_>, outer: &Overrides, filters: Filters<'_, '_>, matters: bool) -> Said<Host> {
    let message = node.message(HOST)?;
    let otherwise = overridden(&message, outer, filters);
    let mut rows = Vec::new();
    for node in message.items("routes")? {
        let route = node.message(ROUTE)?;
        for action in ["route", "filter_action"] {
            if let Some(action) =
                route.get(action).filter(|action| hides_overrides(action.value, filters.chain))
            {
                action.unsaid("what filters do can change for a whole route only");
                rows.push((Condition::Unsaid, Overrides::unsaid(filters.chain.len())));
            }
        }
        if matters {
            let condition = route_match::read(route.need("match")?).unwrap_or(Condition::Unsaid);
            rows.push((condition, overridden(&route, &otherwise, filters)));
        }
    }
    Ok(Host { rows, otherwise })
}

/// The overrides of a part: its own before those around it.
fn overridden(message: &Message<'_>, outer: &Overrides, filters: Filters<'_, '_>) -> Overrides {
    let mut overrides = outer.clone();
    let Ok(entries) = message.entries("typed_per_filter_config") else {
        return Overrides::unsaid(filters.chain.len());
    };
    for (name, node) in entries {
        per_route::apply(&mut overrides, name, &node, filters);
    }
    overrides
}

/// Whether any part changes what one of the filters does.
fn touches(value: &Value, chain: &[Filter<'_>]) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|item| touches(item, chain)),
        Value::Object(members) => members.iter().any(|(name, member)| match name.as_str() {
            "typed_per_filter_config" | "typedPerFilterConfig" => concerns(member, chain),
            _ => touches(member, chain),
        }),
        _ => false,
    }
}

fn concerns(member: &Value, chain: &[Filter<'_>]) -> bool {
    let named = |name: &String| chain.iter().any(|filter| filter.name == *name);
    let types =
        ["envoy.extensions.filters.http.jwt_authn.", "envoy.extensions.filters.http.rbac.", JWT, RBAC];
    member.as_object().is_some_and(|object| object.keys().any(named))
        || types.iter().any(|kind| document::mentions(member, kind))
}

/// Whether an override stands below a route, as for one of several weighted clusters.
fn hides_overrides(action: &Value, chain: &[Filter<'_>]) -> bool {
    touches(action, chain)
}
