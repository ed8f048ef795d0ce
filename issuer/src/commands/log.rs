//! The log of `serve`, on standard error: JSON, or text for a person at a terminal.

use std::io::{self, IsTerminal as _};
use std::panic::PanicHookInfo;
use std::sync::Arc;

use tracing::{Event, Subscriber};
use tracing_subscriber::filter::{EnvFilter, FilterExt as _, filter_fn};
use tracing_subscriber::fmt::format::{Format, Full, Writer, format};
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt};

use super::lines::{Lines, Members, write_time};
use crate::clock::{Clock, World};
use crate::config::{Config, LogFormat};
use crate::telemetry::{self, Watcher};

/// Standard error, and `others`.
pub(super) fn start(config: &Config, world: &World, others: Vec<Watcher>) {
    let filter = config.log.level.parse::<EnvFilter>().unwrap_or_default();
    // Else a line from within such a step would not carry the request's number.
    let filter = filter.and(filter_fn(|metadata| metadata.target() != telemetry::STEP));
    let clock = world.clock.clone();
    let lines = fmt::layer().log_internal_errors(false).with_writer(io::stderr);
    let lines = if is_text(config.log.format) {
        lines
            .event_format(Text(format().with_ansi(false).with_timer(Timer(clock))))
            .with_filter(filter)
            .boxed()
    } else {
        lines.event_format(Lines::new(clock)).fmt_fields(Members).with_filter(filter).boxed()
    };
    let mut all = vec![lines];
    all.extend(others);
    // Only a test that runs two commands in one process finds one there already.
    drop(tracing_subscriber::registry().with(all).try_init());
    std::panic::set_hook(Box::new(tell_of_panic));
}

fn is_text(format: LogFormat) -> bool {
    match format {
        LogFormat::Auto => io::stderr().is_terminal(),
        LogFormat::Json => false,
        LogFormat::Pretty => true,
    }
}

/// One line of text an event, whatever its fields hold.
struct Text(Format<Full, Timer>);

impl<S, N> FormatEvent<S, N> for Text
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut line: Writer<'_>,
        event: &Event<'_>,
    ) -> std::fmt::Result {
        let mut text = String::new();
        self.0.format_event(context, Writer::new(&mut text), event)?;
        for character in text.trim_end_matches('\n').chars() {
            match character.is_control() {
                true => write!(line, "{}", character.escape_default())?,
                false => line.write_char(character)?,
            }
        }
        line.write_char('\n')
    }
}

/// The time of a line of text.
struct Timer(Arc<dyn Clock>);

impl FormatTime for Timer {
    fn format_time(&self, writer: &mut Writer<'_>) -> std::fmt::Result {
        write_time(writer, self.0.now())
    }
}

/// Like everything else in the log: one event. A text made at run time may hold anything, so it is not repeated.
fn tell_of_panic(info: &PanicHookInfo<'_>) {
    let location = info.location().map(ToString::to_string).unwrap_or_default();
    let reason = info.payload().downcast_ref::<&'static str>().copied().unwrap_or("not a fixed text");
    tracing::error!(location, reason, "panicked");
}
