//! Requests that tell configurations apart.

use keystone_tests::http::{Request, Site};
use keystone_tests::mint;
use serde_json::{Value, json};

use super::numbers::Numbers;

/// A request, to be sent to both listeners.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) header: Option<&'static str>,
    pub(super) is_preflight: bool,
    /// As it is written before the token.
    pub(super) scheme: &'static str,
    pub(super) token: Option<String>,
}

const PATHS: [&str; 18] = [
    "/", "/a", "/a/", "/a/b", "/a/b/", "/a/b/c", "/a/x", "/ab", "/abc", "/ax", "/a?x=/c", "/c", "/c/",
    "/c/d", "/cd", "/d", "/d/e", "/A/b",
];
const METHODS: [&str; 6] = ["GET", "GET", "POST", "OPTIONS", "DELETE", "PURGE"];

/// Returns the credentials of requests: none, garbage, or a token of one of three issuers with some scopes and roles.
pub(super) fn tokens() -> Vec<Option<String>> {
    let mut tokens = vec![None, None, Some("garbage".to_owned())];
    for issuer in ["a", "a", "b", "x"] {
        for scope in ["", "r", "w", "r w", "x rx w"] {
            for roles in [json!(null), json!(["clerk"]), json!(["chief", "clerk"])] {
                tokens.push(Some(token(issuer, scope, &roles)));
            }
        }
    }
    tokens.push(Some(mint::with(&json!({ "iss": "https://a.example", "aud": "others", "scope": "r w" }))));
    let of_another_name = json!({ "iss": "https://a.example", "scope": "r w", "roles": ["chief", "clerk"] });
    tokens.extend((0..4).map(|_| Some(mint::with_algorithm(&of_another_name, "Ed25519"))));
    tokens
}

fn token(issuer: &str, scope: &str, roles: &Value) -> String {
    let email = format!("{issuer}@a.example");
    let mut claims = json!({ "iss": format!("https://{issuer}.example"), "scope": scope, "email": email });
    if let Some(members) = claims.as_object_mut().filter(|_| !roles.is_null()) {
        members.insert("roles".to_owned(), roles.clone());
    }
    mint::with(&claims)
}

pub(super) fn some(numbers: &mut Numbers, tokens: &[Option<String>], count: usize) -> Vec<Asked> {
    let one = |_| {
        let method = numbers.one(&METHODS);
        Asked {
            method,
            path: numbers.one(&PATHS),
            header: numbers.chance(15).then_some("x-a"),
            scheme: if numbers.chance(10) { "bearer" } else { "Bearer" },
            is_preflight: method == "OPTIONS" && numbers.chance(50),
            token: tokens.get(numbers.below(tokens.len())).cloned().flatten(),
        }
    };
    (0..count).map(one).collect()
}

impl Asked {
    pub(super) fn of(&self, site: &Site) -> Request {
        let mut request = site.request(self.method, self.path);
        if let Some(name) = self.header {
            request = request.header(name, "1");
        }
        if self.is_preflight {
            request = request
                .header("origin", "https://app.example")
                .header("access-control-request-method", "GET");
        }
        match &self.token {
            Some(token) => request.header("authorization", format!("{} {token}", self.scheme)),
            None => request,
        }
    }
}
