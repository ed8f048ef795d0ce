//! The files that an operator copies run as they are, but for ports.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use keystone_tests::http::Site;
use keystone_tests::key_server::{KeyServer, Reply};
use keystone_tests::orders::Orders;
use keystone_tests::process::Process;
use keystone_tests::program::Program;
use keystone_tests::{mint, ports, wait};
use serde_json::json;

use crate::hostile_mesh::has_its_first_vm;
use crate::lab::{Alone, Lab, promises};

pub(crate) const PROMISES: &[(&str, Alone)] = promises![
    the_static_sample_guards_the_api,
    the_dynamic_sample_guards_the_api_and_takes_another_policy,
    a_second_instance_adds_to_what_one_route_needs,
    a_plugin_without_a_vm_id_is_told_of_and_works,
    identity_headers_in_trailers_never_reach_the_api,
    large_tokens_under_eight_policies_end_no_vm,
    many_keys_under_eight_policies_end_no_vm,
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

fn a_plugin_without_a_vm_id_is_told_of_and_works(lab: &Lab) -> Result<()> {
    let named = "                          vm_id: keystone\n";
    let running = Running::start(lab, "no-vm-id", &["static.yaml"], |sample| sample.replace(named, ""))?;
    running.await_status("/orders", 200)?;

    let log = fs::read_to_string(running.envoy.log())?;
    ensure!(log.contains("set a unique vm_id"), "{log}");
    Ok(())
}

fn identity_headers_in_trailers_never_reach_the_api(lab: &Lab) -> Result<()> {
    let running = Running::start(lab, "trailers", &["static.yaml"], |sample| with_trailers(&sample))?;
    running.await_status("/orders", 200)?;
    for path in ["/", "/orders"] {
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\nte: trailers\r\ntransfer-encoding: chunked\r\n\
             connection: close\r\n\r\n1\r\nx\r\n0\r\nx-keystone-subject: forged-by-trailer\r\n\
             X-Keystone-Scope: forged-by-trailer\r\nx-other: kept-for{path}\r\n\r\n",
            running.token
        );
        running.site.raw(request.as_bytes())?.expect(200)?;
        ensure!(running.orders.saw(&format!("kept-for{path}")), "trailers do not reach the API at all");
    }
    ensure!(!running.orders.saw("forged-by-trailer"), "a forged identity reached the API");
    Ok(())
}

fn large_tokens_under_eight_policies_end_no_vm(lab: &Lab) -> Result<()> {
    let running = Running::start(lab, "eight-policies", &["static.yaml"], |sample| eight_times(&sample))?;
    running.await_status("/orders", 200)?;
    let before = running.envoy.resident()?;
    let mut conversation = running.site.conversation()?;
    for number in 0..1024 {
        let token = mint::large(&running.keys.issuer(), 1, number);
        let request = running.site.get("/orders").header("authorization", format!("Bearer {token}"));
        conversation.ask(&request)?.expect(200).with_context(|| format!("token {number}"))?;
    }

    has_its_first_vm(&running.admin, running.envoy.log())?;
    let grown = running.envoy.resident()?.saturating_sub(before);
    ensure!(grown < 64 << 20, "Envoy grew by {grown} bytes");
    Ok(())
}

/// The precomputed table of a key takes half a megabyte, once the key has signed some forty tokens.
fn many_keys_under_eight_policies_end_no_vm(lab: &Lab) -> Result<()> {
    let running = Running::start(lab, "many-keys", &["static.yaml"], |sample| eight_times(&sample))?;
    running.await_status("/orders", 200)?;
    let keys: Vec<u8> = (1..=32).collect();
    running.keys.answers(Reply::Keys(mint::key_set(&keys)));
    let issuer = running.keys.issuer();
    wait::until("all keys under all policies", Duration::from_secs(60), || {
        Ok(running.site.get("/orders").bearer(&mint::token(&issuer, 32, "orders:read")).send()?.status == 200)
    })?;
    let before = running.envoy.resident()?;
    let mut conversation = running.site.conversation()?;
    for (number, key) in (0..60).flat_map(|number| keys.iter().map(move |key| (number, *key))) {
        let token = mint::numbered(&issuer, key, number);
        let request = running.site.get("/orders").header("authorization", format!("Bearer {token}"));
        conversation.ask(&request)?.expect(200).with_context(|| format!("key {key}, token {number}"))?;
    }

    has_its_first_vm(&running.admin, running.envoy.log())?;
    let grown = running.envoy.resident()?.saturating_sub(before);
    ensure!(grown < 96 << 20, "Envoy grew by {grown} bytes");
    Ok(())
}

/// The filter so often in one chain, and so in one VM.
fn eight_times(text: &str) -> String {
    let (before, rest) = text.split_once(FIRST).unwrap_or_default();
    let (filter, after) = rest.split_once(ROUTER).unwrap_or_default();
    // Envoy takes the same text for the same configuration.
    let differing = |at| filter.replace("\"version\": 1,", &format!("\"version\": 1,{}", " ".repeat(at)));
    let filters: String =
        (0..8).map(|at| format!("                  - name: keystone-{at}\n{}", differing(at))).collect();
    format!("{before}{filters}{ROUTER}{after}")
}

/// The first line of a sample's filter, and the line after the filter.
const FIRST: &str = "                  - name: keystone\n";
const ROUTER: &str = "                  - name: envoy.filters.http.router";

/// HTTP/1.1 has them on both sides, as HTTP/2 always does.
fn with_trailers(text: &str) -> String {
    let front = "                stat_prefix: front\n";
    let orders = "    - name: orders\n      type: STATIC\n";
    let of_cluster = "      typed_extension_protocol_options:
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
          \"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
          explicit_http_config: { http_protocol_options: { enable_trailers: true } }\n";
    text.replace(
        front,
        &format!("{front}                http_protocol_options: {{ enable_trailers: true }}\n"),
    )
    .replace(orders, &format!("{orders}{of_cluster}"))
}

/// As docs/envoy.md says: another instance, switched on by one route.
fn with_addition(text: &str) -> String {
    let (before, rest) = text.split_once(FIRST).unwrap_or_default();
    let (filter, after) = rest.split_once(ROUTER).unwrap_or_default();
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
        "{}{FIRST}{filter}{second}{ROUTER}{after}",
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
    pub(crate) orders: Orders,
}

/// Which samples an Envoy runs on.
#[derive(Clone, Copy)]
pub(crate) struct Samples<'a> {
    /// The first is the one that Envoy starts with.
    pub(crate) files: &'a [&'a str],
    pub(crate) workers: u32,
}

impl Running {
    /// The first file is the one that Envoy starts with.
    pub(crate) fn start(
        lab: &Lab,
        name: &str,
        files: &[&str],
        change: impl Fn(String) -> String,
    ) -> Result<Self> {
        Self::start_with(lab, name, Samples { files, workers: 1 }, change)
    }

    pub(crate) fn start_with(
        lab: &Lab,
        name: &str,
        Samples { files, workers }: Samples<'_>,
        change: impl Fn(String) -> String,
    ) -> Result<Self> {
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
            .args(["--disable-hot-restart", "--concurrency", &workers.to_string(), "-c"])
            .arg(first)
            .start()?;
        let admin = Site::new(admin, &lab.ledger);
        envoy.ready(Duration::from_secs(60), || {
            admin.get("/ready").send().is_ok_and(|answer| answer.status == 200)
        })?;
        let orders = Orders::start(api, &lab.tools.package, json!({}))?;
        let token = mint::token(&keys.issuer(), 1, "orders:read");
        Ok(Self { envoy, site: Site::new(listen, &lab.ledger), admin, keys, token, orders })
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

    /// Waits until Envoy asks for keys. The first time a request brings that about, which this does not wait for.
    pub(crate) fn await_fetch(&self, is_first: bool) -> Result<()> {
        let asked = self.keys.asked();
        wait::until("the next fetch of keys", Duration::from_secs(90), || {
            Ok(is_first || self.keys.asked() > asked)
        })
    }

    fn home(&self, file: &str) -> std::path::PathBuf {
        self.envoy.log().with_file_name(file)
    }
}
