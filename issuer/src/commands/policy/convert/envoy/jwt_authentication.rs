//! `JwtAuthentication`, the configuration of jwt_authn.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::provider::Provider;
use super::requirement::{Reader, Requirement};
use super::route_match;
use crate::commands::policy::convert::condition::Condition;
use crate::commands::policy::convert::node::{Known, Message, Node};
use crate::commands::policy::convert::report::{Report, Said};

#[derive(Debug)]
pub(crate) struct JwtAuthentication {
    pub(crate) providers: Vec<Provider>,
    /// Of each provider, the issuer of the policy. `None` if a policy cannot say it.
    pub(crate) issuers: Vec<Option<Value>>,
    /// The first that matches counts. Where none does, nothing is required.
    pub(crate) rules: Vec<(Condition, Requirement)>,
    /// What a route can ask for instead of the rules.
    pub(crate) named: BTreeMap<String, Requirement>,
    pub(crate) bypasses_preflights: bool,
}

/// Rules and named requirements while they are read.
#[derive(Debug, Default)]
struct Requirements {
    rules: Vec<(Condition, Requirement)>,
    named: BTreeMap<String, Requirement>,
    used: BTreeSet<String>,
}

impl JwtAuthentication {
    /// `has_routes` says whether the document holds the routes that can refer to a named requirement.
    pub(crate) fn read(node: &Node<'_>, has_routes: bool) -> Said<Self> {
        let message = node.message(Known {
            read: &[
                "@type",
                "providers",
                "rules",
                "requirement_map",
                "bypass_cors_preflight",
                "strip_failure_response",
                "stat_prefix",
            ],
            refused: &["filter_state_rules"],
        })?;
        let nodes = message.entries("providers")?;
        let mut providers: Vec<Provider> =
            nodes.iter().map(|(name, node)| Provider::read(name, node)).collect();
        let mut reader = Reader { providers: &providers, audiences: Vec::new() };
        let requirements = Requirements::read(&message, &mut reader)?;
        let audiences = reader.audiences;
        let mut issuers = Vec::new();
        for (at, (provider, (_, node))) in providers.iter_mut().zip(&nodes).enumerate() {
            let settled = settle_audiences(provider, at, &audiences, node).is_ok();
            issuers.push(if settled { provider.definition(node) } else { None });
        }
        each_issuer_once(&providers, &nodes)?;
        if !has_routes && let Some(unused) = requirements.unused() {
            return Err(node.unsaid(&format!(
                "no rule uses the requirement {unused}; the routes that do must be in the document"
            )));
        }
        let bypasses_preflights = message.boolean("bypass_cors_preflight")?;
        if bypasses_preflights {
            node.report.note(format!(
                "{}.bypass_cors_preflight: preflights need what other OPTIONS requests need; `cors` of a policy answers them",
                node.place
            ));
        }
        let Requirements { rules, named, .. } = requirements;
        Ok(Self { providers, issuers, rules, named, bypasses_preflights })
    }
}

impl Requirements {
    fn read(message: &Message<'_>, reader: &mut Reader<'_>) -> Said<Self> {
        let mut read = Self::default();
        for (name, node) in message.entries("requirement_map")? {
            read.named.insert(name.to_owned(), reader.read(&node));
        }
        for node in message.items("rules")? {
            let rule = read.rule(&node, reader);
            read.rules.push(rule.unwrap_or((Condition::Unsaid, Requirement::Unsaid)));
        }
        Ok(read)
    }

    fn rule(&mut self, node: &Node<'_>, reader: &mut Reader<'_>) -> Said<(Condition, Requirement)> {
        let message =
            node.message(Known { read: &["match", "requires", "requirement_name"], refused: &[] })?;
        let condition = route_match::read(message.need("match")?).unwrap_or(Condition::Unsaid);
        let requirement = match message.one_of(&["requires", "requirement_name"])? {
            None => Requirement::Nothing,
            Some(("requires", node)) => reader.read(node),
            Some((_, name)) => {
                let found = self.named.get(name.text()?).cloned();
                self.used.insert(name.text()?.to_owned());
                found.ok_or_else(|| name.unsaid("no requirement has this name"))?
            }
        };
        Ok((condition, requirement))
    }

    fn unused(&self) -> Option<&String> {
        self.named.keys().find(|name| !self.used.contains(*name))
    }
}

/// A policy has one list of audiences for an issuer, so every rule must ask for the same.
fn settle_audiences(
    provider: &mut Provider,
    at: usize,
    uses: &[(usize, BTreeSet<String>)],
    node: &Node<'_>,
) -> Said<()> {
    let mut own = uses.iter().filter(|(of, _)| *of == at).map(|(_, audiences)| audiences);
    let Some(first) = own.next() else { return Ok(()) };
    if own.any(|other| other != first) {
        return Err(node.unsaid("its rules ask for different audiences; a policy has one list for an issuer"));
    }
    provider.audiences = first.iter().cloned().collect();
    Ok(())
}

fn each_issuer_once(providers: &[Provider], nodes: &[(&str, Node<'_>)]) -> Said<()> {
    let mut seen = BTreeSet::new();
    for (provider, (_, node)) in providers.iter().zip(nodes) {
        if provider.issuer.as_ref().is_some_and(|issuer| !seen.insert(issuer)) {
            return Err(
                node.unsaid("another provider has the same issuer; a policy has one entry for an issuer")
            );
        }
    }
    Ok(())
}

impl JwtAuthentication {
    /// Adds to a policy what the upstream gets. It gets the same of every issuer.
    pub(crate) fn hand_on(&self, issuers: &[usize], report: &Report, policy: &mut Value) {
        let mut providers = issuers.iter().filter_map(|at| self.providers.get(*at));
        let Some(first) = providers.next() else { return };
        let (mut forward, mut headers) = (first.forward, first.headers.clone());
        for other in providers {
            if other.forward != first.forward {
                forward = false;
                report.unsaid(format!(
                    "{}.forward: a policy forwards the tokens of all issuers or of none",
                    other.place
                ));
            }
            if other.headers != first.headers {
                headers.clear();
                report.unsaid(format!(
                    "{}.claim_to_headers: a policy forwards the same claims of every issuer, in the same headers",
                    other.place
                ));
            }
        }
        let Some(policy) = policy.as_object_mut() else { return };
        policy.insert("envoy".to_owned(), json!({ "forward_authorization": forward }));
        if !headers.is_empty() {
            let headers: Map<String, Value> =
                headers.iter().map(|own| (own.field.to_owned(), json!(own.header))).collect();
            policy.insert("identity_headers".to_owned(), Value::Object(headers));
        }
    }
}
