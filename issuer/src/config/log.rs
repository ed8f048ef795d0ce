//! `[log]`: what `serve` writes on standard error, and in which form.

use std::str::FromStr;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

use super::reader::Reader;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// `tracing` directives, like `info` or `info,keystone_issuer=debug`.
    pub level: String,
    pub format: LogFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// One JSON object a line, for programs.
    Json,
    /// Text, for people.
    Pretty,
}

impl FromStr for LogFormat {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "auto" => Ok(Self::Auto),
            "json" => Ok(Self::Json),
            "pretty" => Ok(Self::Pretty),
            _ => Err(()),
        }
    }
}

impl Log {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let level = match (reader.text(LEVEL), reader.text(SHORT)) {
            (Some(_), Some(_)) => {
                reader.mistake(SHORT, format!("is a short form of `{LEVEL}`, and both are set; remove one"))
            }
            (Some(level), None) => Some((LEVEL, level)),
            (None, Some(level)) => Some((SHORT, level)),
            (None, None) => None,
        };
        if let Some((name, level)) = &level
            && !is_level(level)
        {
            reader.mistake::<()>(name, EXPECTED);
        }
        Self {
            level: level.map_or_else(|| "info".to_owned(), |(_, level)| level),
            format: reader
                .parsed("log.format", "\"auto\", \"json\" or \"pretty\"")
                .unwrap_or(LogFormat::Auto),
        }
    }
}

/// Whether these are directives that say what they mean. `tracing` takes a word that is no level for the name of a module,
/// and then writes nothing of any other.
fn is_level(text: &str) -> bool {
    let is_clear = |directive: &str| match directive.trim() {
        plain if !plain.contains(['=', '[']) => !plain.is_empty() && plain.parse::<LevelFilter>().is_ok(),
        _ => true,
    };
    text.split(',').all(is_clear) && text.parse::<EnvFilter>().is_ok()
}

const LEVEL: &str = "log.level";
/// As a text in the file, or `KEYSTONE_LOG`.
const SHORT: &str = "log";
const EXPECTED: &str =
    "must be off, error, warn, info, debug or trace, or directives like \"info,keystone_issuer=debug\"";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_no_level_is_no_directive() {
        for level in ["warn", "OFF", "info,keystone_issuer=debug", "keystone_issuer[request]=trace,info"] {
            assert!(is_level(level), "{level}");
        }
        for wrong in ["warning", "", "keystone_issuer", "info,verbose", "info,", "keystone_issuer=warning"] {
            assert!(!is_level(wrong), "{wrong}");
        }
    }
}
