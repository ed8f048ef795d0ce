use super::*;

/// The accesses that a request must meet, as `path`; `-` where no route allows it.
fn decided(policy: &Policy, path: &str) -> Vec<String> {
    let path = Path::parse(path.as_bytes()).unwrap();
    let routes = policy.matched_routes(b"GET", path);
    routes.map_or_else(
        || [String::from("-")].into(),
        |routes| routes.all().map(|route| route.path.to_string()).collect(),
    )
}

fn route(path: &str) -> String {
    format!(r#"{{"methods":["GET"],"path":"{path}","require":{{"all":["{path}"]}}}}"#)
}

fn lenient(paths: &[&str]) -> Policy {
    let texts: Vec<_> = paths.iter().map(|path| route(path)).collect();
    routes(&texts.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn another_spelling_of_a_path_needs_what_its_route_asks_for_too() {
    let policy = lenient(&["/admin", "/admin/{id}", "/orders:cancel", "/{*all}"]);

    for path in ["/ADMIN", "/Admin", "/admin/", "/ADMIN/", "/ADMIN/?x=1"] {
        assert_eq!(decided(&policy, path), ["/{*all}", "/admin"], "{path}");
    }
    assert_eq!(decided(&policy, "/admin/7/"), ["/{*all}", "/admin/{id}"]);
    for path in ["/orders%3acancel", "/Orders:cancel", "/ORDERS%3Acancel/"] {
        assert_eq!(decided(&policy, path), ["/{*all}", "/orders:cancel"], "{path}");
    }
    for (path, own) in
        [("/admin", "/admin"), ("/admin/7", "/admin/{id}"), ("/other", "/{*all}"), ("/Other/", "/{*all}")]
    {
        assert_eq!(decided(&policy, path), [own], "{path}");
    }
}

#[test]
fn a_folder_and_what_lies_in_it_are_not_the_same_route() {
    let policy = lenient(&["/assets/{*rest}", "/docs", "/docs/{*rest}", "/{*all}"]);

    assert_eq!(decided(&policy, "/assets"), ["/{*all}", "/assets/{*rest}"]);
    assert_eq!(decided(&policy, "/assets/"), ["/assets/{*rest}"]);
    assert_eq!(decided(&policy, "/docs"), ["/docs"]);
    assert_eq!(decided(&policy, "/docs/"), ["/docs/{*rest}", "/docs"]);
    // Who compares without case only has it for the one, who ignores slashes for the other.
    assert_eq!(decided(&policy, "/DOCS/"), ["/{*all}", "/docs/{*rest}", "/docs"]);
}

#[test]
fn routes_that_differ_in_spelling_alone_are_asked_together() {
    let policy = lenient(&["/A/{x}", "/a", "/A", "/a/", "/a/b"]);

    assert_eq!(decided(&policy, "/a"), ["/a", "/A", "/a/"]);
    assert_eq!(decided(&policy, "/A/b"), ["/A/{x}", "/a/b"]);
    assert_eq!(decided(&policy, "/a/b"), ["/a/b"]);
    assert_eq!(decided(&policy, "/a/x"), ["-"], "no route has it as it stands");
    assert_eq!(decided(&lenient(&["/a"]), "/A"), ["-"]);
}

#[test]
fn routes_of_other_methods_are_not_asked() {
    let put = r#"{"methods":["PUT"],"path":"/admin","require":{"all":["a"]}}"#;
    let policy = routes(&[put, &route("/{*all}")]);

    assert_eq!(decided(&policy, "/ADMIN"), ["/{*all}"]);
}

#[test]
fn a_service_that_compares_byte_by_byte_is_taken_at_its_word() {
    let all = [route("/admin"), route("/{*all}")];
    let all: Vec<_> = all.iter().map(String::as_str).collect();
    let exact = compared(r#""path_comparison":"exact","#, &all);
    let said = compared(r#""path_comparison":"lenient","#, &all);

    assert_eq!(
        (exact.path_comparison(), decided(&exact, "/ADMIN/")),
        (PathComparison::Exact, ["/{*all}".into()].into())
    );
    assert_eq!(said.path_comparison(), routes(&all).path_comparison());
    assert_eq!(decided(&said, "/ADMIN/"), ["/{*all}", "/admin"]);
}
