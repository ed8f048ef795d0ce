//! Who asks: how a client proves it, and what it hears when it does not.

use crate::support::{PASSWORD, TestIssuer, basic};

const CLIENT: &str = "grant_type=client_credentials";

/// P-06, P-07, P-11
#[tokio::test]
async fn a_client_authenticates_in_exactly_one_way() {
    let test = TestIssuer::start().await;
    let secret = test.secret("robot");

    let both = format!("{CLIENT}&client_id=robot&client_secret={secret}");
    test.form_with(&[test.basic("robot")], both.clone()).await.refused(400, "invalid_request");
    test.form_with(&[test.basic("shop")], both.clone()).await.refused(400, "invalid_request");
    test.form_with(&[test.basic("robot"), test.basic("robot")], CLIENT).await.refused(400, "invalid_request");
    test.form_with(&[test.basic("shop")], format!("{CLIENT}&client_id=robot"))
        .await
        .refused(400, "invalid_request");
    test.form_with(&[test.basic("robot")], format!("{CLIENT}&client_id=robot")).await.success();
    test.form(both).await.success();
}

/// P-09, P-14, P-15
#[tokio::test]
async fn failed_client_authentication_is_one_answer() {
    let test = TestIssuer::start().await;
    let wrong = "kscs_wrong";

    let mut answers = Vec::new();
    for (client, secret) in [
        ("robot", wrong),
        ("unknown", wrong),
        ("off", wrong),
        ("off", test.secret("off")),
        ("app", wrong),
        ("", ""),
        ("a\0b", wrong),
        ("robot", ""),
        ("robot", test.secret("shop")),
    ] {
        answers.push(test.form_with(&[basic(client, secret)], CLIENT).await);
    }
    answers.push(test.form(format!("{CLIENT}&client_id=robot&client_secret={wrong}")).await);
    answers.push(test.form(format!("{CLIENT}&client_id=robot")).await);
    answers.push(test.form("grant_type=password&client_id=shop&username=alice&password=x").await);
    for header in
        ["Basic", "Basic !!!", "Basic YWJj", "Bearer abc", "basic", &format!("Basic {}", "A".repeat(9000))]
    {
        answers.push(test.form_with(&[("authorization", header.to_owned())], CLIENT).await);
    }

    let first = answers[0].body.clone();
    for answer in answers {
        let answer = answer.refused(401, "invalid_client");
        assert_eq!(answer.body, first);
        assert_eq!(answer.header("www-authenticate"), r#"Basic realm="keystone", charset="UTF-8""#);
    }
}

#[tokio::test]
async fn without_a_default_client_a_client_must_say_who_it_is() {
    let body = format!("grant_type=password&username=alice&password={PASSWORD}");
    let without = TestIssuer::start().await.form(body.clone()).await;
    let with = TestIssuer::start_with("default_client = 'app'").await.form(body).await;

    without.refused(401, "invalid_client");
    assert_eq!(with.success().claims()["client_id"], "app");
}

#[tokio::test]
async fn a_default_client_with_a_secret_needs_no_less_than_its_secret() {
    let test = TestIssuer::start_with("default_client = 'shop'").await;

    test.form(format!("grant_type=password&username=alice&password={PASSWORD}"))
        .await
        .refused(401, "invalid_client");
}
