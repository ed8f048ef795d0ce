//! `cargo xtask test`: the stages of the tests, those that fail soonest first. Each stage installs and builds only what
//! it needs itself.

use std::process::Command;

use anyhow::Result;
use keystone_tests::tools::Tools;

use crate::args::Part;
use crate::build::{self, Built};
use crate::install::distribution::{self, CURL, PGBOUNCER, SQLITE};
use crate::install::python::{self, Packages, Wanted};
use crate::stages::Stages;
use crate::{demo, deploy, install, lints, panics, prose, shell, verdicts};

pub(crate) fn run(part: Option<&Part>) -> Result<()> {
    let mut stages = Stages::default();
    let stages = &mut stages;
    match part {
        None => all(stages),
        Some(Part::Quick) => quick(stages),
        Some(Part::Unit) => {
            quick(stages)?;
            unit(stages)
        }
        Some(Part::Deploy) => deployment(stages),
        Some(Part::Js) => {
            stages.run("WebAssembly", build::wasm)?;
            stages.run("npm package", build::npm_package)?;
            stages.run("tests of the npm package", npm_test)
        }
        Some(Part::Panics) => {
            stages.run("WebAssembly", build::wasm)?;
            stages.run("panics", || panics::check(&build::modules()))
        }
        Some(Part::E2e { arguments }) => {
            let tools = stages.run("programs", || tools(build::everything()?))?;
            stages.run("end-to-end tests", || end_to_end(&tools, arguments))
        }
    }
}

fn all(stages: &mut Stages) -> Result<()> {
    quick(stages)?;
    deployment(stages)?;
    unit(stages)?;
    let filter = stages.run("WebAssembly", build::wasm)?;
    stages.run("panics", || panics::check(&build::modules()))?;
    let package = stages.run("npm package", build::npm_package)?;
    stages.run("tests of the npm package", npm_test)?;
    let tools = stages.run("programs", || tools(Built { keystone: build::issuer()?, filter, package }))?;
    stages.run("demo", || demo::check(&tools))?;
    stages.run("end-to-end tests", || end_to_end(&tools, &[]))
}

/// Runs what needs nothing but Rust.
fn quick(stages: &mut Stages) -> Result<()> {
    stages.run("format", lints::format)?;
    stages.run("prose", prose::check)?;
    stages.run("lints", lints::host)?;
    stages.run("unit and API tests on SQLite", || shell::show(&mut cargo_test(&UNIT)))
}

fn deployment(stages: &mut Stages) -> Result<()> {
    stages.run("deployment files", deploy::check)?;
    stages.run("sources of the image", deploy::image_context)
}

/// Runs the unit and API tests that [`quick`] leaves out.
fn unit(stages: &mut Stages) -> Result<()> {
    stages.run("lints of other builds", lints::other_builds)?;
    stages.run("documentation tests", || shell::show(&mut cargo_test(&["--workspace", "--doc"])))?;
    stages.run("unit tests on PostgreSQL and Redis", unit_tests_on_backends)?;
    stages.run("API tests on PostgreSQL", api_tests_on_postgres)?;
    stages.run("telemetry", telemetry)?;
    stages.run("arithmetic of WebAssembly", || shell::show(&mut cargo_test(&WASM_ARITHMETIC)))?;
    stages.run("verifier without an operating system", no_std)
}

/// Runs the tests that a plain `cargo test` ignores, because it has neither PostgreSQL nor Redis.
fn unit_tests_on_backends() -> Result<()> {
    let (postgres, redis) = install::backends()?;
    let tools = Tools { postgres, redis, ..Tools::default() };
    shell::show(with(&tools, cargo_test(&UNIT).args(["--", "--ignored"])))
}

fn api_tests_on_postgres() -> Result<()> {
    let (postgres, redis) = install::backends()?;
    let tools = Tools { postgres, redis, ..Tools::default() };
    let mut test = cargo_test(&["--workspace", "--test", "api"]);
    shell::show(with(&tools, test.env("KEYTEST_STORE", "postgres")))
}

/// Tests the exporters, which are part of a build only on request.
fn telemetry() -> Result<()> {
    shell::show(&mut cargo_test(&["--workspace", "--features", build::TELEMETRY, "--lib", "telemetry"]))
}

/// Builds the verifier for a bare-metal target, where there is no `std` to fall back on.
fn no_std() -> Result<()> {
    install::rust::targets()?;
    let mut build = shell::cargo(&["build", "--locked", "--package", "keystone-verifier", "--lib"]);
    shell::run(build.args(["--target", "thumbv7em-none-eabi"]))
}

/// Runs the tests on the package that is built already, so without npm's `pretest`.
fn npm_test() -> Result<()> {
    let mut test = shell::command(install::node::npm()?, &["--prefix", "js", "test", "--silent"]);
    shell::show(test.arg("--ignore-scripts"))
}

/// Installs and builds what the end-to-end tests start.
fn tools(built: Built) -> Result<Tools> {
    let programs = install::programs(keystone_tests::stack::Store::Postgres)?;
    // A pooler before PostgreSQL, and the tools that docs/how-to uses.
    distribution::install(&[PGBOUNCER, CURL, SQLITE])?;
    install::node::packages("tests/js")?;
    let python_packages = Packages::installed(&PYTHON)?.home;
    let observed = build::observed_issuer()?;
    let tools = verdicts::judges(built.with(programs))?;
    Ok(Tools { python: python::interpreter()?, python_packages, observed, ..tools })
}

fn end_to_end(tools: &Tools, arguments: &[String]) -> Result<()> {
    let mut test = shell::cargo(&["test", "--locked", "--workspace", "--test", "e2e", "--"]);
    shell::show(with(tools, test.args(arguments)))
}

/// Runs Envoy with the filter, and the issuer with PostgreSQL, at full load.
pub(crate) fn soak(minutes: u8) -> Result<()> {
    let envoy = install::envoy::binary()?;
    let (postgres, _) = install::backends()?;
    distribution::install(&[SQLITE])?;
    let filter = build::wasm()?;
    let keystone = build::issuer()?;
    let tools = Tools { envoy, filter, keystone, postgres, ..Tools::default() };
    end_to_end(&tools, &[format!("soak::{minutes}")])
}

fn cargo_test(selection: &[&str]) -> Command {
    let mut test = shell::cargo(&["test", "--locked", "--quiet"]);
    test.args(selection);
    test
}

fn with<'a>(tools: &Tools, command: &'a mut Command) -> &'a mut Command {
    command.envs(tools.to_env())
}

/// The tests of every crate, without the end-to-end tests.
const UNIT: [&str; 4] = ["--workspace", "--lib", "--bins", "--tests"];
/// The tests of Ed25519 with the arithmetic that it has in WebAssembly. Every further package that is selected here would
/// have its dependencies compiled again with other features.
const WASM_ARITHMETIC: [&str; 6] =
    ["--package", "keystone-ed25519", "--features", "keystone-ed25519/wasm-arithmetic", "--lib", "--tests"];
const PYTHON: Wanted = Wanted {
    name: "python",
    requirements: "tests/python/requirements.txt",
    description: "Authlib, Requests and schemathesis (about 100 MB)",
};
