//! Clients that nobody here wrote: the same things happen to each, on its way through the issuer.

mod rust;

use std::time::Duration;

use anyhow::{Context, Result};
use keystone_tests::cast;
use keystone_tests::stack::Stack;
use serde_json::{Value, json};

use crate::lab::{OnStack, promises};

pub(crate) const PROMISES: &[(&str, OnStack)] = promises![
    a_client_on_oauth4webapi_obtains_refreshes_introspects_and_revokes,
    a_client_on_openid_client_obtains_refreshes_introspects_and_revokes,
    a_client_on_authlib_obtains_refreshes_introspects_and_revokes,
    a_client_on_the_oauth2_crate_obtains_refreshes_introspects_and_revokes,
];

fn a_client_on_oauth4webapi_obtains_refreshes_introspects_and_revokes(stack: &Stack) -> Result<()> {
    let told = stack.node.run("oauth4webapi.mjs", &[&cast(stack)?.to_string()], LIMIT)?;

    all_went_well(&told)
}

fn a_client_on_openid_client_obtains_refreshes_introspects_and_revokes(stack: &Stack) -> Result<()> {
    let told = stack.node.run("openid-client.mjs", &[&cast(stack)?.to_string()], LIMIT)?;

    all_went_well(&told)
}

fn a_client_on_authlib_obtains_refreshes_introspects_and_revokes(stack: &Stack) -> Result<()> {
    let told = stack.python.run("with_authlib.py", &[&cast(stack)?.to_string()], LIMIT)?;

    all_went_well(&told)
}

fn a_client_on_the_oauth2_crate_obtains_refreshes_introspects_and_revokes(stack: &Stack) -> Result<()> {
    let told = rust::story(&stack.issuer, stack.secret("fulfilment")?)?;

    all_went_well(&told.to_string())
}

/// What a client is told beforehand; the rest it reads from the metadata.
fn cast(stack: &Stack) -> Result<Value> {
    Ok(json!({
        "issuer": stack.issuer.site.url(""),
        "audience": cast::AUDIENCE,
        "app": cast::APP,
        "user": { "username": "alice", "password": cast::password("alice")? },
        "service": { "client_id": "fulfilment", "client_secret": stack.secret("fulfilment")? },
    }))
}

fn all_went_well(told: &str) -> Result<()> {
    let told: Value = serde_json::from_str(told).with_context(|| format!("not a story: {told}"))?;

    let expected = json!({
        // The scope of a person's token, and whether a refresh gave two new tokens.
        "login": "orders:read",
        "refreshed": true,
        // The scope of a service's token, identified by Basic and in the body.
        "service": ["orders:write", "orders:write"],
        // A person's access token before and after the refresh token was revoked.
        "introspected": [true, "alice", false],
        // The revoked refresh token, and a wrong secret by Basic and in the body.
        "refused": ["invalid_grant", "invalid_client", "invalid_client"],
    });
    assert_eq!(told, expected);
    Ok(())
}

const LIMIT: Duration = Duration::from_secs(60);
