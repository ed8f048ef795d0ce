//! What errors say, and that the guide knows their codes.

use super::*;

#[test]
fn descriptions_hold_what_rfc_6749_allows() {
    assert_eq!(printable("a \"b\" \\ é \n`c`"), "a ?b? ? ? ?`c`");
}

#[test]
fn the_guide_lists_every_code() {
    let guide = include_str!("../../../../docs/api.md");
    let (_, table) = guide.split_once("| `code` | status |").unwrap();
    let source = include_str!("../error.rs");
    let literals = source.split('"').skip(1).step_by(2);
    let is_code = |text: &&str| {
        let word = text.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase());
        word && (text.contains('_') || *text == "stale" || *text == "exists")
    };
    let codes: Vec<_> = literals.filter(is_code).collect();

    assert!(codes.len() > 25, "{codes:?}");
    for code in codes {
        assert!(table.contains(&format!("`{code}`")), "{code}");
    }
}
