//! `keystone apply`: brings scopes, roles and clients to what a file says, in one transaction.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::Failure;
use super::open::{self, Schema};
use crate::clock::World;
use crate::config::Config;
use crate::declaration::File;
use crate::secret::Secret;
use crate::secrets::Secrets;
use crate::store::{Actor, Applied, Store};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    file: PathBuf,
    /// Say what would be done, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Delete the scopes, roles and clients that the file does not declare, but for what is built in
    #[arg(long)]
    prune: bool,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

/// What is printed. The secrets are shown here and never again.
#[derive(Serialize)]
struct Report<'a> {
    dry_run: bool,
    changes: usize,
    #[serde(flatten)]
    applied: &'a Applied,
    secrets: BTreeMap<&'a str, &'a str>,
}

pub(super) async fn run(config: &Config, world: &World, arguments: &Arguments) -> Result<String, Failure> {
    let Arguments { file, dry_run, prune, json } = arguments;
    let declared = read(file)?;
    let wrong = |error| Failure::new(format!("{}: {error}", file.display()));
    let mut fresh = BTreeMap::new();
    let applied = if *dry_run {
        let store = open::store(config, Schema::Untouched).await?;
        let declaration = declared.declare_without_secrets().pruning(*prune);
        store.rehearse(&Actor::Operator, &declaration).await
    } else {
        let store = open::store(config, Schema::Check).await?;
        let secrets = secrets(config, world, &*store).await?;
        let (declaration, made) = declared.declare(&secrets, world);
        fresh = made;
        store.apply(&Actor::Operator, &declaration.pruning(*prune)).await
    };
    let applied = applied.map_err(open::failed)?.map_err(wrong)?;

    let report = Report::new(&applied, *dry_run, &fresh);
    if *json { serde_json::to_string(&report).map_err(open::failed) } else { Ok(report.in_words()) }
}

fn read(path: &Path) -> Result<File, Failure> {
    let name = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| Failure::new(format!("{name}: {error}")))?;
    File::parse(&text).map_err(|mistakes| {
        let lines: Vec<String> = mistakes.to_string().lines().map(|line| format!("{name}: {line}")).collect();
        Failure::new(lines.join("\n"))
    })
}

async fn secrets(config: &Config, world: &World, store: &dyn Store) -> Result<Secrets, Failure> {
    let kek = open::key_encryption_key(config, world)?;
    Secrets::open(store, &kek, world).await.map_err(open::failed)
}

impl<'a> Report<'a> {
    fn new(applied: &'a Applied, dry_run: bool, fresh: &'a BTreeMap<String, Secret>) -> Self {
        let taken =
            applied.secrets_taken.iter().filter_map(|id| Some((id.as_str(), fresh.get(id)?.expose())));
        Self { dry_run, changes: applied.changes(), applied, secrets: taken.collect() }
    }

    fn in_words(&self) -> String {
        let Applied { created, updated, deleted, .. } = self.applied;
        let verb = |done, planned| if self.dry_run { planned } else { done };
        let mut lines: Vec<String> = Vec::new();
        lines.extend(created.iter().map(|what| format!("{} {what}", verb("created", "would create"))));
        lines.extend(updated.iter().map(|what| format!("{} {what}", verb("updated", "would update"))));
        lines.extend(deleted.iter().map(|what| format!("{} {what}", verb("deleted", "would delete"))));
        lines.extend(
            revocations(self.applied)
                .map(|whose| format!("{} the tokens of {whose}", verb("revoked", "would revoke"))),
        );
        match (self.changes, self.dry_run) {
            (0, _) => lines.push("everything is as declared".to_owned()),
            (1, true) => lines.push("1 change to make; nothing was changed".to_owned()),
            (changes, true) => lines.push(format!("{changes} changes to make; nothing was changed")),
            (_, false) => {}
        }
        lines.extend(
            self.secrets.iter().map(|(id, secret)| format!("secret of client {id}, shown once: {secret}")),
        );
        lines.join("\n")
    }
}

fn revocations(applied: &Applied) -> impl Iterator<Item = String> {
    let users = match applied.revoked.users {
        0 => None,
        1 => Some("1 user".to_owned()),
        users => Some(format!("{users} users")),
    };
    users.into_iter().chain(applied.revoked.clients.iter().map(|id| format!("client {id}")))
}
