//! The database: there, ready for this program, of the same time, and set up.

use std::sync::Arc;
use std::time::Duration;

use super::report::Report;
use crate::clock::World;
use crate::commands::{Failure, open};
use crate::config::Config;
use crate::store::{Store, StoreError};

/// `None`: nothing can be asked of it, and the report says why.
pub(super) async fn reach(config: &Config, report: &mut Report) -> Option<Arc<dyn Store>> {
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
    schema(&*store, config, report).await.then_some(store)
}

/// A pool only says that it got no connection: what a connection meets is asked once more, by hand.
async fn why(error: &StoreError, config: &Config) -> String {
    let says = sentence(error);
    let address = config.database.url.as_ref().and_then(|url| address(url.expose()));
    if error.advice().is_some() {
        return says;
    }
    let Some((host, port)) = address else { return says };
    let connecting = tokio::net::TcpStream::connect((host.as_str(), port));
    match tokio::time::timeout(PATIENCE, connecting).await {
        Ok(Ok(_)) => {
            format!("{says}; {host}:{port} does accept connections: is it PostgreSQL, and not too busy?")
        }
        Ok(Err(error)) => {
            format!(
                "nobody answers at {host}:{port} ({error}): start PostgreSQL there, or correct the database URL"
            )
        }
        Err(_) => format!(
            "{host}:{port} does not answer: is it the right address, and does a firewall let you through?"
        ),
    }
}

fn sentence(error: &StoreError) -> String {
    match error.advice() {
        Some(advice) => format!("{error}: {advice}"),
        None => error.to_string(),
    }
}

/// Without what may be secret.
fn address(url: &str) -> Option<(String, u16)> {
    let url = url::Url::parse(url).ok()?;
    let host = url.host_str().filter(|host| !host.is_empty())?.trim_matches(['[', ']']).to_owned();
    Some((host, url.port().unwrap_or(5432)))
}

/// Whether the tables can be read by this program.
async fn schema(store: &dyn Store, config: &Config, report: &mut Report) -> bool {
    let on_postgres = config.database.url.is_some();
    let (pending, unknown) = match (store.pending_migrations().await, store.unknown_migrations().await) {
        (Ok(pending), Ok(unknown)) => (pending, unknown),
        (Err(error), _) | (_, Err(error)) => {
            report.failed(SCHEMA, sentence(&error));
            return false;
        }
    };
    if let Some(newest) = unknown.last() {
        let says = format!("a newer Keystone was here: migration {newest:04} is unknown to this one");
        match on_postgres {
            true => report.warning(SCHEMA, format!("{says}; upgrade this one, too")),
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

/// As a replica judges before it signs.
pub(super) async fn clock((store, world): (&dyn Store, &World), config: &Config, report: &mut Report) {
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
            format!("this machine's clock is {says}: an issuer signs nothing beyond {most} s; set the clocks right"),
        );
    } else if off < Duration::from_millis(100) {
        report.ok(CLOCK, "agrees with the database's");
    } else {
        report.ok(CLOCK, says);
    }
}

/// Who can log in with what.
pub(super) async fn set_up(store: &dyn Store, config: &Config, report: &mut Report) {
    match store.administrators().await {
        Err(error) => report.failed(SET_UP, sentence(&error)),
        Ok(0) => report.warning(SET_UP, "nobody can administer Keystone: run `keystone bootstrap`"),
        Ok(1) => report.ok(SET_UP, "there is 1 administrator"),
        Ok(count) => report.ok(SET_UP, format!("there are {count} administrators")),
    }
    let Some(id) = &config.default_client else { return };
    match store.client(id).await {
        Err(error) => report.failed(SET_UP, sentence(&error)),
        Ok(None) => report.warning(
            SET_UP,
            format!(
                "`default_client` names `{id}`, which does not exist: declare it and run `keystone apply`"
            ),
        ),
        Ok(Some(client)) if !client.enabled => {
            report.warning(SET_UP, format!("`default_client` names `{id}`, which is disabled"));
        }
        Ok(Some(_)) => {}
    }
}

const SCHEMA: &str = "schema";
const CLOCK: &str = "clock";
const SET_UP: &str = "set-up";
const PATIENCE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_holds_no_secret() {
        let of = |url| address(url).map(|(host, port)| format!("{host}:{port}"));

        assert_eq!(of("postgres://keystone:hunter2@db.example.com/keystone").unwrap(), "db.example.com:5432");
        assert_eq!(of("postgres://[::1]:6000/keystone").unwrap(), "::1:6000");
        assert_eq!(of("postgres:///keystone?host=/run/postgresql"), None);
    }
}
