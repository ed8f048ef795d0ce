use super::*;

/// As in a bootstrap.
fn bootstrap(manager: &str) -> String {
    let manager = manager.replace('\n', "\n          ");
    format!(
        "static_resources:\n  listeners:\n  - filter_chains:\n    - filters:\n      - name: hcm\n        typed_config:\n          \
         \"@type\": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager\n          {manager}\n"
    )
}

const ROUTES: &str = "route_config: { virtual_hosts: [ { name: a, domains: [ \"*\" ], routes: [ { match: { prefix: / }, route: { cluster: a } } ] } ] }";

#[test]
fn a_bootstrap_a_listener_and_filters_alone_are_found() {
    let manager = format!("stat_prefix: a\n{ROUTES}\nnormalize_path: true{ENVOY}");
    let (_, filters) = ENVOY.split_once("http_filters:\n").unwrap();

    assert_eq!(complete(&bootstrap(&manager)), complete(ENVOY));
    assert_eq!(complete(filters), complete(ENVOY));
    assert!(conversion(filters).notes.join("\n").contains("holds no routes"));
    assert!(!conversion(&bootstrap(&manager)).notes.join("\n").contains("holds no routes"));
}

#[test]
fn resources_of_kubernetes_are_told_apart_by_name() {
    for (version, kind, advice) in [
        ("security.istio.io/v1", "RequestAuthentication", "belongs to Istio"),
        ("security.istio.io/v1", "AuthorizationPolicy", "belongs to Istio"),
        ("networking.istio.io/v1alpha3", "EnvoyFilter", "belongs to Istio"),
        ("gateway.envoyproxy.io/v1alpha1", "SecurityPolicy", "belongs to the Gateway API"),
        ("gateway.networking.k8s.io/v1", "HTTPRoute", "belongs to the Gateway API"),
        ("v1", "ConfigMap", "convert the file that stands in its `data`"),
        ("apps/v1", "Deployment", "a Kubernetes resource"),
    ] {
        let resource = format!("apiVersion: {version}\nkind: {kind}\nspec: {{}}\n");
        for text in [
            resource.clone(),
            format!("{resource}---\n{resource}"),
            format!("apiVersion: v1\nkind: List\nitems: [ {{ apiVersion: {version}, kind: {kind} }} ]"),
        ] {
            let said = unsaid(&text);
            assert!(
                said.contains(&format!("this is a {kind} ({version})")) && said.contains(advice),
                "{said}"
            );
            assert!(conversion(&text).policy.is_none());
        }
    }
}

#[test]
fn the_second_api_of_envoy_is_named() {
    let old = ENVOY
        .replace("envoy.extensions.filters.http.jwt_authn.v3", "envoy.config.filter.http.jwt_authn.v2alpha");

    assert!(unsaid(&old).contains("is from Envoy's v2 API"));
}

#[test]
fn exactly_one_jwt_authn_filter_is_converted() {
    let twice = format!("- {}\n- {}", ENVOY.trim().replace('\n', "\n  "), ENVOY.trim().replace('\n', "\n  "));
    let (_, filters) = ENVOY.split_once("http_filters:\n").unwrap();

    assert!(unsaid(&twice).contains("jwt_authn occurs in 2 places; convert one at a time: [0], [1]"));
    assert!(unsaid(&format!("{filters}\n{filters}")).contains("a chain with two jwt_authn filters"));
    assert!(unsaid("{}").contains("no jwt_authn filter was found"));
    assert!(
        unsaid(&ENVOY.replace("http.jwt_authn.v3.JwtAuthentication", "http.cors.v3.Cors"))
            .contains("no jwt_authn")
    );
}

#[test]
fn filters_that_stand_between_or_around_the_two_are_refused() {
    let lua = "- name: envoy.filters.http.lua\n  typed_config: { \"@type\": a/envoy.extensions.filters.http.lua.v3.Lua }\n";
    let inner = format!(
        "- name: a\n  typed_config: {{ \"@type\": a/envoy.extensions.filters.http.composite.v3.Composite, inner: {{ \"@type\": a/{} }} }}\n",
        document::RBAC
    );
    let second = "- name: envoy.filters.http.rbac";

    assert!(unsaid(&with(second, &format!("{lua}{second}"))).contains("is between jwt_authn and rbac"));
    assert_eq!(complete(&format!("{ENVOY}{lua}")), complete(ENVOY));
    assert!(unsaid(&format!("{ENVOY}{inner}")).contains("inside another message"));
    assert!(
        unsaid(&with("- name: envoy.filters.http.rbac", "- disabled: true\n  name: envoy.filters.http.rbac"))
            .contains("disabled")
    );
    assert!(
        unsaid(&format!("{ENVOY}- name: envoy.filters.http.rbac\n  config: {{}}\n"))
            .contains("no `typed_config`")
    );
    let reading = format!("{ENVOY}{}", lua.replace("Lua }", "Lua, code: \"envoy.filters.http.jwt_authn\" }"));
    assert!(unsaid(&reading).contains("it reads the metadata of jwt_authn"));
    let upgrade = format!("upgrade_configs: [ {{ upgrade_type: websocket, filters: [] }} ]\n{ENVOY}");
    assert!(unsaid(&upgrade).contains("upgrade_configs[0]: a chain of filters of its own"));
}

#[test]
fn routes_from_elsewhere_must_be_in_the_document() {
    let manager = format!("rds: {{ route_config_name: a, config_source: {{}} }}{ENVOY}");
    let routes =
        format!("---\nname: a\n{}\n", ROUTES.trim_start_matches("route_config: { ").trim_end_matches(" }"));

    assert!(unsaid(&manager).contains("the document must hold the route configuration \"a\""));
    assert_eq!(complete(&format!("{manager}{routes}")), complete(ENVOY));
    assert!(unsaid(&format!("scoped_routes: {{ name: a }}{ENVOY}")).contains("routes by scope"));
}

#[test]
fn a_file_that_is_no_configuration_is_refused() {
    for text in ["a: [", "", "{ 1: a }", "{ a: 1, a: 2 }", "a: *b", "a: .nan"] {
        assert!(yaml::read(text).is_err(), "{text}");
    }
    assert!(yaml::read(&"[".repeat(200)).is_err());
    assert!(yaml::read(&format!("{}{}", "[".repeat(200), "]".repeat(200))).unwrap_err().contains("nested"));
}

#[test]
fn a_number_with_a_leading_zero_is_refused_with_its_line() {
    for number in ["017", "-017", "+00", "0o17", "09"] {
        let text = ENVOY.replace("clock_skew_seconds: 30", &format!("clock_skew_seconds: {number}"));
        let error = yaml::read(&text).unwrap_err();
        assert!(error.starts_with(&format!("line 12: Envoy reads {number} as an octal number")), "{error}");
    }
    for text in ["0", "-0", "0x1f", "0.5", "10", "'017'", "\"017\"", "0a", "[0, 1]", "{\"a\": 0}"] {
        assert!(yaml::read(text).is_ok(), "{text}");
    }
}
