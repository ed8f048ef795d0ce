//! `[telemetry]`: whom the issuer tells of its requests and errors. Each key needs a build with its Cargo feature.

use url::Url;

use super::reader::Reader;
use super::{Source, inline_or_file};
use crate::secret::Secret;

/// Nobody, unless configured.
#[derive(Clone, Debug)]
pub struct Telemetry {
    /// An OpenTelemetry collector: the base URL, as in `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub otlp_url: Option<Url>,
    /// How many of a hundred requests are traced.
    pub otlp_percent: u8,
    /// Where Sentry takes errors. Whoever has it can send some.
    pub sentry_dsn: Option<Secret>,
}

impl Telemetry {
    pub(super) fn read(reader: &mut Reader, source: &Source) -> Self {
        for (keys, feature, is_built) in
            [([URL, PERCENT], "otel", cfg!(feature = "otel")), (DSN, "sentry", cfg!(feature = "sentry"))]
        {
            for key in keys {
                if !is_built && reader.is_given(key) {
                    let why =
                        format!("needs a build with the Cargo feature `{feature}`, which this build lacks");
                    reader.mistake::<()>(key, why);
                }
            }
        }
        let percent = reader.number(PERCENT, 100, 0..=100);
        Self {
            otlp_url: otlp_url(reader),
            otlp_percent: u8::try_from(percent).unwrap_or(100),
            sentry_dsn: sentry_dsn(reader, source),
        }
    }
}

fn otlp_url(reader: &mut Reader) -> Option<Url> {
    let text = reader.text(URL)?;
    match Url::parse(&text) {
        // A password in it would be printed with it.
        Ok(url) if is_http(&url) && url.username().is_empty() && url.password().is_none() => Some(url),
        _ => reader.mistake(URL, "must be an http(s) URL without user, like \"http://127.0.0.1:4318\""),
    }
}

fn is_http(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.query().is_none() && url.fragment().is_none()
}

fn sentry_dsn(reader: &mut Reader, source: &Source) -> Option<Secret> {
    let (name, text) = inline_or_file(reader, source, DSN).ok().flatten()?;
    if !is_dsn(&text) {
        return reader.mistake(name, "must be a Sentry DSN, like \"https://key@host/project\"");
    }
    Some(Secret::new(text))
}

#[cfg(feature = "sentry")]
fn is_dsn(text: &str) -> bool {
    text.parse::<sentry_types::Dsn>().is_ok()
}

/// Refused already.
#[cfg(not(feature = "sentry"))]
fn is_dsn(_: &str) -> bool {
    true
}

const URL: &str = "telemetry.otlp_url";
const PERCENT: &str = "telemetry.otlp_percent";
const DSN: [&str; 2] = ["telemetry.sentry_dsn", "telemetry.sentry_dsn_file"];
