//! `keystone apply`: brings scopes, roles and clients to what a file says, in one transaction.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::Failure;
use super::open::{self, Schema};
use crate::clock::World;
use crate::config::Config;
use crate::declaration::File;
use crate::secrets::Secrets;
use crate::store::{Actor, Applied};

/// What is printed. The secrets are shown here and never again.
#[derive(Serialize)]
struct Report<'a> {
    created: &'a [String],
    updated: &'a [String],
    secrets: BTreeMap<&'a str, &'a str>,
}

pub(super) async fn run(config: &Config, world: &World, path: &Path, json: bool) -> Result<String, Failure> {
    let name = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| Failure::new(format!("{name}: {error}")))?;
    let file = File::parse(&text).map_err(|mistakes| {
        let lines: Vec<String> = mistakes.to_string().lines().map(|line| format!("{name}: {line}")).collect();
        Failure::new(lines.join("\n"))
    })?;
    let store = open::store(config, Schema::Check).await?;
    let kek = open::key_encryption_key(config, world)?;
    let secrets = Secrets::open(&*store, &kek, world).await.map_err(open::failed)?;
    let (declaration, fresh) = file.declare(&secrets, world);
    let applied = store.apply(&Actor::Operator, &declaration).await.map_err(open::failed)?;
    let applied = applied.map_err(|error| Failure::new(format!("{name}: {error}")))?;

    let taken = applied.secrets_taken.iter().filter_map(|id| Some((id.as_str(), fresh.get(id)?.expose())));
    let report = Report { created: &applied.created, updated: &applied.updated, secrets: taken.collect() };
    if json { serde_json::to_string(&report).map_err(open::failed) } else { Ok(in_words(&applied, &report)) }
}

fn in_words(applied: &Applied, report: &Report<'_>) -> String {
    let mut lines: Vec<String> = Vec::new();
    lines.extend(applied.created.iter().map(|what| format!("created {what}")));
    lines.extend(applied.updated.iter().map(|what| format!("updated {what}")));
    if lines.is_empty() {
        lines.push("everything is as declared".to_owned());
    }
    lines.extend(
        report.secrets.iter().map(|(id, secret)| format!("secret of client {id}, shown once: {secret}")),
    );
    lines.join("\n")
}
