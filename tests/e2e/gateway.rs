//! Checks which requests Envoy admits, what the API behind it sees, and what a refused caller learns.

use anyhow::{Context, Result, ensure};
use keystone_tests::stack::Stack;
use keystone_tests::token::with_one_byte_changed;
use serde_json::{Value, json};

use crate::lab::{OnStack, promises};

pub(crate) const PROMISES: &[(&str, OnStack)] = promises![
    alice_reads_orders_through_envoy_and_the_api_sees_who_called,
    forged_identity_headers_never_reach_the_api,
    alice_may_not_place_orders_and_learns_the_missing_scope,
    a_request_without_a_token_gets_a_bare_challenge,
    a_changed_byte_anywhere_in_the_token_is_refused,
    a_refused_request_never_reaches_the_api,
    what_the_policy_does_not_name_is_refused,
    two_authorization_headers_are_refused,
    a_path_that_could_mean_two_things_is_refused,
];

fn alice_reads_orders_through_envoy_and_the_api_sees_who_called(stack: &Stack) -> Result<()> {
    let alice = stack.issuer.login("alice")?;

    let answer = stack.envoy.site.get("/orders").bearer(&alice.access).send()?.expect(200)?;

    let answer = answer.json()?;
    let caller = answer.get("caller").context("the API saw nobody")?;
    let verdict = stack.node.verify(&stack.issuer.site.url(""), "orders", &[&alice.access])?;
    let subject = verdict.first().and_then(|said| said.get("subject")).context("Node saw nobody")?;
    assert_eq!(caller.get("x-keystone-subject"), Some(&json!([subject])));
    assert_eq!(caller.get("x-keystone-client"), Some(&json!(["orders-app"])));
    assert_eq!(caller.get("x-keystone-scope"), Some(&json!(["orders:read"])));
    assert_eq!(caller.get("x-keystone-roles"), Some(&json!(["customer"])));
    ensure!(caller.get("x-keystone-session").is_some_and(Value::is_array), "{caller}");
    Ok(())
}

fn forged_identity_headers_never_reach_the_api(stack: &Stack) -> Result<()> {
    let alice = stack.issuer.login("alice")?;
    let names = [
        "x-keystone-subject",
        "X-KEYSTONE-SUBJECT",
        "x-keystone-roles",
        "x-keystone-session",
        "x_keystone_subject",
    ];
    for path in ["/orders", "/me", "/"] {
        for name in names {
            let forged = stack.envoy.site.get(path).bearer(&alice.access).header(name, "forged-identity");
            // Twice, because a proxy that removes one may leave the other.
            forged.header(name, "forged-identity").send()?.expect(200)?;
        }
    }
    let nobody = stack.envoy.site.get("/").header("x-keystone-subject", "forged-identity");
    nobody.header("x-plain", "plain-header").send()?.expect(200)?;

    ensure!(stack.orders.saw("plain-header"), "the API sees what it may see");
    ensure!(!stack.orders.saw("forged-identity"), "the API saw a header that only Envoy may set");
    Ok(())
}

fn alice_may_not_place_orders_and_learns_the_missing_scope(stack: &Stack) -> Result<()> {
    let alice = stack.issuer.login("alice")?;

    let order = json!({ "item": "tea" });
    let answer = stack.envoy.site.post("/orders").bearer(&alice.access).json(&order).send()?.expect(403)?;

    let challenge = answer.header("www-authenticate").context("no challenge")?;
    ensure!(challenge.starts_with("Bearer "), "{challenge}");
    ensure!(challenge.contains("error=\"insufficient_scope\""), "{challenge}");
    ensure!(challenge.contains("scope=\"orders:write\""), "{challenge}");
    assert_eq!(answer.reason().as_deref(), Some("insufficient_scope"));
    assert_eq!(answer.header("content-type").as_deref(), Some("application/problem+json"));
    Ok(())
}

fn a_request_without_a_token_gets_a_bare_challenge(stack: &Stack) -> Result<()> {
    let answer = stack.envoy.site.get("/orders").send()?.expect(401)?;

    let challenge = answer.header("www-authenticate").context("no challenge")?;
    // RFC 6750 §3.1: no error code where no credentials were presented.
    ensure!(challenge.starts_with("Bearer") && !challenge.contains("error"), "{challenge}");
    assert_eq!(answer.reason().as_deref(), Some("no_credentials"));
    Ok(())
}

fn a_changed_byte_anywhere_in_the_token_is_refused(stack: &Stack) -> Result<()> {
    let alice = stack.issuer.login("alice")?;
    for part in 0..3 {
        let changed = with_one_byte_changed(&alice.access, part)?;

        let answer = stack.envoy.site.get("/orders").bearer(&changed).send()?.expect(401)?;

        let challenge = answer.header("www-authenticate").context("no challenge")?;
        ensure!(challenge.contains("error=\"invalid_token\""), "{challenge}");
    }
    Ok(())
}

fn a_refused_request_never_reaches_the_api(stack: &Stack) -> Result<()> {
    let alice = stack.issuer.login("alice")?;
    let changed = with_one_byte_changed(&alice.access, 2)?;
    let site = &stack.envoy.site;
    let refused = [
        site.get("/orders").bearer(&changed),
        site.post("/orders").bearer(&alice.access).json(&json!({ "item": "tea" })),
        site.request("DELETE", "/orders").bearer(&alice.access),
    ];
    for request in refused {
        let status = request.header("x-marker", "should-have-been-refused").send()?.status;
        ensure!((400..500).contains(&status), "{status}");
    }

    ensure!(!stack.orders.saw("should-have-been-refused"));
    Ok(())
}

fn what_the_policy_does_not_name_is_refused(stack: &Stack) -> Result<()> {
    let alice = stack.issuer.login("alice")?;
    let site = &stack.envoy.site;
    for request in [site.get("/orders/7"), site.get("/admin"), site.request("PATCH", "/orders")] {
        let answer = request.bearer(&alice.access).send()?;
        assert_eq!(answer.reason().as_deref(), Some("no_route"), "{}", answer.text());
    }
    Ok(())
}

fn two_authorization_headers_are_refused(stack: &Stack) -> Result<()> {
    let alice = stack.issuer.login("alice")?;
    let twice = stack.envoy.site.get("/orders").bearer(&alice.access).bearer(&alice.access);

    let answer = twice.send()?;

    assert_eq!(answer.reason().as_deref(), Some("multiple_credentials"), "{}", answer.text());
    Ok(())
}

fn a_path_that_could_mean_two_things_is_refused(stack: &Stack) -> Result<()> {
    let alice = stack.issuer.login("alice")?;
    for path in ["/assets/../orders", "/assets/%2e%2e/orders", "//orders", "/assets%2f..%2forders"] {
        let answer = stack.envoy.site.get(path).bearer(&alice.access).send()?;
        assert_eq!(
            answer.reason().as_deref(),
            Some("bad_path"),
            "{path}: {} {}",
            answer.status,
            answer.text()
        );
    }
    Ok(())
}
