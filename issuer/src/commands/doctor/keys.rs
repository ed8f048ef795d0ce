//! The key-encryption key opens what it must; the signing keys are where their schedule wants them.

use time::OffsetDateTime;

use super::report::Report;
use crate::commands::{Failure, open};
use crate::config::{Config, KeyTimes};
use crate::keys::{opens, schedule};
use crate::store::{KeyHistory, KeyLine, KeyState, Store};

pub(super) async fn encryption_key(store: &Store, config: &Config, report: &mut Report) {
    let (key, sealed) = match (open::existing_key(config), store.sealed().await) {
        (Ok(key), Ok(sealed)) => (key, sealed),
        (Err(Failure(says)), _) => return report.failed(ENCRYPTION, says),
        (_, Err(error)) => return report.failed(ENCRYPTION, error.to_string()),
    };
    let count = sealed.len();
    let Some(key) = key else {
        return match count {
            0 => report.ok(ENCRYPTION, "none yet; `keystone serve` generates one for development"),
            _ => report.failed(
                ENCRYPTION,
                format!("`key_encryption_key` is not set, and the database holds {count} secrets encrypted with one: set it"),
            ),
        };
    };
    if let Some((name, _)) = sealed.iter().find(|(name, sealed)| !opens(&key, name, sealed)) {
        return report.failed(
            ENCRYPTION,
            format!("it does not decrypt the {name}: set the key that this database was set up with"),
        );
    }
    let alone = key.without_previous();
    match sealed.iter().filter(|(name, sealed)| !opens(&alone, name, sealed)).count() {
        0 => report.ok(ENCRYPTION, format!("decrypts all {count} secrets in the database")),
        old => report.warning(
            ENCRYPTION,
            format!(
                "{old} of {count} secrets are still encrypted with the previous key: run `keystone keys reseal`"
            ),
        ),
    }
    if key.is_development() && config.database.url.is_some() {
        report.warning(
            ENCRYPTION,
            "it is a development key, which production refuses: set a new one and run `keystone keys reseal`",
        );
    }
}

pub(super) async fn signing(store: &Store, config: &Config, report: &mut Report) -> Option<KeyHistory> {
    match store.key_history().await {
        Err(error) => {
            report.failed(SIGNING, error.to_string());
            None
        }
        Ok(history) => {
            let mut complaints = complaints(&history, &config.keys).into_iter().peekable();
            if complaints.peek().is_none() {
                report.ok(SIGNING, summary(&history));
            }
            complaints.for_each(|says| report.warning(SIGNING, says));
            Some(history)
        }
    }
}

fn complaints(history: &KeyHistory, times: &KeyTimes) -> Vec<String> {
    let first = |state| history.keys.iter().find(|key| key.state(history.now) == state);
    if history.keys.is_empty() {
        return vec!["none yet; `keystone serve` generates the first two".to_owned()];
    }
    let mut complaints = Vec::new();
    match first(KeyState::Active) {
        None => complaints
            .push("none is active, so no token can be signed: check that an issuer is running".to_owned()),
        Some(active) if first(KeyState::Planned).is_none() && is_overdue(active, history.now, times) => {
            complaints.push(format!(
                "{} has been active for longer than `keys.rotation_interval`: check that an issuer is running and that the standby key is published",
                active.kid
            ));
        }
        Some(_) => {}
    }
    if first(KeyState::Standby).is_none() {
        complaints.push(
            "there is no standby key for an emergency; a running issuer publishes one within seconds"
                .to_owned(),
        );
    }
    let waiting = [first(KeyState::Planned), first(KeyState::Standby)];
    let unseen = |key: &&KeyLine| !schedule::is_seen(history, times, key);
    complaints.extend(waiting.into_iter().flatten().filter(unseen).map(|key| {
        format!("no recent check of the published key set found {}, so rotation to it waits; a running issuer checks every minute", key.kid)
    }));
    complaints
}

fn is_overdue(active: &KeyLine, now: OffsetDateTime, times: &KeyTimes) -> bool {
    active.activates_at.is_some_and(|activated| activated + times.rotation_interval < now)
}

fn summary(history: &KeyHistory) -> String {
    let states = [KeyState::Active, KeyState::Planned, KeyState::Standby, KeyState::Retired];
    let counts = states
        .map(|state| (history.keys.iter().filter(|key| key.state(history.now) == state).count(), state));
    let present = counts.iter().filter(|(count, _)| *count > 0);
    present.map(|(count, state)| format!("{count} {state}")).collect::<Vec<_>>().join(", ")
}

const ENCRYPTION: &str = "key-encryption key";
const SIGNING: &str = "signing keys";

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::{Document, Source};

    fn now() -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH + Duration::from_secs(100 * DAY)
    }

    /// Published `days` ago; seen by a look a minute ago.
    fn key(kid: &str, days: u64, activated: Option<u64>) -> KeyLine {
        let ago = |days| now() - Duration::from_secs(days * DAY);
        KeyLine {
            kid: kid.to_owned(),
            alg: "EdDSA".to_owned(),
            published_at: ago(days),
            lead: None,
            activates_at: activated.map(ago),
            retires_at: None,
            tail: None,
            removed_at: None,
            compromised_at: None,
            seen_since: Some(ago(days)),
            seen_at: Some(now() - Duration::from_secs(60)),
            watch: None,
        }
    }

    fn complained(keys: &[KeyLine]) -> String {
        let text = format!("data_dir = 'x'\n[keys]\nrotation_interval = {}", 30 * DAY);
        let document = Some(Document { name: "keystone.toml".to_owned(), text });
        let source = Source { document, environment: Default::default(), read: |_| Ok(String::new()) };
        let times = Config::load(&source).unwrap().keys;
        complaints(&KeyHistory { now: now(), keys: keys.to_vec() }, &times).join("\n")
    }

    #[test]
    fn keys_on_schedule_need_no_word() {
        assert_eq!(complained(&[key("a", 20, Some(20)), key("b", 20, None)]), "");
    }

    #[test]
    fn each_thing_that_is_late_or_missing_is_named() {
        let unseen = KeyLine { seen_at: Some(now() - Duration::from_secs(3600)), ..key("b", 20, None) };

        assert!(complained(&[]).contains("none yet"));
        assert!(complained(&[key("b", 20, None)]).contains("none is active"));
        assert!(complained(&[key("a", 20, Some(20))]).contains("no standby"));
        assert!(
            complained(&[key("a", 31, Some(31)), key("b", 20, None)])
                .starts_with("a has been active for longer")
        );
        assert!(complained(&[key("a", 20, Some(20)), unseen]).contains("published key set found b"));
    }

    const DAY: u64 = 86_400;
}
