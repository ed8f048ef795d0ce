use alloc::format;
use alloc::string::ToString;

use super::*;
use crate::path::Path;

const POLICY: &str = r#"{
  "version": 1,
  "issuers": [
    { "issuer": "https://as.example", "audiences": ["orders"], "leeway_seconds": 5,
      "keys": { "url": "https://as.example/jwks", "cluster": "as" } }
  ],
  "routes": [
    { "methods": ["GET"], "path": "/{*rest}", "public": true },
    { "methods": ["GET"], "path": "/orders/{id}", "require": { "all": ["orders:read"] } }
  ],
  "identity_headers": { "subject": "x-sub" }
}"#;

fn problem(text: &str, with: &str) -> String {
    assert!(POLICY.contains(text), "{text}");
    Policy::parse(POLICY.replacen(text, with, 1).as_bytes()).unwrap_err().to_string()
}

#[test]
fn the_most_specific_route_decides_whatever_the_order() {
    let policy = Policy::parse(POLICY.as_bytes()).unwrap();
    let path = |text: &'static str| Path::parse(text.as_bytes()).unwrap();
    let access = |method: &[u8], path| policy.matched_routes(method, path).map(|routes| &routes.route.access);

    assert_eq!(access(b"GET", path("/about")), Some(&Access::Public));
    assert!(matches!(access(b"GET", path("/orders/7")), Some(Access::Token { .. })));
    assert_eq!(access(b"POST", path("/about")), None);
    assert_eq!(policy.issuers()[0].rules.leeway, 5);
}

#[test]
fn the_line_of_a_mistake_is_a_number_too() {
    let error = Policy::parse(POLICY.replacen("\"public\"", "\"publik\"", 1).as_bytes()).unwrap_err();

    assert_eq!(error.line(), 8);
    assert!(error.to_string().starts_with("line 8, "), "{error}");
}

#[test]
fn mistakes_name_the_line_the_member_and_what_would_be_right() {
    let cases = [
        (
            "\"public\"",
            "\"pubic\"",
            "line 8, routes[0].pubic: unknown member; known are `methods`, `path`, `public`",
        ),
        ("true", "false", "line 8, routes[0].public: must be `true`, or be left out"),
        ("\"public\": true", "\"require\": {}", "line 8, routes[0].require: must hold `all` or `any`"),
        (
            "\"public\": true",
            "\"roles\": [\"x\"]",
            "line 8, routes[0]: must hold exactly one of `public: true`",
        ),
        (
            "\"public\": true",
            "\"public\": true, \"authenticated\": true",
            "line 8, routes[0]: must hold exactly one of",
        ),
        (
            "\"public\": true",
            "\"public\": true, \"roles\": [\"x\"]",
            "line 8, routes[0].roles: a public route",
        ),
        ("/{*rest}", "/{*rest}/x", "line 8, routes[0].path: `{*name}` is allowed only as the last segment"),
        ("/{*rest}", "/.*", "line 8, routes[0].path: a segment is letters"),
        ("[\"GET\"]", "[\"get\"]", "line 8, routes[0].methods[0]: must be a method in upper case"),
        ("[\"GET\"]", "[]", "line 8, routes[0].methods: must be a list with at least one method"),
        ("\"/{*rest}\"", "\"/orders/{n}\"", "line 9, routes[1]: a route before has the same path and method"),
        ("[\"orders:read\"]", "[\"orders read\"]", "line 9, routes[1].require.all[0]: must be a scope"),
        ("[\"orders\"]", "[]", "line 4, issuers[0].audiences: must be a list with at least one text"),
        (
            "\"leeway_seconds\": 5",
            "\"leeway_seconds\": 121",
            "line 4, issuers[0].leeway_seconds: must be a whole number from 0 to 120",
        ),
        (
            "\"leeway_seconds\": 5",
            "\"revocation\": \"strict\"",
            "line 4, issuers[0].revocation: must be `off`, or an object with the `url` of the feed",
        ),
        (
            "\"leeway_seconds\": 5",
            "\"revocation\": {\"url\": \"https://a/f\"}",
            "line 4, issuers[0].revocation: the member `keys_url` is missing",
        ),
        (
            "\"leeway_seconds\": 5",
            "\"revocation\": {\"url\": \"f\", \"keys_url\": \"https://a/k\"}",
            "line 4, issuers[0].revocation.url: must be an absolute http or https URL",
        ),
        (
            "\"leeway_seconds\": 5",
            "\"revocation\": {\"url\": \"https://a/f\", \"keys_url\": \"https://a/k\", \"max_stale_seconds\": 9}",
            "line 4, issuers[0].revocation.max_stale_seconds: must be a whole number from 10 to 900",
        ),
        (
            "\"public\": true",
            "\"authenticated\": true, \"revocation\": \"strict\"",
            "line 8, routes[0].revocation: needs the feed of every issuer",
        ),
        (
            "\"public\": true",
            "\"authenticated\": true, \"revocation\": \"off\"",
            "line 8, routes[0].revocation: must be `strict`, or be left out",
        ),
        (
            "\"public\": true",
            "\"public\": true, \"revocation\": \"strict\"",
            "line 8, routes[0].revocation: a public route looks at no token",
        ),
        (
            "https://as.example/jwks",
            "/jwks",
            "line 5, issuers[0].keys.url: must be an absolute http or https URL",
        ),
        (
            "\"url\": \"https://as.example/jwks\", ",
            "",
            "line 5, issuers[0].keys: must hold either `inline`, or `url`",
        ),
        (
            "\"url\": \"https://as.example/jwks\", \"cluster\": \"as\"",
            "\"inline\": {\"keys\":[]}",
            "line 5, issuers[0].keys.inline: the key set holds no",
        ),
        ("\"version\": 1", "\"version\": 2", "line 2, version: must be 1"),
        (
            "\"version\": 1",
            "\"path_comparison\": \"strict\", \"version\": 1",
            "line 2, path_comparison: must be `lenient` or `exact`",
        ),
        ("\"version\": 1", "\"version\": 1.5", "line 2, version: must be 1"),
        ("\"version\": 1", "\"$schema\": 1, \"version\": 1", "line 2, $schema: must be a text"),
        ("\"version\": 1,", "", "line 1: the member `version` is missing"),
        ("\"version\": 1,", "\"version\": 1,,", "line 2: not JSON"),
        (
            "\"version\": 1,",
            "\"version\": 1, \"version\": 1,",
            "line 2: a member with this name stands before",
        ),
        (
            "\"x-sub\"",
            "\"authorization\"",
            "line 11, identity_headers.subject: must be a header name of its own",
        ),
    ];
    for (text, with, expected) in cases {
        let problem = problem(text, with);
        assert!(problem.starts_with(expected), "{with}: {problem}");
    }
}

#[test]
fn an_issuer_stands_once() {
    let twice = r#"{ "issuer": "https://as.example", "audiences": ["x"], "keys": { "url": "https://as.example/jwks" } },
    { "issuer": "https://as.example", "audiences": ["orders"], "leeway_seconds": 5,"#;

    let problem =
        problem(r#"{ "issuer": "https://as.example", "audiences": ["orders"], "leeway_seconds": 5,"#, twice);
    assert_eq!(problem, "line 5, issuers[1].issuer: stands in this list before");
}

#[test]
fn identity_headers_do_not_share_a_name() {
    let problem = problem(r#""subject": "x-sub""#, r#""subject": "x-sub", "scope": "x-sub""#);

    assert_eq!(problem, "line 11, identity_headers.scope: is used for another claim");
}

/// A policy with these routes, that believes `https://as.example`.
fn routes(routes: &[&str]) -> Policy {
    compared("", routes)
}

/// The same, with other members before it.
fn compared(members: &str, routes: &[&str]) -> Policy {
    let routes = routes.join(",");
    let text = format!(
        r#"{{{members}"version":1,"issuers":[{{"issuer":"https://as.example","audiences":["orders"],
        "keys":{{"url":"https://as.example/jwks"}}}}],"routes":[{routes}]}}"#
    );
    Policy::parse(text.as_bytes()).unwrap()
}

const ADMIN: &str = r#"{"methods":["GET","PUT"],"path":"/admin/{*rest}","require":{"all":["admin"]}}"#;
const LOGO: &str = r#"{"methods":["GET"],"path":"/admin/logo","public":true}"#;
const ABOUT: &str = r#"{"methods":["GET"],"path":"/about","public":true}"#;

fn said(policy: &Policy) -> Vec<String> {
    policy.routes().iter().map(|route| format!("{route}: {}", route.access())).collect()
}

#[test]
fn settings_of_envoy_have_defaults() {
    let read = |members: &str| {
        let text = POLICY.replacen("{\n", &format!("{{ \"envoy\": {{ {members} }},\n"), 1);
        Policy::parse(text.as_bytes())
            .map(|policy| (policy.envoy().forward_authorization, policy.envoy().access_log))
            .map_err(|error| error.to_string())
    };

    assert_eq!(read(""), Ok((true, false)));
    assert_eq!(read(r#""forward_authorization": false"#), Ok((false, false)));
    assert_eq!(read(r#""access_log": true"#), Ok((true, true)));
    assert_eq!(read(r#""access_log": false, "forward_authorization": true"#), Ok((true, false)));
    assert_eq!(
        read(r#""access_log": 1"#).unwrap_err(),
        "line 1, envoy.access_log: must be `true` or `false`"
    );
}

mod lint;
mod merge;
mod paths;
