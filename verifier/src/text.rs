//! Texts put together in ways that cannot panic, and others' texts made fit to be shown.
//!
//! The standard library's `format!`, `join` and `to_string` would panic where a type cannot be printed or a length
//! overflows. That never happens, but no proof that reads the compiled module could say so.

use alloc::string::String;
use core::fmt::{self, Write as _};

use crate::json::write_string;

/// As `format!`, but without its way to panic where a type cannot be printed: for hosts whose modules are shown to have none.
#[macro_export]
macro_rules! text {
    ($($part:tt)*) => { $crate::text_of(::core::format_args!($($part)*)) };
}
pub(crate) use text;

/// Implements the macro.
#[doc(hidden)]
pub fn text_of(parts: fmt::Arguments<'_>) -> String {
    let mut text = String::new();
    // A `String` takes everything.
    let _ = text.write_fmt(parts);
    text
}

/// As `join`.
pub(crate) fn joined<T: AsRef<str>>(pieces: impl IntoIterator<Item = T>, separator: &str) -> String {
    let mut text = String::new();
    for (at, piece) in pieces.into_iter().enumerate() {
        if at > 0 {
            text.push_str(separator);
        }
        text.push_str(piece.as_ref());
    }
    text
}

/// Splits a text at single spaces.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    core::iter::from_fn(move || next_word(&mut rest))
}

/// Not by `' '` itself, whose search slices with a check.
#[inline(never)] // for size: the search is long, and many ask for words
fn next_word<'a>(rest: &mut Option<&'a str>) -> Option<&'a str> {
    let text = (*rest)?;
    let (word, after) = text.split_once([' ']).map_or((text, None), |(word, after)| (word, Some(after)));
    *rest = after;
    Some(word)
}

/// A JSON string of printable ASCII.
pub(crate) fn quoted(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 2);
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\') {
        json.push('"');
        json.push_str(text);
        json.push('"');
        return json;
    }
    write_string(text, &mut json);
    printable(&json)
}

/// A list of [`quoted`] texts.
pub(crate) fn quoted_list<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> String {
    text!("[{}]", joined(texts.into_iter().map(|text| quoted(text.as_ref())), ", "))
}

/// Makes untrusted bytes fit for a line of text.
pub(crate) fn shown(bytes: &[u8]) -> String {
    printable(&String::from_utf8_lossy(bytes))
}

/// Escapes as JSON does whatever is not printable ASCII: it could end the line, turn its direction or look like something
/// else.
fn printable(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, ' '..='~') {
            plain.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(plain, "\\u{unit:04x}");
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_stand_between_pieces_only() {
        assert_eq!(
            [joined([""; 0], "-"), joined(["a"], "-"), joined(["a", "", "b"], "-")],
            ["", "a", "a--b"]
        );
    }

    #[test]
    fn words_are_what_single_spaces_separate() {
        for (text, expected) in [("", &[""][..]), ("a", &["a"]), ("a  b ", &["a", "", "b", ""])] {
            assert!(words(text).eq(expected.iter().copied()), "{text:?}");
        }
    }

    #[test]
    fn a_quoted_text_is_json_of_printable_characters() {
        let texts = ["", "a b~", "\"", "\\", "\0\u{7f}", "é\u{202e}\u{2028}", "😀"];
        for (text, expected) in texts.into_iter().zip([
            r#""""#,
            r#""a b~""#,
            r#""\"""#,
            r#""\\""#,
            r#""\u0000\u007f""#,
            r#""\u00e9\u202e\u2028""#,
            r#""\ud83d\ude00""#,
        ]) {
            assert_eq!(quoted(text), expected);
            assert_eq!(serde_json::from_str::<String>(expected).unwrap(), text);
        }
        assert_eq!(quoted_list(["a", "\n"]), r#"["a", "\u000a"]"#);
    }

    #[test]
    fn bytes_of_no_text_are_shown_too() {
        assert_eq!(shown(b"a\xff\"\\\n"), r#"a\ufffd"\\u000a"#);
    }
}
