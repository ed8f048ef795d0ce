use super::*;

const ENVOY: &str = r#"
http_filters:
- name: envoy.filters.http.jwt_authn
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication
    providers:
      keystone:
        issuer: https://as.example
        audiences: [orders]
        remote_jwks:
          http_uri: { uri: https://as.example/jwks, cluster: keystone, timeout: 5s }
        clock_skew_seconds: 30
        claim_to_headers: [ { header_name: X-User, claim_name: sub } ]
        payload_in_metadata: jwt_payload
    rules:
    - match: { path: / }
    - match: { prefix: /orders/ }
      requires: { provider_name: keystone }
- name: envoy.filters.http.rbac
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC
    rules:
      action: ALLOW
      policies:
        home: { permissions: [ { url_path: { path: { exact: / } } } ], principals: [ { any: true } ] }
        read:
          permissions:
          - and_rules:
              rules:
              - url_path: { path: { prefix: /orders/ } }
              - header: { name: ":method", string_match: { exact: GET } }
          principals:
          - metadata:
              filter: envoy.filters.http.jwt_authn
              path: [ { key: jwt_payload }, { key: scope } ]
              value: { string_match: { contains: "orders:read" } }
"#;

fn converted(text: &str) -> Converted {
    convert(&proto::read(text).unwrap()).unwrap()
}

/// The note that this text in place of another brings.
fn note(right: &str, wrong: &str) -> String {
    assert!(ENVOY.contains(right), "{right}");
    converted(&ENVOY.replacen(right, wrong, 1)).notes.join("\n")
}

#[test]
fn scopes_by_path_and_method_become_routes() {
    let Converted { policy, notes } = converted(ENVOY);

    assert_eq!(notes, Vec::<String>::new());
    assert_eq!(
        policy,
        json!({
            "version": 1,
            "issuers": [{
                "issuer": "https://as.example",
                "audiences": ["orders"],
                "keys": { "url": "https://as.example/jwks", "cluster": "keystone" },
                "leeway_seconds": 30,
            }],
            "identity_headers": { "subject": "x-user" },
            "envoy": { "forward_authorization": false },
            "routes": [
                { "methods": METHODS, "path": "/", "public": true },
                { "methods": ["GET"], "path": "/orders/{*rest}", "require": { "all": ["orders:read"] } },
            ],
        })
    );
}

#[test]
fn without_rbac_every_valid_token_opens_a_rule_and_the_rest_is_public_as_in_envoy() {
    let (jwt, _) = ENVOY.split_once("- name: envoy.filters.http.rbac").unwrap();

    let Converted { policy, .. } = converted(jwt);

    let routes = policy["routes"].as_array().unwrap();
    let access = |path: &str| routes.iter().find(|route| route["path"] == path).unwrap();
    assert_eq!(access("/orders/{*rest}")["authenticated"], true);
    assert_eq!(access("/{*rest}")["public"], true);
}

#[test]
fn names_in_camel_case_are_the_same_names() {
    let camel = ENVOY.replace("remote_jwks", "remoteJwks").replace("clock_skew_seconds", "clockSkewSeconds");

    assert_eq!(converted(&camel).policy, converted(ENVOY).policy);
}

#[test]
fn what_has_no_counterpart_is_said() {
    let cases = [
        ("audiences: [orders]", "from_cookies: [a]", "name the audience"),
        ("audiences: [orders]", "from_cookies: [a]", "`from_cookies` has no counterpart"),
        ("issuer: https://as.example", "x: y", "accepts tokens of every issuer"),
        ("remote_jwks", "other", "keys.inline"),
        ("claim_name: sub", "claim_name: email", "email is not forwarded"),
        ("prefix: /orders/ }\n      requires", "safe_regex: { regex: a } }\n      requires", "rules[1]"),
        ("prefix: /orders/ }\n      requires", "prefix: /orders }\n      requires", "/ordersx"),
        ("provider_name: keystone", "allow_missing: {}", "without a token is refused"),
        ("action: ALLOW", "action: DENY", "denies by default"),
        ("{ key: scope }", "{ key: email }", "rbac policy read: left out"),
        ("filter: envoy.filters.http.jwt_authn", "filter: other", "rbac policy read: left out"),
    ];
    for (right, wrong, expected) in cases {
        let said = note(right, wrong);
        assert!(said.contains(expected), "{wrong}: {said}");
    }
}

#[test]
fn a_rule_that_asks_for_more_than_is_understood_opens_nothing() {
    for (right, wrong) in [
        ("string_match: { exact: GET }", "safe_regex_match: { regex: GET }"),
        (
            "prefix: /orders/ } }\n              - header",
            "safe_regex: { regex: a } } }\n              - header",
        ),
    ] {
        assert!(ENVOY.contains(right), "{right}");
        let policy = converted(&ENVOY.replacen(right, wrong, 1)).policy.to_string();
        assert!(!policy.contains("/orders"), "{policy}");
    }
}

#[test]
fn the_first_rule_decides_however_narrow_the_later_ones() {
    let hole = "- match: { path: /orders/7 }\n- name: envoy.filters.http.rbac";
    let with_hole = ENVOY.replacen("- name: envoy.filters.http.rbac", &format!("    {hole}"), 1);

    assert_eq!(converted(&with_hole).policy, converted(ENVOY).policy);
    let (jwt, _) = with_hole.split_once("- name: envoy.filters.http.rbac").unwrap();
    assert!(!converted(jwt).policy.to_string().contains("/orders/7"));
}

#[test]
fn a_grant_that_a_narrower_one_hides_is_said() {
    let wide = "read: { permissions: [ { any: true } ], principals: [ { any: true } ] }\n        some:";

    assert!(note("read:", wide).contains("rbac policy read: it no longer opens"));
}

#[test]
fn alternatives_of_scopes_become_any_of_them() {
    let scope = |name: &str| {
        json!({ "metadata": {
            "filter": "envoy.filters.http.jwt_authn",
            "path": [{ "key": "jwt_payload" }, { "key": "scopes" }],
            "value": { "list_match": { "one_of": { "string_match": { "exact": name } } } },
        } })
    };
    let either = json!({ "or_ids": { "ids": [scope("a"), scope("b")] } });
    let both = json!({ "and_ids": { "ids": [scope("c"), either] } });
    let source = json!([
        { "@type": "x/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
          "rules": [{ "match": { "prefix": "/" }, "requires": { "provider_name": "p" } }] },
        { "@type": "x/envoy.extensions.filters.http.rbac.v3.RBAC",
          "rules": { "policies": { "p": { "permissions": [{ "any": true }], "principals": [both] } } } },
    ]);

    let policy = convert(&source).unwrap().policy;

    assert_eq!(policy["routes"][0]["require"], json!({ "all": ["c"], "any": ["a", "b"] }));
}

#[test]
fn a_file_without_the_filter_is_refused() {
    assert!(convert(&json!({})).unwrap_err().contains("there are 0"));
    assert!(proto::read("a: [").is_err());
}

const METHODS: [&str; 7] = combine::METHODS;
