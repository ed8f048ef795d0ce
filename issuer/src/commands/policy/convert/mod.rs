//! `keystone policy convert`: an Envoy configuration in, a policy out that never lets more through.
//!
//! The configuration is read closed, message by message (`envoy`), into conditions on a request (`condition`). What both
//! filters decide together (`source`) is worked out for every kind of request that the configuration tells apart
//! (`paths`), and said in routes (`routes`). What a policy cannot say ends the conversion, or is denied with `--partial`.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use crate::commands::{Failure, Output};

mod access;
mod condition;
mod document;
mod envoy;
mod formula;
mod node;
mod paths;
mod report;
mod routes;
mod sayable;
mod source;
mod yaml;

use document::locate;
use report::{Report, Said, Unsaid};
use routes::Decisions;
use source::Source;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Envoy configuration, as YAML or JSON: a bootstrap, a listener or a part of one
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print a policy that denies whatever cannot be converted, instead of none
    #[arg(long)]
    partial: bool,
    /// Print a JSON object with the policy, the notes and the denied requests
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<Output, Failure> {
    let Arguments { file, partial, json } = arguments;
    let named = |lines: &[String]| {
        let lines: Vec<String> = lines.iter().map(|line| format!("{}: {line}", file.display())).collect();
        lines.join("\n")
    };
    let text = fs::read_to_string(file).map_err(|error| Failure::new(named(&[error.to_string()])))?;
    let document = yaml::read(&text).map_err(|error| Failure::new(named(&[error])))?;
    let Conversion { policy, unsaid, notes } = convert(&document);
    let is_left = policy.is_some();
    let Some(policy) = policy.filter(|_| *partial || unsaid.is_empty()) else {
        let mut reasons = unsaid;
        if *partial && !is_left {
            reasons.push("nothing that a policy can express is left".to_owned());
        }
        return Err(Failure::new(named(&reasons)));
    };
    if *json {
        let all: Vec<&String> = unsaid.iter().chain(&notes).collect();
        return Ok(json!({ "policy": policy, "notes": all, "denied": unsaid }).to_string().into());
    }
    let denied: Vec<String> = unsaid.iter().map(|line| format!("denied: {line}")).collect();
    let remarks = denied.into_iter().chain(notes.iter().map(|line| format!("note: {line}")));
    Ok(Output { remarks: remarks.collect(), ..format!("{policy:#}").into() })
}

/// A policy that is at most as open as its source, and what a person must know.
#[derive(Debug)]
struct Conversion {
    /// `None` if nothing of the source can be said.
    policy: Option<Value>,
    /// What the policy denies because it cannot say it. If there is any, the conversion is not complete.
    unsaid: Vec<String>,
    /// Where the policy asks for more than its source.
    notes: Vec<String>,
}

fn convert(document: &Value) -> Conversion {
    let report = Report::default();
    let policy = policy(document, &report).ok();
    let (unsaid, notes) = report.into_lists();
    Conversion { policy, unsaid, notes }
}

fn policy(document: &Value, report: &Report) -> Said<Value> {
    let source = Source::read(&locate(document, report)?)?;
    let sayable: Vec<usize> = source
        .jwt
        .issuers
        .iter()
        .enumerate()
        .filter(|(_, issuer)| issuer.is_some())
        .map(|(at, _)| at)
        .collect();
    let decisions = Decisions::of(&source, &sayable, report);
    let routes = decisions.routes(report);
    // If every route is public, a policy needs an issuer all the same.
    let issuers = Some(decisions.issuers()).filter(|issuers| !issuers.is_empty()).unwrap_or(&sayable);
    let believed: Vec<&Value> =
        issuers.iter().filter_map(|at| source.jwt.issuers.get(*at)?.as_ref()).collect();
    let mut policy =
        json!({ "version": 1, "issuers": believed, "routes": routes, "jwt_authn_compatible": true });
    source.jwt.hand_on(issuers, report, &mut policy);
    match keystone_verifier::Policy::parse(policy.to_string().as_bytes()) {
        Ok(_) => {
            note_spellings(&policy, report);
            Ok(policy)
        }
        Err(_) if report.has_unsaid() => Err(Unsaid),
        Err(error) => Err(report.unsaid(format!("a policy cannot express this: {error}"))),
    }
}

/// Envoy compares paths byte by byte; a policy believes that of the service behind only if it says so.
fn note_spellings(policy: &Value, report: &Report) {
    let mut exact = policy.clone();
    if let Some(members) = exact.as_object_mut() {
        members.insert("path_comparison".to_owned(), json!("exact"));
    }
    let exact = keystone_verifier::Policy::parse(exact.to_string().as_bytes());
    let respelled = exact.iter().flat_map(keystone_verifier::Policy::respelled_routes).next();
    if let Some(path) = respelled.map(|respelled| respelled.path) {
        report.note(format!(
            "other spellings of a path, as {path}, need what the usual one needs, too; \
             for a service that compares byte by byte, set `path_comparison` to `exact`"
        ));
    }
}

#[cfg(test)]
mod tests;
