//! The attacks that somebody thought of beforehand, by their numbers: each has a test that says so.
//!
//! A test claims numbers in the first line of its documentation, `/// L-06, L-07: …`, wherever it stands. Here is what is
//! claimed, so that a number does not go with its test unnoticed.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const PROVED: &str = "
    P-01 P-02 P-03 P-05 P-06 P-07 P-08 P-09 P-11 P-12 P-13 P-14 P-15 P-17 P-18 P-19 P-20 P-21 P-23 P-24 P-25
    L-01 L-02 L-04 L-05 L-06 L-07 L-08 L-10 L-11 L-12 L-13 L-14 L-16 L-17 L-18 L-20 L-23 L-24
    R-01 R-02 R-04 R-05 R-06 R-07 R-08 R-10 R-11 R-12 R-13 R-14 R-16 R-17 R-19 R-20 R-22
    C-01 C-02 C-03 C-04 C-06
    V-01 V-02 V-03 V-05 V-06 V-08 V-09
    A-01 A-02 A-03 A-04 A-07 A-08 A-09 A-10 A-11 A-14 A-15 A-16 A-17 A-19
    B-01 B-02 B-03 B-04 B-06 B-07 B-08 B-09 B-10 B-12 B-13 B-14 B-15 B-16 B-18 B-19 B-20 B-21 B-22";

/// What has no test, and why not.
const WITHOUT: [(&str, &str); 9] = [
    ("waits for a second factor", "L-19"),
    ("waits for mail", "L-22"),
    ("waits for client assertions", "C-07 C-08 C-09 C-10 C-12"),
    ("waits for DPoP", "C-13"),
    ("waits for client assertions, DPoP or codes: nothing is kept to be used once", "A-13"),
    ("waits for the code flow", "O-01 O-02 O-03 O-04 O-05 O-06 O-07 O-08"),
    ("cannot be: rotation has no switch", "R-18"),
    ("cannot be: introspection is not cached", "V-07"),
    ("cannot be: roles do not hold roles", "A-05"),
];

#[test]
fn every_attack_has_its_test() {
    let mut claimed = BTreeSet::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for room in ["issuer/src", "issuer/tests", "tests/e2e", "verifier/src"] {
        read(&root.join(room), &mut claimed);
    }
    claimed.extend(numbers(&fs::read_to_string(root.join("deny.toml")).unwrap(), "# "));

    let lost: Vec<_> = PROVED.split_whitespace().filter(|number| !claimed.contains(*number)).collect();
    assert!(lost.is_empty(), "no test claims {lost:?} any more");
    for (why, numbers) in WITHOUT {
        let both: Vec<_> = numbers.split(' ').filter(|number| claimed.contains(*number)).collect();
        assert!(both.is_empty(), "{both:?} has a test now, and no longer {why}");
    }
}

fn read(directory: &Path, claimed: &mut BTreeSet<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read(&path, claimed);
        } else if path.extension().is_some_and(|end| end == "rs") {
            claimed.extend(numbers(&fs::read_to_string(&path).unwrap(), "/// "));
        }
    }
}

/// The numbers with which a comment begins.
fn numbers(text: &str, comment: &str) -> BTreeSet<String> {
    let comments = text.lines().filter_map(|line| line.trim_start().strip_prefix(comment));
    let claims = comments.map(|line| line.split(':').next().unwrap_or_default());
    claims.flat_map(|claim| claim.split(", ")).filter(|word| is_number(word)).map(str::to_owned).collect()
}

fn is_number(word: &str) -> bool {
    matches!(word.as_bytes(), [b'A'..=b'Z', b'-', tens, ones] if tens.is_ascii_digit() && ones.is_ascii_digit())
}
