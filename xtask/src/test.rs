//! `cargo xtask test`: everything a change must pass, quickest to fail first.

use std::process::Command;

use anyhow::Result;
use keystone_tests::stack::Store;
use keystone_tests::tools::Tools;

use crate::args::Part;
use crate::install::distribution::{self, CURL, SQLITE};
use crate::install::python::{self, Packages, Wanted};
use crate::{build, demo, deploy, install, panics, shell, verdicts};

pub(crate) fn run(part: Option<&Part>) -> Result<()> {
    match part {
        None => {
            install::rust::targets()?;
            style()?;
            deploy::check()?;
            let tools = tools()?;
            lints()?;
            deploy::image_context()?;
            unit_tests(&tools)?;
            no_std()?;
            panics::check(&build::modules())?;
            js()?;
            demo(&tools)?;
            e2e(&tools, &[])
        }
        Some(Part::Unit) => {
            install::rust::targets()?;
            style()?;
            lints()?;
            unit_tests(&tools()?)?;
            no_std()?;
            panics::check(&build::modules())
        }
        Some(Part::Deploy) => {
            deploy::check()?;
            deploy::image_context()
        }
        Some(Part::Js) => {
            build::wasm()?;
            build::npm_package()?;
            js()
        }
        Some(Part::Panics) => {
            build::wasm()?;
            panics::check(&build::modules())
        }
        Some(Part::E2e { arguments }) => e2e(&tools()?, arguments),
    }
}

/// What is missing installed, what is ours built.
fn tools() -> Result<Tools> {
    let programs = install::programs(Store::Postgres)?;
    // The runbook's own tools.
    distribution::install(&[CURL, SQLITE])?;
    install::node::packages("tests/js")?;
    let python_packages = Packages::installed(&PYTHON)?.home;
    let observed = build::observed_issuer()?;
    let tools = verdicts::judges(build::everything()?.with(programs))?;
    Ok(Tools { python: python::interpreter()?, python_packages, observed, ..tools })
}

fn style() -> Result<()> {
    shell::say("cargo fmt: the code looks alike everywhere");
    shell::run(&mut shell::cargo(&["fmt", "--all", "--check"]))
}

fn lints() -> Result<()> {
    shell::say("cargo clippy: the rules of Cargo.toml and clippy.toml");
    clippy(&["--workspace", "--all-targets"])?;
    // No part of "all targets", because a plain `cargo test` leaves it out.
    clippy(&["--workspace", "--test", "e2e"])?;
    clippy(&["--workspace", "--features", build::TELEMETRY, "--lib", "--tests"])?;
    // What speaks to Envoy is compiled for no other target.
    clippy(&["--package", "keystone-envoy-filter", "--lib", "--target", "wasm32-unknown-unknown"])
}

fn clippy(what: &[&str]) -> Result<()> {
    let mut clippy = shell::cargo(&["clippy", "--locked"]);
    shell::run(clippy.args(what).args(["--", "-D", "warnings"]))
}

fn unit_tests(tools: &Tools) -> Result<()> {
    shell::say("cargo test: every crate by itself");
    // Ignored are those that need a real PostgreSQL or Redis, which a plain `cargo test` does not have.
    let tests = ["--lib", "--bins", "--tests", "--", "--include-ignored"];
    shell::show(with(tools, shell::cargo(&["test", "--locked", "--workspace", "--quiet"]).args(tests)))?;
    shell::say("cargo test: the verifier once more, with the arithmetic it has in WebAssembly");
    let wasm_arithmetic =
        ["--package", "keystone-verifier", "--package", "keystone-fuzz", "--features", WASM_ARITHMETIC];
    let tests = ["--lib", "--tests", "--quiet"];
    shell::show(shell::cargo(&["test", "--locked"]).args(wasm_arithmetic).args(tests))?;
    shell::say("cargo test: the issuer's HTTP surface once more, on PostgreSQL");
    let mut again = shell::cargo(&["test", "--locked", "--workspace", "--test", "api", "--quiet"]);
    shell::show(with(tools, again.env("KEYTEST_STORE", "postgres")))?;
    shell::say("cargo test: the issuer's telemetry, which is built on request only");
    let telemetry = ["--features", build::TELEMETRY, "--lib", "--quiet", "telemetry"];
    shell::show(shell::cargo(&["test", "--locked", "--workspace"]).args(telemetry))?;
    shell::show(&mut shell::cargo(&["test", "--locked", "--workspace", "--quiet", "--doc"]))
}

/// A bare-metal target has no `std` to fall back on.
fn no_std() -> Result<()> {
    shell::say("building the verifier for a machine without operating system");
    shell::run(&mut shell::cargo(&[
        "build",
        "--locked",
        "--package",
        "keystone-verifier",
        "--lib",
        "--target",
        "thumbv7em-none-eabi",
    ]))
}

fn js() -> Result<()> {
    shell::say("npm test: the npm package by itself");
    let mut test = shell::command(install::node::npm()?, &["--prefix", "js", "test", "--silent"]);
    shell::show(&mut test)
}

fn e2e(tools: &Tools, args: &[String]) -> Result<()> {
    shell::say("the promises, on real Envoy, PostgreSQL, Redis, Node and Chromium");
    let mut test = shell::cargo(&["test", "--locked", "--workspace", "--test", "e2e", "--"]);
    shell::show(with(tools, test.args(args)))
}

/// Needs Envoy with the filter, and the issuer with PostgreSQL.
pub(crate) fn soak(minutes: u8) -> Result<()> {
    let envoy = install::envoy::binary()?;
    let (postgres, _) = install::backends()?;
    distribution::install(&[SQLITE])?;
    install::rust::targets()?;
    let filter = build::wasm()?;
    let keystone = build::issuer()?;
    e2e(&Tools { envoy, filter, keystone, postgres, ..Tools::default() }, &[format!("soak::{minutes}")])
}

/// The demo is documentation that runs.
fn demo(tools: &Tools) -> Result<()> {
    shell::say("the walk of cargo xtask demo");
    demo::check(tools)
}

fn with<'a>(tools: &Tools, command: &'a mut Command) -> &'a mut Command {
    command.envs(tools.to_env())
}

const WASM_ARITHMETIC: &str = "keystone-verifier/wasm-arithmetic";
const PYTHON: Wanted = Wanted {
    name: "python",
    requirements: "tests/python/requirements.txt",
    description: "Authlib, Requests and schemathesis (about 100 MB)",
};
