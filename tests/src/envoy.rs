//! A real Envoy with the Keystone filter, configured as docs/envoy.md says: from one file, or with the filter's part in
//! another that can change.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use crate::clock::Clock;
use crate::http::Site;
use crate::ledger::Ledger;
use crate::ports;
use crate::process::Process;
use crate::program::Program;
use crate::tools::Tools;
use crate::wait;

/// The ports and servers that an Envoy connects.
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
    home: PathBuf,
    filter: PathBuf,
}

impl Envoy {
    /// Starts it with one worker and waits until it serves; a refused policy is the error, with Envoy's own words.
    pub fn start(tools: &Tools, home: &Path, setup: &Setup, ledger: &Ledger) -> Result<Self> {
        Start::new(tools, ledger).run(home, setup)
    }

    /// Gives it another policy, as a control plane would, and waits for its verdict: whether it took it.
    pub fn reconfigure(&self, policy: &str) -> Result<bool> {
        self.replace(&self.filter, policy)
    }

    /// Gives it another build of the filter, which begins in VMs of its own, with this policy. Whether it took it.
    pub fn upgrade(&self, module: &[u8], policy: &str) -> Result<bool> {
        let next = self.home.join("next.wasm");
        fs::write(&next, module)?;
        self.replace(&next, policy)
    }

    fn replace(&self, filter: &Path, policy: &str) -> Result<bool> {
        let (took, refused) = self.updates()?;
        // Moved into its place, which is what Envoy watches for.
        write_filter(&self.home, filter, policy)?;
        let mut verdict = None;
        wait::until("Envoy to judge the new configuration", Duration::from_secs(30), || {
            let now = self.updates()?;
            verdict = Some(now.0 > took).filter(|_| now != (took, refused));
            Ok(verdict.is_some())
        })?;
        verdict.context("no verdict")
    }

    /// The value of a statistic, 0 where there is none; without its namespace.
    pub fn statistic(&self, name: &str) -> Result<u64> {
        statistic(&self.admin, name)
    }

    /// Memory that it has in RAM, in bytes.
    pub fn resident(&self) -> Result<u64> {
        self.process.resident()
    }

    /// For how long its workers ran, or waited for a processor to run on, all of them together.
    pub fn occupied(&self) -> Result<Duration> {
        let mut nanoseconds = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.process.pid()?.as_raw_nonzero()))? {
            let task = task?.path();
            if fs::read_to_string(task.join("comm"))?.starts_with("wrk:worker") {
                let spent = fs::read_to_string(task.join("schedstat"))?;
                let [ran, waited] = [0, 1].map(|at| spent.split(' ').nth(at).map(str::parse::<u64>));
                nanoseconds += ran.context("no time")?? + waited.context("no time")??;
            }
        }
        Ok(Duration::from_nanos(nanoseconds))
    }

    /// Taken and refused configurations of the filter. Envoy counts a refused one as reloaded, too.
    fn updates(&self) -> Result<(u64, u64)> {
        let of =
            |what: &str| self.statistic(&format!("extension_config_discovery.http_filter.keystone.{what}"));
        Ok((of("update_success")?, of("update_failure")? + of("update_rejected")?))
    }
}

/// A statistic of the Envoy whose administration this is, as [`Envoy::statistic`].
pub fn statistic(admin: &Site, name: &str) -> Result<u64> {
    let text = admin.get(&format!("/stats?filter={name}")).send()?.expect(200)?.text();
    let of = |line: &str| {
        line.split_once(": ").filter(|(given, _)| given.ends_with(name)).map(|(_, n)| n.to_owned())
    };
    text.lines().find_map(of).map_or(Ok(0), |number| Ok(number.parse()?))
}

/// How an Envoy is run.
#[derive(Debug)]
pub struct Start<'a> {
    tools: &'a Tools,
    ledger: &'a Ledger,
    workers: u32,
    dynamic: bool,
    clock: Option<&'a Clock>,
}

impl<'a> Start<'a> {
    /// One worker, everything in one file.
    pub const fn new(tools: &'a Tools, ledger: &'a Ledger) -> Self {
        Self { tools, ledger, workers: 1, dynamic: false, clock: None }
    }

    #[must_use]
    pub const fn workers(self, workers: u32) -> Self {
        Self { workers, ..self }
    }

    /// The filter's configuration comes from a file of its own and can be changed, see [`Envoy::reconfigure`].
    #[must_use]
    pub const fn dynamic(self) -> Self {
        Self { dynamic: true, ..self }
    }

    /// It goes by this clock.
    #[must_use]
    pub const fn clock(self, clock: &'a Clock) -> Self {
        Self { clock: Some(clock), ..self }
    }

    pub fn run(self, home: &Path, setup: &Setup) -> Result<Envoy> {
        let Self { tools, ledger, dynamic, .. } = self;
        fs::create_dir_all(home)?;
        fs::write(home.join("policy.json"), &setup.policy)?;
        let filter = if dynamic { discovered(home) } else { keystone(&tools.filter, &setup.policy) };
        if dynamic {
            write_filter(home, &tools.filter, &setup.policy)?;
        }
        let (process, admin) = self.serve(home, &resources(setup, filter))?;
        let site = Site::new(setup.listen, ledger);
        Ok(Envoy { process, site, admin, home: home.to_owned(), filter: tools.filter.clone() })
    }

    fn serve(&self, home: &Path, resources: &Value) -> Result<(Process, Site)> {
        let admin = Site::new(ports::free()?, self.ledger);
        let tag = |name: &str| json!({ "tag_name": name, "regex": format!(r"^wasmcustom\.keystone_\w+?(\.{name}\.([\w-]+))$") });
        let tags = ["code", "result", "issuer", "worker"].map(tag);
        let configuration = json!({
            // Asked for by whatever is discovered.
            "node": { "id": "orders", "cluster": "orders" },
            "admin": { "address": address(admin.port) },
            // So that Prometheus sees `keystone_decisions_total{code="allow"}`.
            "stats_config": { "stats_tags": tags },
            "static_resources": resources,
        });
        fs::write(home.join("envoy.json"), format!("{configuration:#}"))?;
        let program = Program::new("envoy", &self.tools.envoy, home)
            .args(["-c", "envoy.json", "--disable-hot-restart", "--log-level", "info"])
            .args(["--concurrency".to_owned(), self.workers.to_string()]);
        let program = match self.clock {
            Some(clock) => clock.of(program),
            None => program,
        };
        let mut process = program.start()?;
        process.ready(Duration::from_secs(60), || {
            admin.get("/ready").send().is_ok_and(|answer| answer.status == 200)
        })?;
        Ok((process, admin))
    }
}

/// Starts an Envoy with one worker on these static resources, and waits until it serves; with its admin interface.
pub fn run(tools: &Tools, home: &Path, resources: &Value, ledger: &Ledger) -> Result<(Process, Site)> {
    Start::new(tools, ledger).serve(home, resources)
}

fn resources(setup: &Setup, filter: Value) -> Value {
    json!({
        "listeners": [{
            "name": "orders",
            "address": address(setup.listen),
            "filter_chains": [{ "filters": [connection_manager(filter)] }],
        }],
        "clusters": [cluster("orders", setup.orders), cluster("keystone", setup.issuer)],
    })
}

fn connection_manager(filter: Value) -> Value {
    json!({
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "orders",
            "access_log": [access_log()],
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
                filter,
                {
                    "name": "envoy.filters.http.router",
                    "typed_config": { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
                },
            ],
        },
    })
}

/// Returns the format of the access log; the last member has the filter's decision.
fn access_log() -> Value {
    json!({
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": "access.log",
            "log_format": { "json_format": {
                "method": "%REQ(:METHOD)%",
                "path": "%PATH(NQ)%",
                "status": "%RESPONSE_CODE%",
                "details": "%RESPONSE_CODE_DETAILS%",
                "keystone": "%FILTER_STATE(wasm.keystone:PLAIN)%",
            } },
        },
    })
}

/// The filter with this policy, as it stands among others.
pub fn keystone(filter: &Path, policy: &str) -> Value {
    json!({ "name": "keystone", "typed_config": plugin(filter, policy) })
}

/// The filter comes from `filter.json`, see [`write_filter`].
fn discovered(home: &Path) -> Value {
    json!({
        "name": "keystone",
        "config_discovery": {
            "config_source": {
                "path_config_source": { "path": home.join("filter.json") },
                "resource_api_version": "V3",
            },
            "type_urls": [WASM],
        },
    })
}

fn write_filter(home: &Path, filter: &Path, policy: &str) -> Result<()> {
    let resource = json!({
        "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
        "name": "keystone",
        "typed_config": plugin(filter, policy),
    });
    let beside = home.join("filter.json.new");
    fs::write(&beside, json!({ "resources": [resource] }).to_string())?;
    fs::rename(beside, home.join("filter.json"))?;
    Ok(())
}

fn plugin(filter: &Path, policy: &str) -> Value {
    let allowed: Map<String, Value> =
        CAPABILITIES.iter().map(|name| ((*name).to_owned(), json!({}))).collect();
    json!({
        "@type": WASM,
        "config": {
            "name": "keystone",
            "root_id": "keystone",
            // A filter that cannot run lets nothing through.
            "failure_policy": "FAIL_RELOAD",
            "configuration": { "@type": "type.googleapis.com/google.protobuf.StringValue", "value": policy },
            "vm_config": {
                "vm_id": "keystone",
                "runtime": "envoy.wasm.runtime.v8",
                "code": { "local": { "filename": filter } },
                "capability_restriction_config": { "allowed_capabilities": allowed },
            },
        },
    })
}

const WASM: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";

/// Everything the filter may ask of Envoy and be asked by it.
pub const CAPABILITIES: [&str; 27] = [
    "proxy_on_configure",
    "proxy_on_context_create",
    "proxy_on_delete",
    "proxy_on_http_call_response",
    "proxy_on_request_headers",
    "proxy_on_request_trailers",
    "proxy_on_tick",
    "proxy_continue_stream",
    "proxy_define_metric",
    "proxy_get_buffer_bytes",
    "proxy_get_current_time_nanoseconds",
    "proxy_get_header_map_pairs",
    "proxy_get_header_map_value",
    "proxy_get_property",
    "proxy_get_shared_data",
    "proxy_http_call",
    "proxy_increment_metric",
    "proxy_log",
    "proxy_record_metric",
    "proxy_remove_header_map_value",
    "proxy_replace_header_map_value",
    "proxy_send_local_response",
    "proxy_set_effective_context",
    "proxy_set_header_map_pairs",
    "proxy_set_property",
    "proxy_set_shared_data",
    "proxy_set_tick_period_milliseconds",
];

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

pub fn address(port: u16) -> Value {
    json!({ "socket_address": { "address": "127.0.0.1", "port_value": port } })
}
