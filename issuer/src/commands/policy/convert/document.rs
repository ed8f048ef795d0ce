//! Finds the one chain of filters to convert, and the routes that belong to it.

use serde_json::Value;

use super::node::Node;
use super::report::{Report, Said, Unsaid};

/// What a document holds, wherever it stands.
#[derive(Debug, Default)]
struct Found<'a> {
    managers: Vec<Node<'a>>,
    chains: Vec<Node<'a>>,
    routes: Vec<Node<'a>>,
}

/// What is to be converted.
#[derive(Debug)]
pub(super) enum Part<'a> {
    /// A connection manager, or an object with `http_filters` alone.
    Manager(Node<'a>),
    /// A list of filters or a single one.
    Chain(Node<'a>),
}

/// The part of a document that has the jwt_authn filter, and its route configurations.
#[derive(Debug)]
pub(super) struct Located<'a> {
    pub(super) part: Part<'a>,
    pub(super) routes: Vec<Node<'a>>,
}

pub(super) const JWT: &str = "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication";
pub(super) const RBAC: &str = "envoy.extensions.filters.http.rbac.v3.RBAC";

pub(super) fn locate<'a>(document: &'a Value, report: &'a Report) -> Said<Located<'a>> {
    let root = Node::new(document, String::new(), report);
    refuse_others(&root)?;
    let mut found = Found::default();
    walk(root, &mut found)?;
    let Found { managers, chains, routes } = found;
    let all = managers.into_iter().map(Part::Manager).chain(chains.into_iter().map(Part::Chain));
    let (mut parts, others): (Vec<_>, Vec<_>) = all.partition(|part| mentions(part.node().value, JWT));
    match (parts.pop(), parts.is_empty()) {
        (Some(part), true) => {
            for other in others {
                let place = &other.node().place;
                report.note(format!("{place}: it has no jwt_authn filter and is not converted"));
            }
            Ok(Located { part, routes })
        }
        (Some(last), false) => {
            let places: Vec<&str> = parts.iter().chain([&last]).map(|part| part.node().place.as_str()).collect();
            Err(report.unsaid(format!(
                "jwt_authn occurs in {} places; convert one at a time: {}",
                places.len(),
                places.join(", ")
            )))
        }
        (None, _) => Err(report.unsaid(format!(
            "no jwt_authn filter was found: the document must hold a {JWT}, as in a bootstrap, a listener or `http_filters`"
        ))),
    }
}

impl<'a> Part<'a> {
    pub(super) const fn node(&self) -> &Node<'a> {
        match self {
            Self::Manager(node) | Self::Chain(node) => node,
        }
    }
}

fn walk<'a>(node: Node<'a>, found: &mut Found<'a>) -> Said<()> {
    match node.value {
        Value::Array(items) if items.iter().any(is_filter) => found.chains.push(node),
        Value::Array(_) => node.items()?.into_iter().try_for_each(|item| walk(item, found))?,
        Value::Object(object) => {
            let is = |snake: &str, camel: &str| object.contains_key(snake) || object.contains_key(camel);
            let kind = type_name(node.value).unwrap_or_default();
            if kind.ends_with(".HttpConnectionManager") || is("http_filters", "httpFilters") {
                found.managers.push(node);
            } else if kind.ends_with(".RouteConfiguration") || is("virtual_hosts", "virtualHosts") {
                found.routes.push(node);
            } else if is_filter(node.value) {
                found.chains.push(node);
            } else {
                node.children().into_iter().try_for_each(|child| walk(child, found))?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// Whether this is one of the two filters, with or without the `HttpFilter` around it.
fn is_filter(value: &Value) -> bool {
    let own = |value| type_name(value).is_some_and(|name| name == JWT || name == RBAC);
    own(value) || ["typed_config", "typedConfig"].iter().any(|name| value.get(name).is_some_and(own))
}

/// `envoy.….RBAC` of `type.googleapis.com/envoy.….RBAC`
pub(super) fn type_name(value: &Value) -> Option<&str> {
    value.get("@type")?.as_str()?.rsplit('/').next()
}

/// Whether this text stands anywhere in a value.
pub(super) fn mentions(value: &Value, text: &str) -> bool {
    match value {
        Value::String(own) => own.contains(text),
        Value::Array(items) => items.iter().any(|item| mentions(item, text)),
        Value::Object(members) => members.values().any(|member| mentions(member, text)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Names what looks like the right thing and is something else, wherever it stands.
fn refuse_others(node: &Node<'_>) -> Said<()> {
    if node.value.is_array() {
        return node.items()?.iter().try_for_each(refuse_others);
    }
    let member = |name: &str| node.value.get(name).and_then(Value::as_str);
    if let (Some(version), Some(kind)) = (member("apiVersion"), member("kind"))
        && kind != "List"
    {
        return Err(resource(node, version, kind));
    }
    let name = type_name(node.value).unwrap_or_default();
    let old = [".jwt_authn.v2alpha.", ".http.rbac.v2.", "http_connection_manager.v2.", ".api.v2."];
    if old.iter().any(|part| name.contains(part)) {
        return Err(
            node.unsaid(&format!("{name} is from Envoy's v2 API, which Envoy 1.18 removed: use the v3 API"))
        );
    }
    node.children().iter().try_for_each(refuse_others)
}

/// Kubernetes resources: what a mesh makes of them is Envoy's configuration, and only it.
fn resource(node: &Node<'_>, version: &str, kind: &str) -> Unsaid {
    let group = version.split('/').next().unwrap_or_default();
    let advice = match (group, kind) {
        (_, "ConfigMap") => "convert the file that stands in its `data`".to_owned(),
        (group, _) if group.ends_with(".istio.io") => {
            "it belongs to Istio; convert what Istio makes of it: `istioctl proxy-config all POD -o json`".to_owned()
        }
        ("gateway.envoyproxy.io" | "gateway.networking.k8s.io", _) => {
            "it belongs to the Gateway API; convert what Envoy Gateway makes of it: `egctl config envoy-proxy all -o yaml`"
                .to_owned()
        }
        _ => "it is a Kubernetes resource; convert Envoy's configuration".to_owned(),
    };
    node.unsaid(&format!("this is a {kind} ({version}): {advice}"))
}
