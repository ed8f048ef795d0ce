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

/// L-04
#[tokio::test]
async fn attempts_are_counted_before_hashing_and_in_parallel() {
    let test = TestIssuer::start_with("[limits]\nlogin_attempts = 5").await;

    let attempts: Vec<_> = (0..50).map(|_| test.login_as("app", "alice", "wrong")).collect();
    let mut statuses = Vec::new();
    for attempt in all(attempts).await {
        statuses.push(attempt.status.as_u16());
    }

    assert_eq!(statuses.iter().filter(|status| **status == 400).count(), 5);
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 45);
}

/// L-05
#[tokio::test]
async fn the_right_password_does_not_open_a_locked_door_before_time() {
    let test = TestIssuer::start_with("[limits]\nlogin_attempts = 3").await;
    for _ in 0..3 {
        test.login_as("app", "alice", "wrong").await.refused(400, "invalid_grant");
    }

    let locked = test.login("alice").await.refused(429, "temporarily_unavailable");
    test.login("alice").await.refused(429, "temporarily_unavailable");

    let seconds: u64 = locked.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
    test.clock.advance(Duration::from_secs(61));
    test.login("alice").await.success();
}

#[tokio::test]
async fn names_nobody_has_are_limited_alike() {
    let test = TestIssuer::start_with("[limits]\nlogin_attempts = 3").await;

    for expected in [400, 400, 400, 429] {
        assert_eq!(test.login("nobody").await.status.as_u16(), expected);
    }
}

/// L-06
#[tokio::test]
async fn an_attacker_locks_only_their_own_address_out() {
    let test = TestIssuer::start_with("[limits]\nlogin_attempts = 3").await;
    for _ in 0..20 {
        test.from("203.0.113.7").login_as("app", "alice", "wrong").await;
    }

    test.from("203.0.113.7").login("alice").await.refused(429, "temporarily_unavailable");
    test.from("203.0.113.8").login("alice").await.success();
}

/// L-07
#[tokio::test]
async fn many_addresses_together_reach_a_limit_for_one_user() {
    let test = TestIssuer::start_with("[limits]\nlogin_attempts = 3\nuser_attempts = 10").await;
    for number in 0..10 {
        test.from(&format!("203.0.113.{number}"))
            .login_as("app", "alice", "wrong")
            .await
            .refused(400, "invalid_grant");
    }

    test.from("198.51.100.1").login_as("app", "alice", "wrong").await.refused(429, "temporarily_unavailable");
}

/// L-06: a botnet, for as long as it likes.
#[tokio::test]
async fn whoever_logged_in_from_an_address_before_is_let_in_there_while_strangers_guess() {
    let test = TestIssuer::start_with("[limits]\nlogin_attempts = 3\nuser_attempts = 10").await;
    let refresh = test.login("alice").await.success().text("refresh_token");
    let guess = |number: u32| {
        let bot = test.from(&format!("203.0.{}.{}", number / 250, number % 250));
        async move { bot.login_as("app", "alice", "wrong").await.status.as_u16() }
    };

    for number in 0..10 {
        assert_eq!(guess(number).await, 400);
    }
    for number in 10..200 {
        assert_eq!(guess(number).await, 429);
    }

    test.from("198.51.100.1").login("alice").await.refused(429, "temporarily_unavailable");
    test.refresh("app", &refresh).await.success();
    test.login("alice").await.success();
}

/// L-06: the wait grows with the attempts, and ends.
#[tokio::test]
async fn whoever_goes_on_guessing_waits_for_longer() {
    let test = TestIssuer::start_with("[limits]\nlogin_attempts = 2\nlogin_window = 5").await;
    let wait = |answer: &crate::support::Answer| answer.header("retry-after").parse::<u64>().unwrap();

    for _ in 0..10 {
        for _ in 0..2 {
            test.login_as("app", "alice", "wrong").await.refused(400, "invalid_grant");
        }
        let locked = test.login_as("app", "alice", "wrong").await.refused(429, "temporarily_unavailable");
        assert!(wait(&locked) <= 5, "{locked:?}");
        test.clock.advance(Duration::from_secs(5));
    }

    let locked = test.login("alice").await.refused(429, "temporarily_unavailable");
    assert!(wait(&locked) > 200, "{locked:?}");
    test.clock.advance(Duration::from_secs(300));
    test.login("alice").await.success();
}

/// L-10
#[tokio::test]
async fn whoever_changes_their_64_within_a_48_reaches_a_limit_too() {
    let test = TestIssuer::start_with("[limits]\naddress_attempts = 2").await;
    let status = |network: u32| {
        let from = test.from(&format!("2001:db8:7:{network:x}::1"));
        async move { from.login_as("app", "nobody", "x").await.status.as_u16() }
    };

    for network in 0..20 {
        assert_eq!(status(network).await, 400, "{network}");
    }
    assert_eq!(status(20).await, 429);
    test.from("2001:db8:8::1").login("alice").await.success();
}

/// C-04: from as many addresses as you like; the client itself goes on.
#[tokio::test]
async fn wrong_secrets_for_one_client_are_limited_and_the_right_one_is_not() {
    let test = TestIssuer::start_with("[limits]\nclient_attempts = 5").await;
    let guess = |number: u8, client: &'static str| {
        let from = test.from(&format!("203.0.113.{number}"));
        async move {
            from.form_with(&[crate::support::basic(client, "wrong")], "grant_type=client_credentials").await
        }
    };

    for client in ["robot", "unknown"] {
        for number in 0..5 {
            guess(number, client).await.refused(401, "invalid_client");
        }
        let limited = guess(5, client).await.refused(429, "temporarily_unavailable");
        assert!(limited.headers.contains_key("retry-after"));
    }
    guess(6, "shop").await.refused(401, "invalid_client");
    test.from("203.0.113.9")
        .form_with(&[test.basic("robot")], "grant_type=client_credentials")
        .await
        .success();
    test.clock.advance(Duration::from_secs(61));
    guess(5, "robot").await.refused(401, "invalid_client");
}

/// L-07, L-10
#[tokio::test]
async fn one_password_for_many_users_reaches_the_limit_of_the_address() {
    let test = TestIssuer::start_with("[limits]\naddress_attempts = 20").await;
    let attacker = test.from("2001:db8:1:2::1");
    for number in 0..20 {
        attacker.login_as("app", &format!("user{number}"), "Summer2026!").await.refused(400, "invalid_grant");
    }

    // Another address of the same /64.
    let next = test.from("2001:db8:1:2:ffff::9");
    next.login_as("app", "user21", "Summer2026!").await.refused(429, "temporarily_unavailable");
    test.from("2001:db8:1:3::1").login("alice").await.success();
}

#[tokio::test]
async fn a_login_forgets_the_failures_before_it() {
    let test = TestIssuer::start_with("[limits]\nlogin_attempts = 3").await;

    for _ in 0..3 {
        test.login_as("app", "alice", "wrong").await;
        test.login_as("app", "alice", "wrong").await;
        test.login("alice").await.success();
    }
}

/// L-08, R-16
#[tokio::test]
async fn wrong_client_secrets_and_refresh_tokens_are_limited_too() {
    let test = TestIssuer::start_with("[limits]\naddress_attempts = 2").await;

    for expected in [401, 401, 429] {
        let answer = test.form("grant_type=client_credentials&client_id=robot&client_secret=x").await;
        assert_eq!(answer.status.as_u16(), expected);
    }
    test.refresh("app", "ksrt_nonsense").await.refused(429, "temporarily_unavailable");
    test.form_with(&[test.basic("robot")], "grant_type=client_credentials").await.success();
}

/// L-08: no endpoint is a side door to guess a secret at (CVE-2026-9798).
#[tokio::test]
async fn client_secrets_are_counted_alike_at_every_endpoint() {
    let test = TestIssuer::start_with("[limits]\naddress_attempts = 3").await;
    let wrong = crate::support::basic("robot", "wrong");

    let body = "token=x&grant_type=client_credentials";
    for path in ["/auth/token", "/auth/revoke", "/auth/introspect"] {
        test.form_to(path, std::slice::from_ref(&wrong), body).await.refused(401, "invalid_client");
    }

    for path in ["/auth/token", "/auth/revoke", "/auth/introspect"] {
        test.form_to(path, std::slice::from_ref(&wrong), body).await.refused(429, "temporarily_unavailable");
        assert_eq!(test.form_to(path, &[test.basic("robot")], body).await.status.as_u16(), 200);
    }
}

#[tokio::test]
async fn only_a_configured_proxy_is_believed_about_addresses() {
    let test =
        TestIssuer::start_with("[limits]\naddress_attempts = 1\ntrusted_proxies = ['10.0.0.0/8']").await;
    let wrong = "grant_type=client_credentials&client_id=robot&client_secret=x";
    let says = |address: &str| [("x-forwarded-for", address.to_owned())];

    for (through, claimed, expected) in [
        ("10.0.0.1", "198.51.100.1", 401),
        ("10.0.0.1", "198.51.100.2", 401),
        ("10.0.0.1", "198.51.100.1", 429),
        ("203.0.113.1", "198.51.100.3", 401),
        ("203.0.113.1", "198.51.100.4", 429),
    ] {
        let answer = test.from(through).form_with(&says(claimed), wrong).await;
        assert_eq!(answer.status.as_u16(), expected, "{through} {claimed}");
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
