//! An entry for an access log: one JSON object that holds nothing of an unverified token.

use alloc::string::String;

use crate::text::quoted;
use crate::verify::Verified;

/// Returns `{"code":…,"shadow":…,"sub":…,"client_id":…,"sid":…}`: the decision, that of a shadow policy where it differs, and
/// the caller where one was verified. Absent members are left out.
pub fn access_log_entry(code: &str, shadow: Option<&str>, caller: Option<&Verified>) -> String {
    let mut json = String::with_capacity(160);
    json.push_str("{\"code\":");
    json.push_str(&quoted(code));
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
        json.push_str(&quoted(value));
    }
    json.push('}');
    json
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{HEADER, NOW, claims, keys, rules, sign};
    use crate::json;
    use crate::verify::verify;

    #[test]
    fn a_refusal_tells_nothing_but_its_code() {
        assert_eq!(access_log_entry("expired", None, None), r#"{"code":"expired"}"#);
        assert_eq!(access_log_entry("typ", Some("allow"), None), r#"{"code":"typ","shadow":"allow"}"#);
    }

    #[test]
    fn an_entry_is_one_line_of_printable_json_for_any_subject() {
        let token =
            sign(HEADER, &claims(&[("sub", r#""a\"\n\u001b\\é\u2028\u0085😀""#), ("sid", r#""s-1""#)]));
        let caller = verify(token.as_bytes(), &rules(), &keys(), NOW).unwrap();

        let line = access_log_entry("allow", None, Some(&caller));

        assert!(line.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{line:?}");
        let document = json::parse(line.as_bytes()).unwrap();
        let members = document.value.as_object().unwrap();
        assert_eq!(members.get("sub").unwrap().value.as_str(), Some(caller.subject()));
        assert_eq!(members.get("sid").unwrap().value.as_str(), Some("s-1"));
        assert!(members.get("client_id").is_some());
    }
}
