//! `keystone apply`: brings scopes, roles and clients to what a file says, in one transaction.

mod new_secrets;

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};

use serde::Serialize;

use self::new_secrets::NewSecrets;
use super::Failure;
use super::open::{self, Schema};
use crate::clock::World;
use crate::config::Config;
use crate::declaration::File;
use crate::identity::manifest;
use crate::secrets::Secrets;
use crate::store::{Actor, Applied, Declaration, Store};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Declaration file, in TOML; `-` reads standard input
    file: PathBuf,
    /// Print the changes without making them
    #[arg(long)]
    dry_run: bool,
    /// Delete the scopes, roles and clients that the file does not declare, except built-in ones
    #[arg(long)]
    prune: bool,
    /// Print the result as one line of JSON
    #[arg(long)]
    json: bool,
    /// Read the secret of each new client from DIR/CLIENT_ID.secret; generate missing files, readable only for their owner
    #[arg(long, value_name = "DIR")]
    secrets: Option<PathBuf>,
    /// Print the secrets of new clients even if standard output is not a terminal and may be stored
    #[arg(long, conflicts_with = "secrets")]
    show_secrets: bool,
}

/// What is printed. The secrets are shown here and never again.
#[derive(Serialize)]
struct Report<'a> {
    dry_run: bool,
    changes: usize,
    #[serde(flatten)]
    applied: &'a Applied,
    secrets: BTreeMap<&'a str, &'a str>,
    secret_files: BTreeMap<String, PathBuf>,
}

pub(super) async fn run(config: &Config, world: &World, arguments: &Arguments) -> Result<String, Failure> {
    let declared = read(&arguments.file)?;
    let wrong = |error| Failure::new(format!("{}: {error}", shown(&arguments.file)));
    let schema = if arguments.dry_run { Schema::Untouched } else { Schema::Check };
    let store = open::store(config, schema).await?;

    let plan = declared.declare_without_secrets().pruning(arguments.prune);
    let planned =
        manifest::dry_run(&store, &Actor::Operator, &plan).await.map_err(open::failed)?.map_err(wrong)?;
    let mut new = NewSecrets::default();
    let applied = if arguments.dry_run {
        planned
    } else {
        new = new_secrets(arguments, &planned.secrets_taken, world)?;
        let declaration = declaration(&declared, &mut new, (config, world, &store)).await?;
        let declaration = declaration.pruning(arguments.prune);
        manifest::apply(&store, &Actor::Operator, &declaration).await.map_err(open::failed)?.map_err(wrong)?
    };
    open::close(&store).await;

    let report = Report {
        dry_run: arguments.dry_run,
        changes: applied.changes(),
        secrets: new.shown(&applied.secrets_taken),
        secret_files: new.files(&applied.secrets_taken)?,
        applied: &applied,
    };
    if arguments.json { serde_json::to_string(&report).map_err(open::failed) } else { Ok(report.in_words()) }
}

/// Refuses before anything is changed where secrets would be made and nobody said where they go.
fn new_secrets(arguments: &Arguments, clients: &[String], world: &World) -> Result<NewSecrets, Failure> {
    if let Some(directory) = &arguments.secrets {
        return NewSecrets::in_files(directory, clients, world);
    }
    if clients.is_empty() || arguments.show_secrets || io::stdout().is_terminal() {
        return Ok(NewSecrets::default());
    }
    Err(Failure::new(format!(
        "the secrets of new clients ({}) would be printed, and the output is no terminal: write them into files with \
         --secrets DIR, or print them with --show-secrets",
        clients.join(", ")
    )))
}

async fn declaration(
    declared: &File,
    new: &mut NewSecrets,
    (config, world, store): (&Config, &World, &Store),
) -> Result<Declaration, Failure> {
    let secrets = secrets(config, world, store).await?;
    Ok(declared.declare_with(|client_id| new.hash(client_id, &secrets, world)))
}

fn read(path: &Path) -> Result<File, Failure> {
    let name = shown(path);
    let text = if path == Path::new(STANDARD_INPUT) {
        io::read_to_string(io::stdin())
    } else {
        std::fs::read_to_string(path)
    };
    let text = text.map_err(|error| Failure::new(format!("{name}: {error}")))?;
    File::parse(&text).map_err(|mistakes| {
        let lines: Vec<String> = mistakes.to_string().lines().map(|line| format!("{name}: {line}")).collect();
        Failure::new(lines.join("\n"))
    })
}

fn shown(path: &Path) -> String {
    if path == Path::new(STANDARD_INPUT) { "standard input".to_owned() } else { path.display().to_string() }
}

async fn secrets(config: &Config, world: &World, store: &Store) -> Result<Secrets, Failure> {
    let kek = open::key_encryption_key(config, world)?;
    Secrets::open(store, &kek, world).await.map_err(open::failed)
}

impl Report<'_> {
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
            (0, _) => lines.push("no changes; everything is as declared".to_owned()),
            (1, true) => lines.push("1 change would be made (dry run)".to_owned()),
            (changes, true) => lines.push(format!("{changes} changes would be made (dry run)")),
            (_, false) => {}
        }
        lines.extend(
            self.secrets.iter().map(|(id, secret)| format!("secret of client {id}, shown once: {secret}")),
        );
        let in_file = |(id, path): (_, &PathBuf)| format!("secret of client {id} in {}", path.display());
        lines.extend(self.secret_files.iter().map(in_file));
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

const STANDARD_INPUT: &str = "-";
