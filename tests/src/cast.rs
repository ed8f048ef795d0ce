//! The fixtures of every stack: users, clients, their permissions, and the policy that Envoy enforces.

use anyhow::{Result, bail};
use serde_json::{Value, json};

/// The name the orders API goes by in a token's `aud`.
pub const AUDIENCE: &str = "orders";

/// The client that acts for people.
pub const APP: &str = "orders-app";

/// Returns the file for `keystone apply`: scopes, roles and clients of the orders API, whose page comes from `origin`.
pub fn orders(origin: &str) -> String {
    ORDERS.replace("{origin}", origin)
}

const ORDERS: &str = r#"# Scopes, roles and clients of the orders API, for `keystone apply`.

[[scopes]]
name = "orders:read"
description = "Read orders"
resource = "orders"

[[scopes]]
name = "orders:write"
description = "Place orders"
resource = "orders"

[[roles]]
name = "customer"
scopes = ["orders:read"]

[[roles]]
name = "clerk"
scopes = ["orders:read", "orders:write"]

[[clients]]
client_id = "orders-app"
name = "The orders app"
public = true
grants = ["password", "refresh_token"]
scopes = ["orders:read", "orders:write", "keystone:account"]
default_scopes = ["orders:read", "orders:write"]
origins = ["{origin}"]

[[clients]]
client_id = "fulfilment"
name = "The service that ships orders"
grants = ["client_credentials"]
scopes = ["orders:read", "orders:write"]

# Creates the people of the demo. A caller can only hand out roles whose scopes it holds itself.
[[clients]]
client_id = "demo-setup"
name = "Creates the people of the demo"
grants = ["client_credentials"]
scopes = ["keystone:users:write", "orders:read", "orders:write"]
"#;

/// More clients, for tests of features that the demo does not show.
pub const EXTRAS: &str = r#"
[[clients]]
client_id = "retired"
name = "A client that was switched off"
enabled = false
grants = ["client_credentials"]
scopes = ["orders:read"]

[[clients]]
client_id = "other-app"
name = "Another app for people"
public = true
grants = ["password", "refresh_token"]
scopes = ["orders:read"]
"#;

/// The users: name, password, role.
pub const PEOPLE: [(&str, &str, &str); 2] =
    [("alice", "Wonder-Land-42", "customer"), ("carol", "Counting-House-7", "clerk")];

pub fn password(name: &str) -> Result<&'static str> {
    match PEOPLE.iter().find(|(known, _, _)| *known == name) {
        Some((_, password, _)) => Ok(password),
        None => bail!("{name} is not in the cast"),
    }
}

/// The policy file for an issuer whose keys come through Envoy's cluster `keystone`, and of whom nothing else is asked.
pub fn policy(issuer: &str) -> Value {
    policy_with(issuer, &json!("off"))
}

/// The same, with the issuer's revocation feed and a route that insists on it.
pub fn policy_with_feed(issuer: &str) -> Value {
    let at = |path: &str| format!("{issuer}/.well-known/keystone/{path}");
    let feed = json!({ "url": at("revocations"), "keys_url": at("feed-jwks.json") });
    let mut policy = policy_with(issuer, &feed);
    let strict =
        json!({ "methods": ["DELETE"], "path": "/me", "authenticated": true, "revocation": "strict" });
    if let Some(routes) = policy.get_mut("routes").and_then(Value::as_array_mut) {
        routes.push(strict);
    }
    policy
}

fn policy_with(issuer: &str, feed: &Value) -> Value {
    json!({
        "version": 1,
        "issuers": [{
            "issuer": issuer,
            "audiences": [AUDIENCE],
            "keys": { "url": format!("{issuer}/.well-known/jwks.json"), "cluster": "keystone" },
            "revocation": feed,
        }],
        "routes": [
            { "methods": ["GET"], "path": "/", "public": true },
            { "methods": ["GET"], "path": "/assets/{*rest}", "public": true },
            { "methods": ["POST"], "path": "/auth/token", "public": true },
            { "methods": ["GET"], "path": "/orders", "require": { "all": ["orders:read"] } },
            { "methods": ["POST"], "path": "/orders", "require": { "all": ["orders:write"] } },
            { "methods": ["GET"], "path": "/me", "authenticated": true },
        ],
        "identity_headers": {
            "subject": "x-keystone-subject",
            "client_id": "x-keystone-client",
            "scope": "x-keystone-scope",
            "session": "x-keystone-session",
            "roles": "x-keystone-roles",
        },
        "envoy": { "access_log": true },
    })
}
