//! Compares the answers to clients with `tests/vectors/answers.json`, as the tests of the crate and of the npm package do.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::fake::{Followers, Process, REMOTE, Response, TOKEN, Worker, policy};
use crate::header_map;

fn vectors(name: &str) -> Value {
    let path = format!("{}/../tests/vectors/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn answers() -> BTreeMap<String, Value> {
    let file = vectors("answers");
    let answers = file["answers"].as_array().unwrap();
    answers.iter().map(|answer| (answer["code"].as_str().unwrap().to_owned(), answer.clone())).collect()
}

/// As in the file.
fn told(response: &Response) -> Value {
    let headers: Map<String, Value> =
        response.headers.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
    let body: Value = serde_json::from_str(&response.body).unwrap();
    json!({ "code": body["code"], "status": response.status, "headers": headers, "body": body })
}

/// Without what the file cannot know: which claim is wrong and which scopes a route needs.
fn bare(mut answer: Value) -> Value {
    let body = answer["body"].as_object_mut().unwrap();
    body.remove("claim");
    if let Some(scope) = body.remove("scope") {
        let challenge = &mut answer["headers"]["www-authenticate"];
        *challenge = challenge.as_str().unwrap().strip_suffix(&format!(", scope={scope}")).unwrap().into();
    }
    answer
}

/// A character for each byte.
fn bytes(text: &Value) -> Vec<u8> {
    text.as_str().unwrap().chars().map(|character| u8::try_from(u32::from(character)).unwrap()).collect()
}

#[test]
fn every_refusal_of_the_hostile_file_has_the_listed_answer() {
    let (hostile, answers) = (vectors("hostile"), answers());
    let mut unseen: BTreeSet<&str> = answers.keys().map(String::as_str).collect();
    for case in hostile["cases"].as_array().unwrap() {
        let mut policy = hostile["policy"].clone();
        if let Some(keys) = case.get("keys") {
            policy["issuers"][0]["keys"]["inline"] = keys.clone();
        }
        let process = Process::start();
        process.set_time(case.get("now").unwrap_or(&hostile["now"]).as_u64().unwrap());
        let mut worker = Worker::new(&process, &policy.to_string());
        let mut headers = vec![(":method", bytes(&case["method"])), (":path", bytes(&case["path"]))];
        let values = case["authorization"].as_array().unwrap();
        headers.extend(values.iter().map(|value| ("authorization", bytes(value))));

        let Some(response) = worker.send_raw(header_map::write(&headers)).response else { continue };

        let answer = told(&response);
        let code = answer["code"].as_str().unwrap().to_owned();
        assert_eq!(code, case["verdict"], "{}", case["name"]);
        assert_eq!(response.details, format!("keystone_{code}"));
        assert_eq!(bare(answer), answers[&code], "{}", case["name"]);
        unseen.remove(code.as_str());
    }
    // Of these the next tests tell.
    assert_eq!(unseen, BTreeSet::from(["keys_unavailable", "revocations_stale", "revoked"]));
}

#[test]
fn without_keys_the_answer_is_the_listed_one() {
    let mut worker = Worker::new(&Process::start(), &policy(REMOTE, "{}"));
    let bearer = format!("Bearer {TOKEN}");
    let headers = [(":method", "GET"), (":path", "/orders"), ("authorization", bearer.as_str())];

    let response = worker.send_and_wait(&headers).response.unwrap();

    assert_eq!(told(&response), answers()["keys_unavailable"]);
}

#[test]
fn refusals_by_the_feed_have_the_listed_answers() {
    let bearer = format!("Bearer {TOKEN}");
    let headers = [(":method", "GET"), (":path", "/strict"), ("authorization", bearer.as_str())];
    let mut followers = Followers::new(1);
    followers.issuer.status = "500";
    followers.tick();
    let stale = followers.workers[0].0.send(&headers).response.unwrap();
    followers.issuer.status = "200";
    followers.issuer.revoke("s-1");
    followers.run(Duration::from_secs(2));
    let revoked = followers.workers[0].0.send(&headers).response.unwrap();

    assert_eq!(told(&stale), answers()["revocations_stale"]);
    assert_eq!(told(&revoked), answers()["revoked"]);
}
