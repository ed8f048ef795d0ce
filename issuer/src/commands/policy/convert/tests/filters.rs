use super::*;

fn read(principal: &str) -> Value {
    route(&complete(&allow(ANY, principal)), "GET", "/{*rest}").clone()
}

/// A principal by a claim and the test of its value.
fn claim(path: &str, value: &str) -> String {
    format!("{{ metadata: {{ filter: envoy.filters.http.jwt_authn, path: [ {path} ], value: {value} }} }}")
}

#[test]
fn combinations_of_scopes_and_roles_become_lists() {
    let (a, b, c, clerk) =
        (listed("scope", "a"), listed("scope", "b"), listed("scope", "c"), listed("roles", "clerk"));
    let any = format!("{{ or_ids: {{ ids: [ {a}, {b} ] }} }}");
    let all = format!("{{ and_ids: {{ ids: [ {c}, {any}, {clerk} ] }} }}");

    assert_eq!(read(&a)["require"], json!({ "all": ["a"] }));
    assert_eq!(read(&format!("{a}, {b}"))["require"], json!({ "any": ["a", "b"] }));
    assert_eq!(read(&all)["require"], json!({ "all": ["c"], "any": ["a", "b"] }));
    assert_eq!(read(&all)["roles"], json!(["clerk"]));
    assert_eq!(read(&clerk)["authenticated"], true);
    // a or (a and b)
    assert_eq!(
        read(&format!("{a}, {{ and_ids: {{ ids: [ {a}, {b} ] }} }}"))["require"],
        json!({ "all": ["a"] })
    );
    assert_eq!(read(&format!("{{ not_id: {{ not_id: {a} }} }}"))["require"], json!({ "all": ["a"] }));
    assert_eq!(
        read(&claim("{ key: jwt_payload }, { key: iss }", "{ string_match: { exact: https://as.example } }"))
            ["authenticated"],
        true
    );
    assert_eq!(
        read(&claim("{ key: jwt_payload }, { key: sub }", "{ present_match: true }"))["authenticated"],
        true
    );
}

#[test]
fn combinations_that_no_route_has_are_refused() {
    let (a, b, clerk) = (listed("scope", "a"), listed("scope", "b"), listed("roles", "clerk"));
    let chief = listed("roles", "chief");
    for principal in [
        format!("{a}, {clerk}"),
        format!("{{ and_ids: {{ ids: [ {clerk}, {chief} ] }} }}"),
        format!(
            "{{ and_ids: {{ ids: [ {{ or_ids: {{ ids: [ {a}, {b} ] }} }}, {{ or_ids: {{ ids: [ {a}, {} ] }} }} ] }} }}",
            listed("scope", "c")
        ),
    ] {
        let said = unsaid(&allow(ANY, &principal));
        assert!(said.contains("all of some scopes, one of others, and one of some roles"), "{said}");
    }
}

#[test]
fn questions_about_claims_that_no_policy_asks_are_refused() {
    let scope = "{ key: jwt_payload }, { key: scope }";
    let exact = "{ string_match: { exact: a } }";
    let list = "{ list_match: { one_of: { string_match: { exact: a } } } }";
    for (path, value, reason) in [
        ("{ key: jwt_payload }, { key: email }", exact, "not `email`"),
        ("{ key: jwt_payload }, { key: sub }", exact, "not `sub`"),
        ("{ key: jwt_payload }, { key: scopes }", list, "not `scopes`"),
        (
            "{ key: jwt_payload }, { key: realm_access }, { key: roles }",
            list,
            "metadata.path: a policy cannot check nested claims",
        ),
        ("{ key: jwt_payload }, { key: roles }", exact, "one whole role"),
        (scope, exact, "one whole scope"),
        (scope, "{ list_match: { one_of: { string_match: { prefix: a } } } }", "one whole scope"),
        (scope, "{ list_match: { one_of: { string_match: { exact: \"a b\" } } } }", "one whole scope"),
        (
            scope,
            "{ list_match: { one_of: { string_match: { exact: a, ignore_case: true } } } }",
            "one whole scope",
        ),
        (
            scope,
            "{ list_match: { one_of: { string_match: { safe_regex: { regex: a } } } } }",
            "safe_regex: a policy has no counterpart",
        ),
        (scope, "{ bool_match: true }", "bool_match: a policy has no counterpart"),
        (scope, "{ present_match: true }", "one whole scope"),
        (scope, "{}", "must have a value to compare with"),
    ] {
        let said = unsaid(&allow(ANY, &claim(path, value)));
        assert!(said.contains(reason), "{path} {value}: {said}");
    }
    let other = claim(scope, list)
        .replace("filter: envoy.filters.http.jwt_authn", "filter: envoy.filters.http.ext_authz");
    assert!(unsaid(&allow(ANY, &other)).contains("a policy cannot check metadata other than"));
    let inverted = claim(scope, list).replace("value:", "invert: true, value:");
    assert!(
        unsaid(&allow(ANY, &inverted)).contains("it depends on a condition that a policy cannot express")
    );
    assert!(
        unsaid(&allow(ANY, &format!("{{ not_id: {} }}", listed("scope", "a")))).contains("it depends on")
    );
}

#[test]
fn a_scope_in_one_text_is_compared_whole_and_a_note_says_so() {
    let text = |value: &str| {
        allow(ANY, &claim("{ key: jwt_payload }, { key: scope }", value))
            .replace("        normalize_payload_in_metadata: { space_delimited_claims: [scope] }\n", "")
    };
    let contains = text("{ string_match: { contains: a } }");

    assert_eq!(route(&complete(&contains), "GET", "/{*rest}")["require"], json!({ "all": ["a"] }));
    assert!(conversion(&contains).notes.join("\n").contains("the scope a is compared whole"));
    for value in [
        "{ string_match: { exact: a } }",
        "{ string_match: { prefix: a } }",
        "{ string_match: { contains: \"a b\" } }",
        "{ string_match: { contains: a, ignore_case: true } }",
        "{ list_match: { one_of: { string_match: { exact: a } } } }",
    ] {
        assert!(unsaid(&text(value)).contains("`scope` is one text here"), "{value}");
    }
}

#[test]
fn text_or_list_as_istio_writes_it_is_the_list() {
    let either = "{ or_match: { value_matchers: [ { string_match: { exact: a } }, { list_match: { one_of: { string_match: { exact: a } } } } ] } }";

    assert_eq!(
        read(&claim("{ key: jwt_payload }, { key: scope }", either))["require"],
        json!({ "all": ["a"] })
    );
    assert_eq!(read(&claim("{ key: jwt_payload }, { key: roles }", either))["roles"], json!(["a"]));
}

#[test]
fn a_payload_that_no_provider_writes_opens_nothing() {
    let other =
        claim("{ key: other }, { key: scope }", "{ list_match: { one_of: { string_match: { exact: a } } } }");
    let policy = complete(&allow(ANY, &format!("{other}, {}", listed("scope", "b"))));

    assert_eq!(route(&policy, "GET", "/{*rest}")["require"], json!({ "all": ["b"] }));
    let reversed = allow(ANY, &listed("scope", "a"));
    let (jwt, rbac) = reversed.split_once("- name: envoy.filters.http.rbac").unwrap();
    let (head, jwt) = jwt.split_once("http_filters:\n").unwrap();
    let before = format!("{head}http_filters:\n- name: envoy.filters.http.rbac{rbac}{jwt}");
    assert!(conversion(&before).policy.is_none(), "rbac before jwt_authn sees no payload");
}

#[test]
fn deny_takes_away_and_log_does_nothing() {
    let admin = "{ url_path: { path: { prefix: /admin/ } } }, { url_path: { path: { exact: /admin } } }";
    let deny = |action: &str, principal: &str| {
        rbac(&format!(
            "{{ action: {action}, policies: {{ p: {{ permissions: [ {admin} ], principals: [ {principal} ] }} }} }}"
        ))
    };

    for action in ["DENY", "1"] {
        assert!(unsaid(&deny(action, ANY)).contains("Envoy requires something else on /admin"));
        let policy = complete(&deny(action, &format!("{{ not_id: {} }}", listed("scope", "a"))));
        assert_eq!(route(&policy, "GET", "/admin")["require"], json!({ "all": ["a"] }));
        assert_eq!(route(&policy, "GET", "/{*rest}")["authenticated"], true);
    }
    for action in ["LOG", "2"] {
        assert_eq!(route(&complete(&deny(action, ANY)), "GET", "/{*rest}")["authenticated"], true);
    }
    assert!(unsaid(&rbac("{}")).contains("routes"), "rules without policies let nothing pass");
}

#[test]
fn each_of_several_rbac_filters_must_let_a_request_pass() {
    let first = allow(ANY, &listed("scope", "a"));
    let second = allow(ANY, &listed("roles", "clerk"));
    let (_, second) = second.split_once("- name: envoy.filters.http.rbac").unwrap();
    let policy = complete(&format!("{first}- name: envoy.filters.http.rbac{second}"));

    let route = route(&policy, "GET", "/{*rest}");
    assert_eq!((&route["require"], &route["roles"]), (&json!({ "all": ["a"] }), &json!(["clerk"])));
}

#[test]
fn permissions_and_principals_that_no_policy_has_are_refused() {
    for (permission, reason) in [
        ("{ destination_port: 80 }", "destination_port: a policy has no counterpart"),
        (
            "{ header: { name: x-a, string_match: { exact: a } } }",
            "header.name: a policy cannot check headers other than",
        ),
        (
            "{ header: { name: \":path\", string_match: { exact: /a } } }",
            "header.name: a policy cannot check headers other than",
        ),
        ("{ header: { name: \":method\", safe_regex_match: { regex: a } } }", "safe_regex_match"),
        ("{ url_path: { path: { suffix: a } } }", "url_path.path: a policy matches paths from the beginning"),
        (
            "{ url_path: { path: { prefix: /a, ignore_case: true } } }",
            "a policy cannot ignore the case of paths",
        ),
        ("{ url_path: { path: { safe_regex: { regex: a } } } }", "safe_regex"),
        ("{ url_path: { path: { exact: \"/a?b\" } } }", "without query and fragment"),
        ("{ and_rules: { rules: [] } }", "must not be empty"),
        ("{}", "must say what it is about"),
    ] {
        let said = unsaid(&allow(permission, ANY));
        assert!(said.contains(reason), "{permission}: {said}");
    }
    assert!(unsaid(&allow(ANY, "{ authenticated: {} }")).contains("principals[0].authenticated"));
    assert!(
        unsaid(&allow(ANY, ANY).replace("permissions: [ { any: true } ]", "permissions: []"))
            .contains("must not be empty")
    );
    assert!(
        unsaid(&allow(ANY, ANY).replace("permissions:", "condition: {}, permissions:"))
            .contains("p].condition")
    );
    let rules = allow(ANY, ANY);
    let (head, _) = rules.rsplit_once("    rules:").unwrap();
    assert!(unsaid(&format!("{head}    matcher: {{}}\n")).contains("matcher: a tree of matchers cannot be"));
    assert!(unsaid(head).contains("it has no rules"));
    let shadow = format!("{rules}    shadow_rules: {{ action: DENY }}\n");
    assert_eq!(complete(&shadow), complete(&rules));
    assert!(conversion(&shadow).notes.join("\n").contains("shadow_rules: it is not enforced"));
}

#[test]
fn methods_are_compared_in_every_way_but_by_regex() {
    for (condition, methods, may_mean_others) in [
        ("string_match: { exact: GET }", vec!["GET"], false),
        ("exact_match: GET", vec!["GET"], false),
        ("string_match: { prefix: P }", vec!["PATCH", "POST", "PUT"], true),
        ("string_match: { exact: get, ignore_case: true }", vec!["GET"], true),
        (
            "string_match: { exact: GET }, invert_match: true",
            vec!["DELETE", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"],
            true,
        ),
        ("string_match: { exact: PURGE }", vec!["PURGE"], false),
        ("present_match: true", routes::METHODS.to_vec(), true),
    ] {
        let text = allow(&format!("{{ header: {{ name: \":method\", {condition} }} }}"), ANY);
        assert_eq!(complete(&text)["routes"][0]["methods"], json!(methods), "{condition}");
        let notes = conversion(&text).notes.join("\n");
        assert_eq!(notes.contains("methods other than"), may_mean_others, "{condition}");
    }
}

#[test]
fn preflights_that_jwt_authn_lets_pass_are_a_note() {
    let bypass = jwt(EVERYWHERE).replace("    providers:", "    bypass_cors_preflight: true\n    providers:");

    assert_eq!(complete(&bypass), complete(&jwt(EVERYWHERE)));
    assert!(conversion(&bypass).notes.join("\n").contains("bypass_cors_preflight: preflights need what"));
    let scoped = allow(ANY, &listed("scope", "a"))
        .replace("    providers:", "    bypass_cors_preflight: true\n    providers:");
    let policy = conversion(&scoped).policy.unwrap();
    assert_eq!(
        *route(&policy, "OPTIONS", "/{*rest}"),
        Value::Null,
        "a preflight with a token has no payload"
    );
}

#[test]
fn what_only_accepted_tokens_have_opens_nothing_to_others() {
    let subject = claim("{ key: jwt_payload }, { key: sub }", "{ present_match: true }");
    let issuer =
        claim("{ key: jwt_payload }, { key: iss }", "{ string_match: { exact: https://as.example } }");
    let text = allow(ANY, &format!("{subject}, {{ not_id: {issuer} }}"))
        .replace("{ provider_name: keystone }", "{ allow_missing_or_failed: {} }");

    let said = unsaid(&text);
    assert!(said.contains("Envoy lets requests without a valid token pass"), "{said}");
    assert!(
        !conversion(&text).policy.unwrap().to_string().contains("public"),
        "Envoy refuses a token without `sub`"
    );
}
