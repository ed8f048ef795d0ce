//! The format of the code and the rules of `Cargo.toml` and `clippy.toml`.

use anyhow::Result;

use crate::{build, install, shell};

pub(crate) fn format() -> Result<()> {
    shell::run(&mut shell::cargo(&["fmt", "--all", "--check"]))
}

/// Lints what is built for this machine.
pub(crate) fn host() -> Result<()> {
    clippy(&["--workspace", "--all-targets"])?;
    // Not one of "all targets", because a plain `cargo test` leaves it out.
    clippy(&["--workspace", "--test", "e2e"])
}

/// Lints the issuer with telemetry, and the part of the Envoy filter that exists only in WebAssembly.
pub(crate) fn other_builds() -> Result<()> {
    install::rust::targets()?;
    // The profile adds the tests.
    clippy(&["--workspace", "--features", build::TELEMETRY, "--lib", "--profile", "test"])?;
    clippy(&["--package", "keystone-envoy-filter", "--lib", "--target", "wasm32-unknown-unknown"])
}

fn clippy(selection: &[&str]) -> Result<()> {
    let mut clippy = shell::cargo(&["clippy", "--locked"]);
    shell::run(clippy.args(selection).args(["--", "-D", "warnings"]))
}
