//! The log of `serve`: JSON on standard error, what ends in a panic included; and whoever else listens.

use std::panic::PanicHookInfo;

use tracing_subscriber::filter::{EnvFilter, FilterExt as _, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt};

use super::lines::{Lines, Members};
use crate::clock::World;
use crate::config::Config;
use crate::telemetry::{self, Watcher};

/// Standard error, and `others`.
pub(super) fn start(config: &Config, world: &World, others: Vec<Watcher>) {
    let filter = config.log.parse::<EnvFilter>().unwrap_or_default();
    // Else a line from within such a step would not carry the request's number.
    let filter = filter.and(filter_fn(|metadata| metadata.target() != telemetry::STEP));
    let lines = fmt::layer()
        .log_internal_errors(false)
        .event_format(Lines::new(world.clock.clone()))
        .fmt_fields(Members)
        .with_writer(std::io::stderr)
        .with_filter(filter);
    let mut all = vec![lines.boxed()];
    all.extend(others);
    // Only a test that runs two commands in one process finds one there already.
    drop(tracing_subscriber::registry().with(all).try_init());
    std::panic::set_hook(Box::new(tell_of_panic));
}

/// Like everything else in the log: one line of JSON. A text made at run time may hold anything, so it is not repeated.
fn tell_of_panic(info: &PanicHookInfo<'_>) {
    let location = info.location().map(ToString::to_string).unwrap_or_default();
    let reason = info.payload().downcast_ref::<&'static str>().copied().unwrap_or("not a fixed text");
    tracing::error!(location, reason, "panicked");
}
