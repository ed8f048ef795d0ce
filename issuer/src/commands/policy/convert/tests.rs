use super::*;

mod documents;
mod filters;
mod paths;
mod per_route;
mod providers;

/// Two filters of which a policy can say everything.
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
        normalize_payload_in_metadata: { space_delimited_claims: [scope] }
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
              value: { list_match: { one_of: { string_match: { exact: "orders:read" } } } }
"#;

fn conversion(text: &str) -> Conversion {
    convert(&yaml::read(text).unwrap())
}

/// The policy of a source that can be said completely.
fn complete(text: &str) -> Value {
    let Conversion { policy, unsaid, .. } = conversion(text);
    assert_eq!(unsaid, Vec::<String>::new(), "{text}");
    policy.unwrap()
}

/// The source with one text in place of another.
fn with(right: &str, wrong: &str) -> String {
    assert!(ENVOY.contains(right), "{right}");
    ENVOY.replacen(right, wrong, 1)
}

/// What of a source cannot be said.
fn unsaid(text: &str) -> String {
    let said = conversion(text).unsaid.join("\n");
    assert!(!said.is_empty(), "all of it was said: {text}");
    said
}

/// Each change makes the conversion incomplete, and the reason names this.
fn refuses(cases: &[(&str, &str, &str)]) {
    for (right, wrong, reason) in cases {
        let said = unsaid(&with(right, wrong));
        assert!(said.contains(reason), "{wrong}: {said}");
    }
}

/// What a policy asks for on a path, by its template.
fn route<'a>(policy: &'a Value, method: &str, path: &str) -> &'a Value {
    let is = |route: &&Value| {
        route["path"] == path && route["methods"].as_array().unwrap().iter().any(|own| own == method)
    };
    policy["routes"].as_array().unwrap().iter().find(is).unwrap_or(&Value::Null)
}

/// jwt_authn alone, with these rules and the provider of [`ENVOY`].
fn jwt(rules: &str) -> String {
    let (head, _) = ENVOY.split_once("    rules:\n").unwrap();
    format!("{head}    rules:\n{rules}\n")
}

/// jwt_authn asking everywhere for a token, and rbac with these rules.
fn rbac(rules: &str) -> String {
    format!(
        "{}- name: envoy.filters.http.rbac\n  typed_config:\n    \"@type\": type.googleapis.com/{}\n    rules: {rules}\n",
        jwt(EVERYWHERE),
        document::RBAC
    )
}

/// An rbac policy for these permissions and principals.
fn allow(permission: &str, principal: &str) -> String {
    rbac(&format!(
        "{{ policies: {{ p: {{ permissions: [ {permission} ], principals: [ {principal} ] }} }} }}"
    ))
}

/// A principal by a list of the payload.
fn listed(claim: &str, value: &str) -> String {
    format!(
        "{{ metadata: {{ filter: envoy.filters.http.jwt_authn, path: [ {{ key: jwt_payload }}, {{ key: {claim} }} ], \
         value: {{ list_match: {{ one_of: {{ string_match: {{ exact: \"{value}\" }} }} }} }} }} }}"
    )
}

const EVERYWHERE: &str = "    - { match: { prefix: / }, requires: { provider_name: keystone } }";
const ANY: &str = "{ any: true }";

#[test]
fn scopes_by_path_and_method_become_routes() {
    assert_eq!(
        complete(ENVOY),
        json!({
            "version": 1,
            "jwt_authn_compatible": true,
            "issuers": [{
                "issuer": "https://as.example",
                "audiences": ["orders"],
                "keys": { "url": "https://as.example/jwks", "cluster": "keystone" },
                "leeway_seconds": 30,
            }],
            "identity_headers": { "subject": "x-user" },
            "envoy": { "forward_authorization": false },
            "routes": [
                { "methods": routes::METHODS, "path": "/", "public": true },
                { "methods": ["GET"], "path": "/orders/{*rest}", "require": { "all": ["orders:read"] } },
            ],
        })
    );
}

#[test]
fn names_in_camel_case_are_the_same_names() {
    let camel = ENVOY.replace("remote_jwks", "remoteJwks").replace("clock_skew_seconds", "clockSkewSeconds");

    assert_eq!(complete(&camel), complete(ENVOY));
}

#[test]
fn every_member_that_is_not_known_is_refused_with_its_place() {
    refuses(&[
        (
            "issuer: https",
            "issuerr: https",
            "http_filters[0].typed_config.providers[keystone].issuerr: the member is unknown",
        ),
        ("uri: https", "url: https", "remote_jwks.http_uri.url: the member is unknown"),
        ("- match: { path: / }", "- matches: { path: / }", "rules[0].matches: the member is unknown"),
        (
            "{ prefix: /orders/ }\n      requires",
            "{ prefixx: /orders/ }\n      requires",
            "rules[1].match.prefixx",
        ),
        ("provider_name:", "provider_names:", "rules[1].requires.provider_names"),
        ("      action: ALLOW", "      actions: ALLOW", "http_filters[1].typed_config.rules.actions"),
        (
            "          permissions:",
            "          permission:",
            "policies[read].permission: the member is unknown",
        ),
        ("exact: GET", "exakt: GET", "header.string_match.exakt"),
        ("exact: \"orders:read\"", "equals: \"orders:read\"", "one_of.string_match.equals"),
        ("http_filters:", "stat_prefixes: a\nhttp_filters:", "stat_prefixes: the member is unknown"),
        (
            "issuer: https://as.example",
            "issuer: https://as.example\n        \"\": a",
            "the member is unknown",
        ),
    ]);
}

#[test]
fn values_of_another_type_are_refused_with_their_place() {
    refuses(&[
        ("audiences: [orders]", "audiences: orders", "audiences: must be a list"),
        ("audiences: [orders]", "audiences: [7]", "audiences[0]: must be a text"),
        ("clock_skew_seconds: 30", "clock_skew_seconds: -1", "clock_skew_seconds: must be a whole number"),
        ("action: ALLOW", "action: allow", "rules.action: must be one of ALLOW, DENY, LOG"),
        ("action: ALLOW", "action: 3", "rules.action: must be one of"),
        ("{ any: true }", "{ any: 1 }", "principals[0].any: must be true or false"),
        ("{ any: true }", "{ any: false }", "principals[0].any: must be true"),
        ("{ path: / }", "{ path: /, prefix: / }", "only one of these members can be set"),
        (
            "clock_skew_seconds: 30",
            "clock_skew_seconds: 30\n        clockSkewSeconds: 31",
            "in two spellings",
        ),
    ]);
}

#[test]
fn a_partial_conversion_denies_what_cannot_be_said() {
    let text = with(
        "        read:\n",
        "        write: { permissions: [ { url_path: { path: { prefix: /orders/ } } } ], principals: [ { remote_ip: { address_prefix: 10.0.0.0 } } ] }\n        read:\n",
    );
    let Conversion { policy, unsaid, .. } = conversion(&text);

    assert!(unsaid[0].contains("policies[write].principals[0].remote_ip"), "{unsaid:?}");
    let policy = policy.unwrap();
    assert_eq!(route(&policy, "GET", "/orders/{*rest}")["require"], json!({ "all": ["orders:read"] }));
    assert_eq!(*route(&policy, "POST", "/orders/{*rest}"), Value::Null);
}
