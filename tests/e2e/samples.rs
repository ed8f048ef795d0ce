//! The files that an operator copies run as they are, but for ports.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use keystone_tests::http::Site;
use keystone_tests::key_server::KeyServer;
use keystone_tests::orders::Orders;
use keystone_tests::process::Process;
use keystone_tests::program::Program;
use keystone_tests::{mint, ports, wait};
use serde_json::json;

use crate::lab::{Alone, Lab, promises};

pub(crate) const PROMISES: &[(&str, Alone)] = promises![
    the_static_sample_guards_the_api,
    the_dynamic_sample_guards_the_api_and_takes_another_policy,
    a_second_instance_adds_to_what_one_route_needs,
];

fn the_static_sample_guards_the_api(lab: &Lab) -> Result<()> {
    let running = Running::start(lab, "static-sample", &["static.yaml"], |text| text)?;

    running.guards()
}

fn the_dynamic_sample_guards_the_api_and_takes_another_policy(lab: &Lab) -> Result<()> {
    let files =
        ["dynamic/bootstrap.yaml", "dynamic/listener.yaml", "dynamic/clusters.yaml", "dynamic/filter.yaml"];
    let running = Running::start(lab, "dynamic-sample", &files, |text| text)?;
    running.guards()?;

    let filter = running.home("filter.yaml");
    let stricter = fs::read_to_string(&filter)?.replace("orders:read", "orders:audit");
    fs::write(running.home("next.yaml"), stricter)?;
    fs::rename(running.home("next.yaml"), filter)?;

    running.await_status("/orders", 403)
}

fn a_second_instance_adds_to_what_one_route_needs(lab: &Lab) -> Result<()> {
    let running = Running::start(lab, "second-instance", &["static.yaml"], |text| with_addition(&text))?;

    // The policy alone would let it through.
    running.await_status("/orders", 403)?;
    let answer = running.site.get("/orders").bearer(&running.token).send()?.expect(403)?;
    ensure!(answer.header("www-authenticate").is_some_and(|said| said.contains("scope=\"orders:audit\"")));
    running.await_status("/", 200)
}

/// As docs/envoy.md says: another instance, switched on by one route.
fn with_addition(text: &str) -> String {
    let first = "                  - name: keystone\n";
    let router = "                  - name: envoy.filters.http.router";
    let (before, rest) = text.split_once(first).unwrap_or_default();
    let (filter, after) = rest.split_once(router).unwrap_or_default();
    let stricter =
        filter.replace("orders:read", "orders:audit").replace("name: keystone\n", "name: keystone-audit\n");
    let second =
        format!("                  - name: keystone-audit\n                    disabled: true\n{stricter}");
    let route = "                        - match: { prefix: / }\n";
    let switched_on = "                        - match: { path: /orders }
                          route: { cluster: orders }
                          typed_per_filter_config:
                            keystone-audit:
                              \"@type\": type.googleapis.com/envoy.config.route.v3.FilterConfig
                              config: {}\n";
    format!(
        "{}{first}{filter}{second}{router}{after}",
        before.replace(route, &format!("{switched_on}{route}"))
    )
}

/// Envoy on copies of the samples.
pub(crate) struct Running {
    pub(crate) envoy: Process,
    pub(crate) site: Site,
    pub(crate) admin: Site,
    pub(crate) keys: KeyServer,
    pub(crate) token: String,
    _orders: Orders,
}

impl Running {
    /// The first file is the one that Envoy starts with.
    pub(crate) fn start(lab: &Lab, name: &str, files: &[&str], change: fn(String) -> String) -> Result<Self> {
        let home = lab.directory(name)?;
        let keys = KeyServer::start(mint::key_set(&[1]))?;
        let (listen, api, admin) = (ports::free()?, ports::free()?, ports::free()?);
        let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../envoy-filter/samples");
        let module = lab.tools.filter.to_string_lossy();
        for file in files {
            let text = fs::read_to_string(samples.join(file))?
                .replace("port_value: 10000", &format!("port_value: {listen}"))
                .replace("port_value: 9901", &format!("port_value: {admin}"))
                .replace("port_value: 8080", &format!("port_value: {api}"))
                .replace("port_value: 8000", &format!("port_value: {}", keys.port))
                .replace("127.0.0.1:8000", &format!("127.0.0.1:{}", keys.port))
                .replace("keystone_envoy_filter.wasm", &module);
            let copy = home.join(Path::new(file).file_name().context("a sample has a name")?);
            fs::write(copy, change(text))?;
        }
        let first = Path::new(files.first().context("no sample")?).file_name().context("no name")?;
        let mut envoy = Program::new("envoy", &lab.tools.envoy, &home)
            .args(["--disable-hot-restart", "--concurrency", "1", "-c"])
            .arg(first)
            .start()?;
        let admin = Site::new(admin, &lab.ledger);
        envoy.ready(Duration::from_secs(60), || {
            admin.get("/ready").send().is_ok_and(|answer| answer.status == 200)
        })?;
        let orders = Orders::start(api, &lab.tools.package, json!({}))?;
        let token = mint::token(&keys.issuer(), 1, "orders:read");
        Ok(Self { envoy, site: Site::new(listen, &lab.ledger), admin, keys, token, _orders: orders })
    }

    fn guards(&self) -> Result<()> {
        self.await_status("/orders", 200)?;
        let answer = self.site.get("/orders").send()?.expect(401)?;
        assert_eq!(answer.reason().as_deref(), Some("no_credentials"));
        let log = self.envoy.log();
        wait::until("the access log to name the caller", Duration::from_secs(20), || {
            Ok(fs::read_to_string(log)?.contains(r#"\"sub\":\"alice\""#))
        })
    }

    pub(crate) fn await_status(&self, path: &str, status: u16) -> Result<()> {
        wait::until(&format!("{status} on {path}"), Duration::from_secs(20), || {
            Ok(self.site.get(path).bearer(&self.token).send().is_ok_and(|answer| answer.status == status))
        })
    }

    fn home(&self, file: &str) -> std::path::PathBuf {
        self.envoy.log().with_file_name(file)
    }
}
