use super::*;

/// The source with named requirements, and these routes.
fn routed(source: &str, routes: &str) -> String {
    let source = source.replace(
        "    rules:\n    - {",
        "    requirement_map: { token: { provider_name: keystone }, none: {} }\n    rules:\n    - {",
    );
    format!(
        "route_config:\n  virtual_hosts:\n  - name: a\n    domains: [\"*\"]\n    routes:\n{routes}{source}"
    )
}

fn overridden(condition: &str, filter: &str, config: &str) -> String {
    format!(
        "    - match: {{ {condition} }}\n      route: {{ cluster: a }}\n      typed_per_filter_config: {{ {filter}: {config} }}\n"
    )
}

const JWT: &str = "envoy.filters.http.jwt_authn";
const RBAC: &str = "envoy.filters.http.rbac";
const REST: &str = "    - { match: { prefix: / }, route: { cluster: a } }\n";

fn requirement(name: &str) -> String {
    format!(
        "{{ \"@type\": a/envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig, requirement_name: {name} }}"
    )
}

#[test]
fn a_route_that_asks_for_something_else_is_one_of_the_policy() {
    let open = overridden("path_separated_prefix: /open", JWT, &requirement("none"));
    let policy = complete(&routed(&jwt(EVERYWHERE), &format!("{open}{REST}")));

    assert_eq!(route(&policy, "GET", "/open/{*rest}")["public"], true);
    assert_eq!(route(&policy, "GET", "/{*rest}")["authenticated"], true);
    for config in [
        "{ \"@type\": a/envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig, disabled: true }",
        "{ \"@type\": a/envoy.config.route.v3.FilterConfig, disabled: true }",
    ] {
        let open = overridden("path_separated_prefix: /open", JWT, config);
        assert_eq!(complete(&routed(&jwt(EVERYWHERE), &format!("{open}{REST}"))), policy);
    }
}

#[test]
fn rbac_of_a_route_takes_the_place_of_the_filters_own() {
    let rules = format!(
        "{{ policies: {{ p: {{ permissions: [ {ANY} ], principals: [ {} ] }} }} }}",
        listed("scope", "b")
    );
    let own = format!(
        "{{ \"@type\": a/envoy.extensions.filters.http.rbac.v3.RBACPerRoute, rbac: {{ rules: {rules} }} }}"
    );
    let none = "{ \"@type\": a/envoy.extensions.filters.http.rbac.v3.RBACPerRoute }";
    let routes = [overridden("path: /b", RBAC, &own), overridden("path: /free", RBAC, none), REST.to_owned()];
    let policy = complete(&routed(&allow(ANY, &listed("scope", "a")), &routes.concat()));

    assert_eq!(route(&policy, "GET", "/b")["require"], json!({ "all": ["b"] }));
    assert_eq!(route(&policy, "GET", "/free")["authenticated"], true);
    assert_eq!(route(&policy, "GET", "/{*rest}")["require"], json!({ "all": ["a"] }));
}

#[test]
fn the_first_route_counts_and_the_narrowest_override() {
    let first = "    - { match: { prefix: /open/a/ }, route: { cluster: a } }\n";
    let open = overridden("path_separated_prefix: /open", JWT, &requirement("none"));
    let host = format!("{}    typed_per_filter_config: {{ {JWT}: {} }}\n", first, requirement("token"));
    let policy = complete(&routed(&jwt("    - { match: { prefix: / } }"), &format!("{open}{REST}{host}")));

    assert_eq!(route(&policy, "GET", "/open/{*rest}")["public"], true);
    assert_eq!(*route(&policy, "GET", "/open/a/{*rest}"), Value::Null, "the later route never matches");
    assert_eq!(route(&policy, "GET", "/{*rest}")["authenticated"], true);
}

#[test]
fn what_routes_change_in_ways_that_no_policy_has_is_refused() {
    let clusters = format!(
        "    - match: {{ prefix: / }}\n      route: {{ weighted_clusters: {{ clusters: [ {{ name: a, weight: 1, typed_per_filter_config: {{ {JWT}: {} }} }} ] }} }}\n",
        requirement("none")
    );
    for (routes, reason) in [
        (overridden("prefix: /a", JWT, &requirement("gone")), "no requirement has this name"),
        (
            overridden(
                "prefix: /a",
                JWT,
                "{ \"@type\": a/envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig, x: 1 }",
            ),
            "x: the member is unknown",
        ),
        (overridden("prefix: /a", "another", &requirement("none")), "no filter of the chain has this name"),
        (overridden("prefix: /a", JWT, "{}"), "must be what the filter of this name takes on a route"),
        (overridden("safe_regex: { regex: a }", JWT, &requirement("none")), "match.safe_regex"),
        (clusters, "what filters do can change for a whole route only"),
        (
            "    - { match: { prefix: / }, route: { cluster: a }, typed_per_filter_configs: {} }\n"
                .to_owned(),
            "the member is unknown",
        ),
    ] {
        let said = unsaid(&routed(&jwt(EVERYWHERE), &format!("{routes}{REST}")));
        assert!(said.contains(reason), "{said}");
    }
    let open = overridden("prefix: /open/", JWT, &requirement("none"));
    let two = routed(
        &jwt(EVERYWHERE),
        &format!(
            "{open}  - {{ name: b, domains: [ b ], routes: [ {{ match: {{ prefix: / }}, route: {{ cluster: a }} }} ] }}\n"
        ),
    );
    assert!(unsaid(&two).contains("a policy has no host names"));
    assert!(!conversion(&two).policy.unwrap().to_string().contains("public"));
}

#[test]
fn requirements_for_routes_that_are_not_there_are_refused() {
    let alone = jwt(EVERYWHERE).replace(
        "    rules:\n    - {",
        "    requirement_map: { token: { provider_name: keystone } }\n    rules:\n    - {",
    );

    assert!(unsaid(&alone).contains("no rule uses the requirement token"));
}
