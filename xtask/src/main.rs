//! `cargo xtask`: builds, tests, measures and packages Keystone.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool prints to the terminal")]

mod args;
mod bench;
mod build;
mod calls;
mod demo;
mod deny;
mod deploy;
mod dist;
mod fuzz;
mod install;
mod lints;
mod mutants;
mod panics;
mod place;
mod prose;
mod shell;
mod stages;
mod test;
mod verdicts;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use crate::args::{Arguments, Command};

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\n{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Bench { product, arguments } => bench::run(product, &arguments),
        Command::Build => build::everything().map(drop),
        Command::Demo(options) => demo::run(&options),
        Command::Deny { checks } => deny::run(&checks),
        Command::Dist { binary } => dist::run(binary),
        Command::Fuzz(options) => fuzz::run(&options),
        Command::Mutants { arguments } => mutants::run(&arguments),
        Command::Prose(options) => prose::run(&options),
        Command::Soak { minutes } => test::soak(minutes),
        Command::Test { part } => test::run(part.as_ref()),
        Command::Vectors => vectors(),
        Command::Verdicts => verdicts::run(),
    }
}

/// Writes the hostile requests that all platforms must answer alike.
fn vectors() -> Result<()> {
    let path = place::root().join("tests/vectors/hostile.json");
    std::fs::write(&path, keystone_tests::hostile::file())?;
    shell::say(&format!("wrote {} cases to {}", keystone_tests::hostile::cases().len(), path.display()));
    Ok(())
}
