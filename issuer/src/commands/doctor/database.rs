//! The database: there, ready for this program, of the same time, and set up.

use std::time::Duration;

use super::report::Report;
use crate::clock::World;
use crate::commands::unreachable::{sentence, why};
use crate::commands::{Failure, open};
use crate::config::Config;
use crate::store::Store;

/// `None`: nothing can be asked of it, and the report says why.
pub(super) async fn reach(config: &Config, report: &mut Report) -> Option<Store> {
    let store = match open::existing(config) {
        Ok(store) => store,
        Err(Failure(says)) => {
            let is_first = config.database.url.is_none();
            if is_first {
                report.warning("database", says)
            } else {
                report.failed("database", says)
            }
            return None;
        }
    };
    match store.version().await {
        Ok(version) => report.ok("database", version),
        Err(error) => {
            report.failed("database", why(&error, config).await);
            return None;
        }
    }
    schema(&store, config, report).await.then_some(store)
}

/// Whether the tables can be read by this program.
async fn schema(store: &Store, config: &Config, report: &mut Report) -> bool {
    let on_postgres = config.database.url.is_some();
    let (pending, unknown) = match (store.pending_migrations().await, store.unknown_migrations().await) {
        (Ok(pending), Ok(unknown)) => (pending, unknown),
        (Err(error), _) | (_, Err(error)) => {
            report.failed(SCHEMA, sentence(&error));
            return false;
        }
    };
    if let Some(newest) = unknown.last() {
        let says =
            format!("the schema is from a newer Keystone: migration {newest:04} is unknown to this version");
        match on_postgres {
            true => report.warning(SCHEMA, format!("{says}; upgrade this one too")),
            false => report.failed(SCHEMA, format!("{says}; run the newer one, or restore a backup")),
        }
    }
    match (pending.as_slice(), on_postgres) {
        ([], _) if unknown.is_empty() => report.ok(SCHEMA, "up to date"),
        ([], _) => {}
        (pending, true) => {
            let (count, names) = (pending.len(), pending.join(", "));
            report
                .failed(SCHEMA, format!("{count} migrations are pending ({names}): run `keystone migrate`"));
        }
        (pending, false) => {
            let count = pending.len();
            report.warning(
                SCHEMA,
                format!("{count} migrations are pending; the next `keystone serve` applies them"),
            );
        }
    }
    pending.is_empty() && (on_postgres || unknown.is_empty())
}

/// As readiness judges: one row that means nothing is changed.
pub(super) async fn writes(store: &Store, report: &mut Report) {
    match store.probe_write().await {
        Ok(()) => report.ok(WRITES, "the database accepts writes"),
        Err(error) => {
            report.failed(WRITES, format!("the database does not accept writes: {}", sentence(&error)));
        }
    }
}

/// As a replica judges before it signs.
pub(super) async fn clock((store, world): (&Store, &World), config: &Config, report: &mut Report) {
    let before = world.now();
    let database = match store.now().await {
        Ok(database) => database,
        Err(error) => return report.failed(CLOCK, sentence(&error)),
    };
    let after = world.now();
    let ahead = Duration::try_from(before - database).unwrap_or_default();
    let behind = Duration::try_from(database - after).unwrap_or_default();
    let (off, word) = if ahead > behind { (ahead, "ahead of") } else { (behind, "behind") };
    let says = format!("{:.1} s {word} the database's", off.as_secs_f64());
    if off > config.keys.skew {
        let most = config.keys.skew.as_secs();
        report.failed(
            CLOCK,
            format!("this machine's clock is {says}; the issuer stops signing beyond {most} s: synchronize the clocks"),
        );
    } else if off < Duration::from_millis(100) {
        report.ok(CLOCK, "agrees with the database's");
    } else {
        report.ok(CLOCK, says);
    }
}

/// Who can log in with what.
pub(super) async fn set_up(store: &Store, config: &Config, report: &mut Report) {
    match store.administrators().await {
        Err(error) => report.failed(SET_UP, sentence(&error)),
        Ok(0) => report.warning(SET_UP, "there is no administrator: run `keystone bootstrap`"),
        Ok(1) => report.ok(SET_UP, "there is 1 administrator"),
        Ok(count) => report.ok(SET_UP, format!("there are {count} administrators")),
    }
    let Some(id) = &config.default_client else { return };
    match store.client(id).await {
        Err(error) => report.failed(SET_UP, sentence(&error)),
        Ok(None) => report.warning(
            SET_UP,
            format!("`default_client` is `{id}`, which does not exist: declare it and run `keystone apply`"),
        ),
        Ok(Some(client)) if !client.enabled => {
            report.warning(SET_UP, format!("`default_client` is `{id}`, which is disabled"));
        }
        Ok(Some(_)) => {}
    }
}

const SCHEMA: &str = "schema";
const WRITES: &str = "writes";
const CLOCK: &str = "clock";
const SET_UP: &str = "set-up";
