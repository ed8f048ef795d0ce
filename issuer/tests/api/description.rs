//! The description tells the truth: every answer of every test here is one that it names.

use std::sync::LazyLock;

use keystone_issuer::http;
use serde_json::{Value, json};

use crate::support::{Answer, ISSUER, TestIssuer};

static API: LazyLock<Value> = LazyLock::new(|| http::description(ISSUER));

/// The status and the type of an answer are among those that its route is said to give.
#[track_caller]
pub(crate) fn holds((method, path): (&str, &str), answer: &Answer) {
    let Some(operation) = operation(method, path) else { return };
    let status = answer.status.as_str();
    let named = followed(&operation["responses"][status]);
    assert!(named.is_object(), "{method} {path} is not said to answer {status}: {answer:?}");
    let kind = answer.header("content-type").split(';').next().unwrap();
    let kinds: Vec<&String> =
        named["content"].as_object().into_iter().flatten().map(|(kind, _)| kind).collect();
    if kinds.is_empty() {
        assert!(
            answer.bytes.is_empty(),
            "{method} {path} is said to answer {status} without a body: {answer:?}"
        );
    } else {
        assert!(kinds.iter().any(|named| *named == kind), "{method} {path} answers {kind}, not {kinds:?}");
    }
}

fn operation(method: &str, path: &str) -> Option<&'static Value> {
    let parts: Vec<&str> = path.split('/').collect();
    let fits = |template: &str| {
        let template: Vec<&str> = template.split('/').collect();
        template.len() == parts.len()
            && template.iter().zip(&parts).all(|(piece, part)| piece.starts_with('{') || piece == part)
    };
    // The more literal one comes first where two fit: `{` sorts after letters.
    let (_, item) = API["paths"].as_object().unwrap().iter().find(|(template, _)| fits(template))?;
    item.get(method.to_lowercase())
}

fn followed(value: &'static Value) -> &'static Value {
    value["$ref"].as_str().map_or(value, |path| API.pointer(path.trim_start_matches('#')).unwrap())
}

#[tokio::test]
async fn the_description_is_published_for_programs_and_for_people() {
    let test = TestIssuer::start().await;

    let api = test.get("/openapi.json", &[]).await.success();
    let page = test.get("/docs", &[]).await;

    assert_eq!((&api.body["openapi"], &api.body["servers"][0]["url"]), (&json!("3.1.0"), &json!(ISSUER)));
    assert_eq!(api.body, *API);
    for answer in [&api, &page] {
        assert_eq!(answer.header("cache-control"), "public, max-age=300");
    }
    let html = String::from_utf8(page.bytes).unwrap();
    for path in API["paths"].as_object().unwrap().keys() {
        assert!(html.contains(&format!("<code>{path}</code>")), "{path}");
    }
}

#[tokio::test]
async fn the_page_needs_no_script_and_no_other_host() {
    let test = TestIssuer::start().await;

    let page = test.get("/docs", &[]).await;

    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    let html = String::from_utf8(page.bytes.clone()).unwrap();
    for foreign in ["<script", "src=", "=\"http", "=\"//", "style=\""] {
        assert!(!html.contains(foreign), "{foreign}");
    }
}

#[tokio::test]
async fn the_description_can_be_switched_off() {
    let test = TestIssuer::start_with("documentation = false").await;

    for path in ["/openapi.json", "/docs"] {
        assert_eq!(test.get(path, &[]).await.status.as_u16(), 404);
    }
    assert_eq!(test.get("/.well-known/jwks.json", &[]).await.status.as_u16(), 200);
}

#[test]
fn every_operation_has_a_name_of_its_own_and_says_what_it_does() {
    let mut names = Vec::new();
    for (path, item) in API["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{method} {path}");
            names.push(operation["operationId"].as_str().unwrap());
        }
    }
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}
