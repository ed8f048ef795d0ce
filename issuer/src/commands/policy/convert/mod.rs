//! `keystone policy convert`: an Envoy configuration in, a policy and what could not be converted out.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use crate::commands::{Failure, Output};

mod combine;
mod jwt;
mod proto;
mod rbac;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// A bootstrap, a listener or a part of one, as YAML or JSON
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print one line of JSON, with the policy and the notes
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<Output, Failure> {
    let Arguments { file, json } = arguments;
    let fault = |error: String| Failure::new(format!("{}: {error}", file.display()));
    let text = fs::read_to_string(file).map_err(|error| fault(error.to_string()))?;
    let Converted { policy, notes } =
        proto::read(&text).and_then(|source| convert(&source)).map_err(fault)?;
    let fit = notes.is_empty();
    if *json {
        return Ok(Output { text: format!("{}\n", json!({ "policy": policy, "notes": notes })), fit });
    }
    let notes: String = notes.iter().map(|note| format!("# {note}\n")).collect();
    Ok(Output { text: format!("{notes}{policy:#}\n"), fit })
}

/// A policy that is at most as open as its source, and what a person must look at.
#[derive(Debug)]
struct Converted {
    policy: Value,
    notes: Vec<String>,
}

fn convert(source: &Value) -> Result<Converted, String> {
    let filters = proto::messages(source, "jwt_authn.v3.JwtAuthentication");
    let [filter] = filters.as_slice() else {
        return Err(format!("there must be one jwt_authn filter, there are {}", filters.len()));
    };
    let mut notes = Vec::new();
    let mut policy = jwt::issuers(filter, &mut notes);
    let rules = jwt::rules(filter, &mut notes);
    let filters = proto::messages(source, "filters.http.rbac.v3.RBAC");
    let grants = rbac::grants(&filters, &mut notes);
    let routes = combine::routes(&rules, grants.as_deref(), &mut notes);
    if let Some(policy) = policy.as_object_mut() {
        policy.insert("routes".to_owned(), routes);
    }
    if let Err(error) = keystone_verifier::Policy::parse(format!("{policy:#}").as_bytes()) {
        notes.push(format!("the policy is not complete: {error}"));
    }
    Ok(Converted { policy, notes })
}

#[cfg(test)]
mod tests;
