//! The hostile file (`tests/vectors/hostile.json`), judged natively. The other platforms judge the same file.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails; clippy exempts only the bodies of test functions by itself"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use keystone_verifier::{Check, Explanation, Gate, Outcome, Policy, RequestView};
use serde_json::Value;

#[test]
fn every_case_of_the_hostile_file_gets_its_verdict() {
    let file = file();
    let cases = file["cases"].as_array().unwrap();

    let mut wrong = BTreeMap::new();
    for case in cases {
        let (verdict, _) = judge(&file, case);
        if verdict != case["verdict"] {
            wrong.insert(case["name"].to_string(), format!("{verdict} instead of {}", case["verdict"]));
        }
    }

    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(cases.len() >= 400);
}

#[test]
fn an_explanation_gives_the_verdict_of_the_decision_and_every_check_up_to_it_in_order() {
    let file = file();
    let mut failed = BTreeSet::new();
    for case in file["cases"].as_array().unwrap() {
        let (verdict, explanation) = judge(&file, case);
        let name = &case["name"];

        assert_eq!(explanation.verdict(), verdict, "{name}");
        assert_eq!(
            explanation.steps().iter().map(|step| step.check).collect::<Vec<_>>(),
            Check::ALL,
            "{name}"
        );
        let outcomes: Vec<_> = explanation.steps().iter().map(|step| step.outcome).collect();
        let reached = outcomes.iter().take_while(|outcome| **outcome == Outcome::Passed).count();
        let refused = !matches!(&*verdict, "public" | "allow");
        assert_eq!(outcomes.get(reached) == Some(&Outcome::Failed), refused, "{name}");
        let rest = outcomes.get(reached + usize::from(refused)..).unwrap();
        assert!(rest.iter().all(|outcome| *outcome == Outcome::NotReached), "{name}");
        assert_eq!(rest.is_empty() && !refused, verdict == "allow", "{name}");
        failed.extend(explanation.steps().get(reached).filter(|_| refused).map(|step| step.check.as_str()));
        let json: Value = serde_json::from_str(&explanation.to_json()).unwrap();
        assert_eq!(json["verdict"], verdict, "{name}");
        assert_eq!(explanation.to_string().lines().count(), Check::ALL.len() + 1, "{name}");
    }

    // One issuer with keys of its own: nothing can be wrong with these two.
    let never = ["keys", "rules"];
    let all = Check::ALL.iter().map(|check| check.as_str()).filter(|check| !never.contains(check));
    assert_eq!(failed, all.collect());
}

#[test]
fn an_explanation_repeats_no_signature_and_no_token() {
    let file = file();
    for case in file["cases"].as_array().unwrap() {
        let (_, explanation) = judge(&file, case);
        let said = explanation.to_json() + &explanation.to_string();
        for value in case["authorization"].as_array().unwrap().iter().filter_map(Value::as_str) {
            for word in value.split(['.', ' ', ',']).filter(|word| word.len() > 40) {
                assert!(!said.contains(word), "{}", case["name"]);
            }
        }
    }
}

fn file() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/hostile.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The decision in one word, and what explains it.
fn judge(file: &Value, case: &Value) -> (String, Explanation) {
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
    (gate.decide(&request, now).word().to_owned(), gate.explain(&request, now))
}

/// A character for each byte.
fn bytes(text: &Value) -> Vec<u8> {
    text.as_str().unwrap().chars().map(|character| u8::try_from(u32::from(character)).unwrap()).collect()
}
