//! `judge FILE`: the native verdict on each case of the hostile file, a line each.

#![expect(
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a tool of the tests: what cannot go on fails"
)]

use std::fs;

use keystone_verifier::{Gate, Policy, RequestView};
use serde_json::Value;

fn main() {
    let path = std::env::args().nth(1).unwrap();
    let file: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    for case in file["cases"].as_array().unwrap() {
        println!("{}", judge(&file, case));
    }
}

fn judge(file: &Value, case: &Value) -> &'static str {
    let mut policy = file["policy"].clone();
    if let Some(keys) = case.get("keys") {
        policy["issuers"][0]["keys"]["inline"] = keys.clone();
    }
    let mut gate = Gate::new(Policy::parse(policy.to_string().as_bytes()).unwrap());

    let values: Vec<Vec<u8>> = case["authorization"].as_array().unwrap().iter().map(bytes).collect();
    let authorization: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
    let (method, path) = (bytes(&case["method"]), bytes(&case["path"]));
    let request = RequestView { method: &method, path: &path, authorization: &authorization };
    gate.decide(&request, case.get("now").unwrap_or(&file["now"]).as_u64().unwrap()).word()
}

/// A character for each byte.
fn bytes(text: &Value) -> Vec<u8> {
    text.as_str().unwrap().chars().map(|character| u8::try_from(u32::from(character)).unwrap()).collect()
}
