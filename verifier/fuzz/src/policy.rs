//! A policy: read the same however it is written, and every route decides as a second reading of the file would.

use keystone_verifier::{Authorizer, Decision, KeyCache, KeySource, Policy, RequestView};
use serde_json::{Map, Value, json};

use crate::forge::{self, HEADER, NOW, keys};
use crate::{routes, strict};

/// Judges one policy file.
pub fn check(input: &[u8]) {
    match Policy::parse(input) {
        Ok(policy) => {
            let document = strict::read(input).expect("strict JSON");
            says_what_is_written(&policy, &document);
            is_read_the_same_however_it_is_written(&policy, &document);
            decides_as_written(&policy, &document);
        }
        Err(error) => {
            let lines = input.split(|&byte| byte == b'\n').count();
            assert!((1..=lines).contains(&error.line()), "{error}");
            assert!(error.to_string().starts_with("line "));
            assert_eq!(Policy::parse(input).err(), Some(error));
        }
    }
}

fn says_what_is_written(policy: &Policy, document: &Value) {
    let written = list(document, "issuers");
    assert_eq!(policy.issuers().len(), written.len());
    for (issuer, written) in policy.issuers().iter().zip(written) {
        assert_eq!(Some(issuer.rules.issuer.as_str()), written.get("issuer").and_then(Value::as_str));
        assert_eq!(issuer.rules.audiences, texts(written, "audiences"));
        assert!(issuer.rules.leeway <= 120 && (1..=31_536_000).contains(&issuer.rules.max_lifetime));
        match (&issuer.keys, written.get("keys")) {
            (KeySource::Inline(keys), Some(written)) => {
                let written = list(written.get("inline").expect("inline"), "keys");
                assert!(keys.kids().all(|kid| written.iter().any(|jwk| jwk.get("kid") == Some(&kid.into()))));
            }
            (KeySource::Remote { url, .. }, Some(written)) => {
                assert_eq!(written.get("url"), Some(&url.as_str().into()));
            }
            _ => panic!("an issuer without keys"),
        }
    }
}

/// White space, escapes and the order of members mean nothing; neither does the order of routes.
fn is_read_the_same_however_it_is_written(policy: &Policy, document: &Value) {
    let read = |document: &Value| Policy::parse(document.to_string().as_bytes()).expect("the same policy");
    assert_eq!(format!("{:?}", read(document)), format!("{policy:?}"));

    let mut reversed = document.clone();
    if let Some(routes) = reversed.get_mut("routes").and_then(Value::as_array_mut) {
        routes.reverse();
    }
    let (mut one, mut other) = (authorizer(policy), authorizer(&read(&reversed)));
    for request in requests(document) {
        assert_eq!(decide(&mut one, &request, None), decide(&mut other, &request, None), "{request:?}");
    }
}

/// Method and path.
type Request = (String, String);

/// Some that the routes are for, and some beside them.
fn requests(document: &Value) -> Vec<Request> {
    let mut requests = Vec::new();
    for route in list(document, "routes").iter().take(6) {
        let template = route.get("path").and_then(Value::as_str).unwrap_or_default();
        let segments = template.split('/').map(|segment| match segment.as_bytes() {
            [b'{', b'*', ..] => "a/b",
            [b'{', ..] => "a",
            _ => segment,
        });
        let path = segments.collect::<Vec<_>>().join("/");
        let paths = [
            format!("{path}?a"),
            format!("{path}/c"),
            format!("{path}/"),
            path.replace('a', "b"),
            path.to_ascii_uppercase(),
            path.replace('@', "%40").replace(':', "%3a"),
            path.strip_suffix("/a/b").unwrap_or_default().to_owned(),
            path,
        ];
        for method in texts(route, "methods").iter().take(2).map(String::as_str).chain(["BREW"]) {
            requests.extend(paths.iter().map(|path| (method.to_owned(), path.clone())));
        }
    }
    requests
}

fn decides_as_written(policy: &Policy, document: &Value) {
    let (mut authorizer, token) = (authorizer(policy), token(policy));
    for request in requests(document) {
        let (without, with) = as_written(document, &request);
        assert_eq!(decide(&mut authorizer, &request, None), without, "{request:?}");
        if token.len() <= 8192 {
            assert_eq!(decide(&mut authorizer, &request, Some(&token)), with, "{request:?}");
        }
    }
}

/// Returns the decisions by the document on a request without a token, and with the one below.
fn as_written(document: &Value, (method, target): &Request) -> (&'static str, &'static str) {
    let path = target.split_once('?').map_or(target.as_str(), |(path, _)| path);
    if !routes::has_one_reading(target.as_bytes()) {
        return ("bad_path", "bad_path");
    }
    let routes = list(document, "routes").iter().filter(|route| texts(route, "methods").contains(method));
    let (templates, routes): (Vec<_>, Vec<_>) =
        routes.filter_map(|route| Some((route.get("path")?.as_str()?, route.as_object()?))).unzip();
    let mut deciding = routes::deciding(&templates, path);
    if document.get("path_comparison") == Some(&"exact".into()) {
        deciding.truncate(1);
    }
    let deciding: Vec<_> = deciding.iter().filter_map(|place| routes.get(*place)).collect();
    if deciding.is_empty() {
        ("no_route", "no_route")
    } else if deciding.iter().all(|route| route.contains_key("public")) {
        ("public", "public")
    } else {
        // No scope and no role is asked for where a route is public. Scopes come before roles.
        let lacking = deciding.iter().filter_map(|route| lacking(route));
        ("no_credentials", lacking.max().unwrap_or("allow"))
    }
}

const SCOPES: [&str; 2] = ["a", "b"];
const ROLES: [&str; 1] = ["r"];

/// Returns the code of what the token below lacks for `route`.
fn lacking(route: &Map<String, Value>) -> Option<&'static str> {
    let require = route.get("require").cloned().unwrap_or_default();
    let (all, any) = (texts(&require, "all"), texts(&require, "any"));
    let roles = route.get("roles").map(|_| texts(&Value::Object(route.clone()), "roles")).unwrap_or_default();
    let held = |scope: &String| SCOPES.contains(&scope.as_str());
    if !all.iter().all(held) || !any.is_empty() && !any.iter().any(held) {
        return Some("insufficient_scope");
    }
    let has_role = roles.is_empty() || roles.iter().any(|role| ROLES.contains(&role.as_str()));
    if has_role { None } else { Some("insufficient_role") }
}

/// For the first audience of the first issuer.
fn token(policy: &Policy) -> String {
    let rules = policy.issuers().first().map(|issuer| &issuer.rules).expect("an issuer");
    let claims = json!({ "iss": rules.issuer, "aud": rules.audiences.first(), "sub": "u", "client_id": "c", "jti": "j",
        "iat": NOW, "exp": NOW + 1, "scope": SCOPES.join(" "), "roles": ROLES });
    forge::sign(HEADER, claims.to_string().as_bytes())
}

/// The first issuer has our keys; the shadow is the policy itself.
fn authorizer(policy: &Policy) -> Authorizer {
    let mut authorizer = Authorizer::new(policy.clone()).with_shadow(policy.clone());
    *authorizer.keys(0).expect("an issuer") = KeyCache::pinned(keys());
    authorizer
}

fn decide(authorizer: &mut Authorizer, (method, path): &Request, token: Option<&str>) -> &'static str {
    let bearer = token.map(|token| format!("Bearer {token}"));
    let authorization: Vec<&[u8]> = bearer.iter().map(String::as_bytes).collect();
    let request =
        RequestView { method: method.as_bytes(), path: path.as_bytes(), authorization: &authorization };
    let decision = authorizer.decide(&request, NOW);
    assert_eq!(authorizer.explain(&request, NOW).verdict(), decision.as_str());
    assert!(authorizer.shadow(&request, &decision, NOW).is_none(), "its own shadow differs");
    if let Decision::Allow(token) = &decision {
        let names: Vec<_> = authorizer.identity_headers().collect();
        for (name, value) in authorizer.identity(token) {
            assert!(names.contains(&name) && value.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
        }
    }
    decision.as_str()
}

fn list<'a>(object: &'a Value, name: &str) -> &'a [Value] {
    object.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn texts(object: &Value, name: &str) -> Vec<String> {
    list(object, name).iter().filter_map(|text| text.as_str().map(ToOwned::to_owned)).collect()
}
