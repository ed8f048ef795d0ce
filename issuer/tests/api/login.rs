//! The password grant: who gets in, and what those learn who do not.

use std::time::Duration;

use keystone_issuer::config::{self, PasswordPolicy};
use keystone_issuer::password::Passwords;
use keystone_issuer::secret::Secret;
use tokio::time::Instant;

use serde_json::json;

use crate::support::{Answer, PASSWORD, TestIssuer, all};

const KEEPER: &str = "keystone:users:write orders:read bills:read";

#[tokio::test]
async fn a_login_gives_what_client_and_user_both_have() {
    let test = TestIssuer::start().await;

    let answer = test.login("alice").await.success();

    // The client's default is read and write; alice may only read.
    assert_eq!(answer.text("scope"), "orders:read");
    assert!(answer.text("refresh_token").starts_with("ksrt_"));
    assert_eq!(answer.claims()["roles"], json!(["customer"]));
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

/// L-01, L-02: no failure is answered before the slowest hash that is stored could have been computed.
#[tokio::test]
async fn failures_take_as_long_as_the_slowest_stored_hash() {
    let test = TestIssuer::start().await;
    let start = |memory_kib, passes| {
        let settings = config::Passwords { memory_kib, passes, ..test.issuer.config.passwords.clone() };
        Passwords::start(&settings, test.issuer.world.clone()).unwrap()
    };
    let (dear, cheap) = (start(4096, 4), start(8, 1));
    // What it takes where nothing else is done meanwhile.
    let (mut hash, mut slowest) = (String::new(), Duration::MAX);
    for _ in 0..5 {
        let begun = Instant::now();
        hash = dear.hash(&Secret::new(PASSWORD)).await.unwrap();
        slowest = slowest.min(begun.elapsed());
    }
    let olaf = test.issuer.store.credential("olaf").await.unwrap().unwrap();
    let old = olaf.password_hash.unwrap();
    test.issuer.store.rehash_password(olaf.user_id, &old, &hash).await.unwrap();
    cheap.know(&test.issuer.store.password_schemes().await.unwrap());
    let test = test.rebuilt(|issuer| issuer.passwords = cheap);

    let mut fastest = Duration::MAX;
    for (username, password) in [
        ("olaf", "wrong"),
        ("alice", "wrong"),
        ("nobody", PASSWORD),
        ("alice", &"a".repeat(129)),
        ("al\0ice", PASSWORD),
    ] {
        let begun = Instant::now();
        test.login_as("app", username, password).await.refused(400, "invalid_grant");
        fastest = fastest.min(begun.elapsed());
    }
    // Half of it: a machine is not equally fast at all times.
    assert!(fastest > slowest / 2, "{fastest:?} {slowest:?}");
}

/// L-24, B-02
#[tokio::test]
async fn a_one_time_password_is_good_for_one_login() {
    let test = TestIssuer::start().await;
    let password = one_time_password(&test).await;

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
    let password = one_time_password(&test).await;

    let nothing = test
        .form(format!(
            "grant_type=password&client_id=app&username=bob&password={password}&scope=orders:write"
        ))
        .await;

    nothing.refused(400, "invalid_scope");
    test.login_as("app", "bob", &password).await.success();
}

/// The user would be stuck: nobody but an administrator could help.
#[tokio::test]
async fn a_one_time_password_is_kept_where_none_can_be_set() {
    let test = TestIssuer::start().await;
    let password = one_time_password(&test).await;
    let login = format!("grant_type=password&username=bob&password={password}");

    let told = test.login_as("brief", "bob", &password).await.refused(400, "invalid_scope");
    test.form_with(&[test.basic("shop")], login.clone()).await.refused(400, "invalid_scope");
    test.form(format!("{login}&client_id=app&scope=orders:read")).await.refused(400, "invalid_scope");

    let description = told.text("error_description");
    assert!(description.contains("keystone:account"), "{description}");
    assert!(description.contains("POST /users/me/password"), "{description}");
    test.login_as("app", "bob", &password).await.success();
}

/// ASVS 6.4.1
#[tokio::test]
async fn a_one_time_login_brings_what_sets_a_password_and_no_more() {
    let test = TestIssuer::start().await;
    let password = one_time_password(&test).await;

    let login = test.login_as("app", "bob", &password).await.success();

    restricted(&test, &login).await;
    let body = json!({ "new_password": password });
    test.call("/users/me/password", &login.text("access_token"), body).await.refused(422, "weak_password");
    let body = json!({ "new_password": "eleven green boots" });
    let changed = test.call("/users/me/password", &login.text("access_token"), body).await;
    assert_eq!(changed.status.as_u16(), 204, "{changed:?}");
    let login = test.login_as("app", "bob", "eleven green boots").await.success();
    assert_eq!(login.text("scope"), "orders:read");
}

/// ASVS 6.4.6
#[tokio::test]
async fn a_password_that_an_administrator_chose_must_be_changed() {
    let test = TestIssuer::start().await;
    let keeper = test.client_token("robot", KEEPER).await;
    let body = json!({ "username": "bob", "password": PASSWORD, "roles": ["customer"] });
    assert_eq!(test.call("/admin/users", &keeper, body).await.status.as_u16(), 201);

    test.login_as("brief", "bob", PASSWORD).await.refused(400, "invalid_scope");
    test.login("bob").await.success();
    let login = test.login("bob").await.success();

    restricted(&test, &login).await;
    let change = |old: &str, new: &str| {
        let body = json!({ "old_password": old, "new_password": new });
        let (test, token) = (&test, login.text("access_token"));
        async move { test.call("/users/me/password", &token, body).await }
    };
    change(PASSWORD, PASSWORD).await.refused(422, "weak_password");
    change("wrong", "eleven green boots").await.refused(403, "old_password");
    assert_eq!(change(PASSWORD, "eleven green boots").await.status.as_u16(), 204);
    test.login("bob").await.refused(400, "invalid_grant");
    let login = test.login_as("app", "bob", "eleven green boots").await.success();
    assert_eq!(login.text("scope"), "orders:read");
    assert!(login.text("refresh_token").starts_with("ksrt_"));
}

/// A login that is good for setting a password alone.
async fn restricted(test: &TestIssuer, login: &Answer) {
    assert_eq!(login.text("scope"), "keystone:account");
    assert!(login.body["refresh_token"].is_null(), "{login:?}");
    // Services may go by roles.
    assert_eq!(login.claims()["roles"], json!([]));
    let token = login.text("access_token");
    for (line, body) in [
        ("GET /users/me", serde_json::Value::Null),
        ("PATCH /users/me", json!({ "email": "bob@example.com" })),
        ("GET /users/me/sessions", serde_json::Value::Null),
    ] {
        test.ask_as(&token, line, "*", body).await.refused(403, "password_must_change");
    }
}

async fn one_time_password(test: &TestIssuer) -> String {
    let keeper = test.client_token("robot", KEEPER).await;
    let bob = json!({ "username": "bob", "roles": ["customer"] });
    test.call("/admin/users", &keeper, bob).await.text("one_time_password")
}

/// L-14
#[tokio::test]
async fn passwords_are_the_same_in_composed_and_decomposed_form() {
    let test = TestIssuer::start().await;
    let keeper = test.client_token("robot", KEEPER).await;
    let body = json!({ "username": "bob", "password": "Zu\u{308}rich-7 bells", "roles": ["customer"] });
    assert_eq!(test.call("/admin/users", &keeper, body).await.status.as_u16(), 201);

    test.login_as("app", "bob", "Z\u{fc}rich-7 bells").await.success();
}

async fn hash(test: &TestIssuer, user: &str) -> String {
    test.issuer.store.credential(user).await.unwrap().unwrap().password_hash.unwrap()
}

/// By another process, which cannot tell this one.
#[tokio::test]
async fn what_a_file_gives_a_client_is_not_refused_for_seconds() {
    let test = TestIssuer::start().await;
    let body =
        format!("grant_type=password&client_id=app&username=alice&password={PASSWORD}&scope=refunds:read");
    let unknown = test.form(body.clone()).await;
    assert_eq!(unknown.body["error_description"], "the client may not request the scopes refunds:read");
    unknown.refused(400, "invalid_scope");

    test.declare(
        r#"
        scopes = [{ name = "refunds:read", resource = "orders" }]
        roles = [{ name = "customer", scopes = ["orders:read", "bills:read", "refunds:read"] }]
        [[clients]]
        client_id = "app"
        name = "A public client"
        public = true
        grants = ["password", "refresh_token"]
        scopes = ["orders:read", "refunds:read"]
    "#,
    )
    .await;
    test.clock.advance(std::time::Duration::from_millis(101));
    assert_eq!(test.form(body).await.success().text("scope"), "refunds:read");
}

#[tokio::test]
async fn a_login_that_holds_nothing_names_what_was_asked() {
    let test = TestIssuer::start().await;
    let body =
        format!("grant_type=password&client_id=app&username=olaf&password={PASSWORD}&scope=orders:read");

    let answer = test.form(body).await;
    assert_eq!(answer.body["error_description"], "the user holds none of the scopes orders:read");
}
