//! `Permission` and `Principal`, which differ in names alone.

use super::provider::Provider;
use super::string_match::{Kind, StringMatch};
use super::{header_match, metadata_match, route_match};
use crate::commands::policy::convert::condition::Condition;
use crate::commands::policy::convert::node::{Known, Node};
use crate::commands::policy::convert::report::Said;

/// The names of one of the two messages.
#[derive(Debug)]
pub(crate) struct Names {
    read: &'static [&'static str],
    refused: &'static [&'static str],
    all: &'static str,
    list: &'static str,
    not: &'static str,
}

pub(crate) const PERMISSION: Names = Names {
    read: &["and_rules", "or_rules", "any", "header", "url_path", "metadata", "not_rule"],
    refused: &[
        "destination_ip",
        "destination_port",
        "destination_port_range",
        "requested_server_name",
        "matcher",
        "uri_template",
        "sourced_metadata",
    ],
    all: "and_rules",
    list: "rules",
    not: "not_rule",
};

pub(crate) const PRINCIPAL: Names = Names {
    read: &["and_ids", "or_ids", "any", "header", "url_path", "metadata", "not_id"],
    refused: &[
        "authenticated",
        "source_ip",
        "direct_remote_ip",
        "remote_ip",
        "filter_state",
        "sourced_metadata",
        "custom",
    ],
    all: "and_ids",
    list: "ids",
    not: "not_id",
};

pub(crate) fn read(node: &Node<'_>, names: &'static Names, providers: &[Provider]) -> Condition {
    condition(node, names, providers).unwrap_or(Condition::Unsaid)
}

fn condition(node: &Node<'_>, names: &'static Names, providers: &[Provider]) -> Said<Condition> {
    let message = node.message(Known { read: names.read, refused: names.refused })?;
    let set = message.one_of(names.read)?;
    let (name, inner) = set.ok_or_else(|| node.unsaid("must say what it is about"))?;
    match name {
        "any" if inner.boolean()? => Ok(Condition::Always),
        "any" => Err(inner.unsaid("must be true")),
        "header" => header_match::read(inner),
        "url_path" => url_path(inner),
        "metadata" => metadata_match::read(inner, providers),
        name if name == names.not => Ok(Condition::Not(Box::new(read(inner, names, providers)))),
        name => {
            let list = inner.message(Known { read: std::slice::from_ref(&names.list), refused: &[] })?;
            let parts = list.need(names.list)?.items()?;
            if parts.is_empty() {
                return Err(inner.unsaid("must not be empty"));
            }
            let parts = parts.iter().map(|part| read(part, names, providers)).collect();
            Ok(if name == names.all { Condition::All(parts) } else { Condition::Any(parts) })
        }
    }
}

/// `PathMatcher`: a policy knows whole paths and what lies below one.
fn url_path(node: &Node<'_>) -> Said<Condition> {
    let message = node.message(Known { read: &["path"], refused: &[] })?;
    let path = message.need("path")?;
    let matcher = StringMatch::read(path)?;
    if matcher.ignore_case {
        return Err(path.unsaid("a policy cannot ignore the case of paths"));
    }
    if matcher.text.contains(['?', '#']) {
        return Err(path.unsaid(route_match::NO_QUERY));
    }
    match matcher.kind {
        Kind::Exact => Ok(Condition::Path(matcher.text)),
        Kind::Prefix => Ok(Condition::Prefix(matcher.text)),
        Kind::Suffix | Kind::Contains => Err(path.unsaid("a policy matches paths from the beginning")),
    }
}
