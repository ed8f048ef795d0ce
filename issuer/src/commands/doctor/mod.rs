//! `keystone doctor`: looks at everything an issuer stands on, in the order in which it is set up, and changes nothing
//! that means anything.

mod database;
mod keys;
mod outside;
mod report;
mod settings;

use self::report::Report;
use super::{Failure, Output, open};
use crate::clock::World;
use crate::config::Config;

/// The configuration is the first thing to be examined: it may be why nothing else can be.
pub(super) async fn run(
    config: Result<Config, String>,
    world: &World,
    json: bool,
) -> Result<Output, Failure> {
    let mut report = Report::default();
    match config {
        Ok(config) => examine(&config, world, &mut report).await,
        Err(mistakes) => {
            for mistake in mistakes.lines() {
                report.failed("configuration", mistake);
            }
            report.skipped("everything else", "the configuration is invalid");
        }
    }
    let text = if json { report.json().map_err(open::failed)? } else { report.to_string() };
    Ok(Output { fit: report.is_fit(), ..text.into() })
}

async fn examine(config: &Config, world: &World, report: &mut Report) {
    settings::advise(config, report);
    settings::secret_files(config, report);
    settings::certificate(config, world, report);
    settings::data_directory(config, report);
    outside::redis(config, world, report).await;

    let store = database::reach(config, report).await;
    let history = match &store {
        None => {
            for check in ["writes", "clock", "key-encryption key", "signing keys", "set-up"] {
                report.skipped(check, "the database must be ready first");
            }
            None
        }
        Some(store) => {
            database::writes(store, report).await;
            database::clock((store, world), config, report).await;
            keys::encryption_key(store, config, report).await;
            let history = keys::signing(store, config, report).await;
            database::set_up(store, config, report).await;
            history
        }
    };
    let runs = outside::listeners(config, report).await;
    outside::issuer(config, runs, report).await;
    outside::key_set(config, history.as_ref(), (runs, report)).await;
}
