//! Clients that a process remembers.

use std::time::Duration;

use keystone_issuer::declaration::File;
use keystone_issuer::store::Actor;

use crate::support::TestIssuer;

/// As another replica would: this process is not told.
async fn disable_robot(test: &TestIssuer) {
    let file = "[[clients]]\nclient_id = 'robot'\nname = 'A service'\nenabled = false\ngrants = ['client_credentials']\nscopes = ['orders:read']";
    let (declaration, _) = File::parse(file).unwrap().declare(&test.issuer.secrets, &test.issuer.world);
    test.issuer.store.apply(&Actor::Operator, &declaration).await.unwrap().unwrap();
}

async fn misses(test: &TestIssuer) -> String {
    let page = String::from_utf8(test.health("/metrics").await.success().bytes).unwrap();
    let line = page.lines().find(|line| line.starts_with("keystone_client_cache_total{result=\"miss\"}"));
    line.unwrap().to_owned()
}

#[tokio::test]
async fn a_client_that_is_busy_is_read_again_while_nobody_waits_for_it() {
    let test = TestIssuer::start().await;
    test.client_token("robot", "orders:read").await;
    let before = misses(&test).await;
    disable_robot(&test).await;

    test.clock.advance(Duration::from_secs(4));
    test.client_token("robot", "orders:read").await;
    let seen = async {
        while test.issuer.clients.find("robot").await.unwrap().unwrap().enabled {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), seen).await.expect("the change is not seen");

    assert_eq!(misses(&test).await, before);
    let refused = test.form_with(&[test.basic("robot")], "grant_type=client_credentials").await;
    refused.refused(401, "invalid_client");
}
