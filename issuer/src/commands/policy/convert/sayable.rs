//! Asks the verifier what can stand in a policy, so that its rules are not written a second time.

use keystone_verifier::Policy;
use serde_json::{Value, json};

/// Whether this literal path can stand in a route.
pub(super) fn path(path: &str) -> bool {
    // A brace would begin a placeholder.
    !path.contains('{') && policy(&issuer_of_nobody(), json!({ "path": path, "public": true })).is_ok()
}

pub(super) fn scope(scope: &str) -> bool {
    policy(&issuer_of_nobody(), json!({ "path": "/", "require": { "all": [scope] } })).is_ok()
}

/// `Err` says what is wrong with the issuer.
pub(super) fn issuer(issuer: &Value) -> Result<(), String> {
    policy(issuer, json!({ "path": "/", "public": true }))
}

fn policy(issuer: &Value, mut route: Value) -> Result<(), String> {
    if let Some(route) = route.as_object_mut() {
        route.insert("methods".to_owned(), json!(["GET"]));
    }
    let policy = json!({ "version": 1, "issuers": [issuer], "routes": [route] });
    Policy::parse(policy.to_string().as_bytes()).map(drop).map_err(|error| error.to_string())
}

fn issuer_of_nobody() -> Value {
    json!({ "issuer": "https://issuer", "audiences": ["audience"], "keys": { "url": "https://issuer/keys" } })
}
