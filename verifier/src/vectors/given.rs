//! Collections that are not part of this project: whichever of them the directory holds.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use std::path::{Path, PathBuf};
use std::{fs, println};

use serde_json::Value;

use super::std;
use super::verifies;
use crate::json::{self, JsonFault};

/// A collection's place in the directory and what it holds the verifier to; the number of cases comes back.
type Collection = (&'static str, fn(&[u8]) -> usize);

const COLLECTIONS: [Collection; 2] =
    [("rfc8037/jws.json", an_example_of_a_jws), ("json-test-suite.json", texts_that_are_json_or_are_not)];

/// No part of the verifier reads these.
const OF_OTHERS: [(&str, &str); 1] = [("token-status-list.json", "revocations come in a feed of our own")];

#[test]
fn the_vectors_that_were_given_agree() {
    let Some(directory) = directory() else { return };
    let mut cases = 0;
    for (name, run) in COLLECTIONS {
        match fs::read(directory.join(name)) {
            Ok(text) => cases += run(&text),
            Err(error) => println!("{name} was not run: {error}"),
        }
    }
    for (name, why) in OF_OTHERS {
        println!("{name} is not run: {why}");
    }
    assert!(cases > 0, "{} holds no vectors that are known here", directory.display());
}

/// A relative path starts at the project's folder.
#[expect(clippy::disallowed_methods, reason = "the caller of the tests names the vectors")]
fn directory() -> Option<PathBuf> {
    let named = std::env::var_os("KEYSTONE_VECTORS").filter(|path| !path.is_empty())?;
    Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(named))
}

fn text<'a>(case: &'a Value, name: &str) -> &'a str {
    case[name].as_str().unwrap()
}

fn an_example_of_a_jws(file: &[u8]) -> usize {
    let example: Value = serde_json::from_slice(file).unwrap();
    let mut key = example["input"]["key"].clone();
    // The secret, which a published set must not hold.
    key.as_object_mut().unwrap().remove("d");

    let jws = text(&example["output"], "compact");
    assert!(verifies(&key.to_string(), jws));
    1
}

/// JSONTestSuite: `y_` must be read, `n_` must not, `i_` is left to the reader.
fn texts_that_are_json_or_are_not(file: &[u8]) -> usize {
    let texts: serde_json::Map<String, Value> = serde_json::from_slice(file).unwrap();
    for (name, text) in &texts {
        let text = base64(text.as_str().unwrap());
        let fault = json::parse(&text).err().map(|error| error.fault);
        let agrees = match name.split('_').next().unwrap() {
            // RFC 8259 §4 leaves the meaning open, so two readers could differ.
            "y" if name.contains("duplicated_key") => fault == Some(JsonFault::DuplicateMember),
            "y" => fault.is_none(),
            "n" => fault.is_some(),
            _ => fault.is_none() == READ_THOUGH_LEFT_OPEN.contains(&name.as_str()),
        };
        assert!(agrees, "{name}: {fault:?}");
    }
    texts.len()
}

/// Numbers that a double holds, if not to the last digit. Every other open case is refused: numbers that a double does
/// not hold, what is not UTF-8 or no Unicode, a byte order mark, more than 32 levels.
const READ_THOUGH_LEFT_OPEN: [&str; 5] = [
    "i_number_double_huge_neg_exp.json",
    "i_number_real_underflow.json",
    "i_number_too_big_neg_int.json",
    "i_number_too_big_pos_int.json",
    "i_number_very_big_negative_int.json",
];

fn base64(text: &str) -> Vec<u8> {
    // The collection comes in the other alphabet and padded.
    let text = text.trim_end_matches('=').replace('+', "-").replace('/', "_");
    crate::base64url::decode(text.as_bytes()).unwrap()
}
