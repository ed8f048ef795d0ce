//! `keystone keys`: what state each signing key is in, and what the person on call does about it.

use clap::Subcommand;

use super::Failure;
use super::open::{self, Schema};
use crate::clock::World;
use crate::config::Config;
use crate::keys::{KeyView, Keys, reseal, to_the_second};
use crate::store::{Actor, KeyChange, Store};

#[derive(Debug, Subcommand)]
pub(super) enum KeysCommand {
    /// Show every signing key and its state
    List {
        /// Print one line of JSON
        #[arg(long)]
        json: bool,
    },
    /// Let the standby sign as soon as every verifier knows it
    Rotate,
    /// Give up a key that somebody else may have: the standby signs at once, verifiers refuse the key's tokens
    Compromise {
        /// As `keystone keys list` shows it; it may begin with a hyphen
        #[arg(allow_hyphen_values = true)]
        kid: String,
        /// Even where verifiers do not know the standby yet and would refuse good tokens for a while
        #[arg(long)]
        now: bool,
    },
    /// Seal everything again under `key_encryption_key`, which may differ from `key_encryption_key_previous`
    Reseal,
}

pub(super) async fn run(config: &Config, world: &World, command: &KeysCommand) -> Result<String, Failure> {
    let store = open::store(config, Schema::Check).await?;
    let said = carry_out(config, world, &*store, command).await;
    open::close(&*store).await;
    said
}

async fn carry_out(
    config: &Config,
    world: &World,
    store: &dyn Store,
    command: &KeysCommand,
) -> Result<String, Failure> {
    match command {
        KeysCommand::List { json } => list(store, *json).await,
        KeysCommand::Rotate => {
            let keys = keys(config, world, store).await?;
            Ok(rotated(&keys.rotate(store, &Actor::Operator.into()).await.map_err(open::failed)?))
        }
        KeysCommand::Compromise { kid, now } => {
            let keys = keys(config, world, store).await?;
            let changes = keys.compromise(store, &Actor::Operator.into(), (kid, *now)).await;
            Ok(in_words(&changes.map_err(open::failed)?))
        }
        KeysCommand::Reseal => {
            let kek = open::key_encryption_key(config, world)?;
            let count = reseal(store, &kek, world).await.map_err(open::failed)?;
            Ok(format!(
                "{count} secrets are sealed with `key_encryption_key`; the previous key is of no more use"
            ))
        }
    }
}

async fn keys(config: &Config, world: &World, store: &dyn Store) -> Result<Keys, Failure> {
    let kek = open::key_encryption_key(config, world)?;
    Keys::open(store, kek, world, config.keys.clone()).await.map_err(open::failed)
}

async fn list(store: &dyn Store, json: bool) -> Result<String, Failure> {
    let history = store.key_history().await.map_err(open::failed)?;
    let shown = KeyView::all(&history);
    if json {
        return serde_json::to_string(&shown).map_err(open::failed);
    }
    Ok(match shown.as_slice() {
        [] => "there are no signing keys yet; `keystone serve` makes the first".to_owned(),
        shown => shown.iter().map(line).collect::<Vec<_>>().join("\n"),
    })
}

fn line(key: &KeyView) -> String {
    let times = [
        ("seen since", &key.seen_since),
        ("activates", &key.activates_at),
        ("retires", &key.retires_at),
        ("removed", &key.removed_at),
        ("compromised", &key.compromised_at),
    ];
    let mut line = format!("{}  {:<11}  {}  published {}", key.kid, key.state, key.alg, key.published_at);
    for (what, at) in times {
        line.extend(at.iter().flat_map(|at| [", ", what, " ", at]));
    }
    line
}

fn rotated(changes: &[KeyChange]) -> String {
    match changes {
        [] => "a rotation is planned already; `keystone keys list` shows when".to_owned(),
        changes => in_words(changes),
    }
}

fn in_words(changes: &[KeyChange]) -> String {
    changes.iter().filter_map(sentence).collect::<Vec<_>>().join("\n")
}

fn sentence(change: &KeyChange) -> Option<String> {
    match change {
        KeyChange::Publish { active: true, .. } => {
            Some("published a new key, which signs at once".to_owned())
        }
        KeyChange::Publish { active: false, .. } => Some("published a new standby".to_owned()),
        KeyChange::Activate { kid, at, .. } => Some(format!("{kid} signs from {}", to_the_second(*at))),
        KeyChange::Retire { kid, at: Some(at) } => Some(format!("{kid} retires at {}", to_the_second(*at))),
        KeyChange::Retire { kid, at: None } => Some(format!("{kid} goes on signing")),
        KeyChange::Compromise { kid } => Some(format!("{kid} is given up: verifiers refuse its tokens")),
        KeyChange::Remove { kid } => Some(format!("{kid} is removed")),
        KeyChange::CallOff { kid } => Some(format!("{kid} stands by again")),
        KeyChange::Keep { .. }
        | KeyChange::Watch { .. }
        | KeyChange::Sighted { .. }
        | KeyChange::Missed { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::*;
    use crate::config::{Document, Source};
    use crate::keys::schedule;
    use crate::store::KeyHistory;

    fn config(directory: &tempfile::TempDir) -> Config {
        let text = format!("data_dir = '{}'", directory.path().display());
        let document = Some(Document { name: "keystone.toml".to_owned(), text });
        let read = |path: &std::path::Path| std::fs::read_to_string(path);
        Config::load(&Source { document, environment: BTreeMap::new(), read }).unwrap()
    }

    async fn keystone(directory: &tempfile::TempDir, command: KeysCommand) -> Result<String, String> {
        run(&config(directory), &World::system(), &command).await.map_err(|Failure(sentence)| sentence)
    }

    async fn listed(directory: &tempfile::TempDir) -> Vec<(String, String)> {
        let json = keystone(directory, KeysCommand::List { json: true }).await.unwrap();
        let keys: Vec<serde_json::Value> = serde_json::from_str(&json).unwrap();
        let member = |key: &serde_json::Value, name: &str| key[name].as_str().unwrap().to_owned();
        keys.iter().map(|key| (member(key, "kid"), member(key, "state"))).collect()
    }

    fn states(keys: &[(String, String)]) -> Vec<&str> {
        keys.iter().map(|(_, state)| state.as_str()).collect()
    }

    /// As if `keystone serve` had looked at the published key set just now.
    async fn look(directory: &tempfile::TempDir) {
        let config = config(directory);
        let store = open::store(&config, Schema::Check).await.unwrap();
        let decide = move |history: &KeyHistory| {
            let all: Vec<String> = history.keys.iter().map(|key| key.kid.clone()).collect();
            Ok(schedule::sighting(history, &config.keys, &all))
        };
        store.change_keys(&Actor::Schedule.into(), &[], Arc::new(decide)).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_rotation_is_planned_once_and_shown() {
        let directory = tempfile::tempdir().unwrap();
        assert!(
            keystone(&directory, KeysCommand::List { json: false })
                .await
                .unwrap()
                .contains("no signing keys")
        );

        let unseen = keystone(&directory, KeysCommand::Rotate).await.unwrap_err();
        assert!(unseen.contains("no look at the published key set found the standby"), "{unseen}");
        look(&directory).await;
        let said = keystone(&directory, KeysCommand::Rotate).await.unwrap();
        let again = keystone(&directory, KeysCommand::Rotate).await.unwrap();

        assert!(said.contains(" signs from ") && said.ends_with("published a new standby"), "{said}");
        assert!(again.contains("planned already"), "{again}");
        assert_eq!(states(&listed(&directory).await), ["active", "planned", "standby"]);
        let lines = keystone(&directory, KeysCommand::List { json: false }).await.unwrap();
        assert_eq!(lines.lines().filter(|line| line.contains(", activates 20")).count(), 2, "{lines}");
        assert_eq!(lines.lines().filter(|line| line.contains(", seen since 20")).count(), 1, "{lines}");
    }

    #[tokio::test]
    async fn an_emergency_without_a_known_standby_needs_a_word() {
        let directory = tempfile::tempdir().unwrap();
        keystone(&directory, KeysCommand::Rotate).await.unwrap_err();
        let (lost, _) = listed(&directory).await.swap_remove(0);
        let compromise = |now| KeysCommand::Compromise { kid: lost.clone(), now };

        let refused = keystone(&directory, compromise(false)).await.unwrap_err();
        let done = keystone(&directory, compromise(true)).await.unwrap();
        let again = keystone(&directory, compromise(true)).await.unwrap_err();

        assert!(refused.contains("verifiers would refuse good tokens"), "{refused}");
        assert!(done.starts_with(&format!("{lost} is given up")), "{done}");
        assert!(again.contains("is compromised already"), "{again}");
        assert_eq!(states(&listed(&directory).await), ["compromised", "active", "standby"]);
    }

    #[test]
    fn a_kid_that_begins_with_a_hyphen_is_no_option() {
        use clap::Parser as _;
        for line in [["compromise", "-x", "--now"], ["compromise", "--now", "-x"]] {
            let arguments = super::super::Arguments::parse_from([&["keystone", "keys"], &line[..]].concat());
            let printed = format!("{arguments:?}");
            assert!(printed.contains(r#"Compromise { kid: "-x", now: true }"#), "{printed}");
        }
    }

    #[tokio::test]
    async fn a_key_that_nobody_knows_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let unknown = KeysCommand::Compromise { kid: "x".to_owned(), now: false };

        assert!(keystone(&directory, unknown).await.unwrap_err().contains("no signing key `x`"));
    }
}
