//! Where in a TOML text something is.

use std::ops::Range;

/// The line, counted from 1, at which `span` begins.
pub(crate) fn line(text: &str, span: Option<Range<usize>>) -> usize {
    let start = span.map_or(0, |span| span.start);
    1 + text.bytes().take(start).filter(|byte| *byte == b'\n').count()
}
