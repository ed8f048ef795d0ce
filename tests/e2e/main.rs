//! The end-to-end tests, on both set-ups: SQLite with everything in one process, and PostgreSQL with Redis.
//!
//! `cargo xtask test e2e [FILTER]` runs them, `cargo xtask soak` the one that takes minutes; a name is `sqlite::…`, `postgres::…` (both on a shared stack),
//! `alone::…` (on parts of its own) or `afterwards::…` (about what the whole run left behind).

mod afterwards;
mod algorithms;
mod backends;
mod bad_input;
mod bootstrap;
mod clock;
mod commands;
mod connections;
mod convert;
mod deployment;
mod docs;
mod faults;
mod gateway;
mod generated;
mod guide;
mod hang_ups;
mod held_requests;
mod hostile_mesh;
mod interruption;
mod lab;
mod load;
mod login;
mod mesh;
mod module;
mod new_vm;
mod operating;
mod outage;
mod peers;
mod platforms;
mod refresh;
mod replicas;
mod requests;
mod restart;
mod revocation;
mod samples;
mod service;
mod shell;
mod soak;
mod telemetry;
mod tls;
mod tutorial;
mod verdicts;
mod watching;

use std::fs;
use std::path::PathBuf;
use std::process::{ExitCode, exit};
use std::sync::Arc;
use std::thread;

use anyhow::Result;
use keystone_tests::ledger::Ledger;
use keystone_tests::stack::{self, Store};
use keystone_tests::tools::Tools;
use libtest_mimic::{Arguments, Trial};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::lab::{Alone, Lab, OnStack, Shared};

#[expect(clippy::print_stderr, reason = "a run that cannot begin says so to the person who started it")]
fn main() -> ExitCode {
    match run(&Arguments::from_args()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<bool> {
    let root = stack::fresh_directory()?;
    clean_up_when_interrupted(root.path().to_owned())?;
    if let Some(minutes) = arguments.filter.as_deref().and_then(|filter| filter.strip_prefix("soak::")) {
        let lab = Lab::new(Tools::of_soak()?, root.path(), Ledger::default());
        held_requests::run(&lab)?;
        soak::run(&lab, minutes.parse()?)?;
        faults::run(&lab)?;
        return Ok(true);
    }
    let lab = Arc::new(Lab::new(Tools::from_env()?, root.path(), Ledger::default()));
    // The stacks start when the first promise needs them, and end when the last trial has let go of them.
    let during = libtest_mimic::run(arguments, trials(&lab));
    let after = libtest_mimic::run(arguments, afterwards::trials(&lab));
    Ok(!during.has_failed() && !after.has_failed())
}

fn trials(lab: &Arc<Lab>) -> Vec<Trial> {
    let stacks = [("sqlite", Store::Sqlite), ("postgres", Store::Postgres)];
    let stacks = stacks.map(|(name, store)| (name, Arc::new(Shared::new(name, store, Arc::clone(lab)))));
    let mut trials = Vec::new();
    for (promise, keep) in on_both() {
        for (name, shared) in &stacks {
            let shared = Arc::clone(shared);
            trials.push(Trial::test(format!("{name}::{promise}"), move || lab::told(keep(shared.stack()?))));
        }
    }
    for (promise, keep) in alone() {
        let lab = Arc::clone(lab);
        trials.push(Trial::test(format!("alone::{promise}"), move || lab::told(keep(&lab))));
    }
    trials
}

fn on_both() -> impl Iterator<Item = (&'static str, OnStack)> {
    let main_job =
        [login::PROMISES, gateway::PROMISES, refresh::PROMISES, service::PROMISES, verdicts::PROMISES];
    main_job
        .into_iter()
        .chain([bad_input::PROMISES, revocation::PROMISES, peers::PROMISES, commands::PROMISES])
        .flatten()
        .copied()
}

fn alone() -> impl Iterator<Item = (&'static str, Alone)> {
    let all = [
        outage::PROMISES,
        restart::PROMISES,
        interruption::PROMISES,
        hang_ups::PROMISES,
        faults::PROMISES,
        replicas::PROMISES,
        bootstrap::PROMISES,
        backends::PROMISES,
        connections::PROMISES,
        commands::ALONE,
        bad_input::AT_START,
        docs::PROMISES,
        deployment::PROMISES,
        operating::PROMISES,
        guide::PROMISES,
        tutorial::PROMISES,
        generated::PROMISES,
        tls::PROMISES,
        watching::PROMISES,
        telemetry::PROMISES,
        mesh::PROMISES,
        hostile_mesh::PROMISES,
        held_requests::PROMISES,
        new_vm::PROMISES,
        clock::PROMISES,
        samples::PROMISES,
        convert::PROMISES,
        soak::PROMISES,
        algorithms::PROMISES,
        platforms::PROMISES,
    ];
    all.into_iter().flatten().copied()
}

/// Every program ends with us (the kernel sees to it); the files are ours to remove.
fn clean_up_when_interrupted(root: PathBuf) -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            let _ = fs::remove_dir_all(&root);
            exit(128 + signal);
        }
    });
    Ok(())
}
