//! F: what a route asks for.

use super::Case;
use super::forge::{valid, with_claims};

pub(super) fn cases() -> Vec<Case> {
    let all = [scopes(), roles(), methods(), public()];
    all.into_iter().flatten().map(|case| case.in_group('F')).collect()
}

fn ask(name: impl Into<String>, line: (&str, &str), token: &str) -> Case {
    Case::request(name, "RFC 6750 §3.1, RFC 6749 §3.3", line, &[&format!("Bearer {token}")])
}

fn holding(scope: &str) -> String {
    with_claims(&[("scope", &format!("\"{scope}\""))])
}

fn scopes() -> Vec<Case> {
    let read = ("GET", "/orders");
    let mut cases = vec![
        ask("the scope that is needed", read, &holding("orders:read")),
        ask("the scope that is needed, last of three", read, &holding("a b orders:read")),
        ask("both of two scopes", ("POST", "/orders"), &holding("orders:write orders:read")),
        ask("one of two scopes where both are needed", ("POST", "/orders"), &holding("orders:read"))
            .is("insufficient_scope"),
        ask("the other of two scopes where both are needed", ("POST", "/orders"), &holding("orders:write"))
            .is("insufficient_scope"),
        ask("the first of two scopes where one is needed", ("PUT", "/orders/7"), &holding("orders:admin")),
        ask("the second of two scopes where one is needed", ("PUT", "/orders/7"), &holding("orders:write")),
        ask("neither of two scopes where one is needed", ("PUT", "/orders/7"), &holding("orders:read"))
            .is("insufficient_scope"),
        ask("all and one of any", ("DELETE", "/orders/7"), &holding("orders:read orders:admin")),
        ask("all and none of any", ("DELETE", "/orders/7"), &holding("orders:read")).is("insufficient_scope"),
        ask("one of any and not all", ("DELETE", "/orders/7"), &holding("orders:admin"))
            .is("insufficient_scope"),
        ask("no scope on a route that needs one", read, &with_claims(&[("scope", "")]))
            .is("insufficient_scope"),
        ask("an empty scope on a route that needs one", read, &holding("")).is("insufficient_scope"),
    ];
    for scope in [
        "xorders:read",
        "orders:read2",
        "ORDERS:READ",
        "Orders:Read",
        "orders:rea",
        "orders",
        "orders:*",
        "*",
        "orders:read:all",
        "orders:read,orders:write",
        "read",
        "admin",
    ] {
        cases.push(
            ask(format!("the scope {scope} where another is needed"), read, &holding(scope))
                .is("insufficient_scope"),
        );
    }
    let many: Vec<String> = (0..400).map(|number| format!("s{number}")).collect();
    cases.push(ask(
        "the scope that is needed after 400 others",
        read,
        &holding(&format!("{} orders:read", many.join(" "))),
    ));
    cases.push(
        ask("400 scopes and not the one that is needed", read, &holding(&many.join(" ")))
            .is("insufficient_scope"),
    );
    cases
}

fn roles() -> Vec<Case> {
    let desk = ("GET", "/desk");
    let with = |roles: &str| with_claims(&[("roles", roles)]);
    let mut cases = vec![
        ask("the role that is needed", desk, &with(r#"["clerk"]"#)),
        ask("one of the roles that are needed", desk, &with(r#"["guest","chief"]"#)),
        ask("no roles", desk, &with("[]")).is("insufficient_role"),
        ask("no claim of roles", desk, &valid()).is("insufficient_role"),
    ];
    for role in ["Clerk", "clerk ", "clerks", "cler", "clerk,chief", ""] {
        cases.push(
            ask(format!("the role {role:?} where another is needed"), desk, &with(&format!("[\"{role}\"]")))
                .is("insufficient_role"),
        );
    }
    cases
}

/// Methods that no route lists are denied.
fn methods() -> Vec<Case> {
    let valid = valid();
    let mut cases: Vec<Case> =
        ["PATCH", "OPTIONS", "HEAD", "TRACE", "CONNECT", "get", "Get", "POSTX", "PROPFIND", "QUERY"]
            .map(|method| {
                ask(format!("the method {method} that no route lists"), (method, "/orders"), &valid)
                    .is("no_route")
            })
            .into();
    for path in [
        "/",
        "/order",
        "/orders2",
        "/ORDERS",
        "/orders/",
        "/orders/7/items",
        "/nowhere",
        "/me/",
        "/Me",
        "/orders.json",
    ] {
        cases.push(ask(format!("the path {path} that no route has"), ("GET", path), &valid).is("no_route"));
    }
    cases
}

fn public() -> Vec<Case> {
    let about = ("GET", "/about");
    let rule = "RFC 6750 §3";
    vec![
        Case::request("a public route without a token", rule, about, &[]).is("public"),
        Case::request("a public route with a wrong token", rule, about, &["Bearer x"]).is("public"),
        Case::request("a public route with a query", rule, ("GET", "/about?x=/admin"), &[]).is("public"),
        Case::request("any depth below a public route", rule, ("GET", "/assets/css/site.css"), &[])
            .is("public"),
        Case::request("a public route's folder itself", rule, ("GET", "/assets"), &[]).is("no_route"),
        Case::request("another method on a public route", rule, ("POST", "/about"), &[]).is("no_route"),
        Case::request("a private path below no public route", rule, ("GET", "/admin"), &[])
            .is("no_credentials"),
    ]
}
