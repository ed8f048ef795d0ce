use super::*;

#[test]
fn what_a_policy_cannot_say_of_a_provider_is_refused() {
    let audiences = |other: &'static str| ("audiences: [orders]", other);
    for ((right, wrong), reason) in [
        (audiences("x: y"), "x: the member is unknown"),
        (audiences(""), "`audiences` must name this API"),
        (
            audiences("audiences: [orders]\n        subjects: { prefix: a }"),
            "subjects: a policy has no counterpart",
        ),
        (
            audiences("audiences: [orders]\n        from_cookies: [a]"),
            "from_cookies: a policy has no counterpart",
        ),
        (
            audiences("audiences: [orders]\n        from_params: [a]"),
            "from_params: a policy has no counterpart",
        ),
        (audiences("audiences: [orders]\n        clear_route_cache: true"), "clear_route_cache"),
        (audiences("audiences: [orders]\n        forward_payload_header: x-a"), "forward_payload_header"),
        (
            audiences("audiences: [orders]\n        from_headers: [ { name: x-jwt } ]"),
            "from_headers[0]: a policy accepts tokens only in",
        ),
        (
            audiences("audiences: [orders]\n        max_lifetime: 20s"),
            "max_lifetime: is not longer than the clock skew",
        ),
        (
            audiences("audiences: [orders]\n        max_lifetime: { seconds: 9 }"),
            "max_lifetime: must be a text",
        ),
        (("issuer: https://as.example", "forward: true"), "`issuer` is missing"),
        (("remote_jwks", "local_jwks: { filename: a }\n        x"), "the member is unknown"),
        (("claim_name: sub", "claim_name: email"), "claim_to_headers[0].claim_name: a policy forwards"),
        (("claim_name: sub", "claim_name: roles"), "claim_to_headers[0].claim_name: a policy forwards"),
        (("header_name: X-User", "header_name: User"), "claim_to_headers[0].header_name"),
    ] {
        refuses(&[(right, wrong, reason)]);
    }
}

#[test]
fn keys_are_fetched_or_inline() {
    let (head, tail) = ENVOY.split_once("        remote_jwks:\n").unwrap();
    let (_, tail) = tail.split_once("timeout: 5s }\n").unwrap();
    let keys = |source: &str| format!("{head}        local_jwks: {source}\n{tail}");
    let jwk = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

    let inline = complete(&keys(&format!("{{ inline_string: '{jwk}' }}")));
    assert_eq!(inline["issuers"][0]["keys"]["inline"]["keys"][0]["kid"], "k");
    for (source, reason) in [
        ("{ filename: /keys }", "local_jwks.filename: a policy has no counterpart"),
        ("{ inline_string: '{\"keys\":[]}' }", "a policy does not accept this issuer"),
        ("{ inline_string: 'x' }", "inline_string: must be a JWK set"),
    ] {
        let said = unsaid(&keys(source));
        assert!(said.contains(reason), "{said}");
    }
}

#[test]
fn times_are_no_longer_than_in_envoy() {
    let issuer = |lines: &str| {
        let text = with("        clock_skew_seconds: 30\n", lines);
        complete(&text)["issuers"][0].clone()
    };

    assert_eq!(issuer("")["leeway_seconds"], 60);
    assert_eq!(issuer("        clock_skew_seconds: 0\n")["leeway_seconds"], 60);
    assert_eq!(issuer("        clock_skew_seconds: 600\n")["leeway_seconds"], 120);
    // `iat` may be ahead by the leeway.
    assert_eq!(issuer("        max_lifetime: 360.5s\n")["max_lifetime_seconds"], 300);
    assert!(
        conversion(&with("seconds: 30", "seconds: 600")).notes.join("\n").contains("120 seconds at most")
    );
}

/// Two providers with these rules.
fn two(second: &str, rules: &str) -> String {
    jwt(rules).replace(
        "    providers:\n",
        &format!(
            "    providers:\n      other: {{ issuer: https://other.example, audiences: [orders], \
             remote_jwks: {{ http_uri: {{ uri: https://other.example/jwks, cluster: other, timeout: 5s }} }}, {second} }}\n"
        ),
    )
}

const EITHER: &str = "    - { match: { prefix: / }, requires: { requires_any: { requirements: [ { provider_name: keystone }, { provider_name: other } ] } } }";
const SAME: &str =
    "payload_in_metadata: jwt_payload, claim_to_headers: [ { header_name: x-user, claim_name: sub } ]";

#[test]
fn several_issuers_are_believed_where_each_rule_takes_each() {
    let policy = complete(&two(SAME, EITHER));

    assert_eq!(policy["issuers"].as_array().unwrap().len(), 2);
    assert_eq!(route(&policy, "GET", "/{*rest}")["authenticated"], true);
}

#[test]
fn a_provider_that_no_rule_names_is_not_believed() {
    let policy = complete(&two(SAME, EVERYWHERE));

    assert_eq!(policy["issuers"].as_array().unwrap().len(), 1);
    assert_eq!(policy["issuers"][0]["issuer"], "https://as.example");
}

#[test]
fn what_differs_between_issuers_is_refused() {
    let apart = "    - { match: { prefix: /a/ }, requires: { provider_name: keystone } }\n    - { match: { prefix: / }, requires: { provider_name: other } }";
    for (second, rules, reason) in [
        (SAME, apart, "a policy trusts each of its issuers on every route"),
        (
            "forward: true, claim_to_headers: [ { header_name: x-user, claim_name: sub } ]",
            EITHER,
            "forward: a policy forwards",
        ),
        ("forward: false", EITHER, "claim_to_headers: a policy forwards the same claims"),
    ] {
        let said = unsaid(&two(second, rules));
        assert!(said.contains(reason), "{said}");
    }
    let policy = conversion(&two(SAME, apart)).policy;
    assert!(policy.is_none(), "{policy:?}");
    let twin = two(SAME, EITHER).replace("https://other.example,", "https://as.example,");
    assert!(unsaid(&twin).contains("another provider has the same issuer"));
}

#[test]
fn audiences_of_a_rule_count_where_all_rules_agree() {
    let pair = |list: &str| {
        format!("{{ provider_and_audiences: {{ provider_name: keystone, audiences: {list} }} }}")
    };
    let rules = |one: &str, two: &str| {
        jwt(&format!(
            "    - {{ match: {{ prefix: /a/ }}, requires: {one} }}\n    - {{ match: {{ prefix: / }}, requires: {two} }}"
        ))
    };

    assert_eq!(
        complete(&rules(&pair("[a, b]"), &pair("[b, a]")))["issuers"][0]["audiences"],
        json!(["a", "b"])
    );
    assert_eq!(
        complete(&rules(&pair("[]"), &pair("[orders]")))["issuers"][0]["audiences"],
        json!(["orders"])
    );
    assert!(unsaid(&rules(&pair("[a]"), &pair("[b]"))).contains("different audiences"));
}

#[test]
fn a_token_that_may_be_missing_is_refused_unless_rbac_needs_it() {
    let optional =
        "{ requires_any: { requirements: [ { provider_name: keystone }, { allow_missing: {} } ] } }";
    let rules = format!("    - {{ match: {{ prefix: / }}, requires: {optional} }}");

    assert!(unsaid(&jwt(&rules)).contains("Envoy lets requests without a valid token pass"));
    let scoped = allow(ANY, &listed("scope", "a")).replace("{ provider_name: keystone }", optional);
    assert_eq!(route(&complete(&scoped), "GET", "/{*rest}")["require"], json!({ "all": ["a"] }));
    let partial = conversion(&jwt(&rules)).policy.unwrap();
    assert_eq!(route(&partial, "GET", "/{*rest}")["authenticated"], true);
}

#[test]
fn requirements_that_let_everything_pass_are_public() {
    for requirement in [
        "{}",
        "{ allow_missing_or_failed: {} }",
        "{ requires_any: { requirements: [ {}, { provider_name: keystone } ] } }",
    ] {
        let policy = complete(&jwt(&format!("    - {{ match: {{ prefix: / }}, requires: {requirement} }}")));
        assert_eq!(route(&policy, "GET", "/{*rest}")["public"], true, "{requirement}");
    }
}

#[test]
fn requirements_that_no_policy_has_are_refused() {
    for (requirement, reason) in [
        (
            "{ extract_only_without_validation: {} }",
            "extract_only_without_validation: a policy has no counterpart",
        ),
        ("{ provider_name: nobody }", "no provider has this name"),
        (
            "{ requires_any: { requirements: [ { requires_all: { requirements: [ {}, {} ] } } ] } }",
            "a list must not hold another list",
        ),
    ] {
        let said = unsaid(&jwt(&format!("    - {{ match: {{ prefix: / }}, requires: {requirement} }}")));
        assert!(said.contains(reason), "{said}");
    }
    let both = "    - { match: { prefix: / }, requires: { requires_all: { requirements: [ { provider_name: keystone }, { provider_name: other } ] } } }";
    assert!(unsaid(&two(SAME, both)).contains("a policy checks one token"));
}
