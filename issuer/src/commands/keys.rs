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
    /// List every signing key and its state
    List {
        /// Print the result as one line of JSON
        #[arg(long)]
        json: bool,
    },
    /// Activate the standby key once every verifier has fetched it
    Rotate,
    /// Revoke a compromised key: the standby key signs immediately, and verifiers reject the tokens of the revoked key
    Compromise {
        /// Key id, as `keystone keys list` shows it; it may begin with a hyphen
        #[arg(allow_hyphen_values = true)]
        kid: String,
        /// Do it even if some verifiers have not fetched the standby key yet and would reject valid tokens for a while
        #[arg(long)]
        now: bool,
    },
    /// Encrypt all secrets in the database again, with `key_encryption_key` instead of `key_encryption_key_previous`
    Reseal,
}

pub(super) async fn run(config: &Config, world: &World, command: &KeysCommand) -> Result<String, Failure> {
    let store = open::store(config, Schema::Check).await?;
    let said = carry_out(config, world, &store, command).await;
    open::close(&store).await;
    said
}

async fn carry_out(
    config: &Config,
    world: &World,
    store: &Store,
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
                "{count} secrets are now encrypted with `key_encryption_key`; `key_encryption_key_previous` is no longer needed"
            ))
        }
    }
}

async fn keys(config: &Config, world: &World, store: &Store) -> Result<Keys, Failure> {
    let kek = open::key_encryption_key(config, world)?;
    Keys::open(store, kek, world, config.keys.clone()).await.map_err(open::failed)
}

async fn list(store: &Store, json: bool) -> Result<String, Failure> {
    let history = store.key_history().await.map_err(open::failed)?;
    let shown = KeyView::all(&history);
    if json {
        return serde_json::to_string(&shown).map_err(open::failed);
    }
    Ok(match shown.as_slice() {
        [] => "no signing keys yet; `keystone serve` generates the first ones".to_owned(),
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
        [] => "a rotation is already planned; `keystone keys list` shows its time".to_owned(),
        changes => in_words(changes),
    }
}

fn in_words(changes: &[KeyChange]) -> String {
    changes.iter().filter_map(sentence).collect::<Vec<_>>().join("\n")
}

fn sentence(change: &KeyChange) -> Option<String> {
    match change {
        KeyChange::Publish { active: true, .. } => {
            Some("published a new key, which signs immediately".to_owned())
        }
        KeyChange::Publish { active: false, .. } => Some("published a new standby key".to_owned()),
        KeyChange::Activate { kid, at, .. } => Some(format!("{kid} signs from {}", to_the_second(*at))),
        KeyChange::Retire { kid, at: Some(at) } => Some(format!("{kid} retires at {}", to_the_second(*at))),
        KeyChange::Retire { kid, at: None } => Some(format!("{kid} continues to sign")),
        KeyChange::Compromise { kid } => Some(format!("{kid} is compromised: verifiers reject its tokens")),
        KeyChange::Remove { kid } => Some(format!("{kid} is removed")),
        KeyChange::CallOff { kid } => Some(format!("{kid} is standby again")),
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
        assert!(unseen.contains("no recent check of the published key set found the standby"), "{unseen}");
        look(&directory).await;
        let said = keystone(&directory, KeysCommand::Rotate).await.unwrap();
        let again = keystone(&directory, KeysCommand::Rotate).await.unwrap();

        assert!(said.contains(" signs from ") && said.ends_with("published a new standby key"), "{said}");
        assert!(again.contains("already planned"), "{again}");
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

        assert!(refused.contains("would reject valid tokens"), "{refused}");
        assert!(done.starts_with(&format!("{lost} is compromised")), "{done}");
        assert!(again.contains("is already marked as compromised"), "{again}");
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

        assert!(keystone(&directory, unknown).await.unwrap_err().contains("signing key `x` does not exist"));
    }
}
