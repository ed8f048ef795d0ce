use alloc::string::ToString;
use alloc::{format, vec};

use proptest::prelude::*;

use super::*;

fn fault_of(text: impl AsRef<[u8]>) -> Option<JsonFault> {
    parse(text.as_ref()).err().map(|error| error.fault)
}

#[test]
fn reads_what_was_written() {
    let node =
        parse(br#" {"a":[1,-2.5e3,true,null],"b":{"c":"x\n\u00e9\ud83d\ude00\b\f\r\t\"\\\/"}} "#).unwrap();

    let object = node.value.as_object().unwrap();
    let items = object.get("a").unwrap().value.as_array().unwrap();
    assert_eq!(
        items.iter().map(|item| item.value.clone()).collect::<Vec<_>>(),
        vec![Value::Number("1"), Value::Number("-2.5e3"), Value::Bool(true), Value::Null]
    );
    let inner = object.get("b").unwrap().value.as_object().unwrap();
    assert_eq!(inner.get("c").unwrap().value.as_str(), Some("x\n\u{e9}\u{1f600}\u{8}\u{c}\r\t\"\\/"));
}

#[test]
fn numbers_are_kept_as_they_were_written() {
    for text in ["0", "-0", "10.25", "1e2", "1E2", "1e+2", "1E-2", "-0.5e-10"] {
        assert_eq!(parse(text.as_bytes()).unwrap().value, Value::Number(text));
    }
}

#[test]
fn refuses_what_rfc_8259_does_not_allow() {
    let texts = [
        "",
        " ",
        "{",
        "[1,]",
        "{\"a\":1,}",
        "{'a':1}",
        "{a:1}",
        "01",
        "-",
        "1.",
        ".5",
        "+1",
        "1e",
        "NaN",
        "Infinity",
        "tru",
        "\"\t\"",
        "\"\\x\"",
        "\"\\ud800\"",
        "\"\\ud800\\u0041\"",
        "\"\\udc00\"",
        "\"",
        "1 2",
        "{}x",
        "\u{feff}{}",
        "/**/{}",
        "[1 2]",
        "{\"a\" 1}",
        "1e400",
        "-1e9999999",
        "\"\\u12g4\"",
    ];
    for text in texts {
        assert_eq!(fault_of(text), Some(JsonFault::Syntax), "{text:?}");
    }
    assert_eq!(fault_of(b"\"\xff\""), Some(JsonFault::Syntax));
    assert_eq!(fault_of(b"\"\xc0\xaf\""), Some(JsonFault::Syntax), "overlong");
    assert_eq!(fault_of("9".repeat(1000)), Some(JsonFault::Syntax), "infinite");
}

#[test]
fn refuses_a_name_twice_however_it_is_spelled() {
    assert_eq!(fault_of(r#"{"alg":1,"alg":1}"#), Some(JsonFault::DuplicateMember));
    assert_eq!(fault_of(r#"{"alg":1,"\u0061lg":2}"#), Some(JsonFault::DuplicateMember));
    assert_eq!(fault_of(r#"{"a":{"b":1,"b":2}}"#), Some(JsonFault::DuplicateMember));
    assert_eq!(fault_of(r#"{"a":{"b":1},"c":{"b":1}}"#), None);
}

#[test]
fn refuses_what_is_too_deep_too_long_or_too_wide() {
    let arrays = |levels: usize| fault_of(format!("{}0{}", "[".repeat(levels), "]".repeat(levels)));
    assert_eq!([arrays(32), arrays(33)], [None, Some(JsonFault::Limits)]);
    let objects = |levels: usize| fault_of(format!("{}0{}", "{\"a\":".repeat(levels), "}".repeat(levels)));
    assert_eq!([objects(32), objects(33)], [None, Some(JsonFault::Limits)]);
    assert_eq!(fault_of("[".repeat(100_000)), Some(JsonFault::Limits));
    let name = |bytes| fault_of(format!("{{\"{}\":1}}", "n".repeat(bytes)));
    assert_eq!([name(256), name(257)], [None, Some(JsonFault::Limits)]);
    let members = |count: usize| {
        let members = (0..count).map(|n| format!("\"{n}\":1")).collect::<Vec<_>>().join(",");
        fault_of(format!("{{{members}}}"))
    };
    assert_eq!([members(256), members(257)], [None, Some(JsonFault::Limits)]);
    let items = |count: usize| fault_of(format!("[{}1]", "1,".repeat(count - 1)));
    assert_eq!([items(4096), items(4097)], [None, Some(JsonFault::Limits)]);
}

#[test]
fn numbers_fall_to_whole_seconds_and_never_wrap() {
    let seconds = |text: &str| parse(text.as_bytes()).unwrap().value.as_u64().unwrap();

    assert_eq!(seconds("300"), 300);
    assert_eq!(seconds("300.9"), 300);
    assert_eq!(seconds("3.0e2"), 300);
    assert_eq!(seconds("-1"), 0);
    assert_eq!(seconds("18446744073709551616"), u64::MAX);
    assert_eq!(seconds("1e308"), u64::MAX);
    assert_eq!(Value::String("1".into()).as_u64(), None);
}

#[test]
fn written_strings_read_back() {
    for text in ["", "plain", "\"quoted\" \\ \u{1}\n\u{e9}\u{1f600}"] {
        let mut json = String::new();
        write_string(text, &mut json);
        assert_eq!(
            parse(json.as_bytes()).unwrap().value.as_str().map(ToString::to_string).as_deref(),
            Some(text)
        );
    }
}

/// Texts that are nearly JSON.
fn nearly_json() -> impl Strategy<Value = String> {
    let token = prop_oneof![
        prop::sample::select(
            &[
                "{", "}", "[", "]", ",", ":", "\"", "\"a\"", "true", "null", "0", "-", "1.5", "1e9", "e400",
                "\\u0061", " "
            ][..]
        )
        .prop_map(ToString::to_string),
        "[0-9eE+.-]{1,6}",
        "\"(\\\\[nu\"x]|[a-z0-9\u{e9}]){0,6}\"",
    ];
    prop::collection::vec(token, 0..12).prop_map(|tokens| tokens.concat())
}

proptest! {
    #[test]
    fn accepts_only_what_another_reader_accepts(text in nearly_json()) {
        let ours = parse(text.as_bytes());
        let theirs = serde_json::from_str::<serde_json::Value>(&text);
        match ours {
            Ok(node) => prop_assert!(theirs.is_ok_and(|value| same(&node.value, &value)), "{}", text),
            Err(JsonError { fault: JsonFault::Syntax, .. }) => prop_assert!(theirs.is_err(), "{}", text),
            Err(_) => {}
        }
    }

    #[test]
    fn nothing_makes_it_panic(bytes: Vec<u8>, text: String) {
        let _ = (parse(&bytes), parse(text.as_bytes()));
    }
}

fn same(ours: &Value<'_>, theirs: &serde_json::Value) -> bool {
    match (ours, theirs) {
        (Value::Null, serde_json::Value::Null) => true,
        (Value::Bool(ours), serde_json::Value::Bool(theirs)) => ours == theirs,
        (Value::Number(ours), serde_json::Value::Number(theirs)) => {
            let (ours, theirs) = (ours.parse::<f64>().unwrap(), theirs.as_f64().unwrap());
            (ours - theirs).abs() <= ours.abs() * 1e-15
        }
        (Value::String(ours), serde_json::Value::String(theirs)) => ours == theirs,
        (Value::Array(ours), serde_json::Value::Array(theirs)) => {
            ours.len() == theirs.len()
                && ours.iter().zip(theirs).all(|(ours, theirs)| same(&ours.value, theirs))
        }
        (Value::Object(ours), serde_json::Value::Object(theirs)) => {
            ours.iter().count() == theirs.len()
                && ours
                    .iter()
                    .all(|(name, node)| theirs.get(name).is_some_and(|value| same(&node.value, value)))
        }
        _ => false,
    }
}
