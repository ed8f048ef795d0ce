//! The published schema of policy files (`docs/policy.schema.json`) says what the parser says: held together by trying every
//! member of a policy with values of every kind.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Mutex;

use keystone_verifier::Policy;
use regex::Regex;
use serde_json::{Map, Value, json};

#[test]
fn the_schema_and_the_parser_take_and_refuse_the_same_documents() {
    let schema = schema();
    let (mut taken, mut refused) = (0, 0);
    for document in bases().iter().flat_map(changed) {
        let parsed = Policy::parse(document.to_string().as_bytes()).map_err(|error| error.to_string());
        match (fits(&schema, &schema, &document), parsed) {
            (true, Ok(_)) => taken += 1,
            (false, Err(_)) => refused += 1,
            // No schema can say these.
            (true, Err(error)) if BEYOND.iter().any(|words| error.contains(words)) => {}
            (true, Err(error)) => panic!("only the parser refuses {document}: {error}"),
            (false, Ok(_)) => panic!("only the schema refuses {document}"),
        }
    }

    assert!(taken > 50 && refused > 500, "{taken} taken, {refused} refused");
}

#[test]
fn every_member_is_described() {
    fn walk(schema: &Value, place: &str) {
        for (name, member) in schema["properties"].as_object().into_iter().flatten() {
            assert!(member["description"].is_string(), "{place}.{name}");
        }
        let parts = schema.as_object().into_iter().flatten().map(|(name, part)| (name.clone(), part));
        let items = schema.as_array().into_iter().flatten().map(|part| ("[]".to_owned(), part));
        parts.chain(items).for_each(|(name, part)| walk(part, &format!("{place}.{name}")));
    }
    walk(&schema(), "");
}

const BEYOND: [&str; 8] = [
    "a route before has the same path and method",
    "stands in this list before",
    "is used for another claim",
    "the key set",
    "a segment is letters",
    "a `{` needs its `}`",
    "must not contain `//`",
    "needs the feed of every issuer",
];

fn schema() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/policy.schema.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Policies that together hold every member.
fn bases() -> [Value; 3] {
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "kid": "k1", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
    let route = |more: Value| {
        let mut route = json!({ "methods": ["GET", "M-SEARCH"], "path": "/orders/{id}" });
        route.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        route
    };
    [
        json!({ "$schema": "x", "version": 1, "path_comparison": "lenient",
            "issuers": [{ "issuer": "https://as.example", "audiences": ["orders", "stock"], "revocation": "off",
                "keys": { "url": "https://as.example/jwks", "cluster": "as" }, "leeway_seconds": 5,
                "max_lifetime_seconds": 900 }],
            "routes": [route(json!({ "require": { "all": ["a", "b"], "any": ["c"] }, "roles": ["clerk"] }))],
            "identity_headers": { "subject": "x-a", "client_id": "x-b", "scope": "x-c", "session": "x-d", "roles": "x-e" } }),
        json!({ "version": 1, "path_comparison": "exact", "jwt_authn_compatible": true,
            "issuers": [{ "issuer": "a", "audiences": ["orders"], "keys": { "inline": { "keys": [jwk] } } }],
            "routes": [
                route(json!({ "public": true })),
                { "methods": ["PUT"], "path": "/{*rest}", "authenticated": true, "roles": ["clerk"] }] }),
        json!({ "version": 1,
            "issuers": [{ "issuer": "a", "audiences": ["orders"], "keys": { "url": "https://a/k" },
                "revocation": { "url": "https://a/r", "keys_url": "https://a/f", "cluster": "a", "max_stale_seconds": 60 } }],
            "routes": [route(json!({ "authenticated": true, "revocation": "strict" }))] }),
    ]
}

/// The document, and each that differs from it in one value, one member more or one member less.
fn changed(base: &Value) -> Vec<Value> {
    let mut pointers = Vec::new();
    collect(base, String::new(), &mut pointers);
    let values = [
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(-1),
        json!(1),
        json!(2),
        json!(1.5),
        json!(120),
        json!(121),
        json!(31_536_000),
        json!(31_536_001),
        json!(""),
        json!("x"),
        json!("x-"),
        json!("X-A"),
        json!("x-a b"),
        json!("a b"),
        json!("a\"b"),
        json!("a\\b"),
        json!("é"),
        json!("GET"),
        json!("get"),
        json!("G T"),
        json!("/"),
        json!("/a/{b}"),
        json!("http://a"),
        json!("ftp://a"),
        json!("https://[::1]:8443/k%20?a=b/c"),
        json!("https://a/b c"),
        json!("https://a/\"k\""),
        json!("https://a/é"),
        json!("https://a/%"),
        json!("https://u@a/k"),
        json!("https://a?k"),
        json!("https://a/k#f"),
        json!("off"),
        json!("on"),
        json!("strict"),
        json!({ "url": "https://a", "keys_url": "http://b" }),
        json!([]),
        json!([""]),
        json!(["a"]),
        json!(["GET", "get"]),
        json!([1]),
        json!({}),
        json!({ "x": 1 }),
        json!({ "all": ["a"] }),
        json!({ "all": [] }),
        json!({ "any": ["a"], "x": 1 }),
        json!({ "url": "https://a" }),
        json!({ "cluster": "a" }),
    ];
    let names = [
        "x",
        "public",
        "authenticated",
        "require",
        "roles",
        "cluster",
        "url",
        "inline",
        "any",
        "subject",
        "revocation",
    ];
    let additions = [json!(true), json!(["a"]), json!({ "all": ["a"] }), json!("x-z"), json!("strict")];

    let mut documents = vec![base.clone()];
    for pointer in &pointers {
        documents.extend(values.iter().map(|value| with(base, pointer, |place| *place = value.clone())));
        for (name, value) in names.iter().flat_map(|name| additions.iter().map(move |value| (name, value))) {
            documents.push(with(base, pointer, |place| {
                if let Some(object) = place.as_object_mut() {
                    object.insert((*name).to_owned(), value.clone());
                }
            }));
        }
        let (parent, name) = pointer.rsplit_once('/').unwrap_or_default();
        documents.push(with(base, parent, |place| {
            place.as_object_mut().map(|object| object.remove(name));
        }));
    }
    documents
}

fn collect(value: &Value, place: String, pointers: &mut Vec<String>) {
    // What is within is the business of the key set, not of the policy.
    if !place.ends_with("/inline") {
        let members = value.as_object().into_iter().flatten().map(|(name, member)| (name.clone(), member));
        let items = value.as_array().into_iter().flatten().enumerate();
        for (name, part) in members.chain(items.map(|(at, item)| (at.to_string(), item))) {
            collect(part, format!("{place}/{name}"), pointers);
        }
    }
    pointers.push(place);
}

fn with(base: &Value, pointer: &str, change: impl FnOnce(&mut Value)) -> Value {
    let mut document = base.clone();
    change(document.pointer_mut(pointer).unwrap());
    document
}

/// As much of JSON Schema as the schema uses; a keyword that is not known here fails the test.
fn fits(root: &Value, schema: &Value, value: &Value) -> bool {
    schema.as_object().unwrap().iter().all(|(keyword, rule)| match keyword.as_str() {
        "$schema" | "title" | "description" | "default" | "$defs" => true,
        "type" => is_a(rule.as_str().unwrap(), value),
        "const" => value == rule,
        "enum" => rule.as_array().unwrap().contains(value),
        "$ref" => fits(root, root.pointer(rule.as_str().unwrap().trim_start_matches('#')).unwrap(), value),
        "anyOf" => rule.as_array().unwrap().iter().any(|one| fits(root, one, value)),
        "oneOf" => rule.as_array().unwrap().iter().filter(|one| fits(root, one, value)).count() == 1,
        "not" => !fits(root, rule, value),
        "required" => each(rule, |name| value.as_object().is_none_or(|object| object.contains_key(name))),
        "properties" => {
            members(value).all(|(name, member)| rule.get(name).is_none_or(|rule| fits(root, rule, member)))
        }
        "additionalProperties" if *rule == json!(false) => {
            members(value).all(|(name, _)| schema["properties"].get(name).is_some())
        }
        "items" => value.as_array().into_iter().flatten().all(|item| fits(root, rule, item)),
        "uniqueItems" => {
            value.as_array().is_none_or(|items| (1..items.len()).all(|at| !items[..at].contains(&items[at])))
        }
        "minItems" => value.as_array().is_none_or(|items| items.len() as u64 >= rule.as_u64().unwrap()),
        "minProperties" => {
            value.as_object().is_none_or(|object| object.len() as u64 >= rule.as_u64().unwrap())
        }
        "minLength" => {
            value.as_str().is_none_or(|text| text.chars().count() as u64 >= rule.as_u64().unwrap())
        }
        "minimum" => value.as_f64().is_none_or(|number| number >= rule.as_f64().unwrap()),
        "maximum" => value.as_f64().is_none_or(|number| number <= rule.as_f64().unwrap()),
        "pattern" => value.as_str().is_none_or(|text| matches(rule.as_str().unwrap(), text)),
        other => panic!("the keyword {other} is not known to this test"),
    })
}

fn matches(pattern: &str, text: &str) -> bool {
    // Reading a pattern takes much longer than a match.
    static READ: Mutex<BTreeMap<String, Regex>> = Mutex::new(BTreeMap::new());
    let mut read = READ.lock().unwrap();
    read.entry(pattern.to_owned()).or_insert_with(|| Regex::new(pattern).unwrap()).is_match(text)
}

fn is_a(kind: &str, value: &Value) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        other => panic!("the type {other} is not known to this test"),
    }
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

fn each(list: &Value, holds: impl Fn(&str) -> bool) -> bool {
    list.as_array().unwrap().iter().all(|item| holds(item.as_str().unwrap()))
}
