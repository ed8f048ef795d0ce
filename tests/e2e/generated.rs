//! Requests generated from the description of the routes: never a 5xx, every answer as described.
//!
//! On issuers of their own, because the requests of an administrator change and delete what they meet.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use keystone_tests::issuer::Home;
use keystone_tests::python::Python;
use serde_json::{Value, json};

use crate::lab::{Alone, Lab, promises};

pub(crate) const PROMISES: &[(&str, Alone)] = promises![
    generated_requests_are_answered_as_described_on_sqlite,
    generated_requests_are_answered_as_described_on_postgres,
];

fn generated_requests_are_answered_as_described_on_sqlite(lab: &Lab) -> Result<()> {
    let home = lab.issuer_home("generated-sqlite", |settings| settings.sections = CHEAP.to_owned())?;
    every_answer_is_described(lab, &home)
}

fn generated_requests_are_answered_as_described_on_postgres(lab: &Lab) -> Result<()> {
    let (_backends, home) =
        lab.issuer_home_on_postgres("generated-postgres", |settings| settings.sections = CHEAP.to_owned())?;
    every_answer_is_described(lab, &home)
}

fn every_answer_is_described(lab: &Lab, home: &Home) -> Result<()> {
    let applied = home.apply(CAST)?;
    let secret = applied.pointer("/secrets/tester").and_then(Value::as_str).context("no secret")?;
    let issuer = home.serve()?;
    let token = issuer.tokens(&issuer.client_grant("tester", secret))?.access;
    let user = issuer.site.post("/admin/users").bearer(&token).json(&json!({ "username": "guinea-pig" }));
    let user = user.send()?.expect(201)?.member("id")?;
    let python = Python::new(&lab.tools, &home.directory)?;
    fs::write(home.directory.join("schemathesis.toml"), SETTINGS)?;
    fs::write(home.directory.join("generated_hooks.py"), HOOKS)?;

    let said = python
        .module("schemathesis.cli")
        .args(["run", &format!("{}/openapi.json", home.url())])
        .env("TOKEN", &token)
        .env("SECRET", secret)
        .env("USER_ID", user)
        .run("", Duration::from_secs(240))?;

    ensure!(said.code() == Some(0), "{}{}", said.stdout, said.stderr);
    let api = issuer.site.get("/openapi.json").send()?.expect(200)?.json()?;
    let tested = format!("Tested: {}\n", operations(&api));
    ensure!(said.stdout.contains(&tested), "not {tested}{}", said.stdout);
    // Whoever had lost the token on the way would have tested 401 only.
    issuer.site.get("/admin/keys").bearer(&token).send()?.expect(200).map(drop)
}

fn operations(api: &Value) -> usize {
    let paths = api.get("paths").and_then(Value::as_object).into_iter().flatten();
    paths.filter_map(|(_, item)| item.as_object()).map(serde_json::Map::len).sum()
}

/// The same requests each time. An administrator's reach things that exist; what deletes does not, lest it deletes the tester.
const SETTINGS: &str = r#"
hooks = "generated_hooks.py"
continue-on-failure = true
warnings = false

[auth.openapi]
access_token = { bearer = "${TOKEN}" }
client_secret_basic = { username = "tester", password = "${SECRET}" }

[generation]
deterministic = true
max-examples = 30
database = "none"

[phases]
stateful.enabled = true
coverage.extra-data-sources.responses = false
fuzzing.extra-data-sources.responses = false

# All of them. What a well-formed request is refused for, `generated_hooks.py` looks at.
[checks]
missing_required_header.expected-statuses = ["4xx"]
negative_data_rejection.expected-statuses = ["4xx"]
positive_data_acceptance.expected-statuses = ["2xx", "3xx", "400", "401", "403", "404", "409", "412", "422"]

[[operations]]
include-method = ["GET", "PATCH", "POST", "PUT"]
include-path-regex = "^/admin/users/"
parameters = { "header.If-Match" = "*", "path.id" = "${USER_ID}" }

[[operations]]
include-method = ["GET", "PATCH", "POST", "PUT"]
include-path-regex = "^/admin/roles/"
parameters = { "header.If-Match" = "*", "path.name" = "guinea-pig" }

[[operations]]
include-method = ["GET", "PATCH", "POST", "PUT"]
include-path-regex = "^/admin/scopes/"
parameters = { "header.If-Match" = "*", "path.name" = "keystone:audit:read" }

[[operations]]
include-method = ["GET", "PATCH", "POST", "PUT"]
include-path-regex = "^/admin/clients/"
parameters = { "header.If-Match" = "*", "path.client_id" = "guinea-pig" }
"#;

const HOOKS: &str = include_str!("../python/generated_hooks.py");

/// The cheapest password hashes: their cost is not a subject of these tests.
const CHEAP: &str = "[passwords]\nmemory_kib = 8\npasses = 1";

const CAST: &str = r#"
[[roles]]
name = "guinea-pig"
scopes = ["keystone:audit:read"]

[[clients]]
client_id = "guinea-pig"
name = "To be changed"
grants = ["client_credentials"]
scopes = ["keystone:audit:read"]

[[clients]]
client_id = "tester"
name = "May do everything"
grants = ["client_credentials"]
scopes = [
    "keystone:users:read", "keystone:users:write", "keystone:roles:read", "keystone:roles:write",
    "keystone:scopes:read", "keystone:scopes:write", "keystone:clients:read", "keystone:clients:write",
    "keystone:keys:read", "keystone:keys:write", "keystone:sessions:read", "keystone:sessions:write",
    "keystone:audit:read",
]
"#;
