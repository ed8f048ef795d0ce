use super::*;

fn rules(list: &[(&str, bool)]) -> String {
    let rule = |(path, needs): &(&str, bool)| {
        let requires = if *needs { ", requires: { provider_name: keystone }" } else { "" };
        format!("    - {{ match: {{ {path} }}{requires} }}\n")
    };
    jwt(&list.iter().map(rule).collect::<String>())
}

/// The templates of the public routes and of those that need a token.
fn split(policy: &Value) -> (Vec<&str>, Vec<&str>) {
    let routes = policy["routes"].as_array().unwrap();
    let path = |route: &'_ &Value| route["public"] == true;
    let (public, token): (Vec<&Value>, Vec<&Value>) = routes.iter().partition(path);
    (public.into_iter().map(template).collect(), token.into_iter().map(template).collect())
}

fn template(route: &Value) -> &str {
    route["path"].as_str().unwrap()
}

#[test]
fn where_no_rule_matches_everything_passes() {
    let policy = complete(&rules(&[("path_separated_prefix: /orders", true)]));

    assert_eq!(split(&policy), (vec!["/{*rest}"], vec!["/orders", "/orders/{*rest}"]));
    assert!(conversion(&rules(&[("prefix: /", true)])).notes.join("\n").contains("methods other than"));
}

#[test]
fn the_first_rule_decides_however_narrow_the_later_ones() {
    let policy =
        complete(&rules(&[("prefix: /orders/", true), ("path: /orders/7", false), ("prefix: /", false)]));
    assert_eq!(split(&policy), (vec!["/{*rest}"], vec!["/orders/{*rest}"]));

    let policy =
        complete(&rules(&[("path: /orders/7", false), ("prefix: /orders/", true), ("prefix: /", false)]));
    assert_eq!(split(&policy), (vec!["/orders/7", "/{*rest}"], vec!["/orders/{*rest}"]));
}

#[test]
fn a_prefix_without_a_slash_never_opens_what_it_closed() {
    let said = unsaid(&rules(&[("prefix: /api", true)]));
    assert!(said.contains("/… (every method): Envoy requires something else on paths as /apix"), "{said}");
    let partial = conversion(&rules(&[("prefix: /api", true)])).policy.unwrap();
    assert_eq!(split(&partial).0, vec!["/"], "/apix is not open");

    let covered = rules(&[("prefix: /health", false), ("prefix: /", true)]);
    let policy = complete(&covered);
    assert_eq!(split(&policy), (vec!["/health", "/health/{*rest}"], vec!["/{*rest}"]));
    assert!(conversion(&covered).notes.join("\n").contains("paths as /healthx are denied, or need more"));
}

#[test]
fn paths_that_no_template_has_are_refused_where_they_matter() {
    for path in ["path: /a%20b", "prefix: /a%20b/", "path: \"/{id}\"", "path: \"/a*\""] {
        let said = unsaid(&rules(&[(path, false), ("prefix: /", true)]));
        assert!(said.contains("a policy cannot express this path"), "{said}");
        assert!(unsaid(&rules(&[(path, true)])).contains("Envoy requires something else on"));
        complete(&rules(&[(path, true), ("prefix: /", true)]));
    }
}

#[test]
fn conditions_of_a_rule_that_no_route_has_are_refused() {
    for (condition, reason) in [
        ("safe_regex: { regex: /a }", "match.safe_regex: a policy has no counterpart"),
        ("prefix: /a, case_sensitive: false", "match.case_sensitive: a policy cannot ignore the case"),
        (
            "prefix: /a, headers: [ { name: x-a, present_match: true } ]",
            "headers[0].name: a policy cannot check headers",
        ),
        ("prefix: /a, query_parameters: [ { name: a } ]", "match.query_parameters"),
        ("prefix: /a, grpc: {}", "match.grpc"),
        ("prefix: \"/a?b\"", "match.prefix: a policy compares paths without query"),
        ("headers: []", "must hold `prefix`, `path` or"),
    ] {
        for needs in [false, true] {
            let said = unsaid(&rules(&[(condition, needs), ("prefix: /", true)]));
            assert!(said.contains(reason), "{condition}: {said}");
        }
    }
}

#[test]
fn a_rule_that_may_match_is_never_open() {
    let text = rules(&[
        ("prefix: /, headers: [ { name: x-a, present_match: true } ]", false),
        ("prefix: /a/", true),
        ("prefix: /", false),
    ]);
    let policy = conversion(&text).policy.unwrap();
    assert_eq!(split(&policy), (vec!["/{*rest}"], vec!["/a/{*rest}"]));

    let text =
        rules(&[("prefix: /, headers: [ { name: x-a, present_match: true } ]", true), ("prefix: /", false)]);
    assert!(!conversion(&text).policy.is_some_and(|policy| policy.to_string().contains("public")));
}

#[test]
fn a_method_in_a_rule_is_a_method_of_a_route() {
    let policy = complete(&rules(&[
        ("prefix: /, headers: [ { name: \":method\", string_match: { exact: OPTIONS } } ]", false),
        ("prefix: /", true),
    ]));

    assert_eq!(route(&policy, "OPTIONS", "/{*rest}")["public"], true);
    assert_eq!(route(&policy, "DELETE", "/{*rest}")["authenticated"], true);
}
