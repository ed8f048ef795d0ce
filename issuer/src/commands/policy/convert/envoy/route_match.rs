//! `envoy.config.route.v3.RouteMatch`, which both rules of jwt_authn and routes have.

use super::header_match;
use crate::commands::policy::convert::condition::Condition;
use crate::commands::policy::convert::node::{Known, Node};
use crate::commands::policy::convert::report::Said;

pub(crate) fn read(node: &Node<'_>) -> Said<Condition> {
    let message = node.message(Known {
        read: &["prefix", "path", "path_separated_prefix", "case_sensitive", "headers"],
        refused: &[
            "safe_regex",
            "connect_matcher",
            "path_match_policy",
            "runtime_fraction",
            "query_parameters",
            "cookies",
            "grpc",
            "tls_context",
            "dynamic_metadata",
            "filter_state",
        ],
    })?;
    if let Some(case) = message.get("case_sensitive").filter(|case| case.value.as_bool() != Some(true)) {
        return Err(case.unsaid("a policy cannot ignore the case of paths"));
    }
    let set = message.one_of(&["prefix", "path", "path_separated_prefix"])?;
    let (name, text) =
        set.ok_or_else(|| node.unsaid("must hold `prefix`, `path` or `path_separated_prefix`"))?;
    let path = path(text)?;
    let paths = match name {
        "prefix" => Condition::Prefix(path),
        "path" => Condition::Path(path),
        _ => Condition::Any(vec![Condition::Prefix(format!("{path}/")), Condition::Path(path)]),
    };
    let headers = message.items("headers")?;
    // Each is read, so that each that cannot be said is named.
    let headers: Vec<Said<Condition>> = headers.iter().map(header_match::read).collect();
    let headers: Said<Vec<Condition>> = headers.into_iter().collect();
    Ok(Condition::All([paths].into_iter().chain(headers?).collect()))
}

fn path(node: &Node<'_>) -> Said<String> {
    let text = node.text()?;
    if text.contains(['?', '#']) { Err(node.unsaid(NO_QUERY)) } else { Ok(text.to_owned()) }
}

pub(crate) const NO_QUERY: &str = "a policy compares paths without query and fragment";
