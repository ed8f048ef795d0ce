//! Tokens that are given up: revoked by their client, logged out by their user, and what others are told of them.

use std::time::Duration;

use anyhow::{Result, ensure};
use keystone_tests::envoy::{Setup, Start};
use keystone_tests::orders::Orders;
use keystone_tests::stack::Stack;
use keystone_tests::{cast, ports, wait};
use serde_json::json;

use crate::lab::{Alone, Lab, OnStack, promises, serving_the_cast};
use crate::load::Load;

pub(crate) const PROMISES: &[(&str, OnStack)] = promises![
    a_revoked_refresh_token_ends_its_session,
    a_client_cannot_revoke_anothers_token,
    a_resource_server_learns_whether_a_token_stands_and_nothing_more,
    a_logout_ends_the_session,
    a_logout_reaches_every_verifier_before_the_token_expires,
];

pub(crate) const ALONE: &[(&str, Alone)] =
    promises![a_revoked_token_stays_revoked_when_envoys_vm_starts_anew];

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

fn a_resource_server_learns_whether_a_token_stands_and_nothing_more(stack: &Stack) -> Result<()> {
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

/// Other code of the filter begins in new VMs, as after a failure. The issuer does not answer meanwhile.
fn a_revoked_token_stays_revoked_when_envoys_vm_starts_anew(lab: &Lab) -> Result<()> {
    let home = lab.issuer_home("new-vm", |_| ())?;
    let issuer = serving_the_cast(&home)?;
    let policy = cast::policy_with_feed(&issuer.site.url("")).to_string();
    let (listen, orders) = (ports::free()?, ports::free()?);
    let setup = Setup { listen, policy: policy.clone(), orders, issuer: issuer.site.port };
    let _orders = Orders::start(orders, &lab.tools.package, json!({}))?;
    let start = Start::new(&lab.tools, &lab.ledger).workers(2).dynamic();
    let envoy = start.run(&home.directory.join("envoy"), &setup)?;
    let (gone, other) = (issuer.login("alice")?.access, issuer.login("alice")?.access);
    let all = |token: &str, status: u16| {
        let answers = (0..40).map(|_| envoy.site.get("/orders").bearer(token).send());
        wait::until(&format!("{status} from every worker"), PATIENCE, || {
            Ok(answers.clone().all(|answer| answer.is_ok_and(|answer| answer.status == status)))
        })
    };
    all(&gone, 200)?;
    issuer.site.post("/auth/logout").bearer(&gone).send()?.expect(204)?;
    all(&gone, 401)?;
    issuer.process.freeze()?;

    let refused = || envoy.site.get("/orders").bearer(&gone).send()?.expect(401).map(drop);
    let accepted = || envoy.site.get("/orders").bearer(&other).send()?.expect(200).map(drop);
    Load::new().and(refused).and(accepted).during(|watch| {
        watch.rounds(5)?;
        ensure!(envoy.upgrade(&policy)?, "the other build was refused");
        watch.rounds(100)
    })?;

    assert_eq!(envoy.site.get("/orders").bearer(&gone).send()?.reason().as_deref(), Some("revoked"));
    issuer.process.thaw()
}

const PATIENCE: Duration = Duration::from_secs(30);
