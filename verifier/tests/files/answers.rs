//! The answers to clients (`tests/vectors/answers.json`): one for each reason code, and no word of a sender in it.

use keystone_verifier::{Code, Decision, Refusal};
use serde_json::{Value, json};

use crate::case::{authorizer, now, read, with_request};

const ANSWERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/answers.json");
const HOSTILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/hostile.json");

#[test]
fn every_code_has_the_answer_that_is_written_down() {
    let file = read(ANSWERS);
    let answers = file["answers"].as_array().unwrap();

    assert_eq!(answers.len(), Code::ALL.len());
    for (answer, &code) in answers.iter().zip(Code::ALL) {
        assert_eq!(&told(&Refusal::from(code)), answer);
    }
}

/// Each of these inputs is somebody's attempt to be believed: none must be repeated to anybody.
#[test]
fn no_refusal_of_the_hostile_file_repeats_what_was_sent() {
    let (hostile, file) = (read(HOSTILE), read(ANSWERS));
    let mut refused = 0;
    for case in hostile["cases"].as_array().unwrap() {
        let Some(mut answer) = refusal(&hostile, case).map(|refusal| told(&refusal)) else { continue };
        refused += 1;
        let body = answer["body"].as_object_mut().unwrap();
        if let Some(claim) = body.remove("claim") {
            assert!(CLAIMS.contains(&claim.as_str().unwrap()), "{}", case["name"]);
        }
        if let Some(scope) = body.remove("scope") {
            let challenge = answer["headers"]["www-authenticate"].as_str().unwrap();
            let bare = challenge.strip_suffix(&format!(", scope={scope}")).unwrap().to_owned();
            answer["headers"]["www-authenticate"] = bare.into();
        }
        let code = answer["code"].clone();
        let expected = file["answers"].as_array().unwrap().iter().find(|answer| answer["code"] == code);
        assert_eq!(Some(&answer), expected, "{}", case["name"]);
    }
    assert!(refused > 300, "{refused}");
}

#[test]
fn a_scope_of_any_characters_stays_within_its_quotes() {
    let scope: String = ('!'..='~').filter(|character| !matches!(character, '"' | '\\')).collect();
    let mut policy = read(HOSTILE)["policy"].clone();
    policy["routes"] = json!([{ "methods": ["GET"], "path": "/", "require": { "all": [scope, "z"] } }]);
    let file = read(HOSTILE);
    let allowed = file["cases"].as_array().unwrap().iter().find(|case| case["verdict"] == "allow").unwrap();
    let mut case = allowed.clone();
    case["method"] = "GET".into();
    case["path"] = "/".into();

    let refusal = refusal(&json!({ "policy": policy, "now": file["now"] }), &case).unwrap();

    let challenge = refusal.challenge().unwrap();
    assert!(challenge.ends_with(&format!(", scope=\"{scope} z\"")), "{challenge}");
    assert_eq!(challenge.matches('"').count(), 8, "{challenge}");
    assert_eq!(told(&refusal)["body"]["scope"], format!("{scope} z"));
}

const CLAIMS: [&str; 17] = [
    "iss",
    "aud",
    "sub",
    "client_id",
    "jti",
    "exp",
    "iat",
    "nbf",
    "sid",
    "roles",
    "scope",
    "scopes",
    "scp",
    "type",
    "auth_time",
    "sv",
    "cv",
];

/// As in the file of answers.
fn told(refusal: &Refusal) -> Value {
    let headers: serde_json::Map<_, _> =
        refusal.headers().into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    let body: Value = serde_json::from_str(&refusal.problem()).unwrap();
    json!({ "code": refusal.code().as_str(), "status": refusal.status(), "headers": headers, "body": body })
}

fn refusal(file: &Value, case: &Value) -> Option<Refusal> {
    let decision = with_request(case, |request| authorizer(file, case).decide(request, now(file, case)));
    if let Decision::Deny(refusal) = decision { Some(refusal) } else { None }
}
