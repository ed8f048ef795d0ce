//! The reference of the policy file (`docs/reference/policy.md`): its examples load, and it explains every member.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails; clippy exempts only the bodies of test functions by itself"
)]

use std::fs;
use std::path::Path;

use keystone_verifier::Policy;
use serde_json::Value;

#[test]
fn every_example_of_the_reference_loads() {
    let page = read("docs/reference/policy.md");
    let examples: Vec<&str> =
        page.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();

    assert!(examples.len() > 8, "{}", examples.len());
    for example in examples {
        Policy::parse(example.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{example}"));
    }
}

#[test]
fn the_reference_names_every_member_of_the_schema() {
    let (page, schema) = (read("docs/reference/policy.md"), read("docs/policy.schema.json"));
    let mut members = Vec::new();
    collect(&serde_json::from_str(&schema).unwrap(), &mut members);

    assert!(members.len() > 30, "{members:?}");
    for member in members {
        assert!(page.contains(&format!("`{member}`")) || page.contains(&format!("\"{member}\"")), "{member}");
    }
}

fn collect(schema: &Value, members: &mut Vec<String>) {
    match schema {
        Value::Object(object) => {
            for (name, value) in object {
                if name == "properties" {
                    members.extend(value.as_object().unwrap().keys().cloned());
                }
                collect(value, members);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, members)),
        _ => {}
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).unwrap()
}
