//! The OpenAPI description is complete, and true: every response of every test here is one that it lists.

use std::sync::LazyLock;

use keystone_issuer::http;
use serde_json::{Value, json};

use crate::support::{Answer, ISSUER, TestIssuer};

static API: LazyLock<Value> = LazyLock::new(|| http::description(ISSUER));

/// Asserts that the description lists the status, the media type and the error code of a response.
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
        if answer.status.as_u16() >= 400 {
            let listed = codes(&named["content"][kind]["schema"]);
            let code = answer.body["code"].as_str().or(answer.body["error"].as_str()).unwrap_or_default();
            assert!(listed.contains(&code), "{method} {path} answers {status} {code}, not {listed:?}");
        }
    }
}

/// The error codes that the schema of a response allows.
fn codes(schema: &'static Value) -> Vec<&'static str> {
    let parts = schema["allOf"].as_array().into_iter().flatten();
    let limits = parts.filter_map(|part| part["properties"].as_object()?.values().next());
    limits.flat_map(|limit| limit["enum"].as_array().unwrap()).map(|code| code.as_str().unwrap()).collect()
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
fn every_operation_has_a_unique_id_and_a_summary() {
    let mut ids = Vec::new();
    for (name, operation) in operations() {
        assert!(has_text(&operation["summary"]), "{name}");
        ids.push(operation["operationId"].as_str().unwrap());
    }
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count);
}

#[test]
fn every_operation_has_an_example_of_each_body() {
    for (name, operation) in operations() {
        let responses = operation["responses"].as_object().unwrap().values().map(followed);
        let bodies = responses.chain([&operation["requestBody"]]).flat_map(|body| members(&body["content"]));
        let mut count = 0;
        for (kind, content) in bodies {
            let shown = !content["example"].is_null() || !members(&content["examples"]).is_empty();
            assert!(shown, "{name}: {kind}");
            count += 1;
        }
        assert!(count > 0, "{name}");
    }
}

#[test]
fn every_error_response_lists_its_codes_with_an_example() {
    for (name, operation) in operations() {
        let errors = operation["responses"].as_object().unwrap().iter();
        let errors: Vec<_> = errors.filter(|(status, _)| *status >= &"400".to_owned()).collect();
        assert!(!errors.is_empty(), "{name}");
        for (status, response) in errors {
            for (kind, content) in members(&followed(response)["content"]) {
                let (codes, examples) = (codes(&content["schema"]), members(&content["examples"]));
                assert!(!codes.is_empty(), "{name}: {status} {kind}");
                for code in codes {
                    assert!(examples.iter().any(|(name, _)| *name == code), "{name}: {status} {code}");
                }
            }
        }
    }
}

#[test]
fn every_property_parameter_and_header_has_a_description() {
    let mut seen = 0;
    described(&API, "", &mut seen);

    assert!(seen > 200, "{seen}");
}

/// Asserts that whatever has a name somewhere below has a description.
fn described(value: &Value, place: &str, seen: &mut usize) {
    match value {
        Value::Object(object) => {
            for (name, member) in object {
                let named = match name.as_str() {
                    "example" | "examples" => continue,
                    "properties" | "headers" | "responses" | "schemas" => members(member),
                    "parameters" => {
                        member.as_array().unwrap().iter().map(|item| ("parameter", item)).collect()
                    }
                    _ => Vec::new(),
                };
                for (item, about) in named {
                    let text =
                        has_text(&about["description"]) || (name == "responses" && !about["$ref"].is_null());
                    assert!(text, "{place}/{name}/{item}: {about}");
                    *seen += 1;
                }
                described(member, &format!("{place}/{name}"), seen);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| described(item, place, seen)),
        _ => {}
    }
}

#[test]
fn the_reference_lists_every_operation_with_its_scope() {
    let reference = include_str!("../../../docs/reference/api.md");
    for (name, operation) in operations() {
        let (method, path) = name.split_once(' ').unwrap();
        let access = match operation["security"].as_array().unwrap().first().map(members).as_deref() {
            None => "nothing".to_owned(),
            Some([("client_secret_basic", _)]) => "client authentication".to_owned(),
            Some([(_, scopes)]) => match scopes[0].as_str() {
                None => "any access token".to_owned(),
                Some(scope) => format!("`{scope}`"),
            },
            Some(other) => panic!("{name}: {other:?}"),
        };
        let summary = operation["summary"].as_str().unwrap();
        let row = format!("| `{} {path}` | {access} | {summary} |", method.to_uppercase());
        assert!(reference.contains(&row), "{row}");
    }
}

fn operations() -> impl Iterator<Item = (String, &'static Value)> {
    let items = API["paths"].as_object().unwrap().iter();
    items.flat_map(|(path, item)| {
        item.as_object()
            .unwrap()
            .iter()
            .map(move |(method, operation)| (format!("{method} {path}"), operation))
    })
}

fn members(value: &Value) -> Vec<(&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value)).collect()
}

fn has_text(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.is_empty())
}
