//! `cargo xtask demo`: starts the whole product on this machine and shows it step by step.

mod screen;
mod walkthrough;

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use anyhow::{Context, Result, bail, ensure};
use keystone_tests::ledger::Ledger;
use keystone_tests::stack::{self, Plan, Ports, Stack, Store};
use keystone_tests::tools::Tools;
use keystone_tests::{cast, ports};
use serde_json::{Value, json};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::args::Demo;
use crate::demo::screen::Screen;
use crate::{build, install, place, shell};

pub(crate) fn run(options: &Demo) -> Result<()> {
    let programs = install::programs(options.store)?;
    install::node::packages("tests/js")?;
    let tools = build::everything()?.with(programs);

    let screen = Screen::new(options.json);
    let home = DemoHome::open(options.store)?;
    let interrupted = interruption(home.temporary())?;
    let plan = plan(options.store, &home.directory, default_ports()?);
    let stack = start(&tools, &plan)?;
    if options.once || !options.json {
        show_steps(&stack, &screen)?;
    }
    if options.json {
        println!("{}", addresses(&stack));
    }
    if !options.once {
        screen.summary(&stack);
        interrupted.recv()?;
        shell::say("stopping");
    }
    Ok(())
}

/// Runs the walkthrough as a test, in a temporary directory and on free ports.
pub(crate) fn check(tools: &Tools) -> Result<()> {
    let directory = stack::fresh_directory()?;
    let stack =
        Stack::start(tools, &plan(Store::Sqlite, directory.path(), Ports::free()?), &Ledger::default())?;
    show_steps(&stack, &Screen::new(true))
}

fn start(tools: &Tools, plan: &Plan) -> Result<Stack> {
    shell::say("starting the issuer, Envoy and the orders API");
    let stack = Stack::start(tools, plan, &Ledger::default())?;
    if stack.found {
        shell::say(&format!("found the data of an earlier start in {}", place::shown(&stack.directory)));
    }
    Ok(stack)
}

fn show_steps(stack: &Stack, screen: &Screen) -> Result<()> {
    let unexpected = walkthrough::all(stack, screen)?;
    ensure!(unexpected == 0, "{unexpected} of the answers above were not the expected ones (✗)");
    screen.line("\nEvery answer was the expected one.");
    Ok(())
}

fn plan(store: Store, directory: &Path, ports: Ports) -> Plan {
    let (directory, apply) = (directory.to_owned(), cast::orders(&ports.origin()));
    Plan { store, directory, ports, sections: String::new(), apply }
}

/// The directory of the demo: in the project's folder, so that the next start finds the data, or with PostgreSQL, which
/// ends with the demo, a temporary one.
struct DemoHome {
    directory: PathBuf,
    /// Held while the demo runs, because two demos cannot share a SQLite file.
    _lock: Option<File>,
    temporary: Option<tempfile::TempDir>,
}

impl DemoHome {
    fn open(store: Store) -> Result<Self> {
        if store == Store::Postgres {
            let temporary = stack::fresh_directory()?;
            return Ok(Self {
                directory: temporary.path().to_owned(),
                _lock: None,
                temporary: Some(temporary),
            });
        }
        let directory = place::root().join("keystone-demo");
        fs::create_dir_all(&directory)?;
        let lock = File::create(directory.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { directory, _lock: Some(lock), temporary: None }),
            Err(TryLockError::WouldBlock) => {
                bail!(
                    "another demo runs in {}: stop it first, or use --store postgres",
                    place::shown(&directory)
                )
            }
            Err(TryLockError::Error(error)) => Err(error).context("cannot lock the demo's folder"),
        }
    }

    fn temporary(&self) -> Option<PathBuf> {
        self.temporary.as_ref().map(|directory| directory.path().to_owned())
    }
}

/// Returns well-known ports. A port that is in use is replaced by a free one, and the user is told.
fn default_ports() -> Result<Ports> {
    let port = |usual: u16, whose: &str| {
        if ports::is_free(usual) {
            return Ok(usual);
        }
        let other = ports::free()?;
        shell::say(&format!("port {usual} is taken by another program: {whose} listens on {other} instead"));
        anyhow::Ok(other)
    };
    Ok(Ports {
        issuer: port(8000, "the issuer")?,
        operations: port(9000, "the issuer's operations listener")?,
        envoy: port(10000, "Envoy")?,
        orders: port(8080, "the orders API")?,
    })
}

/// Returns a channel that receives the first Ctrl-C, which stops a running demo in order; the second ends it at once.
fn interruption(temporary: Option<PathBuf>) -> Result<Receiver<()>> {
    let (sender, receiver) = mpsc::sync_channel(0);
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    thread::spawn(move || {
        for signal in &mut signals {
            // The main thread is not waiting: the kernel ends the programs with this one, the files are left to us.
            if sender.try_send(()).is_err() {
                temporary.iter().for_each(|directory| drop(fs::remove_dir_all(directory)));
                std::process::exit(128 + signal);
            }
        }
    });
    Ok(receiver)
}

/// Returns the addresses and credentials of the demo, for scripts.
fn addresses(stack: &Stack) -> Value {
    let people: serde_json::Map<String, Value> =
        cast::PEOPLE.iter().map(|(name, password, _)| ((*name).to_owned(), json!(password))).collect();
    json!({
        "issuer": stack.issuer.site.url(""),
        "operations": stack.issuer.operations.url(""),
        "envoy": stack.envoy.site.url(""),
        "envoy_admin": stack.envoy.admin.url(""),
        "directory": stack.directory,
        "administrator": stack.credentials.administrator(),
        "app": cast::APP,
        "people": people,
        "clients": stack.credentials.clients(),
    })
}
