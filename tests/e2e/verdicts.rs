//! Node and a page in Chromium decide about the same bytes as Envoy does.

use anyhow::{Context, Result, ensure};
use keystone_tests::stack::Stack;
use keystone_tests::token::with_one_byte_changed;
use serde_json::{Value, json};

use crate::lab::{OnStack, promises};

pub(crate) const PROMISES: &[(&str, OnStack)] = promises![
    node_answers_questions_about_the_same_tokens,
    node_and_envoy_refuse_a_changed_token_for_the_same_reason,
    a_page_in_chromium_agrees_with_envoy,
];

fn node_answers_questions_about_the_same_tokens(stack: &Stack) -> Result<()> {
    let issuer = stack.issuer.site.url("");
    let alice = stack.issuer.login("alice")?.access;
    let service =
        stack.issuer.tokens(&stack.issuer.client_grant("fulfilment", stack.secret("fulfilment")?))?.access;

    let said = stack.node.verify(&issuer, "orders", &[&alice, &service])?;

    let about = |at: usize, what: &str| said.get(at).and_then(|verdict| verdict.get(what)).cloned();
    assert_eq!(about(0, "scopes"), Some(json!(["orders:read"])));
    assert_eq!([about(0, "orders:read"), about(0, "orders:write")], [Some(json!(true)), Some(json!(false))]);
    assert_eq!(about(1, "subject"), Some(json!("client:fulfilment")));
    assert_eq!(about(1, "orders:write"), Some(json!(true)));
    let elsewhere = stack.node.verify(&issuer, "invoices", &[&alice])?;
    assert_eq!(elsewhere.first().and_then(|verdict| verdict.get("code")), Some(&json!("audience")));
    Ok(())
}

fn node_and_envoy_refuse_a_changed_token_for_the_same_reason(stack: &Stack) -> Result<()> {
    let alice = stack.issuer.login("alice")?.access;
    let mut changed = (0..3).map(|part| with_one_byte_changed(&alice, part)).collect::<Result<Vec<_>>>()?;
    changed.extend([
        format!("{alice}="),
        format!("{alice}.x"),
        "no token at all".replace(' ', ""),
        "x".repeat(9000),
    ]);

    let texts: Vec<&str> = changed.iter().map(String::as_str).collect();
    let node = stack.node.verify(&stack.issuer.site.url(""), "orders", &texts)?;

    for (token, said) in changed.iter().zip(&node) {
        let envoy = stack.envoy.site.get("/orders").bearer(token).send()?.expect(401)?;
        assert_eq!(envoy.reason().as_deref(), said.get("code").and_then(Value::as_str), "{token}");
        assert_eq!(said.get("status"), Some(&json!(401)));
    }
    assert_eq!(node.get(2).and_then(|said| said.get("code")), Some(&json!("signature")));
    Ok(())
}

fn a_page_in_chromium_agrees_with_envoy(stack: &Stack) -> Result<()> {
    let screenshot = stack.directory.join("page.png");

    let seen = stack.browser.visit(&stack.envoy.site.url("/"), "alice", &screenshot)?;

    let on_screen =
        |what: &str| seen.get(what).cloned().with_context(|| format!("the page shows no {what}: {seen}"));
    assert_eq!(on_screen("who")?, "signed in as alice");
    assert_eq!(on_screen("scopes")?, json!(["orders:read"]));
    assert_eq!(on_screen("buttons")?, json!({ "list": true, "place": false }));
    let expired = json!({ "who": "nobody is signed in", "said": "The token has expired: sign in again." });
    assert_eq!(on_screen("expired")?, expired);
    assert_eq!(on_screen("list")?, "GET /orders: 200");
    assert_eq!([on_screen("verdict")?, on_screen("gateway")?], ["valid", "valid"]);
    assert_eq!(on_screen("changed")?, json!({ "verdict": "signature", "gateway": "signature" }));
    assert_eq!(on_screen("restored")?, json!({ "verdict": "valid", "gateway": "valid" }));
    assert_eq!(on_screen("hosts")?, json!(["127.0.0.1"]), "the page asked another host");
    assert_eq!(on_screen("trouble")?, json!([]));
    ensure!(screenshot.exists());
    Ok(())
}
