//! What an issuer of the tests stands in: settings, clients, a clock to turn, and bytes that are the same in every run.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use keystone_issuer::clock::{Clock, Entropy, SystemClock};
use keystone_issuer::config::{Config, Document, Source};
use time::OffsetDateTime;

pub(crate) const ISSUER: &str = "https://id.example.com";

/// alice is a customer, olaf nothing; `app` is public, `shop` confidential with all grants, `robot` a service.
pub(crate) const DECLARATION: &str = r#"
    scopes = [
        { name = "orders:read", resource = "orders" },
        { name = "orders:write", resource = "orders" },
        { name = "bills:read", resource = "billing" },
    ]
    roles = [
        { name = "customer", scopes = ["orders:read", "bills:read"] },
        { name = "clerk", scopes = ["orders:read", "orders:write"] },
        { name = "keeper", scopes = ["keystone:users:write", "orders:read"] },
        { name = "nobody", scopes = [] },
    ]

    [[clients]]
    client_id = "app"
    name = "A public client"
    public = true
    grants = ["password", "refresh_token"]
    scopes = ["orders:read", "orders:write", "bills:read", "keystone:account", "keystone:users:write"]
    default_scopes = ["orders:read", "orders:write"]

    [[clients]]
    client_id = "shop"
    name = "A confidential client"
    grants = ["password", "refresh_token", "client_credentials"]
    scopes = ["orders:read", "orders:write"]

    [[clients]]
    client_id = "gateway"
    name = "A confidential client that says where its users are"
    grants = ["password"]
    scopes = ["orders:read"]
    forwards_user_address = true

    [[clients]]
    client_id = "robot"
    name = "A service"
    grants = ["client_credentials"]
    scopes = ["orders:read", "orders:write", "bills:read", "keystone:account", "keystone:users:write"]
    default_scopes = ["orders:read"]

    [[clients]]
    client_id = "brief"
    name = "Logs in, and no more"
    public = true
    grants = ["password"]
    scopes = ["orders:read"]

    [[clients]]
    client_id = "off"
    name = "Disabled"
    enabled = false
    grants = ["client_credentials"]
    scopes = ["orders:read"]
"#;

/// Real time, moved forward by tests. The database's clock does not follow.
#[derive(Debug, Default)]
pub(crate) struct TestClock(Mutex<time::Duration>);

/// Different bytes each time, the same ones in every run.
#[derive(Debug, Default)]
pub(crate) struct TestEntropy(Mutex<u64>);

impl TestClock {
    pub(crate) fn advance(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }

    /// Takes back what [`Self::advance`] did.
    pub(crate) fn retreat(&self, by: Duration) {
        *self.0.lock().unwrap() -= by;
    }
}

impl Clock for TestClock {
    fn now(&self) -> OffsetDateTime {
        SystemClock.now() + *self.0.lock().unwrap()
    }
}

impl Entropy for TestEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(32) {
            let mut counter = self.0.lock().unwrap();
            *counter += 1;
            let block = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &counter.to_be_bytes());
            chunk.copy_from_slice(&block.as_ref()[..chunk.len()]);
        }
    }
}

pub(crate) fn config(settings: &str) -> Config {
    // Cheap hashes: what they cost in production is not asked here.
    let cheap =
        if settings.contains("[passwords]") { "" } else { "[passwords]\nmemory_kib = 8\npasses = 1\n" };
    // Tests move the clock, and nobody looks at the keys meanwhile.
    let patient = if settings.contains("[keys]") { "" } else { "[keys]\npropagation = 600\n" };
    let text = format!("issuer = '{ISSUER}'\n{settings}\n{cheap}\n{patient}");
    let document = Some(Document { name: "keystone.toml".to_owned(), text });
    let source =
        Source { document, environment: BTreeMap::new(), read: |path| std::fs::read_to_string(path) };
    Config::load(&source).unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
}
