//! `HttpFilter`: the chain, of which jwt_authn and rbac are converted.

use crate::commands::policy::convert::document::{self, JWT, RBAC};
use crate::commands::policy::convert::node::{Known, Node};
use crate::commands::policy::convert::report::Said;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Jwt,
    Rbac,
}

/// One of the two filters in its chain.
#[derive(Debug)]
pub(crate) struct Filter<'a> {
    /// The name in the chain, by which routes refer to it.
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) configuration: Node<'a>,
}

/// Reads the two filters of a chain in their order. Exactly one is jwt_authn, and no other filter stands between them.
pub(crate) fn read<'a>(nodes: &[Node<'a>]) -> Said<Vec<Filter<'a>>> {
    let mut filters = Vec::new();
    let mut between: Option<&Node<'a>> = None;
    for node in nodes {
        match filter(node)? {
            None if filters.is_empty() => {}
            None => between = between.or(Some(node)),
            Some(_) if between.is_some() => {
                let other = between.unwrap_or(node);
                return Err(
                    other.unsaid("it is between jwt_authn and rbac, and may change what the later one sees")
                );
            }
            Some(filter) => filters.push(filter),
        }
    }
    let mut jwt = filters.iter().filter(|filter| filter.kind == Kind::Jwt).skip(1);
    match jwt.next() {
        None => Ok(filters),
        Some(second) => {
            Err(second.configuration.unsaid("a chain with two jwt_authn filters cannot be converted"))
        }
    }
}

fn filter<'a>(node: &Node<'a>) -> Said<Option<Filter<'a>>> {
    if let Some(kind) = kind(node) {
        let name = match kind {
            Kind::Jwt => JWT_NAME,
            Kind::Rbac => RBAC_NAME,
        };
        return Ok(Some(Filter { name: name.to_owned(), kind, configuration: node.clone() }));
    }
    let typed = node
        .children()
        .into_iter()
        .find(|child| child.place.ends_with("typed_config") || child.place.ends_with("typedConfig"));
    let Some((kind, configuration)) = typed.and_then(|typed| Some((kind(&typed)?, typed))) else {
        return another(node);
    };
    let message = node.message(Known {
        read: &["name", "typed_config", "is_optional"],
        refused: &["config_discovery", "disabled"],
    })?;
    Ok(Some(Filter { name: message.need("name")?.text()?.to_owned(), kind, configuration }))
}

const JWT_NAME: &str = "envoy.filters.http.jwt_authn";
const RBAC_NAME: &str = "envoy.filters.http.rbac";

/// A filter that stays where it is, if neither of the two is hidden in it.
fn another<'a>(node: &Node<'a>) -> Said<Option<Filter<'a>>> {
    let name = node.value.get("name").and_then(serde_json::Value::as_str).unwrap_or_default();
    if [JWT, RBAC].iter().any(|kind| document::mentions(node.value, kind)) {
        return Err(node.unsaid("a jwt_authn or rbac filter inside another message cannot be converted"));
    }
    if name == JWT_NAME || name == RBAC_NAME {
        return Err(node.unsaid("the filter has no `typed_config` of Envoy's v3 API"));
    }
    if document::mentions(node.value, JWT_NAME) {
        return Err(node.unsaid("it reads the metadata of jwt_authn, which Keystone's filter does not write"));
    }
    Ok(None)
}

fn kind(node: &Node<'_>) -> Option<Kind> {
    match document::type_name(node.value) {
        Some(JWT) => Some(Kind::Jwt),
        Some(RBAC) => Some(Kind::Rbac),
        _ => None,
    }
}
