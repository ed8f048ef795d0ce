//! The hostile file (`tests/vectors/hostile.json`), judged natively. The other platforms judge the same file.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails; clippy exempts only the bodies of test functions by itself"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use keystone_verifier::{Decision, Gate, Policy, RequestView};
use serde_json::Value;

#[test]
fn every_case_of_the_hostile_file_gets_its_verdict() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/hostile.json");
    let file: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let cases = file["cases"].as_array().unwrap();

    let mut wrong = BTreeMap::new();
    for case in cases {
        let verdict = judge(&file, case);
        if verdict != case["verdict"] {
            wrong.insert(case["name"].to_string(), format!("{verdict} instead of {}", case["verdict"]));
        }
    }

    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(cases.len() >= 400);
}

fn judge(file: &Value, case: &Value) -> String {
    let mut policy = file["policy"].clone();
    if let Some(keys) = case.get("keys") {
        policy["issuers"][0]["keys"]["inline"] = keys.clone();
    }
    let mut gate = Gate::new(Policy::parse(policy.to_string().as_bytes()).unwrap());

    let values: Vec<Vec<u8>> = case["authorization"].as_array().unwrap().iter().map(bytes).collect();
    let authorization: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
    let (method, path) = (bytes(&case["method"]), bytes(&case["path"]));
    let request = RequestView { method: &method, path: &path, authorization: &authorization };
    let now = case.get("now").unwrap_or(&file["now"]).as_u64().unwrap();
    match gate.decide(&request, now) {
        Decision::Public => "public".to_owned(),
        Decision::Allow(_) => "allow".to_owned(),
        Decision::Deny(refusal) => refusal.code().to_string(),
    }
}

/// A character for each byte.
fn bytes(text: &Value) -> Vec<u8> {
    text.as_str().unwrap().chars().map(|character| u8::try_from(u32::from(character)).unwrap()).collect()
}
