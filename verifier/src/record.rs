//! A verdict for an access log: one JSON object, of which nothing was taken from an unverified token.

use alloc::format;
use alloc::string::String;

use crate::json::write_string;
use crate::verify::Verified;

/// `{"code":…,"shadow":…,"sub":…,"client_id":…,"sid":…}`: what was decided, what a shadow policy says where that is
/// something else, and the caller where one was verified. What is not there is left out.
pub fn record(code: &str, shadow: Option<&str>, caller: Option<&Verified>) -> String {
    let mut json = String::with_capacity(160);
    json.push_str("{\"code\":");
    write_printable(code, &mut json);
    let members = [
        ("shadow", shadow),
        ("sub", caller.map(Verified::subject)),
        ("client_id", caller.map(Verified::client_id)),
        ("sid", caller.and_then(Verified::session)),
    ];
    for (name, value) in members {
        let Some(value) = value else { continue };
        json.push_str(",\"");
        json.push_str(name);
        json.push_str("\":");
        write_printable(value, &mut json);
    }
    json.push('}');
    json
}

/// As [`write_string`]; what is plain anyway, which is nearly everything, goes as it is.
fn write_printable(text: &str, json: &mut String) {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\') {
        json.push('"');
        json.push_str(text);
        json.push('"');
    } else {
        let mut string = String::new();
        write_string(text, &mut string);
        json.push_str(&ascii(&string));
    }
}

/// The same JSON without the characters that some reader of logs takes for the end of a line, or turns round.
fn ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        if matches!(character, ' '..='~') {
            text.push(character);
        } else {
            let units = &mut [0; 2];
            text.extend(character.encode_utf16(units).iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{HEADER, NOW, claims, keys, rules, sign};
    use crate::json;
    use crate::verify::verify;

    #[test]
    fn a_refusal_tells_nothing_but_its_code() {
        assert_eq!(record("expired", None, None), r#"{"code":"expired"}"#);
        assert_eq!(record("typ", Some("allow"), None), r#"{"code":"typ","shadow":"allow"}"#);
    }

    #[test]
    fn whatever_a_subject_is_called_the_record_is_one_line_of_printable_json() {
        let token =
            sign(HEADER, &claims(&[("sub", r#""a\"\n\u001b\\é\u2028\u0085😀""#), ("sid", r#""s-1""#)]));
        let caller = verify(token.as_bytes(), &rules(), &keys(), NOW).unwrap();

        let line = record("allow", None, Some(&caller));

        assert!(line.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{line:?}");
        let document = json::parse(line.as_bytes()).unwrap();
        let members = document.value.as_object().unwrap();
        assert_eq!(members.get("sub").unwrap().value.as_str(), Some(caller.subject()));
        assert_eq!(members.get("sid").unwrap().value.as_str(), Some("s-1"));
        assert!(members.get("client_id").is_some());
    }
}
