//! A real Envoy with the Keystone filter, configured from one static file.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use crate::http::Site;
use crate::ledger::Ledger;
use crate::ports;
use crate::process::Process;
use crate::program::Program;
use crate::tools::Tools;

/// What an Envoy stands between.
#[derive(Clone, Debug)]
pub struct Setup {
    pub listen: u16,
    /// The policy file, as text: broken ones are tested too.
    pub policy: String,
    pub orders: u16,
    /// The cluster `keystone`, which serves the keys and the public route to the token endpoint.
    pub issuer: u16,
}

/// A running proxy.
#[derive(Debug)]
pub struct Envoy {
    pub process: Process,
    pub site: Site,
    pub admin: Site,
}

impl Envoy {
    /// Starts it and waits until it serves; a refused policy is the error, with Envoy's own words.
    pub fn start(tools: &Tools, home: &Path, setup: &Setup, ledger: &Ledger) -> Result<Self> {
        fs::create_dir_all(home)?;
        fs::write(home.join("policy.json"), &setup.policy)?;
        let (process, admin) = run(tools, home, &resources(&tools.filter, setup), ledger)?;
        Ok(Self { process, site: Site::new(setup.listen, ledger), admin })
    }
}

/// Starts an Envoy with one worker on these static resources, and waits until it serves; with its admin interface.
pub fn run(tools: &Tools, home: &Path, resources: &Value, ledger: &Ledger) -> Result<(Process, Site)> {
    let admin = Site::new(ports::free()?, ledger);
    let configuration = json!({ "admin": { "address": address(admin.port) }, "static_resources": resources });
    fs::write(home.join("envoy.json"), format!("{configuration:#}"))?;
    let mut process = Program::new("envoy", &tools.envoy, home)
        .args(["-c", "envoy.json", "--disable-hot-restart", "--concurrency", "1", "--log-level", "info"])
        .start()?;
    process.ready(Duration::from_secs(60), || {
        admin.get("/ready").send().is_ok_and(|answer| answer.status == 200)
    })?;
    Ok((process, admin))
}

fn resources(filter: &Path, setup: &Setup) -> Value {
    json!({
        "listeners": [{
            "name": "orders",
            "address": address(setup.listen),
            "filter_chains": [{ "filters": [connection_manager(filter, &setup.policy)] }],
        }],
        "clusters": [cluster("orders", setup.orders), cluster("keystone", setup.issuer)],
    })
}

fn connection_manager(filter: &Path, policy: &str) -> Value {
    json!({
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "orders",
            // `x_keystone_subject` becomes `x-keystone-subject` in some frameworks behind Envoy.
            "common_http_protocol_options": { "headers_with_underscores_action": "DROP_HEADER" },
            "route_config": {
                "virtual_hosts": [{
                    "name": "all",
                    "domains": ["*"],
                    "routes": [
                        { "match": { "path": "/auth/token" }, "route": { "cluster": "keystone" } },
                        { "match": { "prefix": "/" }, "route": { "cluster": "orders" } },
                    ],
                }],
            },
            "http_filters": [
                keystone(filter, policy),
                {
                    "name": "envoy.filters.http.router",
                    "typed_config": { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
                },
            ],
        },
    })
}

/// The filter with this policy, as it stands among others.
pub fn keystone(filter: &Path, policy: &str) -> Value {
    json!({
        "name": "keystone",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
            "config": {
                "name": "keystone",
                "root_id": "keystone",
                // A filter that cannot run lets nothing through.
                "failure_policy": "FAIL_CLOSED",
                "configuration": { "@type": "type.googleapis.com/google.protobuf.StringValue", "value": policy },
                "vm_config": {
                    "vm_id": "keystone",
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": { "local": { "filename": filter } },
                },
            },
        },
    })
}

pub(crate) fn cluster(name: &str, port: u16) -> Value {
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "2s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": address(port) } }] }],
        },
    })
}

/// On loopback.
pub fn address(port: u16) -> Value {
    json!({ "socket_address": { "address": "127.0.0.1", "port_value": port } })
}
