//! Refresh tokens: one successor, whoever asks, however often, and an end where one was copied.

use serde_json::json;

use crate::support::{Answer, PASSWORD, TestIssuer, all};

async fn session(test: &TestIssuer) -> (Answer, String) {
    let answer = test.login("alice").await.success();
    let token = answer.text("refresh_token");
    (answer, token)
}

#[tokio::test]
async fn a_refresh_gives_a_new_pair_of_the_same_session() {
    let test = TestIssuer::start().await;
    let (login, first) = session(&test).await;

    let answer = test.refresh("app", &first).await.success();

    assert_ne!(answer.text("refresh_token"), first);
    assert_eq!(answer.text("scope"), login.text("scope"));
    for claim in ["sid", "sub", "auth_time", "client_id", "roles", "sv", "cv"] {
        assert_eq!(answer.claims()[claim], login.claims()[claim], "{claim}");
    }
    assert_ne!(answer.claims()["jti"], login.claims()["jti"]);
}

///
#[tokio::test]
async fn parallel_refreshes_get_the_same_successor() {
    let test = TestIssuer::start().await;
    let (_, first) = session(&test).await;

    let answers = all((0..64).map(|_| test.refresh("app", &first)).collect()).await;

    let successor = answers[0].text("refresh_token");
    for answer in answers {
        assert_eq!(answer.success().text("refresh_token"), successor);
    }
    test.refresh("app", &successor).await.success();
}

///
#[tokio::test]
async fn reuse_after_the_successor_was_used_ends_the_session() {
    let test = TestIssuer::start().await;
    let (_, first) = session(&test).await;
    let second = test.refresh("app", &first).await.success().text("refresh_token");
    let third = test.refresh("app", &second).await.success().text("refresh_token");

    let reuse = test.refresh("app", &first).await.refused(400, "invalid_grant");
    let after = test.refresh("app", &third).await.refused(400, "invalid_grant");

    assert_eq!(reuse.body, after.body);
}

#[tokio::test]
async fn without_grace_a_retry_is_reuse() {
    let test = TestIssuer::start_with("[sessions]\ngrace = 0").await;
    let (_, first) = session(&test).await;
    let second = test.refresh("app", &first).await.success().text("refresh_token");

    test.refresh("app", &first).await.refused(400, "invalid_grant");
    test.refresh("app", &second).await.refused(400, "invalid_grant");
}

#[tokio::test]
async fn a_client_that_hangs_up_loses_nothing() {
    let test = TestIssuer::start().await;
    let (_, first) = session(&test).await;

    // Dropped at every point where it waits, again and again until one is answered.
    let mut polls = 0;
    let answer = loop {
        polls += 1;
        let mut request = Box::pin(test.refresh("app", &first));
        let mut left = polls;
        let outcome = std::future::poll_fn(|context| {
            left -= 1;
            match request.as_mut().poll(context) {
                std::task::Poll::Ready(answer) => std::task::Poll::Ready(Some(answer)),
                std::task::Poll::Pending if left == 0 => std::task::Poll::Ready(None),
                std::task::Poll::Pending => std::task::Poll::Pending,
            }
        })
        .await;
        if let Some(answer) = outcome {
            break answer;
        }
    };

    let second = answer.success().text("refresh_token");
    test.refresh("app", &second).await.success();
}

///
#[tokio::test]
async fn another_clients_token_is_refused_and_its_session_ends() {
    let test = TestIssuer::start().await;
    let (_, first) = session(&test).await;

    let body = format!("grant_type=refresh_token&refresh_token={first}");
    test.form_with(&[test.basic("shop")], body).await.refused(400, "invalid_grant");
    test.refresh("app", &first).await.refused(400, "invalid_grant");
}

#[tokio::test]
async fn a_confidential_client_refreshes_with_its_secret_only() {
    let test = TestIssuer::start().await;
    let body = format!("grant_type=password&username=alice&password={PASSWORD}");
    let token = test.form_with(&[test.basic("shop")], body).await.success().text("refresh_token");

    test.refresh("shop", &token).await.refused(401, "invalid_client");
    let body = format!("grant_type=refresh_token&refresh_token={token}");
    test.form_with(&[test.basic("shop")], body).await.success();
}

///
#[tokio::test]
async fn what_is_no_refresh_token_of_ours_is_refused_alike() {
    let test = TestIssuer::start().await;
    let (login, first) = session(&test).await;
    let other = TestIssuer::start_with("[tokens]\naccess_token_lifetime = 60").await;
    let _: [u8; 32] = other.issuer.world.bytes();
    let (_, foreign) = session(&other).await;

    let mut forged = first.clone();
    forged.replace_range(20..21, if first[20..21] == *"A" { "B" } else { "A" });
    for token in [
        login.text("access_token"),
        forged,
        foreign,
        "ksrt_".to_owned(),
        "x".repeat(5000),
        format!("{first}="),
    ] {
        let answer = test.refresh("app", &token).await.refused(400, "invalid_grant");
        assert_eq!(answer.text("error_description"), "the refresh token is not valid");
    }
    test.refresh("app", &first).await.success();
}

///
#[tokio::test]
async fn a_narrower_scope_narrows_one_token_and_not_the_session() {
    let test = TestIssuer::start().await;
    let login = format!(
        "grant_type=password&client_id=app&username=alice&password={PASSWORD}&scope=orders:read bills:read"
    );
    let first = test.form(login).await.success().text("refresh_token");

    let narrow = test
        .form(format!("grant_type=refresh_token&client_id=app&refresh_token={first}&scope=orders:read"))
        .await
        .success();
    let wide = test.refresh("app", &narrow.text("refresh_token")).await.success();

    assert_eq!(
        (narrow.text("scope").as_str(), wide.text("scope").as_str()),
        ("orders:read", "bills:read orders:read")
    );
    assert_eq!(narrow.claims()["aud"], "orders");
}

///
#[tokio::test]
async fn a_broader_scope_is_refused_and_costs_no_rotation() {
    let test = TestIssuer::start_with("[sessions]\ngrace = 0").await;
    let login =
        format!("grant_type=password&client_id=app&username=alice&password={PASSWORD}&scope=orders:read");
    let first = test.form(login).await.success().text("refresh_token");

    for scope in ["bills:read", "orders:read bills:read", "keystone:keys:write", "Orders:read", "a  b"] {
        let body = format!("grant_type=refresh_token&client_id=app&refresh_token={first}&scope={scope}");
        test.form(body).await.refused(400, "invalid_scope");
    }
    test.refresh("app", &first).await.success();
}

/// A user who lost a scope keeps the session, and the client its token.
#[tokio::test]
async fn a_scope_no_longer_held_costs_no_rotation() {
    let test = TestIssuer::start_with("[sessions]\ngrace = 0").await;
    let login = format!(
        "grant_type=password&client_id=app&username=alice&password={PASSWORD}&scope=orders:read bills:read"
    );
    let first = test.form(login).await.success().text("refresh_token");
    let asking = |scope: &str, token: &str| {
        test.form(format!("grant_type=refresh_token&client_id=app&refresh_token={token}&scope={scope}"))
    };

    test.set_roles("alice", &["clerk"]).await;
    for _ in 0..2 {
        let refused = asking("bills:read", &first).await;
        assert!(refused.text("error_description").contains("bills:read"), "{refused:?}");
        refused.refused(400, "invalid_scope");
    }
    // Of several, those that are held are granted.
    let both = asking("orders:read bills:read", &first).await.success();
    assert_eq!(both.text("scope"), "orders:read");
    let second = both.text("refresh_token");
    test.set_roles("alice", &[]).await;
    asking("orders:read", &second).await.refused(400, "invalid_scope");
    test.refresh("app", &second).await.refused(400, "invalid_grant");
    test.set_roles("alice", &["customer"]).await;
    let again = test.refresh("app", &second).await.success();
    assert_eq!(again.text("scope"), "bills:read orders:read");

    // What must always happen happens first.
    test.set_roles("alice", &[]).await;
    asking("orders:read", &second).await.refused(400, "invalid_grant");
    test.set_roles("alice", &["customer"]).await;
    test.refresh("app", &again.text("refresh_token")).await.refused(400, "invalid_grant");
}

/// Cheap checks wait for those that must always happen.
#[tokio::test]
async fn a_scope_hides_no_reuse_no_theft_and_no_end() {
    let scopes = ["bills:read", "keystone:keys:write", "a  b"];
    for scope in scopes {
        let test = TestIssuer::start().await;
        let [used, stolen, ended] = [session(&test).await.1, session(&test).await.1, session(&test).await.1];
        let second = test.refresh("app", &used).await.success().text("refresh_token");
        let third = test.refresh("app", &second).await.success().text("refresh_token");
        test.form_to("/auth/revoke", &[], format!("client_id=app&token={ended}")).await;
        let asking = |client: &'static str, token: &str| {
            let body = format!("grant_type=refresh_token&refresh_token={token}&scope={scope}");
            let test = &test;
            async move {
                match client {
                    "shop" => test.form_with(&[test.basic("shop")], body).await,
                    _ => test.form(format!("{body}&client_id=app")).await,
                }
            }
        };

        asking("app", &ended).await.refused(400, "invalid_grant");
        asking("app", &used).await.refused(400, "invalid_grant");
        test.refresh("app", &third).await.refused(400, "invalid_grant");
        asking("shop", &stolen).await.refused(400, "invalid_grant");
        test.refresh("app", &stolen).await.refused(400, "invalid_grant");
    }
}

#[tokio::test]
async fn a_forged_refresh_token_is_counted_whatever_it_asks_for() {
    for scope in ["bills:read", "keystone:keys:write", "a  b"] {
        let test = TestIssuer::start_with("[limits]\naddress_attempts = 2").await;
        let forged = format!("grant_type=refresh_token&client_id=app&refresh_token=ksrt_x&scope={scope}");

        for _ in 0..2 {
            test.form(forged.clone()).await.refused(400, "invalid_grant");
        }
        test.form(forged).await.refused(429, "temporarily_unavailable");
    }
}

/// L-20, R-11
#[tokio::test]
async fn a_change_of_password_ends_the_other_sessions() {
    let test = TestIssuer::start().await;
    test.user("kim", &["keeper"]).await;
    let login = |scope: &str| {
        format!("grant_type=password&client_id=app&username=kim&password={PASSWORD}&scope={scope}")
    };
    let kept = test.form(login("keystone:account")).await.success();
    let other = test.form(login("orders:read")).await.success();

    let body = json!({ "old_password": PASSWORD, "new_password": "eleven green boots" });
    let changed = test.call("/users/me/password", &kept.text("access_token"), body).await;

    assert_eq!(changed.status.as_u16(), 204);
    test.refresh("app", &other.text("refresh_token")).await.refused(400, "invalid_grant");
    test.refresh("app", &kept.text("refresh_token")).await.success();
    test.login("kim").await.refused(400, "invalid_grant");
}
