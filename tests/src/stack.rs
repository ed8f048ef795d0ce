//! One whole stack: issuer, Envoy and the orders API behind it, Node, Python and Chromium beside it, on either store.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::browser::Browser;
use crate::cast;
use crate::envoy::{self, Envoy};
use crate::issuer::{Home, Issuer, Settings, write_private};
use crate::ledger::Ledger;
use crate::node::Node;
use crate::orders::Orders;
use crate::ports;
use crate::postgres::Postgres;
use crate::python::Python;
use crate::redis::Redis;
use crate::tools::Tools;
use crate::wait;

/// Where the issuer keeps what it must not forget.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Store {
    /// A SQLite file and an in-process cache: what runs when nothing is configured.
    Sqlite,
    /// PostgreSQL and Redis.
    Postgres,
}

/// The parameters of a stack.
#[derive(Clone, Debug)]
pub struct Plan {
    pub store: Store,
    /// Data of an earlier start in this directory is found again (SQLite).
    pub directory: PathBuf,
    pub ports: Ports,
    /// More of `keystone.toml`.
    pub sections: String,
    /// The file for `keystone apply`.
    pub apply: String,
}

impl Plan {
    /// Returns a plan for tests: free ports, no limits, all fixtures.
    pub fn for_tests(store: Store, directory: &Path) -> Result<Self> {
        let ports = Ports::free()?;
        Ok(Self {
            store,
            directory: directory.to_owned(),
            ports,
            sections: ROOMY.to_owned(),
            apply: cast::orders(&ports.origin()) + cast::EXTRAS,
        })
    }
}

/// The ports of a stack's own servers.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    pub issuer: u16,
    pub operations: u16,
    pub envoy: u16,
    pub orders: u16,
}

impl Ports {
    pub fn free() -> Result<Self> {
        Ok(Self {
            issuer: ports::free()?,
            operations: ports::free()?,
            envoy: ports::free()?,
            orders: ports::free()?,
        })
    }

    /// Where a browser says that the page of the orders API comes from.
    pub fn origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.envoy)
    }
}

/// A running stack. Fields are dropped, and so ended, from the edge inwards.
#[derive(Debug)]
pub struct Stack {
    pub envoy: Envoy,
    pub orders: Orders,
    pub issuer: Issuer,
    pub home: Home,
    pub backends: Option<Backends>,
    pub node: Node,
    pub python: Python,
    pub browser: Browser,
    pub credentials: Credentials,
    pub ledger: Ledger,
    pub directory: PathBuf,
    /// Whether the data of an earlier start was there.
    pub found: bool,
}

impl Stack {
    pub fn start(tools: &Tools, plan: &Plan, ledger: &Ledger) -> Result<Self> {
        let directory = &plan.directory;
        fs::create_dir_all(directory)?;
        let backends = match plan.store {
            Store::Sqlite => None,
            Store::Postgres => Some(Backends::start(tools, directory, ledger)?),
        };
        let home = Home::new(tools, &directory.join("issuer"), settings(plan, backends.as_ref())?, ledger)?;
        let (credentials, found) = Credentials::found_or_made(&home, plan, ledger)?;
        let issuer = home.serve()?;
        create_people(&issuer, credentials.secret("demo-setup")?)?;

        let url = issuer.site.url("");
        let settings = json!({ "issuer": url, "audience": cast::AUDIENCE, "client": cast::APP, "package": entry(tools)? });
        let orders = Orders::start(plan.ports.orders, &tools.package, settings)?;
        let setup = envoy::Setup {
            listen: plan.ports.envoy,
            policy: format!("{:#}", cast::policy_with_feed(&url)),
            orders: plan.ports.orders,
            issuer: plan.ports.issuer,
        };
        let envoy = Envoy::start(tools, &directory.join("envoy"), &setup, ledger)?;
        await_keys(&envoy, &issuer)?;
        let node = Node::new(tools, &directory.join("node"))?;
        let python = Python::new(tools, &directory.join("python"))?;
        let browser = Browser::new(tools, &node);
        let (ledger, directory) = (ledger.clone(), directory.clone());
        Ok(Self {
            envoy,
            orders,
            issuer,
            home,
            backends,
            node,
            python,
            browser,
            credentials,
            ledger,
            directory,
            found,
        })
    }

    /// The client secret that `keystone apply` printed.
    pub fn secret(&self, client: &str) -> Result<&str> {
        self.credentials.secret(client)
    }
}

/// The servers behind an issuer that runs on PostgreSQL and Redis.
#[derive(Debug)]
pub struct Backends {
    pub postgres: Postgres,
    pub redis: Redis,
}

impl Backends {
    pub fn start(tools: &Tools, directory: &Path, ledger: &Ledger) -> Result<Self> {
        Ok(Self {
            postgres: Postgres::start(tools, &directory.join("postgres"), ledger)?,
            redis: Redis::start(tools, &directory.join("redis"), ledger)?,
        })
    }
}

/// The credentials that were printed once, at the first start, and are kept in a private file.
#[derive(Clone, Debug)]
pub struct Credentials(Value);

impl Credentials {
    /// The file of an earlier start, or a first start: migrate, bootstrap, apply.
    fn found_or_made(home: &Home, plan: &Plan, ledger: &Ledger) -> Result<(Self, bool)> {
        let file = plan.directory.join("credentials.json");
        if let Ok(text) = fs::read_to_string(&file) {
            let found =
                Self(serde_json::from_str(&text).with_context(|| format!("{} is damaged", file.display()))?);
            found.note_all(ledger);
            home.apply(&plan.apply)?;
            return Ok((found, true));
        }
        if plan.store == Store::Postgres {
            home.migrate()?;
        }
        let administrator = home.bootstrap().with_context(|| {
            format!(
                "a first start in {} did not get far: delete that directory and try again",
                plan.directory.display()
            )
        })?;
        let applied = home.apply(&plan.apply)?;
        let made = json!({ "administrator": administrator, "clients": applied.get("secrets") });
        write_private(&file, &format!("{made:#}\n"))?;
        Ok((Self(made), false))
    }

    pub fn administrator(&self) -> &Value {
        self.0.get("administrator").unwrap_or(&Value::Null)
    }

    /// Every generated client secret, by client.
    pub fn clients(&self) -> &Value {
        self.0.get("clients").unwrap_or(&Value::Null)
    }

    pub fn secret(&self, client: &str) -> Result<&str> {
        let secret = self.clients().get(client).and_then(Value::as_str);
        secret.with_context(|| format!("apply printed no secret of {client}"))
    }

    fn note_all(&self, ledger: &Ledger) {
        let clients = self.clients().as_object().into_iter().flat_map(|all| all.values());
        for secret in clients.chain(self.administrator().get("one_time_password")).filter_map(Value::as_str) {
            ledger.note(secret);
        }
    }
}

/// Creates the users that do not exist yet; `secret` is the secret of the client `demo-setup`.
pub fn create_people(issuer: &Issuer, secret: &str) -> Result<()> {
    let creator = issuer.tokens(&issuer.client_grant("demo-setup", secret))?.access;
    for person in cast::PEOPLE {
        let answer = issuer.create_user(&creator, person)?;
        ensure!(
            matches!(answer.status, 201 | 409),
            "creating {}: {} {}",
            person.0,
            answer.status,
            answer.text()
        );
    }
    Ok(())
}

/// A fresh temporary directory that PostgreSQL's own user can reach into.
pub fn fresh_directory() -> Result<TempDir> {
    let directory = tempfile::Builder::new().prefix("keystone-").tempdir()?;
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o711))?;
    Ok(directory)
}

fn settings(plan: &Plan, backends: Option<&Backends>) -> Result<Settings> {
    Ok(Settings {
        listen: plan.ports.issuer,
        operations: plan.ports.operations,
        database_url: backends.map(|running| running.postgres.database("keystone")).transpose()?,
        redis_url: backends.map(|running| running.redis.url.clone()),
        sections: plan.sections.clone(),
        ..Settings::default()
    })
}

/// Envoy fetches the keys in the background: a stack is up when a token is judged rather than put off.
fn await_keys(envoy: &Envoy, issuer: &Issuer) -> Result<()> {
    let token = issuer.login("alice")?.access;
    let limit = Duration::from_secs(30);
    wait::until("Envoy to have the issuer's keys", limit, || {
        Ok(envoy.site.get("/me").bearer(&token).send()?.status != 503)
    })
}

/// Where a page finds the package: what its `exports` say for everybody.
fn entry(tools: &Tools) -> Result<String> {
    let manifest: Value = serde_json::from_slice(&fs::read(tools.package.join("package.json"))?)?;
    let entry = manifest.pointer("/exports/./default/default").and_then(Value::as_str);
    let entry = entry.context("the package's exports name no default entry")?;
    Ok(format!("/assets/package/{}", entry.trim_start_matches("./")))
}

/// Hundreds of logins from one address, on a machine that is busy with other tests.
const ROOMY: &str = "\n[limits]\nlogin_attempts = 100000\n\n[passwords]\ndeadline_ms = 30000\n";
