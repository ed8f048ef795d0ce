//! Everyone's sessions, for those who look after them.

use serde_json::{Value, json};

use crate::support::TestIssuer;

#[tokio::test]
async fn sessions_are_found_by_user_and_client_and_turned_page_by_page() {
    let test = TestIssuer::with_administrators().await;
    test.user("kim", &["customer"]).await;
    for username in ["alice", "alice", "kim"] {
        test.login(username).await.success();
    }
    let root = test.console("root").await;
    let found = async |query: &str| {
        let answer = test.get_as(&format!("/admin/sessions?{query}"), &root).await.success();
        let sessions = answer.body["sessions"].as_array().unwrap().clone();
        (sessions, answer.body["next"].clone())
    };
    let alice = test.path_of("alice").await.replace("/admin/users/", "");

    let (all, next) = found("").await;
    assert_eq!((all.len(), next), (4, Value::Null));
    let (hers, _) = found(&format!("user_id={alice}&client_id=app")).await;
    assert_eq!(hers.len(), 2);
    assert!(hers.iter().all(|session| session["username"] == "alice" && session["client_id"] == "app"));
    assert_eq!(found(&format!("user_id={alice}&client_id=console")).await.0.len(), 0);

    let mut turned = Vec::new();
    let mut cursor = String::new();
    loop {
        let (page, next) = found(&format!("limit=1{cursor}")).await;
        turned.extend(page);
        match next {
            Value::String(next) => cursor = format!("&cursor={next}"),
            _ => break,
        }
    }
    assert_eq!(turned, all);
    for wrong in ["user_id=x", "cursor=x", "limit=0", "user=x"] {
        test.get_as(&format!("/admin/sessions?{wrong}"), &root).await.refused(400, "invalid_request");
    }
}

#[tokio::test]
async fn a_session_ends_with_its_tokens_and_the_others_go_on() {
    let test = TestIssuer::with_administrators().await;
    let (one, other) = (test.account_login("app").await, test.account_login("app").await);
    let root = test.console("root").await;
    let line = format!("DELETE /admin/sessions/{}", one.claims()["sid"].as_str().unwrap());

    assert_eq!(test.ask_as(&root, &line, "", Value::Null).await.status.as_u16(), 204);
    test.ask_as(&root, &line, "", Value::Null).await.refused(404, "not_found");
    test.ask_as(&root, "DELETE /admin/sessions/x", "", Value::Null).await.refused(404, "not_found");

    test.refresh("app", &one.text("refresh_token")).await.refused(400, "invalid_grant");
    test.get_as("/users/me", &one.text("access_token")).await.refused(401, "revoked");
    test.get_as("/users/me", &other.text("access_token")).await.success();
    let audit = test.get_as("/admin/audit?action=session.", &root).await.success();
    let entry = &audit.body["entries"][0];
    assert_eq!(
        (&entry["action"], &entry["target"]),
        (&json!("session.ended_by_administrator"), &one.claims()["sid"])
    );
}

#[tokio::test]
async fn all_sessions_of_a_user_end_at_once() {
    let test = TestIssuer::with_administrators().await;
    let logins = [test.account_login("app").await, test.account_login("app").await];
    test.user("kim", &["customer"]).await;
    let kim = test.login("kim").await.success();
    let root = test.console("root").await;
    let line = format!("DELETE {}/sessions", test.path_of("alice").await);

    assert_eq!(test.ask_as(&root, &line, "", Value::Null).await.status.as_u16(), 204);

    for login in &logins {
        test.refresh("app", &login.text("refresh_token")).await.refused(400, "invalid_grant");
        test.get_as("/users/me", &login.text("access_token")).await.refused(401, "revoked");
    }
    test.refresh("app", &kim.text("refresh_token")).await.success();
    test.account_login("app").await;
}
