//! Tokens that are given up: revoked by their client, logged out by their user, and what others are told of them.

use std::time::Duration;

use anyhow::{Result, ensure};
use keystone_tests::stack::Stack;
use keystone_tests::wait;
use serde_json::json;

use crate::lab::{OnStack, promises};

pub(crate) const PROMISES: &[(&str, OnStack)] = promises![
    a_revoked_refresh_token_ends_its_session,
    a_client_cannot_revoke_anothers_token,
    a_resource_server_learns_only_whether_a_token_is_active,
    a_logout_ends_the_session,
    a_logout_reaches_every_verifier_before_the_token_expires,
];

fn a_revoked_refresh_token_ends_its_session(stack: &Stack) -> Result<()> {
    let alice = stack.issuer.login("alice")?;
    let given_up = [("token", alice.refresh()?), ("client_id", "orders-app")];

    stack.issuer.site.post("/auth/revoke").form(&given_up).send()?.expect(200)?;

    let refused = stack.issuer.refresh_grant(alice.refresh()?).send()?.expect(400)?;
    assert_eq!(refused.member("error")?, "invalid_grant");
    // RFC 7009 §2.2: what is revoked already, or never was a token, is no error.
    stack.issuer.site.post("/auth/revoke").form(&given_up).send()?.expect(200)?;
    Ok(())
}

fn a_client_cannot_revoke_anothers_token(stack: &Stack) -> Result<()> {
    let alice = stack.issuer.login("alice")?;
    let secret = stack.secret("fulfilment")?;

    let foreign = stack.issuer.site.post("/auth/revoke").form(&[("token", alice.refresh()?)]);
    foreign.basic("fulfilment", secret).send()?.expect(200)?;

    stack.issuer.tokens(&stack.issuer.refresh_grant(alice.refresh()?))?;
    Ok(())
}

fn a_resource_server_learns_only_whether_a_token_is_active(stack: &Stack) -> Result<()> {
    let alice = stack.issuer.login("alice")?;
    let secret = stack.secret("fulfilment")?;
    let introspect = |token: &str| {
        let asked = stack.issuer.site.post("/auth/introspect").form(&[("token", token)]);
        asked.basic("fulfilment", secret).send()?.expect(200)?.json()
    };

    let standing = introspect(&alice.access)?;
    ensure!(standing.pointer("/active") == Some(&json!(true)), "{standing}");
    ensure!(standing.pointer("/scope") == Some(&json!("orders:read")), "{standing}");
    // Not its own refresh token: it learns nothing, not even that there is one.
    assert_eq!(introspect(alice.refresh()?)?, json!({ "active": false }));

    stack.issuer.site.post("/auth/logout").bearer(&alice.access).send()?.expect(204)?;
    assert_eq!(introspect(&alice.access)?, json!({ "active": false }));
    Ok(())
}

fn a_logout_ends_the_session(stack: &Stack) -> Result<()> {
    let alice = stack.issuer.login("alice")?;

    stack.issuer.site.post("/auth/logout").bearer(&alice.access).send()?.expect(204)?;

    stack.issuer.refresh_grant(alice.refresh()?).send()?.expect(400)?;
    Ok(())
}

fn a_logout_reaches_every_verifier_before_the_token_expires(stack: &Stack) -> Result<()> {
    let (gone, other) = (stack.issuer.login("alice")?.access, stack.issuer.login("alice")?.access);
    let ask = |token: &str| stack.envoy.site.get("/me").bearer(token).send();
    // A strict route is answered only by a worker that follows the feed.
    let strict = || stack.envoy.site.request("DELETE", "/me").bearer(&other).send();
    wait::until("Envoy to have read the feed", PATIENCE, || Ok(strict()?.status != 503))?;
    for token in [&gone, &other] {
        ask(token)?.expect(200)?;
    }

    let node = stack.node.revoked(&stack.issuer.site.url(""), &gone, &other)?;

    let said = |what: &str| node.get(what).cloned().unwrap_or_default();
    assert_eq!(said("before"), json!(["valid", "valid"]));
    assert_eq!([said("after"), said("other")], [json!("revoked"), json!("valid")], "{node}");
    wait::until("Envoy to refuse the token", PATIENCE, || Ok(ask(&gone)?.status == 401))?;
    assert_eq!(ask(&gone)?.reason().as_deref(), Some("revoked"));
    ask(&other)?.expect(200)?;
    Ok(())
}

const PATIENCE: Duration = Duration::from_secs(30);
