//! The key-encryption key opens what it must; the signing keys are where their schedule wants them.

use time::OffsetDateTime;

use super::report::Report;
use crate::commands::{Failure, open};
use crate::config::{Config, KeyTimes};
use crate::keys::{opens, schedule};
use crate::store::{KeyHistory, KeyLine, KeyState, Store};

pub(super) async fn encryption_key(store: &dyn Store, config: &Config, report: &mut Report) {
    let (key, sealed) = match (open::existing_key(config), store.sealed().await) {
        (Ok(key), Ok(sealed)) => (key, sealed),
        (Err(Failure(says)), _) => return report.failed(ENCRYPTION, says),
        (_, Err(error)) => return report.failed(ENCRYPTION, error.to_string()),
    };
    let count = sealed.len();
    let Some(key) = key else {
        return match count {
            0 => report.ok(ENCRYPTION, "none yet; `keystone serve` makes one for development"),
            _ => report.failed(
                ENCRYPTION,
                format!("no `key_encryption_key` is set, and the database holds {count} secrets sealed with one: set it"),
            ),
        };
    };
    if let Some((name, _)) = sealed.iter().find(|(name, sealed)| !opens(&key, name, sealed)) {
        return report.failed(
            ENCRYPTION,
            format!("it does not open the {name}: it is not the key this database was set up with; set the right one"),
        );
    }
    let alone = key.without_previous();
    match sealed.iter().filter(|(name, sealed)| !opens(&alone, name, sealed)).count() {
        0 => report.ok(ENCRYPTION, format!("opens all {count} secrets in the database")),
        old => report.warning(
            ENCRYPTION,
            format!(
                "{old} of {count} secrets are still sealed with the previous key: run `keystone keys reseal`"
            ),
        ),
    }
    if key.is_development() && config.database.url.is_some() {
        report.warning(ENCRYPTION, "it is a development key, and production refuses it: make one and reseal");
    }
}

pub(super) async fn signing(store: &dyn Store, config: &Config, report: &mut Report) -> Option<KeyHistory> {
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
        return vec!["there are none yet; `keystone serve` makes the first two".to_owned()];
    }
    let mut complaints = Vec::new();
    match first(KeyState::Active) {
        None => complaints.push("none is active, so nothing can be signed: is an issuer running?".to_owned()),
        Some(active) if first(KeyState::Planned).is_none() && is_overdue(active, history.now, times) => {
            complaints.push(format!(
                "{} has signed for longer than `keys.rotation_interval`: is an issuer running, and is the standby seen?",
                active.kid
            ));
        }
        Some(_) => {}
    }
    if first(KeyState::Standby).is_none() {
        complaints.push(
            "no standby is ready for an emergency: a running issuer publishes one within seconds".to_owned(),
        );
    }
    let waiting = [first(KeyState::Planned), first(KeyState::Standby)];
    let unseen = |key: &&KeyLine| !schedule::is_seen(history, times, key);
    complaints.extend(waiting.into_iter().flatten().filter(unseen).map(|key| {
        format!("no look at the published key set found {} lately, so no rotation to it begins; a running issuer looks every minute", key.kid)
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
