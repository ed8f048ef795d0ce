//! The deployment files as a container engine or systemd reads them: arguments, environment, files, probes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::yaml;

/// How a deployment file starts the issuer.
#[derive(Clone, Debug, Default)]
pub struct Launch {
    pub program: String,
    pub args: Vec<String>,
    pub env: BTreeMap<String, String>,
}

impl Launch {
    /// The image itself: the last ENTRYPOINT, CMD and ENV of the Dockerfile.
    pub fn image() -> Result<Self> {
        let text = read("Dockerfile")?.replace("\\\n", " ");
        let last = |word: &str| {
            let found = text.lines().rev().find_map(|line| line.strip_prefix(word));
            found.map(str::trim).with_context(|| format!("the Dockerfile has no {word}"))
        };
        let mut words: Vec<String> = serde_json::from_str(last("ENTRYPOINT ")?)?;
        ensure!(words.len() == 1, "ENTRYPOINT is more than the program");
        let program = words.remove(0);
        let pairs = last("ENV ")?.split_whitespace().map(pair).collect::<Result<_>>()?;
        Ok(Self { program, args: serde_json::from_str(last("CMD ")?)?, env: pairs })
    }

    /// A service of `compose.yaml` that runs the image.
    pub fn compose(service: &str) -> Result<Self> {
        let mut launch = Self::image()?;
        let file = compose()?;
        let service = at(&file, &format!("/services/{service}"))?;
        launch.args = texts(at(service, "/command")?)?;
        launch.env.extend(pairs(at(service, "/environment")?)?);
        Ok(launch)
    }

    /// The pod of a manifest of this kind, with the settings of the ConfigMap.
    pub fn kubernetes(manifest: &str, kind: &str) -> Result<Self> {
        let mut launch = Self::image()?;
        let settings = resource("kubernetes/config.yaml", "ConfigMap")?;
        launch.env.extend(pairs(at(&settings, "/data")?)?);
        let container = container(manifest, kind)?;
        launch.args = texts(at(&container, "/args")?)?;
        for variable in at(&container, "/env")?.as_array().context("env is no list")? {
            launch.env.insert(text(at(variable, "/name")?)?, text(at(variable, "/value")?)?);
        }
        Ok(launch)
    }

    /// The unit of systemd.
    pub fn unit() -> Result<Self> {
        let file = read("keystone.service")?;
        let values = |key: &'static str| file.lines().filter_map(move |line| line.strip_prefix(key));
        let mut words = values("ExecStart=").flat_map(str::split_whitespace).map(str::to_owned);
        let program = words.next().context("the unit starts nothing")?;
        let args = words.collect();
        Ok(Self { program, args, env: values("Environment=").map(pair).collect::<Result<_>>()? })
    }

    /// The same for this machine: each of these texts replaced, in arguments and values. One that is nowhere is an error.
    pub fn with(mut self, replacements: &[(&str, &str)]) -> Result<Self> {
        for (from, to) in replacements {
            let mut found = false;
            for value in
                self.args.iter_mut().chain(self.env.values_mut()).filter(|value| value.contains(from))
            {
                *value = value.replace(from, to);
                found = true;
            }
            ensure!(found, "nothing names {from}: {self:?}");
        }
        Ok(self)
    }
}

/// Text with each of these replaced; one that is nowhere is an error.
pub fn replaced(text: &str, replacements: &[(&str, &str)]) -> Result<String> {
    replacements.iter().try_fold(text.to_owned(), |text, (from, to)| {
        ensure!(text.contains(from), "nothing names {from}");
        Ok(text.replace(from, to))
    })
}

/// Every path that a probe of the manifest asks for; each asks the port of `KEYSTONE_OPERATIONS_LISTEN`.
pub fn probes(launch: &Launch, manifest: &str, kind: &str) -> Result<Vec<String>> {
    let container = container(manifest, kind)?;
    let listen = launch.env.get("KEYSTONE_OPERATIONS_LISTEN").context("no operations listener")?;
    let ports = at(&container, "/ports")?.as_array().context("ports is no list")?;
    ["startupProbe", "livenessProbe", "readinessProbe"]
        .iter()
        .map(|probe| {
            let asked = at(&container, &format!("/{probe}/httpGet"))?;
            let port = ports.iter().find(|port| port.get("name") == asked.get("port"));
            let port =
                at(port.with_context(|| format!("{probe} asks a port without name"))?, "/containerPort")?;
            ensure!(listen.ends_with(&format!(":{port}")), "{probe} asks {port}, and health is at {listen}");
            text(at(asked, "/path")?)
        })
        .collect()
}

/// `compose.yaml`.
pub fn compose() -> Result<Value> {
    documents("compose.yaml")?.pop().context("compose.yaml is empty")
}

/// The one resource of this kind in a manifest.
pub fn resource(manifest: &str, kind: &str) -> Result<Value> {
    let mut of_kind =
        documents(manifest)?.into_iter().filter(|one| one.get("kind").and_then(Value::as_str) == Some(kind));
    of_kind.next().with_context(|| format!("{manifest} has no {kind}"))
}

fn documents(name: &str) -> Result<Vec<Value>> {
    yaml::documents(&read(name)?).with_context(|| format!("{name} cannot be read"))
}

fn container(manifest: &str, kind: &str) -> Result<Value> {
    at(&resource(manifest, kind)?, "/spec/template/spec/containers/0").cloned()
}

/// A file of `issuer/deploy/`.
pub fn read(name: &str) -> Result<String> {
    fs::read_to_string(folder().join(name)).with_context(|| format!("issuer/deploy/{name}"))
}

pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../issuer/deploy")
}

pub fn at<'a>(value: &'a Value, path: &str) -> Result<&'a Value> {
    value.pointer(path).with_context(|| format!("there is no {path} in {value}"))
}

pub fn text(value: &Value) -> Result<String> {
    value.as_str().map(str::to_owned).with_context(|| format!("{value} is no text"))
}

fn texts(list: &Value) -> Result<Vec<String>> {
    list.as_array().context("not a list")?.iter().map(text).collect()
}

fn pairs(map: &Value) -> Result<Vec<(String, String)>> {
    let map = map.as_object().context("not a map")?;
    map.iter().map(|(name, value)| Ok((name.clone(), text(value)?))).collect()
}

fn pair(assignment: &str) -> Result<(String, String)> {
    let (name, value) = assignment.split_once('=').context("not NAME=value")?;
    Ok((name.to_owned(), value.to_owned()))
}
