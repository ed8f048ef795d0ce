//! Tests of error responses, and of the documents that list their codes.

use super::*;

#[test]
fn descriptions_hold_what_rfc_6749_allows() {
    assert_eq!(printable("a \"b\" \\ é \n`c`"), "a ?b? ? ? ?`c`");
}

#[test]
fn the_reference_lists_every_code_with_its_status() {
    let reference = include_str!("../../../../docs/reference/errors.md");
    for &code in ErrorCode::ALL {
        let row = format!("| `{}` | {} | {} |", code.as_str(), code.status().as_u16(), code.meaning());
        assert!(reference.contains(&row), "{row}");
    }
}

#[test]
fn meanings_hold_what_rfc_6749_allows() {
    for &code in ErrorCode::ALL {
        assert_eq!(printable(code.meaning()), code.meaning());
    }
}
