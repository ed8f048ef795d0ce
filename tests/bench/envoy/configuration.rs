//! The listeners: the same routes behind each side's filters.

use std::path::Path;

use keystone_tests::envoy::{address, keystone};
use serde_json::{Value, json};

use super::tokens::{AUDIENCE, ISSUER, SCOPE};

/// The filter that guards a listener.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Side {
    Nothing,
    /// Our filter, with a scope for the route.
    Keystone,
    /// `jwt_authn`: no scope is looked at.
    Native,
    /// `jwt_authn` and `rbac` on the scope.
    NativeScope,
    /// `jwt_authn` with its cache.
    Cached,
    /// `jwt_authn` with its cache, and `rbac` on the scope.
    CachedScope,
}

impl Side {
    pub(super) const ALL: [Self; 6] =
        [Self::Nothing, Self::Keystone, Self::Native, Self::NativeScope, Self::Cached, Self::CachedScope];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Nothing => "no filter",
            Self::Keystone => "keystone",
            Self::Native => "jwt_authn",
            Self::NativeScope => "jwt_authn + rbac",
            Self::Cached => "jwt_authn's cache",
            Self::CachedScope => "jwt_authn's cache + rbac",
        }
    }

    pub(super) fn wants_token(self) -> bool {
        self != Self::Nothing
    }

    pub(super) fn wants_scope(self) -> bool {
        matches!(self, Self::Keystone | Self::NativeScope | Self::CachedScope)
    }

    fn filters(self, filter: &Path, jwks: &Value) -> Vec<Value> {
        match self {
            Self::Nothing => Vec::new(),
            Self::Keystone => vec![keystone(filter, &policy(jwks).to_string())],
            Self::Native => vec![jwt_authn(provider(jwks))],
            Self::NativeScope => vec![jwt_authn(with_claims(provider(jwks))), rbac()],
            Self::Cached => vec![jwt_authn(with_cache(provider(jwks)))],
            Self::CachedScope => vec![jwt_authn(with_claims(with_cache(provider(jwks)))), rbac()],
        }
    }
}

pub(super) fn listener(side: Side, port: u16, filter: &Path, jwks: &Value) -> Value {
    let mut filters = side.filters(filter, jwks);
    filters.push(typed("router", "router.v3.Router", json!({})));
    json!({
        "name": side.name(),
        "address": address(port),
        "filter_chains": [{ "filters": [{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                "stat_prefix": side.name(),
                "route_config": { "virtual_hosts": [{
                    "name": "all",
                    "domains": ["*"],
                    "routes": [{
                        "match": { "prefix": "/" },
                        "direct_response": { "status": 200, "body": { "inline_string": "orders" } },
                    }],
                }] },
                "http_filters": filters,
            },
        }] }],
    })
}

fn policy(jwks: &Value) -> Value {
    json!({
        "version": 1,
        "issuers": [{ "issuer": ISSUER, "audiences": [AUDIENCE], "keys": { "inline": jwks } }],
        "routes": [{ "methods": ["GET"], "path": "/orders", "require": { "all": [SCOPE] } }],
    })
}

fn provider(jwks: &Value) -> Value {
    json!({
        "issuer": ISSUER,
        "audiences": [AUDIENCE],
        "require_expiration": true,
        "forward": true,
        "local_jwks": { "inline_string": jwks.to_string() },
    })
}

/// So many and so long tokens that all of a row fit.
fn with_cache(provider: Value) -> Value {
    with(provider, json!({ "jwt_cache_config": { "jwt_cache_size": 1000, "jwt_max_token_size": 8192 } }))
}

/// Shows `rbac` the scopes one by one.
fn with_claims(provider: Value) -> Value {
    let scopes = json!({ "space_delimited_claims": ["scope"] });
    with(provider, json!({ "payload_in_metadata": "claims", "normalize_payload_in_metadata": scopes }))
}

fn with(mut object: Value, more: Value) -> Value {
    if let (Value::Object(members), Value::Object(more)) = (&mut object, more) {
        members.extend(more);
    }
    object
}

fn jwt_authn(provider: Value) -> Value {
    let rule = json!({ "match": { "prefix": "/" }, "requires": { "provider_name": "keystone" } });
    let filter = json!({ "providers": { "keystone": provider }, "rules": [rule] });
    typed("jwt_authn", "jwt_authn.v3.JwtAuthentication", filter)
}

fn rbac() -> Value {
    let scope = json!({
        "filter": "envoy.filters.http.jwt_authn",
        "path": [{ "key": "claims" }, { "key": "scope" }],
        "value": { "list_match": { "one_of": { "string_match": { "exact": SCOPE } } } },
    });
    let scope = json!({ "sourced_metadata": { "metadata_matcher": scope } });
    let read = json!({ "permissions": [{ "any": true }], "principals": [scope] });
    let rules = json!({ "action": "ALLOW", "policies": { "read": read } });
    typed("rbac", "rbac.v3.RBAC", json!({ "rules": rules }))
}

fn typed(name: &str, kind: &str, config: Value) -> Value {
    let kind = json!({ "@type": format!("type.googleapis.com/envoy.extensions.filters.http.{kind}") });
    json!({ "name": format!("envoy.filters.http.{name}"), "typed_config": with(config, kind) })
}
