//! Whatever a role, a scope or a client may be called, it can be read, changed and deleted.

use serde_json::{Value, json};

use crate::support::{Answer, ISSUER, TestIssuer};

const NONE: Value = Value::Null;
/// A path would carry none of them as it is.
const NAMES: [&str; 12] = [
    "https://api.example.com/read",
    "a/b",
    "a%b",
    "a%2fb",
    "a;b",
    "a?b",
    "a#b",
    ".",
    "..",
    "~a",
    "<a>",
    "{*a}",
];

/// The path of what was made, as the answer names it.
fn made(answer: &Answer) -> String {
    assert_eq!(answer.status.as_u16(), 201, "{answer:?}");
    answer.header("location").strip_prefix(ISSUER).unwrap().to_owned()
}

#[tokio::test]
async fn a_role_of_any_name_can_be_managed() {
    let test = TestIssuer::with_administrators().await;
    let boss = test.console("boss").await;

    for name in NAMES {
        let body = json!({ "name": name, "scopes": [] });
        let path = made(&test.ask_as(&boss, "POST /admin/roles", "", body).await);
        changed_and_deleted(&test, &boss, &path, ("name", name)).await;
        test.ask_as(&boss, &format!("GET {path}"), "", NONE).await.refused(404, "not_found");
    }
}

/// Whoever held it logs in anew after it is gone.
#[tokio::test]
async fn a_scope_of_any_name_can_be_managed() {
    let test = TestIssuer::with_administrators().await;
    let scopes = "keystone:scopes:read keystone:scopes:write keystone:grant";

    for name in ["https://api.example.com/read", "a%2fb", "..", "~a"] {
        let boss = test.console_for("boss", scopes).await;
        let body = json!({ "name": name, "resource": "orders" });
        let path = made(&test.ask_as(&boss, "POST /admin/scopes", "", body).await);
        changed_and_deleted(&test, &boss, &path, ("name", name)).await;
    }
}

#[tokio::test]
async fn a_client_of_any_name_can_be_managed() {
    let test = TestIssuer::with_administrators().await;
    let boss = test.console("boss").await;

    for name in [".", "..", "-", "a.b"] {
        let body = json!({ "client_id": name, "name": "A service", "grants": ["client_credentials"] });
        let path = made(&test.ask_as(&boss, "POST /admin/clients", "", body).await);
        let secret = test.ask_as(&boss, &format!("POST {path}/secrets"), "", json!({})).await;
        assert_eq!(secret.status.as_u16(), 201, "{secret:?}");
        let removed = test.ask_as(&boss, &format!("DELETE {path}/secrets/1"), "", NONE).await;
        assert_eq!(removed.status.as_u16(), 204, "{removed:?}");
        changed_and_deleted(&test, &boss, &path, ("client_id", name)).await;
        test.ask_as(&boss, &format!("GET {path}"), "", NONE).await.refused(404, "not_found");
    }
}

async fn changed_and_deleted(test: &TestIssuer, token: &str, path: &str, (member, name): (&str, &str)) {
    let read = test.ask_as(token, &format!("GET {path}"), "", NONE).await.success();
    assert_eq!(read.body[member], name);
    let patch =
        if member == "name" { json!({ "description": "Changed" }) } else { json!({ "enabled": false }) };
    test.ask_as(token, &format!("PATCH {path}"), "*", patch).await.success();
    let gone = test.ask_as(token, &format!("DELETE {path}"), "", NONE).await;
    assert_eq!(gone.status.as_u16(), 204, "{path}: {gone:?}");
}

#[tokio::test]
async fn a_name_has_two_spellings_in_a_path_and_no_third() {
    let test = TestIssuer::with_administrators().await;
    let boss = test.console("boss").await;

    for spelled in ["orders:read", "orders%3Aread", "~b3JkZXJzOnJlYWQ"] {
        test.ask_as(&boss, &format!("GET /admin/scopes/{spelled}"), "", NONE).await.success();
    }
    for unknown in ["~", "~b3JkZXJzOnJlYWQ%3D", "~b3JkZXJzOnJlYWR", "~AA", "~!", "orders:read%20", "%C3%A9"] {
        let answer = test.ask_as(&boss, &format!("GET /admin/scopes/{unknown}"), "", NONE).await;
        answer.refused(404, "not_found");
    }
    for ambiguous in ["orders%2Fread", "a%25b", "a%3Bb", "a;b", "..", "a%2Fb"] {
        let answer = test.ask_as(&boss, &format!("GET /admin/scopes/{ambiguous}"), "", NONE).await;
        answer.refused(400, "bad_path");
    }
}
