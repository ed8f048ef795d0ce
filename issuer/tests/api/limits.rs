//! How often someone may guess, and whom a limit does not stop.

use std::time::Duration;

use crate::support::{PASSWORD, TestIssuer, all};

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

/// B-14: of three issuers that nothing lets count together, each lets a third through.
#[tokio::test]
async fn where_each_issuer_counts_for_itself_it_allows_its_part_of_a_limit() {
    for (replicas, allowed) in [(1, 5), (3, 2), (9, 1)] {
        let settings = format!("[limits]\nlogin_attempts = 5\nclient_attempts = 5\nreplicas = {replicas}");
        let test = TestIssuer::start_with(&settings).await;

        for _ in 0..allowed {
            test.login_as("app", "alice", "wrong").await.refused(400, "invalid_grant");
            test.login_as("robot", "alice", "wrong").await.refused(401, "invalid_client");
        }
        test.login_as("app", "alice", "wrong").await.refused(429, "temporarily_unavailable");
        test.login_as("robot", "alice", "wrong").await.refused(429, "temporarily_unavailable");
    }
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

/// Everybody behind a web server has its address: whoever guesses there must not stop the others.
#[tokio::test]
async fn wrong_logins_through_a_client_stop_only_users_new_to_it() {
    let test = TestIssuer::start_with("[limits]\naddress_attempts = 10\nclient_user_attempts = 20").await;
    let login = |name: String, password: &'static str| {
        let body = format!("grant_type=password&username={name}&password={password}");
        let test = &test;
        async move { test.form_with(&[test.basic("shop")], body).await }
    };
    login("alice".to_owned(), PASSWORD).await.success();

    for number in 0..21 {
        login(format!("nobody{number}"), "wrong").await.refused(400, "invalid_grant");
    }

    let limited = login("kim".to_owned(), PASSWORD).await.refused(429, "temporarily_unavailable");
    assert_eq!(limited.header("retry-after"), "60");
    login("alice".to_owned(), PASSWORD).await.success();
    // Neither another client at the same address nor the client's own tokens suffer.
    test.login("alice").await.success();
    test.form_with(&[test.basic("shop")], "grant_type=client_credentials").await.success();
    test.clock.advance(Duration::from_secs(61));
    login("nobody".to_owned(), "wrong").await.refused(400, "invalid_grant");
}

/// The users of such a client cannot be told apart, so the name alone is counted.
#[tokio::test]
async fn guesses_of_one_name_through_a_client_stop_it_there_alone() {
    let test = TestIssuer::start_with("[limits]\nlogin_attempts = 3\naddress_attempts = 4").await;
    test.user("kim", &["customer"]).await;
    let through = async |client: &'static str, name: &str, password: &str| {
        let body = format!("grant_type=password&username={name}&password={password}&scope=orders:read");
        test.form_with(&[test.basic(client)], body).await.status.as_u16()
    };
    assert_eq!(through("shop", "alice", PASSWORD).await, 200);

    for status in [400, 400, 400, 429, 429, 429] {
        assert_eq!(through("shop", "alice", "wrong").await, status);
    }

    assert_eq!(through("shop", "alice", PASSWORD).await, 429);
    assert_eq!(through("shop", "kim", PASSWORD).await, 200, "another user of the client");
    assert_eq!(through("gateway", "alice", PASSWORD).await, 200, "another client");
    test.login("alice").await.success();
    test.clock.advance(Duration::from_secs(61));
    assert_eq!(through("shop", "alice", PASSWORD).await, 200);
}

/// A busy client must not be slowed down by its own good users.
#[tokio::test]
async fn right_passwords_count_against_no_client() {
    let test = TestIssuer::start_with("[limits]\naddress_attempts = 2\nclient_user_attempts = 2").await;
    for number in 0..6 {
        test.user(&format!("user{number}"), &["customer"]).await;
    }

    for number in 0..6 {
        let body = format!("grant_type=password&username=user{number}&password={PASSWORD}");
        test.form_with(&[test.basic("shop")], body).await.success();
    }
}

#[tokio::test]
async fn a_client_that_may_forwards_its_users_addresses() {
    let test =
        TestIssuer::start_with("[limits]\naddress_attempts = 2\ntrusted_proxies = ['10.0.0.0/8']").await;
    let wrong = "grant_type=password&username=nobody&password=x";
    let asked = |client: &'static str, through: &'static str, forwarded: &'static str| {
        let headers = [test.basic(client), ("x-forwarded-for", forwarded.to_owned())];
        let from = test.from(through);
        async move { from.form_with(&headers, wrong).await.status.as_u16() }
    };

    for (client, through, forwarded, status) in [
        ("gateway", "192.0.2.1", "203.0.113.1", 400),
        ("gateway", "192.0.2.1", "6.6.6.6, 203.0.113.1", 400),
        ("gateway", "192.0.2.1", "203.0.113.1", 429),
        ("gateway", "192.0.2.1", "203.0.113.2", 400),
        // Behind a proxy that adds the client's own address.
        ("gateway", "10.0.0.1", "203.0.113.2, 192.0.2.1", 400),
        ("gateway", "10.0.0.1", "203.0.113.2, 192.0.2.1", 429),
        // What cannot be read is nobody's address, and what another client says is not believed.
        ("gateway", "192.0.2.1", "nonsense", 400),
        ("shop", "192.0.2.1", "203.0.113.1", 400),
    ] {
        assert_eq!(asked(client, through, forwarded).await, status, "{client} {through} {forwarded}");
    }
    // The address itself counts as before where somebody asks without a secret.
    let public = [("x-forwarded-for", "203.0.113.9".to_owned())];
    let body = format!("{wrong}&client_id=app");
    for status in [400, 400, 429] {
        assert_eq!(test.form_with(&public, body.clone()).await.status.as_u16(), status);
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
