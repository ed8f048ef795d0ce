//! Log lines: one JSON object an event, in the shape of `tracing_subscriber`'s own, written in one go.
//!
//! Its own formatter reads the fields of the span again, as JSON, for every event. Here they are written once, when the
//! span begins, and copied. That is a good part of what a line costs, and every request has one.

use std::fmt::{self, Write};
use std::sync::Arc;

use time::OffsetDateTime;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use crate::clock::Clock;

/// The whole line: `timestamp`, `level`, `fields`, `target` and the `span` it happened in.
#[derive(Debug)]
pub(super) struct Lines {
    clock: Arc<dyn Clock>,
}

/// The members of a JSON object, without its braces.
#[derive(Debug)]
pub(super) struct Members;

impl Lines {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock }
    }
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut line: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        line.write_str("{\"timestamp\":\"")?;
        write_time(&mut line, self.clock.now())?;
        write!(line, "\",\"level\":\"{}\",\"fields\":{{", event.metadata().level())?;
        Members.format_fields(line.by_ref(), event)?;
        line.write_str("},\"target\":")?;
        write_text(&mut line, event.metadata().target())?;
        let span = event.parent().and_then(|id| context.span(id)).or_else(|| context.lookup_current());
        if let Some(span) = span {
            line.write_str(",\"span\":{")?;
            if let Some(members) = span.extensions().get::<FormattedFields<N>>().filter(|it| !it.is_empty()) {
                write!(line, "{members},")?;
            }
            line.write_str("\"name\":")?;
            write_text(&mut line, span.name())?;
            line.write_char('}')?;
        }
        line.write_str("}\n")
    }
}

impl<'writer> FormatFields<'writer> for Members {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut members = MemberWriter { writer, any: false, outcome: Ok(()) };
        fields.record(&mut members);
        members.outcome
    }

    fn add_fields(
        &self,
        current: &'writer mut FormattedFields<Self>,
        fields: &tracing::span::Record<'_>,
    ) -> fmt::Result {
        let any = !current.fields.is_empty();
        let mut members = MemberWriter { writer: current.as_writer(), any, outcome: Ok(()) };
        fields.record(&mut members);
        members.outcome
    }
}

struct MemberWriter<W> {
    writer: W,
    /// Whether a comma comes first.
    any: bool,
    outcome: fmt::Result,
}

impl<W: Write> MemberWriter<W> {
    fn member(&mut self, field: &Field, value: impl FnOnce(&mut W) -> fmt::Result) {
        let comma = if std::mem::replace(&mut self.any, true) { "," } else { "" };
        self.outcome = self
            .outcome
            .and_then(|()| self.writer.write_str(comma))
            .and_then(|()| write_text(&mut self.writer, field.name()))
            .and_then(|()| self.writer.write_char(':'))
            .and_then(|()| value(&mut self.writer));
    }
}

impl<W: Write> Visit for MemberWriter<W> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.member(field, |writer| write_quoted(writer, format_args!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.member(field, |writer| write_text(writer, value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.member(field, |writer| write!(writer, "{value}"));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.member(field, |writer| write!(writer, "{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.member(field, |writer| write!(writer, "{value}"));
    }

    /// JSON has no word for what is no number (RFC 8259 §6).
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.member(field, |writer| match value.is_finite() {
            true => write!(writer, "{value}"),
            false => writer.write_str("null"),
        });
    }
}

fn write_text(writer: &mut impl Write, text: &str) -> fmt::Result {
    write_quoted(writer, format_args!("{text}"))
}

fn write_quoted(writer: &mut impl Write, text: fmt::Arguments<'_>) -> fmt::Result {
    writer.write_char('"')?;
    Escaping(writer).write_fmt(text)?;
    writer.write_char('"')
}

/// Escapes what must not stand in a JSON string as it is (RFC 8259 §7), and so keeps one event on one line (B-13).
struct Escaping<'a, W>(&'a mut W);

impl<W: Write> Write for Escaping<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some((before, special, after)) = split_at_special(rest) {
            self.0.write_str(before)?;
            match special {
                '"' => self.0.write_str("\\\"")?,
                '\\' => self.0.write_str("\\\\")?,
                other => write!(self.0, "\\u{:04x}", u32::from(other))?,
            }
            rest = after;
        }
        self.0.write_str(rest)
    }
}

fn split_at_special(text: &str) -> Option<(&str, char, &str)> {
    let at = text.bytes().position(|byte| byte < b' ' || byte == b'"' || byte == b'\\' || byte == DELETE)?;
    let (before, rest) = text.split_at_checked(at)?;
    let special = rest.chars().next()?;
    Some((before, special, rest.get(special.len_utf8()..)?))
}

/// RFC 3339 in UTC, to the microsecond.
pub(super) fn write_time(writer: &mut impl Write, at: OffsetDateTime) -> fmt::Result {
    let (date, time) = (at.date(), at.time());
    let (year, month, day) = date.to_calendar_date();
    let (hour, minute, second, microsecond) = time.as_hms_micro();
    let month = u8::from(month);
    write!(writer, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{microsecond:06}Z")
}

/// A terminal may take it for a command; JSON would let it stand.
const DELETE: u8 = 0x7f;

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Mutex, PoisonError};

    use serde_json::{Value, json};
    use tracing_subscriber::fmt::MakeWriter;

    use super::*;
    use crate::clock::testing::world;

    /// What was written.
    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Paper {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    fn written(act: impl FnOnce()) -> Vec<Value> {
        let paper = Paper::default();
        let subscriber = tracing_subscriber::fmt()
            .event_format(Lines::new(world().0.clock))
            .fmt_fields(Members)
            .with_writer(paper.clone());
        tracing::subscriber::with_default(subscriber.finish(), act);
        let bytes = paper.0.lock().unwrap();
        let text = std::str::from_utf8(&bytes).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_line_says_when_what_and_where() {
        let lines = written(|| {
            let span =
                tracing::info_span!("request", id = "ab", method = %"GET", late = tracing::field::Empty);
            span.in_scope(|| tracing::info!(status = 200_u16, milliseconds = 0.25, fine = true, "answered"));
            span.record("late", -1);
            span.in_scope(|| tracing::warn!("again"));
            tracing::error!(count = -3, nothing = f64::NAN);
        });

        let (timestamp, target) = ("2024-10-04T00:00:00.000000Z", module_path!());
        let line = |level: &str, fields: Value| json!({ "timestamp": timestamp, "level": level, "fields": fields, "target": target });
        let within = |mut line: Value, span: Value| {
            line["span"] = span;
            line
        };
        assert_eq!(
            lines,
            [
                within(
                    line(
                        "INFO",
                        json!({ "message": "answered", "status": 200, "milliseconds": 0.25, "fine": true })
                    ),
                    json!({ "id": "ab", "method": "GET", "name": "request" })
                ),
                within(
                    line("WARN", json!({ "message": "again" })),
                    json!({ "id": "ab", "method": "GET", "late": -1, "name": "request" })
                ),
                line("ERROR", json!({ "count": -3, "nothing": null })),
            ]
        );
    }

    /// B-13
    #[test]
    fn whatever_a_field_says_it_stays_one_string_on_one_line() {
        let hostile = "a\r\nb\u{1b}[31m\"},{\"\\\u{0}\u{7f}é\u{2028}😀";

        let lines = written(|| tracing::info!(text = hostile, shown = %hostile, "{hostile}"));

        let [line] = lines.as_slice() else { panic!("{lines:?}") };
        for member in ["text", "shown", "message"] {
            assert_eq!(line["fields"][member], hostile, "{member}");
        }
    }

    #[test]
    fn a_span_without_fields_has_a_name() {
        let lines = written(|| tracing::info_span!("bare").in_scope(|| tracing::info!("in it")));

        assert_eq!(lines[0]["span"], json!({ "name": "bare" }));
    }
}
