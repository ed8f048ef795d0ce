//! `RBAC`, the configuration of the filter and the rules in it.

use super::provider::Provider;
use super::rbac_rule::{self, PERMISSION, PRINCIPAL};
use crate::commands::policy::convert::condition::Condition;
use crate::commands::policy::convert::node::{Known, Message, Node};
use crate::commands::policy::convert::report::{Said, Unsaid};

/// What a filter lets through.
#[derive(Clone, Debug)]
pub(crate) struct Rbac {
    pub(crate) passes: Condition,
    /// Whether it has rules; without them it lets everything through.
    pub(crate) enforces: bool,
}

impl Rbac {
    /// Reads a filter. What cannot be said passes nothing.
    pub(crate) fn read(node: &Node<'_>, providers: &[Provider]) -> Self {
        filter(node, providers).unwrap_or(Self { passes: Condition::Unsaid, enforces: true })
    }
}

fn filter(node: &Node<'_>, providers: &[Provider]) -> Said<Rbac> {
    let message = node.message(Known {
        read: &[
            "@type",
            "rules",
            "matcher",
            "rules_stat_prefix",
            "track_per_rule_stats",
            "shadow_rules",
            "shadow_matcher",
            "shadow_rules_stat_prefix",
        ],
        refused: &[],
    })?;
    if let Some(matcher) = message.get("matcher") {
        return Err(matcher.unsaid("a tree of matchers cannot be converted: write its decisions as `rules`"));
    }
    for shadow in ["shadow_rules", "shadow_matcher"] {
        if let Some(node) = message.get(shadow) {
            node.report.note(format!("{}: it is not enforced and left out", node.place));
        }
    }
    match message.get("rules") {
        None => Ok(Rbac { passes: Condition::Always, enforces: false }),
        Some(rules) => Ok(Rbac { passes: self::rules(rules, providers)?, enforces: true }),
    }
}

fn rules(node: &Node<'_>, providers: &[Provider]) -> Said<Condition> {
    let message =
        node.message(Known { read: &["action", "policies"], refused: &["audit_logging_options"] })?;
    let action = message.get("action").map(|action| action.one_of(&["ALLOW", "DENY", "LOG"])).transpose()?;
    let policies = message.entries("policies")?;
    let policies = policies.iter().map(|(_, node)| policy(node, providers).unwrap_or(Condition::Unsaid));
    let any = Condition::Any(policies.collect());
    Ok(match action {
        None | Some("ALLOW") => any,
        Some("DENY") => Condition::Not(Box::new(any)),
        Some(_) => Condition::Always,
    })
}

fn policy(node: &Node<'_>, providers: &[Provider]) -> Said<Condition> {
    let message = node.message(Known {
        read: &["permissions", "principals"],
        refused: &["condition", "checked_condition", "cel_config"],
    })?;
    let either = |name: &str, kind| {
        let nodes = listed(&message, name)?;
        Ok(Condition::Any(nodes.iter().map(|node| rbac_rule::read(node, kind, providers)).collect()))
    };
    // Both are read, so that each part that cannot be said is named.
    let (permissions, principals) = (either("permissions", &PERMISSION), either("principals", &PRINCIPAL));
    Ok::<_, Unsaid>(Condition::All(vec![permissions?, principals?]))
}

fn listed<'a>(message: &Message<'a>, name: &str) -> Said<Vec<Node<'a>>> {
    let nodes = message.need(name)?.items()?;
    if nodes.is_empty() {
        return Err(message.node.unsaid(&format!("`{name}` must not be empty")));
    }
    Ok(nodes)
}
