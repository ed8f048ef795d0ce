//! Configurations of jwt_authn, rbac and routes, as a number decides.

use serde_json::{Map, Value, json};

use super::numbers::Numbers;
use super::{JWT, RBAC, jwt_filter, rbac_filter};

/// The texts that paths are compared with.
const PATHS: [&str; 8] = ["/", "/a", "/a/", "/a/b", "/a/b/", "/ab", "/c", "/c/d"];
const METHODS: [&str; 4] = ["GET", "POST", "OPTIONS", "PURGE"];

/// A connection manager without its router.
pub(super) fn manager(numbers: &mut Numbers, keys: &str) -> Value {
    let shared = numbers.chance(50);
    let provider = |issuer: &str, splits: bool| {
        json!({
            "issuer": format!("https://{issuer}.example"),
            "audiences": ["orders"],
            "local_jwks": { "inline_string": keys },
            "forward": true,
            "payload_in_metadata": if shared { "payload" } else { issuer },
            "normalize_payload_in_metadata": { "space_delimited_claims": if splits { vec!["scope"] } else { vec![] } },
        })
    };
    let splits = numbers.chance(70);
    let providers = json!({ "a": provider("a", splits), "b": provider("b", splits) });
    // In a simple one each detail decides alone.
    let is_simple = numbers.chance(50);
    let mut payloads = vec![if shared { "payload" } else { "a" }];
    if !shared && numbers.chance(if is_simple { 80 } else { 30 }) {
        payloads.push("b");
    }
    let mut rules: Vec<Value> =
        (0..numbers.below(if is_simple { 2 } else { 4 })).map(|_| rule(numbers)).collect();
    if is_simple || numbers.chance(60) {
        let requires = match is_simple && numbers.chance(50) {
            true => any(&[json!({ "provider_name": "a" }), json!({ "provider_name": "b" })]),
            false => json!({ "provider_name": "a" }),
        };
        rules.push(json!({ "match": { "prefix": "/" }, "requires": requires }));
    }
    let mut filters = vec![jwt_filter(json!({
        "providers": providers,
        "rules": rules,
        "requirement_map": { "token": { "provider_name": "a" }, "none": {} },
        "bypass_cors_preflight": numbers.chance(15),
    }))];
    let mut claims = Claims { payloads, splits, is_simple };
    for _ in 0..(if is_simple { 1 } else { numbers.below(3) }) {
        filters.push(rbac_filter(json!({ "rules": claims.rules(numbers) })));
    }
    if filters.len() > 1 && numbers.chance(5) {
        filters.reverse();
    }
    let routes = routes(numbers, &mut claims);
    json!({ "stat_prefix": "source", "route_config": { "virtual_hosts": [{ "name": "all", "domains": ["*"], "routes": routes }] }, "http_filters": filters })
}

fn rule(numbers: &mut Numbers) -> Value {
    let requires = match numbers.below(20) {
        0..=3 => json!({}),
        4..=10 => json!({ "provider_name": "a" }),
        11 => json!({ "provider_name": "b" }),
        12 | 13 => any(&[json!({ "provider_name": "a" }), json!({ "provider_name": "b" })]),
        14 => any(&[json!({ "provider_name": "a" }), json!({ "allow_missing": {} })]),
        15 => json!({ "allow_missing_or_failed": {} }),
        16 => json!({ "allow_missing": {} }),
        17 => json!({ "provider_and_audiences": { "provider_name": "a", "audiences": ["orders"] } }),
        18 => any(&[json!({ "provider_name": "a" }), json!({})]),
        _ => return json!({ "match": condition(numbers), "requirement_name": "token" }),
    };
    json!({ "match": condition(numbers), "requires": requires })
}

fn any(parts: &[Value]) -> Value {
    json!({ "requires_any": { "requirements": parts } })
}

/// `RouteMatch`
fn condition(numbers: &mut Numbers) -> Value {
    let path = numbers.one(&PATHS);
    let mut condition = match numbers.below(5) {
        0 | 1 => json!({ "prefix": path }),
        2 => json!({ "path": path }),
        3 if numbers.chance(20) => json!({ "safe_regex": { "regex": "/a.*" } }),
        _ => json!({ "path_separated_prefix": if path.ends_with('/') { "/a" } else { path } }),
    };
    let header = match numbers.below(20) {
        0 => json!({ "name": "x-a", "present_match": true }),
        1..=3 => json!({ "name": ":method", "string_match": { "exact": numbers.one(&METHODS) } }),
        4 => json!({ "name": ":method", "string_match": { "exact": "GET" }, "invert_match": true }),
        _ => return condition,
    };
    if let Some(members) = condition.as_object_mut() {
        members.insert("headers".to_owned(), json!([header]));
    }
    condition
}

/// Routes, some of which change what the filters do.
fn routes(numbers: &mut Numbers, claims: &mut Claims) -> Vec<Value> {
    let mut routes = Vec::new();
    if numbers.chance(30) {
        for _ in 0..=numbers.below(2) {
            let mut overrides = Map::new();
            if numbers.chance(if claims.is_simple { 20 } else { 60 }) {
                let own = match numbers.below(3) {
                    0 => json!({ "disabled": true }),
                    1 => json!({ "requirement_name": "token" }),
                    _ => json!({ "requirement_name": "none" }),
                };
                overrides.insert(JWT.to_owned(), typed("jwt_authn.v3.PerRouteConfig", own));
            }
            if numbers.chance(if claims.is_simple { 80 } else { 40 }) {
                let rules = json!({ "rbac": { "rules": claims.rules(numbers) } });
                let own = if numbers.chance(30) { json!({}) } else { rules };
                overrides.insert(RBAC.to_owned(), typed("rbac.v3.RBACPerRoute", own));
            }
            routes.push(json!({ "match": condition(numbers), "direct_response": { "status": 200 }, "typed_per_filter_config": overrides }));
        }
    }
    routes.push(json!({ "match": { "prefix": "/" }, "direct_response": { "status": 200 } }));
    routes
}

fn typed(name: &str, mut value: Value) -> Value {
    if let Some(members) = value.as_object_mut() {
        members.insert(
            "@type".to_owned(),
            json!(format!("type.googleapis.com/envoy.extensions.filters.http.{name}")),
        );
    }
    value
}

/// The claims that rbac can require.
struct Claims {
    payloads: Vec<&'static str>,
    splits: bool,
    is_simple: bool,
}

impl Claims {
    fn rules(&mut self, numbers: &mut Numbers) -> Value {
        if self.is_simple {
            let permission = if numbers.chance(50) { json!({ "any": true }) } else { permission(numbers, 2) };
            let policy = json!({ "permissions": [permission], "principals": [self.principal(numbers, 2)] });
            let action = if numbers.chance(15) { "DENY" } else { "ALLOW" };
            return json!({ "action": action, "policies": { "only": policy } });
        }
        let mut policies = Map::new();
        for at in 0..=numbers.below(2) {
            let permissions: Vec<Value> = (0..=numbers.below(2)).map(|_| permission(numbers, 0)).collect();
            let principals: Vec<Value> = (0..=numbers.below(2)).map(|_| self.principal(numbers, 0)).collect();
            policies.insert(
                format!("policy-{at}"),
                json!({ "permissions": permissions, "principals": principals }),
            );
        }
        if numbers.chance(50) {
            policies.insert(
                "rest".to_owned(),
                json!({ "permissions": [{ "any": true }], "principals": [self.principal(numbers, 1)] }),
            );
        }
        let action = match numbers.below(10) {
            0 => json!("DENY"),
            1 => json!(1),
            2 => json!(2),
            _ => json!("ALLOW"),
        };
        json!({ "action": action, "policies": policies })
    }

    fn principal(&mut self, numbers: &mut Numbers, depth: usize) -> Value {
        let parts = |own: &mut Self, numbers: &mut Numbers| {
            vec![own.principal(numbers, depth + 1), own.principal(numbers, depth + 1)]
        };
        match numbers.below(if depth < 2 { 13 } else { 9 }) {
            0 | 1 => json!({ "any": true }),
            2..=5 if self.splits => self.claim(numbers, "scope", &["r", "w"]),
            2..=5 => {
                let text = json!({ "string_match": { "contains": numbers.one(&["r", "w"]) } });
                self.metadata(numbers, "scope", text)
            }
            6 | 7 => self.claim(numbers, "roles", &["clerk", "chief"]),
            8 if numbers.chance(50) => {
                let issuer = format!("https://{}.example", numbers.one(&["a", "b"]));
                self.metadata(numbers, "iss", json!({ "string_match": { "exact": issuer } }))
            }
            8 => self.metadata(numbers, "email", json!({ "string_match": { "exact": "a@a.example" } })),
            9 => json!({ "and_ids": { "ids": parts(self, numbers) } }),
            10 | 11 => json!({ "or_ids": { "ids": parts(self, numbers) } }),
            _ => json!({ "not_id": self.principal(numbers, depth + 1) }),
        }
    }

    fn claim(&mut self, numbers: &mut Numbers, name: &str, values: &[&str]) -> Value {
        let value = numbers.one(values);
        self.metadata(
            numbers,
            name,
            json!({ "list_match": { "one_of": { "string_match": { "exact": value } } } }),
        )
    }

    fn metadata(&mut self, numbers: &mut Numbers, claim: &str, value: Value) -> Value {
        let payload = numbers.one(&self.payloads);
        json!({ "metadata": { "filter": JWT, "path": [{ "key": payload }, { "key": claim }], "value": value, "invert": numbers.chance(if self.is_simple { 15 } else { 4 }) } })
    }
}

fn permission(numbers: &mut Numbers, depth: usize) -> Value {
    let parts = |numbers: &mut Numbers| vec![permission(numbers, depth + 1), permission(numbers, depth + 1)];
    match numbers.below(if depth < 2 { 11 } else { 8 }) {
        0 | 1 => json!({ "any": true }),
        2 | 3 => json!({ "url_path": { "path": { "exact": numbers.one(&PATHS) } } }),
        4..=6 => json!({ "url_path": { "path": { "prefix": numbers.one(&PATHS) } } }),
        7 => {
            let method = match numbers.below(3) {
                0 => json!({ "prefix": "P" }),
                _ => json!({ "exact": numbers.one(&METHODS) }),
            };
            json!({ "header": { "name": ":method", "string_match": method } })
        }
        8 => json!({ "and_rules": { "rules": parts(numbers) } }),
        9 => json!({ "or_rules": { "rules": parts(numbers) } }),
        _ => json!({ "not_rule": permission(numbers, depth + 1) }),
    }
}
