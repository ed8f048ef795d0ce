//! Clients and their secrets.

use serde_json::{Value, json};

use crate::support::{Answer, TestIssuer, basic};

const NONE: Value = Value::Null;

fn packer() -> Value {
    json!({ "client_id": "packer", "name": "Packs", "grants": ["client_credentials"], "scopes": ["orders:read", "orders:write"] })
}

async fn token(test: &TestIssuer, secret: &str) -> Answer {
    test.form_with(&[basic("packer", secret)], "grant_type=client_credentials").await
}

#[tokio::test]
async fn a_client_is_made_used_changed_and_deleted() {
    let test = TestIssuer::with_administrators().await;
    let boss = test.console("boss").await;

    let made = test.ask_as(&boss, "POST /admin/clients", "", packer()).await;
    assert_eq!(made.status.as_u16(), 201, "{made:?}");
    let secret = made.text("client_secret");
    test.ask_as(&boss, "POST /admin/clients", "", packer()).await.refused(409, "exists");
    assert_eq!(token(&test, &secret).await.success().claims()["cv"], 0);

    let path = "PATCH /admin/clients/packer";
    test.ask_as(&boss, path, "", json!({})).await.refused(428, "precondition_required");
    test.ask_as(&boss, path, "\"x\"", json!({})).await.refused(412, "stale");
    let less = json!({ "scopes": ["orders:read"] });
    let less = test.ask_as(&boss, path, made.header("etag"), less).await.success();
    assert_eq!(less.body["default_scopes"], json!(["orders:read"]));
    let after = token(&test, &secret).await.success();
    assert_eq!((&after.claims()["scope"], &after.claims()["cv"]), (&json!("orders:read"), &json!(1)));
    test.ask_as(&boss, path, "*", json!({ "default_scopes": ["bills:read"] }))
        .await
        .refused(422, "default_scope");

    test.ask_as(&boss, path, "*", json!({ "enabled": false })).await.success();
    token(&test, &secret).await.refused(401, "invalid_client");
    let read = test.ask_as(&boss, "GET /admin/clients/packer", "", NONE).await.success();
    assert_eq!((&read.body["enabled"], &read.body["secrets"][0]["slot"]), (&json!(false), &json!(1)));
    assert!(!read.body.to_string().contains("hash"));
    let list = test.ask_as(&boss, "GET /admin/clients?limit=1&cursor=off", "", NONE).await.success();
    assert_eq!(
        (&list.body["clients"][0]["client_id"], &list.body["next"]),
        (&json!("packer"), &json!("packer"))
    );

    let gone = test.ask_as(&boss, "DELETE /admin/clients/packer", "", NONE).await;
    assert_eq!(gone.status.as_u16(), 204);
    test.ask_as(&boss, "GET /admin/clients/packer", "", NONE).await.refused(404, "not_found");
    let again = test.ask_as(&boss, "POST /admin/clients", "", packer()).await;
    let claims = token(&test, &again.text("client_secret")).await.success().claims();
    assert_eq!(claims["cv"], 3, "what was revoked of the earlier one must not match: {claims}");
}

/// C-02: and what else no client can be.
#[tokio::test]
async fn a_client_looks_like_no_user() {
    let test = TestIssuer::with_administrators().await;
    let boss = test.console("boss").await;

    for (member, value) in [
        ("client_id", json!("7d444840-9dc0-11d1-b245-5ffdce74fad2")),
        ("client_id", json!("7d4448409dc011d1b2455ffdce74fad2")),
        ("client_id", json!("client:packer")),
        ("client_id", json!("")),
        ("public", json!(true)),
        ("default_scopes", json!(["bills:read"])),
    ] {
        let mut body = packer();
        body[member] = value;
        test.ask_as(&boss, "POST /admin/clients", "", body).await.refused(422, "invalid_client_settings");
    }
}

/// C-06
#[tokio::test]
async fn two_secrets_live_at_once_and_the_old_one_dies() {
    let test = TestIssuer::with_administrators().await;
    let boss = test.console("boss").await;
    let first = test.ask_as(&boss, "POST /admin/clients", "", packer()).await.text("client_secret");
    let add = |body: Value| test.ask_as(&boss, "POST /admin/clients/packer/secrets", "", body);

    let second = add(json!({})).await;
    assert_eq!((second.status.as_u16(), &second.body["slot"]), (201, &json!(2)));
    let second = second.text("client_secret");
    for secret in [&first, &second] {
        token(&test, secret).await.success();
    }
    add(json!({})).await.refused(409, "two_secrets");
    let gone = test.ask_as(&boss, "DELETE /admin/clients/packer/secrets/1", "", NONE).await;
    assert_eq!(gone.status.as_u16(), 204);
    token(&test, &first).await.refused(401, "invalid_client");
    assert_eq!(token(&test, &second).await.success().claims()["cv"], 1);
    let third = add(json!({ "old_valid_for": 0 })).await.text("client_secret");
    token(&test, &second).await.refused(401, "invalid_client");
    token(&test, &third).await.success();
    for slot in ["2", "3", "x", "-1"] {
        let line = format!("DELETE /admin/clients/packer/secrets/{slot}");
        let answer = test.ask_as(&boss, &line, "", NONE).await;
        assert!(slot == "2" || answer.status.as_u16() == 404, "{slot}: {answer:?}");
    }
    let public = test.ask_as(&boss, "POST /admin/clients/keystone-console/secrets", "", json!({})).await;
    public.refused(409, "public_client");
}

/// a secret is what its client holds.
#[tokio::test]
async fn nobody_touches_a_client_that_holds_more_than_they_do() {
    let test = TestIssuer::with_administrators().await;
    let root = test.console("root").await;

    for (line, body) in [
        ("POST /admin/clients", packer()),
        ("PATCH /admin/clients/shop", json!({ "name": "x" })),
        ("DELETE /admin/clients/shop", NONE),
        ("POST /admin/clients/shop/secrets", json!({})),
        ("DELETE /admin/clients/shop/secrets/1", NONE),
        ("PATCH /admin/clients/keystone-console", json!({ "scopes": ["orders:read"] })),
    ] {
        test.ask_as(&root, line, "*", body).await.refused(403, "beyond_caller");
    }
}
