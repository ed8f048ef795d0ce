//! A user logs in and gets an access token and a refresh token.

use anyhow::{Context, Result, ensure};
use keystone_tests::cast;
use keystone_tests::issuer::Tokens;
use keystone_tests::stack::Stack;
use serde_json::json;

use crate::lab::{OnStack, promises};

pub(crate) const PROMISES: &[(&str, OnStack)] = promises![
    alice_logs_in_with_a_form,
    alice_logs_in_with_json,
    a_token_holds_what_was_asked_and_allowed_and_nothing_more,
    a_wrong_password_and_an_unknown_user_get_the_same_answer,
    the_metadata_names_the_endpoints_that_answer,
];

fn alice_logs_in_with_a_form(stack: &Stack) -> Result<()> {
    let answer = stack.issuer.password_grant("alice", cast::password("alice")?).send()?.expect(200)?;
    let tokens = Tokens::from(&answer, &stack.ledger)?;

    assert_eq!(answer.member("token_type")?, "Bearer");
    assert_eq!(answer.header("cache-control").as_deref(), Some("no-store"));
    assert_eq!(tokens.scope, "orders:read");
    ensure!((800..=900).contains(&tokens.expires_in), "{}", tokens.expires_in);
    ensure!(tokens.refresh()?.starts_with("ksrt_"));
    Ok(())
}

fn alice_logs_in_with_json(stack: &Stack) -> Result<()> {
    let body = json!({ "grant_type": "password", "username": "alice", "password": cast::password("alice")? });

    let tokens = stack.issuer.tokens(&stack.issuer.site.post("/auth/token").json(&body))?;

    assert_eq!(tokens.scope, "orders:read");
    tokens.refresh().map(drop)
}

fn a_token_holds_what_was_asked_and_allowed_and_nothing_more(stack: &Stack) -> Result<()> {
    let ask = |name: &str, scope: &str| -> Result<_> {
        let password = cast::password(name)?;
        let fields =
            [("grant_type", "password"), ("username", name), ("password", password), ("scope", scope)];
        stack.issuer.token(&fields).send()
    };

    assert_eq!(
        Tokens::from(&ask("carol", "orders:write")?.expect(200)?, &stack.ledger)?.scope,
        "orders:write"
    );
    // Alice is a customer: what only her role lacks is left out, and the answer says so.
    let both = ask("alice", "orders:read orders:write")?.expect(200)?;
    assert_eq!(Tokens::from(&both, &stack.ledger)?.scope, "orders:read");
    // What the app itself may not ask for is a mistake of the app.
    assert_eq!(ask("alice", "keystone:users:write")?.expect(400)?.member("error")?, "invalid_scope");
    Ok(())
}

fn a_wrong_password_and_an_unknown_user_get_the_same_answer(stack: &Stack) -> Result<()> {
    let wrong = stack.issuer.password_grant("alice", "Not-Her-Password-1").send()?.expect(400)?;
    let unknown = stack.issuer.password_grant("nobody", "Not-Her-Password-1").send()?.expect(400)?;

    assert_eq!(wrong.member("error")?, "invalid_grant");
    assert_eq!(wrong.text(), unknown.text());
    Ok(())
}

fn the_metadata_names_the_endpoints_that_answer(stack: &Stack) -> Result<()> {
    let site = &stack.issuer.site;
    let metadata = site.get("/.well-known/oauth-authorization-server").send()?.expect(200)?;

    assert_eq!(metadata.member("issuer")?, site.url(""));
    assert_eq!(metadata.member("token_endpoint")?, site.url("/auth/token"));
    let keys = metadata.member("jwks_uri")?;
    let path = keys.strip_prefix(&site.url("")).context("the keys are on another host")?.to_owned();
    let answer = site.get(&path).send()?.expect(200)?;
    let keys = answer.json()?;
    let keys = keys.get("keys").and_then(|keys| keys.as_array()).context("no keys")?;
    ensure!(keys.len() >= 2, "a standby key is published besides the one that signs: {}", answer.text());
    ensure!(keys.iter().all(|key| key.get("d").is_none()), "a private key is published");
    Ok(())
}
