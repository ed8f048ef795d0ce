//! A case of the hostile file as an authorizer gets it. For every program that judges the file with the crate itself.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails; clippy exempts only the bodies of test functions by itself"
)]

use std::fs;

use keystone_verifier::{Authorizer, Policy, RequestView};
use serde_json::Value;

pub(crate) fn read(path: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The file's policy, with the case's keys where it has some.
pub(crate) fn authorizer(file: &Value, case: &Value) -> Authorizer {
    let mut policy = file["policy"].clone();
    if let Some(keys) = case.get("keys") {
        policy["issuers"][0]["keys"]["inline"] = keys.clone();
    }
    Authorizer::new(Policy::parse(policy.to_string().as_bytes()).unwrap())
}

pub(crate) fn now(file: &Value, case: &Value) -> u64 {
    case.get("now").unwrap_or(&file["now"]).as_u64().unwrap()
}

pub(crate) fn with_request<T>(case: &Value, judge: impl FnOnce(&RequestView<'_>) -> T) -> T {
    let values: Vec<Vec<u8>> = case["authorization"].as_array().unwrap().iter().map(bytes).collect();
    let authorization: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
    let (method, path) = (bytes(&case["method"]), bytes(&case["path"]));
    judge(&RequestView { method: &method, path: &path, authorization: &authorization })
}

/// A character for each byte.
fn bytes(text: &Value) -> Vec<u8> {
    text.as_str().unwrap().chars().map(|character| u8::try_from(u32::from(character)).unwrap()).collect()
}
