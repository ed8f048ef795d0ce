//! `cargo xtask …`: everything a person does with this repository, each as a short, readable function.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a tool for people talks on the terminal")]

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
mod mutants;
mod panics;
mod place;
mod shell;
mod test;
mod verdicts;

use std::process::ExitCode;

use anyhow::Result;

use crate::args::Task;

fn main() -> ExitCode {
    let task = match Task::parse(std::env::args().skip(1)) {
        Ok(task) => task,
        Err(mistake) => {
            eprintln!("{mistake}\n\n{}", args::USAGE);
            return ExitCode::from(2);
        }
    };
    match run(task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\n{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<()> {
    match task {
        Task::Bench(product, args) => bench::run(product, &args),
        Task::Build => build::everything().map(drop),
        Task::Demo(options) => demo::run(&options),
        Task::Deny(checks) => deny::run(&checks),
        Task::Dist => dist::run(),
        Task::Fuzz(options) => fuzz::run(&options),
        Task::Help => {
            println!("{}", args::USAGE);
            Ok(())
        }
        Task::Mutants(args) => mutants::run(&args),
        Task::Soak(minutes) => test::soak(minutes),
        Task::Test(part) => test::run(&part),
        Task::Vectors => vectors(),
        Task::Verdicts => verdicts::run(),
    }
}

fn vectors() -> Result<()> {
    let path = place::root().join("tests/vectors/hostile.json");
    std::fs::write(&path, keystone_tests::hostile::file())?;
    shell::say(&format!("wrote {} cases to {}", keystone_tests::hostile::cases().len(), path.display()));
    Ok(())
}
