//! `cargo xtask mutants`: changes the verifier in one place at a time and lists the changes that no test notices.
//! `.cargo/mutants.toml` lists the files and the equivalent mutants.

use anyhow::Result;

use crate::{install, place, shell};

pub(crate) fn run(args: &[String]) -> Result<()> {
    let tool = install::rust::tool("cargo-mutants", VERSION)?;
    let mut mutants = shell::command(tool, &["mutants", "--package", "keystone-verifier", "--output"]);
    // It works on a copy of the sources; with this folder it reuses the compiled dependencies.
    shell::show(mutants.arg(place::target()).env("CARGO_TARGET_DIR", place::target()).args(args))
}

const VERSION: &str = "27.1.0";
