//! The password grant: who gets in, and what those learn who do not.

use std::time::Duration;

use keystone_issuer::config::PasswordPolicy;
use keystone_issuer::password::Passwords;

use crate::support::{PASSWORD, TestIssuer, all};

#[tokio::test]
async fn a_login_gives_what_client_and_user_both_have() {
    let test = TestIssuer::start().await;

    let answer = test.login("alice").await.success();

    // The client's default is read and write; alice may only read.
    assert_eq!(answer.text("scope"), "orders:read");
    assert!(answer.text("refresh_token").starts_with("ksrt_"));
    assert_eq!(answer.claims()["roles"], serde_json::json!(["customer"]));
    assert_eq!(answer.claims()["sub"].as_str().unwrap().len(), 36);
}

#[tokio::test]
async fn asked_scopes_are_left_out_where_the_user_lacks_them() {
    let test = TestIssuer::start().await;
    let login = format!("grant_type=password&client_id=app&username=alice&password={PASSWORD}");

    let some = test.form(format!("{login}&scope=bills:read orders:write")).await.success();

    assert_eq!(some.text("scope"), "bills:read");
    test.form(format!("{login}&scope=orders:write")).await.refused(400, "invalid_scope");
    test.login("olaf").await.refused(400, "invalid_scope");
}

#[tokio::test]
async fn a_refresh_token_is_for_clients_that_may_use_it() {
    let test = TestIssuer::start().await;

    let answer = test.login_as("brief", "alice", PASSWORD).await.success();

    assert!(answer.body["refresh_token"].is_null());
}

/// L-01, L-11, L-14
#[tokio::test]
async fn whoever_fails_gets_the_same_answer() {
    let test = TestIssuer::start().await;
    let mut answers = Vec::new();

    for (username, password) in [
        ("alice", "wrong"),
        ("nobody-knows", PASSWORD),
        ("", "x "),
        ("al\0ice", PASSWORD),
        ("alіce", PASSWORD),
        ("alice", "Nine purple hats"),
        ("alice", "nine purple hats "),
        ("alice", "nine\u{a0}purple hats"),
    ] {
        answers.push(test.login_as("app", if username.is_empty() { "-" } else { username }, password).await);
    }
    for password in ["a".repeat(1025), "a".repeat(129), "😀".repeat(129)] {
        answers.push(test.login_as("app", "alice", &password).await);
    }

    let first = answers[0].body.clone();
    for answer in answers {
        let answer = answer.refused(400, "invalid_grant");
        assert_eq!(answer.body, first);
        let names: Vec<_> = answer.headers.keys().map(|name| name.as_str()).collect();
        assert_eq!(
            names,
            [
                "content-type",
                "vary",
                "cache-control",
                "x-content-type-options",
                "x-request-id",
                "content-length"
            ]
        );
    }
}

/// L-16
#[tokio::test]
async fn a_username_is_found_however_it_is_typed() {
    let test = TestIssuer::start().await;

    for name in ["ALICE", " alice ", "ａｌｉｃｅ"] {
        test.login(name).await.success();
    }
}

/// L-02
#[tokio::test]
async fn a_hash_of_another_cost_is_replaced_at_the_next_login() {
    let test = TestIssuer::start().await;
    let before = hash(&test, "alice").await;
    let world = test.issuer.world.clone();
    let dearer = keystone_issuer::config::Passwords {
        policy: PasswordPolicy::Classic,
        memory_kib: 16,
        passes: 1,
        lanes: 1,
        permits: 1,
        deadline: Duration::from_secs(5),
    };
    let test = test.rebuilt(|issuer| issuer.passwords = Passwords::start(&dearer, world).unwrap());

    test.login("alice").await.success();

    // The new hash is written after the answer.
    let after = loop {
        let now = hash(&test, "alice").await;
        if now != before {
            break now;
        }
        tokio::task::yield_now().await;
    };
    assert!(after.starts_with("$argon2id$v=19$m=16,"), "{after}");
    test.login("alice").await.success();
}

/// L-24, B-02
#[tokio::test]
async fn a_one_time_password_is_good_for_one_login() {
    let test = TestIssuer::start().await;
    let keeper = test.client_token("robot", "keystone:users:write orders:read bills:read").await;
    let created = test
        .call("/admin/users", &keeper, serde_json::json!({ "username": "bob", "roles": ["customer"] }))
        .await;
    let password = created.text("one_time_password");

    let answers = all((0..8).map(|_| test.login_as("app", "bob", &password)).collect()).await;

    let good = answers.iter().filter(|answer| answer.status.as_u16() == 200).count();
    assert_eq!(good, 1);
    for answer in answers.into_iter().filter(|answer| answer.status.as_u16() != 200) {
        answer.refused(400, "invalid_grant");
    }
    test.login_as("app", "bob", &password).await.refused(400, "invalid_grant");
}

#[tokio::test]
async fn a_one_time_password_is_not_used_up_by_a_login_that_ends_with_nothing() {
    let test = TestIssuer::start().await;
    let keeper = test.client_token("robot", "keystone:users:write orders:read bills:read").await;
    let created = test
        .call("/admin/users", &keeper, serde_json::json!({ "username": "bob", "roles": ["customer"] }))
        .await;
    let password = created.text("one_time_password");

    let nothing = test
        .form(format!(
            "grant_type=password&client_id=app&username=bob&password={password}&scope=orders:write"
        ))
        .await;

    nothing.refused(400, "invalid_scope");
    test.login_as("app", "bob", &password).await.success();
}

/// L-14
#[tokio::test]
async fn passwords_are_the_same_in_composed_and_decomposed_form() {
    let test = TestIssuer::start().await;
    let keeper = test.client_token("robot", "keystone:users:write orders:read bills:read").await;
    let body =
        serde_json::json!({ "username": "bob", "password": "Zu\u{308}rich-7 bells", "roles": ["customer"] });
    assert_eq!(test.call("/admin/users", &keeper, body).await.status.as_u16(), 201);

    test.login_as("app", "bob", "Z\u{fc}rich-7 bells").await.success();
}

async fn hash(test: &TestIssuer, user: &str) -> String {
    test.issuer.store.credential(user).await.unwrap().unwrap().password_hash.unwrap()
}
