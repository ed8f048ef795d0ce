//! Who may do what, as one table: each guarded route, each role, the answer. Its diff is the security review.
//!
//! The rows come from the table that makes the router, so a new route fails here until someone has looked at it.

use keystone_issuer::declaration::File;
use keystone_issuer::http::guarded_routes;
use keystone_issuer::identity::manifest;
use keystone_issuer::store::Actor;
use serde_json::{Value, json};

use crate::support::TestIssuer;

const TABLE: &str = include_str!("../rbac_table.txt");
const ROLES: [&str; 6] = ["nobody", "customer", "keeper", "auditor", "reader", "administrator"];

/// A-01
#[tokio::test]
async fn the_authorisation_table_is_the_routers() {
    let test = TestIssuer::with_administrators().await;
    let file = r#"roles = [
        { name = "auditor", scopes = ["keystone:audit:read"] },
        { name = "reader", scopes = ["keystone:users:read", "keystone:roles:read", "keystone:scopes:read", "keystone:clients:read"] },
    ]"#;
    let (roles, _) = File::parse(file).unwrap().declare(&test.issuer.secrets, &test.issuer.world);
    manifest::apply(&test.issuer.store, &Actor::Operator, &roles).await.unwrap().unwrap();
    let mut tokens = vec![String::new()];
    for role in ROLES {
        let name = format!("a-{role}");
        test.user(&name, &[role]).await;
        tokens.push(test.console(&name).await);
    }

    let mut table = format!("# method path scope: no-token {}\n", ROLES.join(" "));
    for (method, path, scope) in guarded_routes() {
        let line = format!("{method} {}", somewhere(&path));
        let body = if method == "GET" { Value::Null } else { json!({}) };
        let mut statuses = Vec::new();
        for token in &tokens {
            statuses.push(test.ask_as(token, &line, "*", body.clone()).await.status.as_str().to_owned());
        }
        table += &format!("{method} {path} {scope}: {}\n", statuses.join(" "));
    }

    let found = concat!(env!("CARGO_TARGET_TMPDIR"), "/rbac_table.txt");
    std::fs::write(found, &table).unwrap();
    assert_eq!(table, TABLE, "look at every difference, then copy {found}");
}

/// A path to nothing that exists.
fn somewhere(path: &str) -> String {
    let nobody = "00000000-0000-0000-0000-000000000000";
    path.replace("{id}", nobody)
        .replace("{name}", "none")
        .replace("{client_id}", "none")
        .replace("{slot}", "1")
        .replace("{kid}", "none")
}
