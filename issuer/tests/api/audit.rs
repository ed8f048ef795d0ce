//! The audit log as auditors read it.

use serde_json::{Value, json};

use crate::support::TestIssuer;

const NONE: Value = Value::Null;

#[tokio::test]
async fn the_audit_log_is_read_with_filters_newest_first() {
    let test = TestIssuer::with_administrators().await;
    let boss = test.console("boss").await;
    let body = json!({ "name": "packer", "scopes": [] });
    test.ask_as(&boss, "POST /admin/roles", "", body).await;
    test.ask_as(&boss, "PATCH /admin/roles/packer", "*", json!({ "description": "x" })).await.success();
    let read = |query: &str| {
        let line = format!("GET /admin/audit?{query}");
        let (test, boss) = (&test, &boss);
        async move { test.ask_as(boss, &line, "", NONE).await }
    };
    let actions = |page: &Value| -> Vec<String> {
        let entries = page["entries"].as_array().unwrap().iter();
        entries.map(|entry| entry["action"].as_str().unwrap().to_owned()).collect()
    };

    let page = read("target=packer").await.success().body;
    assert_eq!(actions(&page), ["role.updated", "role.created"]);
    let actor = page["entries"][0]["actor"].as_str().unwrap();
    assert!(actor.starts_with("user:"), "{page}");
    assert_eq!(
        actions(&read(&format!("actor={actor}&action=role.c")).await.success().body),
        ["role.created"]
    );
    let one = read("target=packer&limit=1").await.success().body;
    let older = read(&format!("target=packer&limit=1&cursor={}", one["next"])).await.success().body;
    assert_eq!(
        (actions(&one), actions(&older)),
        (vec!["role.updated".to_owned()], vec!["role.created".to_owned()])
    );
    assert!(actions(&read("since=2999-01-01T00:00:00Z").await.success().body).is_empty());
    assert!(actions(&read("until=2001-01-01T00:00:00Z").await.success().body).is_empty());
    assert_eq!(
        actions(
            &read("target=packer&since=2001-01-01T00:00:00Z&until=2999-01-01T00:00:00Z").await.success().body
        )
        .len(),
        2
    );
    for wrong in
        ["since=yesterday", "until=9999-12-31T23:59:59-01:00", "cursor=x", "limit=0", "order=at", "actor=%00"]
    {
        assert_eq!(read(wrong).await.status.as_u16(), 400, "{wrong}");
    }
}
