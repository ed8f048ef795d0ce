//! Client libraries of other projects: each goes through the same steps at the issuer.

mod rust;

use std::time::Duration;

use anyhow::{Context, Result};
use keystone_tests::cast;
use keystone_tests::stack::Stack;
use serde_json::{Value, json};

use crate::lab::{OnStack, promises};

pub(crate) const PROMISES: &[(&str, OnStack)] = promises![
    oauth4webapi_obtains_refreshes_introspects_and_revokes,
    openid_client_obtains_refreshes_introspects_and_revokes,
    authlib_obtains_refreshes_introspects_and_revokes,
    the_oauth2_crate_obtains_refreshes_introspects_and_revokes,
];

fn oauth4webapi_obtains_refreshes_introspects_and_revokes(stack: &Stack) -> Result<()> {
    let told = stack.node.run("oauth4webapi.mjs", &[&cast(stack)?.to_string()], LIMIT)?;

    all_went_well(&told)
}

fn openid_client_obtains_refreshes_introspects_and_revokes(stack: &Stack) -> Result<()> {
    let told = stack.node.run("openid-client.mjs", &[&cast(stack)?.to_string()], LIMIT)?;

    all_went_well(&told)
}

fn authlib_obtains_refreshes_introspects_and_revokes(stack: &Stack) -> Result<()> {
    let told = stack.python.run("with_authlib.py", &[&cast(stack)?.to_string()], LIMIT)?;

    all_went_well(&told)
}

fn the_oauth2_crate_obtains_refreshes_introspects_and_revokes(stack: &Stack) -> Result<()> {
    let told = rust::story(&stack.issuer, stack.secret("fulfilment")?)?;

    all_went_well(&told.to_string())
}

/// Returns the configuration of a client; it reads the rest from the metadata.
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
