//! The setup: an issuer that serves the fixtures, as an operator would run it, and its peer.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use keystone_tests::issuer::{Home, Issuer, Settings};
use keystone_tests::ledger::Ledger;
use keystone_tests::stack::{Backends, Store, create_people};
use keystone_tests::tools::Tools;
use keystone_tests::{cast, ports};
use serde_json::Value;

use crate::peers::bare::Bare;

#[derive(Debug)]
pub(crate) struct Lab {
    pub(crate) bare: Bare,
    pub(crate) issuer: Issuer,
    pub(crate) backends: Option<Backends>,
    pub(crate) store: Store,
    pub(crate) directory: PathBuf,
    /// Resident memory after the start, in MiB.
    pub(crate) idle: f64,
    tools: Tools,
    /// The secret of the client `fulfilment`.
    secret: String,
}

impl Lab {
    pub(crate) fn start(tools: &Tools, store: Store, directory: &Path) -> Result<Self> {
        let ledger = Ledger::default();
        let backends = match store {
            Store::Sqlite => None,
            Store::Postgres => Some(Backends::start(tools, directory, &ledger)?),
        };
        let database_url =
            backends.as_ref().map(|running| running.postgres.database("keystone")).transpose()?;
        let redis_url = backends.as_ref().map(|running| running.redis.url.clone());
        let home = home(tools, &directory.join("issuer"), |settings| Settings {
            database_url,
            redis_url,
            sections: ROOMY.to_owned(),
            ..settings
        })?;
        home.migrate()?;
        let applied = home.apply(&cast::orders(&home.url()))?;
        let secret = |client: &str| {
            let secret = applied.pointer(&format!("/secrets/{client}")).and_then(Value::as_str);
            secret.with_context(|| format!("apply printed no secret of {client}"))
        };
        let issuer = home.serve()?;
        let idle = memory(&issuer, "VmRSS")?;
        create_people(&issuer, secret("demo-setup")?)?;
        Ok(Self {
            bare: Bare::start(directory)?,
            issuer,
            backends,
            store,
            directory: directory.to_owned(),
            idle,
            tools: tools.clone(),
            secret: secret("fulfilment")?.to_owned(),
        })
    }

    /// A place for an issuer that never ran, with every setting at its default.
    pub(crate) fn unused_home(&self, name: &str) -> Result<Home> {
        home(&self.tools, &self.directory.join(name), |settings| settings)
    }

    /// A token request of the service.
    pub(crate) fn client_grant(&self) -> keystone_tests::http::Request {
        self.issuer.client_grant("fulfilment", &self.secret)
    }

    /// The service asks about a token.
    pub(crate) fn introspection(&self, token: &str) -> keystone_tests::http::Request {
        let request = self.issuer.site.post("/auth/introspect").form(&[("token", token)]);
        request.basic("fulfilment", &self.secret)
    }

    /// The greatest resident memory until now, in MiB.
    pub(crate) fn peak(&self) -> Result<f64> {
        memory(&self.issuer, "VmHWM")
    }
}

fn home(tools: &Tools, directory: &Path, change: impl FnOnce(Settings) -> Settings) -> Result<Home> {
    let settings = Settings { listen: ports::free()?, operations: ports::free()?, ..Settings::default() };
    Home::new(tools, directory, change(settings), &Ledger::default())
}

fn memory(issuer: &Issuer, member: &str) -> Result<f64> {
    let status = format!("/proc/{}/status", issuer.process.pid()?.as_raw_nonzero());
    let status = fs::read_to_string(&status).with_context(|| format!("cannot read {status}"))?;
    let kibibytes = status.lines().find_map(|line| {
        let rest = line.strip_prefix(member)?.strip_prefix(':')?;
        rest.trim().strip_suffix(" kB")?.parse::<f64>().ok()
    });
    Ok(kibibytes.with_context(|| format!("no {member} of the issuer"))? / 1024.0)
}

/// Everybody asks from one address, and logs in as one of two people.
const ROOMY: &str = "
[limits]
login_attempts = 1000000
user_attempts = 1000000
address_attempts = 1000000

[sessions]
max_per_user = 10000
";
