//! The hostile file (`tests/vectors/hostile.json`), judged natively. The other platforms judge the same file.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signature, Verifier as _, VerifyingKey};
use keystone_verifier::danger::{
    BegunDecision, SignatureAnswer, SignatureRequest, begin_decision, resume_decision,
};
use keystone_verifier::{Check, Explanation, Outcome};
use serde_json::Value;

use crate::case::{authorizer, now, read, with_request};

const HOSTILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/hostile.json");

#[test]
fn every_case_of_the_hostile_file_gets_its_verdict() {
    let file = read(HOSTILE);
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
fn an_explanation_agrees_with_the_decision_check_by_check() {
    let file = read(HOSTILE);
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

    // One issuer with keys of its own and no feed: nothing can be wrong with these.
    let never = ["keys", "revocation", "rules"];
    let all = Check::ALL.iter().map(|check| check.as_str()).filter(|check| !never.contains(check));
    assert_eq!(failed, all.collect());
}

#[test]
fn an_explanation_repeats_no_signature_and_no_token() {
    let file = read(HOSTILE);
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

#[test]
fn an_external_engine_gives_every_case_the_same_verdict() {
    let file = read(HOSTILE);
    let mut asked = 0;
    for case in file["cases"].as_array().unwrap() {
        let (mut authorizer, now) = (authorizer(&file, case), now(&file, case));
        let decision = with_request(case, |request| match begin_decision(&mut authorizer, request, now) {
            BegunDecision::Decided(decision) => decision,
            BegunDecision::NeedsSignature(question) => {
                asked += 1;
                let holds = engine(&question);
                resume_decision(
                    &mut authorizer,
                    request,
                    SignatureAnswer { request: &question, is_valid: holds },
                    now,
                )
            }
        });
        assert_eq!(decision.as_str(), case["verdict"], "{}", case["name"]);
    }
    assert!(asked > 100, "{asked}");
}

/// Without any check of its own beyond the equation.
fn engine(question: &SignatureRequest) -> bool {
    let jwk: Value = serde_json::from_str(&question.jwk()).unwrap();
    let x = URL_SAFE_NO_PAD.decode(jwk["x"].as_str().unwrap()).unwrap();
    let key = VerifyingKey::from_bytes(&x.try_into().unwrap()).unwrap();
    key.verify(question.message(), &Signature::from_slice(question.signature()).unwrap()).is_ok()
}

/// The decision in one word, and what explains it.
fn judge(file: &Value, case: &Value) -> (String, Explanation) {
    let (mut authorizer, now) = (authorizer(file, case), now(file, case));
    with_request(case, |request| {
        (authorizer.decide(request, now).as_str().to_owned(), authorizer.explain(request, now))
    })
}
