//! `keystone policy convert` against a real Envoy: what jwt_authn and rbac decide, and what the converted policy decides.

mod generator;
mod numbers;
mod requests;

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use keystone_tests::http::{Conversation, Site};
use keystone_tests::program::{Finished, Program};
use keystone_tests::{docs, envoy, mint, ports, yaml};
use serde_json::{Value, json};

use self::numbers::Numbers;
use self::requests::Asked;
use crate::lab::{Alone, Lab, promises};

pub(crate) const PROMISES: &[(&str, Alone)] = promises![
    a_generated_configuration_is_never_looser_once_converted,
    a_plain_configuration_converts_completely,
    the_examples_of_the_migration_guide_convert_completely,
];

const JWT: &str = "envoy.filters.http.jwt_authn";
const RBAC: &str = "envoy.filters.http.rbac";

fn a_generated_configuration_is_never_looser_once_converted(lab: &Lab) -> Result<()> {
    let home = lab.directory("convert-generated")?;
    let mut numbers = Numbers(SEED);
    let keys = mint::key_set(&[1]).to_string();
    let generated: Vec<Value> =
        (0..CONFIGURATIONS).map(|_| generator::manager(&mut numbers, &keys)).collect();
    let converted = generated.into_iter().map(|source| Converted::of(lab, &home, source));
    let mut converted = converted.collect::<Result<Vec<_>>>()?;
    let complete = converted.iter().filter(|one| one.is_complete()).count();
    ensure!(complete * 5 > CONFIGURATIONS, "only {complete} of {CONFIGURATIONS} converted completely");
    converted.retain(|one| one.policy.is_some());

    let tokens = requests::tokens();
    let running = Running::start(lab, &home, &converted)?;
    for (at, one) in converted.iter().enumerate() {
        let asked = requests::some(&mut numbers, &tokens, REQUESTS);
        running.compare(at, one, &asked)?;
    }
    Ok(())
}

const SEED: u64 = 0x6b65_7973_746f_6e65;
const CONFIGURATIONS: usize = 60;
const REQUESTS: usize = 60;

/// Checks a configuration without members that a policy cannot express.
fn a_plain_configuration_converts_completely(lab: &Lab) -> Result<()> {
    let home = lab.directory("convert-plain")?;
    let keys = mint::key_set(&[1]).to_string().replace('"', "\\\"");
    let documents = yaml::documents(&include_str!("convert/plain.yaml").replace("${KEYS}", &keys))?;
    ensure!(documents.len() >= 10, "only {} configurations", documents.len());
    let converted = documents.into_iter().map(|source| Converted::of(lab, &home, source));
    let converted = converted.collect::<Result<Vec<_>>>()?;
    for one in &converted {
        ensure!(one.is_complete(), "{:#}\ncannot be said: {:?}", one.source, one.denied);
    }

    let mut numbers = Numbers(SEED);
    let tokens = requests::tokens();
    let running = Running::start(lab, &home, &converted)?;
    for (at, one) in converted.iter().enumerate() {
        let asked = requests::some(&mut numbers, &tokens, REQUESTS);
        running.compare(at, one, &asked)?;
    }
    Ok(())
}

fn the_examples_of_the_migration_guide_convert_completely(lab: &Lab) -> Result<()> {
    let home = lab.directory("convert-guide")?;
    let guide = include_str!("../../docs/envoy-migration.md");
    let examples = docs::blocks(guide, "yaml");
    ensure!(examples.len() >= 3, "only {} examples", examples.len());
    for example in examples {
        let said = convert(lab, &home, &example, &[])?;
        ensure!(said.code() == Some(0), "{example}\n{}", said.stderr);
        fs::write(home.join("policy.json"), &said.stdout)?;
        Program::new("keystone", &lab.tools.keystone, &home)
            .args(["policy", "lint", "policy.json"])
            .run("", LIMIT)?
            .succeeded()?;
    }
    Ok(())
}

/// A source and what became of it.
struct Converted {
    source: Value,
    /// `None` if a policy can say nothing of it.
    policy: Option<Value>,
    denied: Vec<String>,
    notes: Vec<String>,
}

impl Converted {
    /// Converts it with and without `--partial`: without, there is a policy if and only if all of it can be said.
    fn of(lab: &Lab, home: &Path, source: Value) -> Result<Self> {
        let text = format!("{source:#}");
        let (whole, partial) =
            (convert(lab, home, &text, &["--json"])?, convert(lab, home, &text, &["--partial", "--json"])?);
        if partial.code() != Some(0) {
            ensure!(
                partial.stdout.is_empty() && whole.stdout.is_empty() && whole.code() == Some(1),
                "{text}"
            );
            ensure!(
                !partial.stderr.is_empty() && !whole.stderr.is_empty(),
                "refused without a reason: {text}"
            );
            return Ok(Self { source, policy: None, denied: vec![partial.stderr], notes: Vec::new() });
        }
        let said: Value = serde_json::from_str(&partial.stdout)?;
        let texts = |name: &str| -> Result<Vec<String>> {
            Ok(serde_json::from_value(said.get(name).context("no list")?.clone())?)
        };
        let one = Self {
            policy: said.get("policy").cloned(),
            denied: texts("denied")?,
            notes: texts("notes")?,
            source,
        };
        if one.denied.is_empty() {
            ensure!(whole.code() == Some(0) && whole.stdout == partial.stdout, "{text}");
        } else {
            ensure!(whole.code() == Some(1) && whole.stdout.is_empty() && !whole.stderr.is_empty(), "{text}");
        }
        Ok(one)
    }

    fn is_complete(&self) -> bool {
        self.policy.is_some() && self.denied.is_empty()
    }

    /// Whether a service may take this path for that of another route.
    fn has_other_spellings(&self, path: &str) -> bool {
        let below = format!("\"{path}/{{*rest}}\"");
        path.ends_with('/')
            || path.contains('A')
            || self.policy.as_ref().is_some_and(|policy| policy.to_string().contains(&below))
    }

    /// Whether a note says that this request is refused now.
    fn explains(&self, asked: &Asked) -> bool {
        let path = asked.path.split('?').next().unwrap_or_default();
        self.notes.iter().any(|note| {
            let beginning = note.strip_prefix("paths as ").and_then(|rest| rest.split("x are denied").next());
            beginning.is_some_and(|beginning| path.len() > beginning.len() && path.starts_with(beginning))
                || note.starts_with("methods other than") && !note.contains(asked.method)
                || note.contains("is compared whole") && asked.token.is_some()
                || note.contains("bypass_cors_preflight") && asked.method == "OPTIONS"
                || note.starts_with("other spellings") && self.has_other_spellings(path)
        })
    }
}

fn convert(lab: &Lab, home: &Path, text: &str, flags: &[&str]) -> Result<Finished> {
    fs::write(home.join("envoy.yaml"), text)?;
    let command = Program::new("keystone", &lab.tools.keystone, home);
    command.args(["policy", "convert", "envoy.yaml"]).args(flags.iter().copied()).run("", LIMIT)
}

const LIMIT: Duration = Duration::from_secs(30);

/// An Envoy with two listeners for each source: its own, and one with the converted policy.
struct Running {
    _envoy: keystone_tests::process::Process,
    ports: Vec<(u16, u16)>,
    ledger: keystone_tests::ledger::Ledger,
}

impl Running {
    fn start(lab: &Lab, home: &Path, converted: &[Converted]) -> Result<Self> {
        let (mut ports, mut listeners) = (Vec::new(), Vec::new());
        for one in converted {
            let pair = (ports::free()?, ports::free()?);
            listeners.push(listener(pair.0, one.source.clone()));
            let policy = one.policy.as_ref().context("no policy")?.to_string();
            let answers = json!([{ "match": { "prefix": "/" }, "direct_response": { "status": 200 } }]);
            let manager = json!({
                "stat_prefix": "converted",
                "route_config": { "virtual_hosts": [{ "name": "all", "domains": ["*"], "routes": answers }] },
                "http_filters": [envoy::keystone(&lab.tools.filter, &policy)],
            });
            listeners.push(listener(pair.1, manager));
            ports.push(pair);
        }
        let (process, _) = envoy::run(&lab.tools, home, &json!({ "listeners": listeners }), &lab.ledger)?;
        Ok(Self { _envoy: process, ports, ledger: lab.ledger.clone() })
    }

    /// Fails where only the policy lets a request through, or where only Envoy does and no note says so.
    fn compare(&self, at: usize, one: &Converted, asked: &[Asked]) -> Result<()> {
        let (source, policy) = self.ports.get(at).context("no listener")?;
        let (source, policy) = (Site::new(*source, &self.ledger), Site::new(*policy, &self.ledger));
        let (mut before, mut after) = (source.conversation()?, policy.conversation()?);
        for asked in asked {
            let (was, is) = (passes(&mut before, &source, asked)?, passes(&mut after, &policy, asked)?);
            let told = || format!("{asked:?}\n{:#}\n{:#}\n{:?}", one.source, json!(one.policy), one.notes);
            ensure!(was || !is, "looser: {}", told());
            ensure!(
                !was || is || !one.is_complete() || one.explains(asked),
                "stricter without a note: {}",
                told()
            );
        }
        Ok(())
    }
}

fn passes(conversation: &mut Conversation, site: &Site, asked: &Asked) -> Result<bool> {
    Ok(conversation.ask(&asked.of(site))?.status == 200)
}

/// A listener with this connection manager, and a router behind its filters.
fn listener(port: u16, mut manager: Value) -> Value {
    let router = json!({ "name": "router", "typed_config": { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" } });
    if let Some(filters) = manager.get_mut("http_filters").and_then(Value::as_array_mut) {
        filters.push(router);
    }
    if let Some(members) = manager.as_object_mut() {
        members.insert("@type".to_owned(), json!("type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"));
    }
    json!({
        "name": format!("listener-{port}"),
        "address": envoy::address(port),
        "filter_chains": [{ "filters": [{ "name": "envoy.filters.network.http_connection_manager", "typed_config": manager }] }],
    })
}

fn jwt_filter(configuration: Value) -> Value {
    filter(JWT, "jwt_authn.v3.JwtAuthentication", configuration)
}

fn rbac_filter(configuration: Value) -> Value {
    filter(RBAC, "rbac.v3.RBAC", configuration)
}

fn filter(name: &str, kind: &str, mut configuration: Value) -> Value {
    if let Some(members) = configuration.as_object_mut() {
        members.insert(
            "@type".to_owned(),
            json!(format!("type.googleapis.com/envoy.extensions.filters.http.{kind}")),
        );
    }
    json!({ "name": name, "typed_config": configuration })
}
