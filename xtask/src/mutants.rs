//! `cargo xtask mutants`: whether a test notices when a line of the verifier is wrong. `.cargo/mutants.toml` says which
//! lines, and which changes change nothing.

use anyhow::Result;

use crate::{install, place, shell};

pub(crate) fn run(args: &[String]) -> Result<()> {
    let tool = install::rust::tool("cargo-mutants", VERSION)?;
    let mut mutants = shell::command(tool, &["mutants", "--package", "keystone-verifier", "--output"]);
    // It works on a copy, for which nothing that is built already need be built again.
    shell::show(mutants.arg(place::target()).env("CARGO_TARGET_DIR", place::target()).args(args))
}

const VERSION: &str = "27.1.0";
