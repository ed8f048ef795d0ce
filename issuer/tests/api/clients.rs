//! Clients that a process remembers.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::TestIssuer;

#[tokio::test]
async fn a_client_is_told_to_forward_by_an_administrator() {
    let test = TestIssuer::with_administrators().await;
    let boss = test.console("boss").await;
    let forward = |is_on: bool| json!({ "forwards_user_address": is_on });

    let shop = test.ask_as(&boss, "GET /admin/clients/shop", "", Value::Null).await.success();
    assert_eq!(shop.body["forwards_user_address"], false);
    let shop =
        test.ask_as(&boss, "PATCH /admin/clients/shop", shop.header("etag"), forward(true)).await.success();
    assert_eq!(shop.body["forwards_user_address"], true);
    test.ask_as(&boss, "PATCH /admin/clients/app", "*", forward(true)).await.refused(409, "public_client");
    let public = json!({ "client_id": "kiosk", "name": "k", "public": true, "forwards_user_address": true });
    test.ask_as(&boss, "POST /admin/clients", "", public).await.refused(422, "invalid_client_settings");
    let made = json!({ "client_id": "kiosk", "name": "k", "forwards_user_address": true });
    let made = test.ask_as(&boss, "POST /admin/clients", "", made).await;
    assert_eq!((made.status.as_u16(), &made.body["forwards_user_address"]), (201, &json!(true)));
}

/// C-03: a deadline is a deadline, whatever a process remembers.
#[tokio::test]
async fn a_secret_ends_at_its_deadline() {
    let test = TestIssuer::with_administrators().await;
    let boss = test.console("boss").await;
    let ask = async || {
        test.form_with(&[test.basic("robot")], "grant_type=client_credentials").await.status.as_u16()
    };
    assert_eq!(ask().await, 200);

    let body = json!({ "old_valid_for": 1 });
    let added = test.ask_as(&boss, "POST /admin/clients/robot/secrets", "", body).await;
    assert_eq!(added.status.as_u16(), 201, "{added:?}");

    // The database's time passes, and a second for a busy machine.
    let begun = Instant::now();
    while ask().await == 200 {
        tokio::task::yield_now().await;
        assert!(begun.elapsed() < Duration::from_secs(2), "the old secret still works");
    }
    let basic = crate::support::basic("robot", &added.text("client_secret"));
    test.form_with(&[basic], "grant_type=client_credentials").await.success();
}
