//! The environment of the tests: shared stacks, and fresh directories for tests that break things.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use anyhow::{Context, Result};
use keystone_tests::issuer::{Home, Issuer, Settings};
use keystone_tests::ledger::Ledger;
use keystone_tests::stack::{self, Backends, Plan, Stack, Store};
use keystone_tests::tools::Tools;
use keystone_tests::{cast, ports};
use libtest_mimic::Failed;
use serde_json::Value;

/// A test on a shared stack.
pub(crate) type OnStack = fn(&Stack) -> Result<()>;

/// A test that starts the programs it needs.
pub(crate) type Alone = fn(&Lab) -> Result<()>;

/// Lists functions under their own names.
macro_rules! promises {
    ($($name:ident),+ $(,)?) => { &[$((stringify!($name), $name)),+] };
}
pub(crate) use promises;

/// The programs and the place of this run.
pub(crate) struct Lab {
    pub(crate) tools: Tools,
    pub(crate) root: PathBuf,
    pub(crate) ledger: Ledger,
}

impl Lab {
    pub(crate) fn new(tools: Tools, root: &Path, ledger: Ledger) -> Self {
        Self { tools, root: root.to_owned(), ledger }
    }

    /// The same with an issuer that was built with telemetry.
    pub(crate) fn observed(&self) -> Self {
        let tools = Tools { keystone: self.tools.observed.clone(), ..self.tools.clone() };
        Self::new(tools, &self.root, self.ledger.clone())
    }

    /// Creates an empty directory for one test. It stays until the end of the run, when all logs are searched.
    pub(crate) fn directory(&self, name: &str) -> Result<PathBuf> {
        let directory = self.root.join(name);
        fs::create_dir(&directory)?;
        Ok(directory)
    }

    /// A directory for an issuer on free ports; `change` edits the settings.
    pub(crate) fn issuer_home(&self, name: &str, change: impl FnOnce(&mut Settings)) -> Result<Home> {
        let mut settings =
            Settings { listen: ports::free()?, operations: ports::free()?, ..Settings::default() };
        change(&mut settings);
        Home::new(&self.tools, &self.directory(name)?.join("issuer"), settings, &self.ledger)
    }

    /// The same on a PostgreSQL and a Redis of its own, with the schema in place. The issuer must end before they do.
    pub(crate) fn issuer_home_on_postgres(
        &self,
        name: &str,
        change: impl FnOnce(&mut Settings),
    ) -> Result<(Backends, Home)> {
        let backends =
            Backends::start(&self.tools, &self.directory(&format!("{name}-backends"))?, &self.ledger)?;
        let home = self.issuer_home(name, |settings| {
            settings.redis_url = Some(backends.redis.url.clone());
            change(settings);
        })?;
        let home = home.on(backends.postgres.database("keystone")?)?;
        home.migrate()?;
        Ok((backends, home))
    }
}

/// Starts an issuer with the fixtures: bootstrapped, applied, serving, all users created.
pub(crate) fn serving_the_cast(home: &Home) -> Result<Issuer> {
    home.bootstrap()?;
    let applied = home.apply(&cast::orders(&home.url()))?;
    let issuer = home.serve()?;
    let secret =
        applied.pointer("/secrets/demo-setup").and_then(Value::as_str).context("apply printed no secret")?;
    stack::create_people(&issuer, secret)?;
    Ok(issuer)
}

/// A stack that starts when it is first asked for.
pub(crate) struct Shared {
    name: &'static str,
    store: Store,
    lab: Arc<Lab>,
    stack: OnceLock<Result<Stack, String>>,
}

impl Shared {
    pub(crate) fn new(name: &'static str, store: Store, lab: Arc<Lab>) -> Self {
        Self { name, store, lab, stack: OnceLock::new() }
    }

    pub(crate) fn stack(&self) -> Result<&Stack, Failed> {
        let started = self.stack.get_or_init(|| self.start().map_err(|error| format!("{error:#}")));
        started.as_ref().map_err(|why| Failed::from(format!("the stack did not start: {why}")))
    }

    fn start(&self) -> Result<Stack> {
        let plan = Plan::for_tests(self.store, &self.lab.directory(self.name)?)?;
        Stack::start(&self.lab.tools, &plan, &self.lab.ledger)
    }
}

/// A result in the words of the test runner.
pub(crate) fn told(result: Result<()>) -> Result<(), Failed> {
    result.map_err(|error| Failed::from(format!("{error:#}")))
}
