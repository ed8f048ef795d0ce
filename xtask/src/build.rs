//! Builds the issuer, the Envoy filter and the npm package.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use keystone_tests::tools::Tools;
use wasm_bindgen_cli_support::Bindgen;

use crate::install::{self, Programs};
use crate::{place, shell};

/// The paths of our own programs. With those of third-party programs they are the tools of the test harness.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) keystone: PathBuf,
    pub(crate) filter: PathBuf,
    pub(crate) package: PathBuf,
}

impl Built {
    pub(crate) fn with(self, programs: Programs) -> Tools {
        Tools {
            keystone: self.keystone,
            filter: self.filter,
            package: self.package,
            envoy: programs.envoy,
            node: programs.node,
            postgres: programs.postgres,
            redis: programs.redis,
            chromium: programs.chromium,
            ..Tools::default()
        }
    }
}

/// Builds the verifier as a program, and the library that sets Envoy's clock while the hostile requests are evaluated.
pub(crate) fn judges() -> Result<(PathBuf, PathBuf)> {
    shell::say("building the programs that evaluate the hostile requests");
    native(&[])?;
    shell::run(&mut shell::cargo(&["build", "--locked", "--package", "keystone-tests-clock"]))?;
    let debug = place::target().join("debug");
    Ok((debug.join("examples/judge"), debug.join("libkeystone_tests_clock.so")))
}

pub(crate) fn everything() -> Result<Built> {
    let keystone = issuer()?;
    let filter = wasm()?;
    Ok(Built { keystone, filter, package: npm_package()? })
}

pub(crate) fn issuer() -> Result<PathBuf> {
    shell::say("building the issuer");
    native(&[])?;
    Ok(place::target().join("debug/keystone"))
}

/// Builds the programs for this machine. They are selected from the whole workspace, together with an example, so that
/// cargo resolves the same features as for the tests and builds the dependencies once.
pub(crate) fn native(more: &[&str]) -> Result<()> {
    let ours = ["build", "--locked", "--workspace", "--bin", "keystone", "--example", "judge"];
    shell::run(shell::cargo(&ours).args(more))
}

/// Builds the issuer with telemetry, and copies it: the next build of the issuer takes its name.
pub(crate) fn observed_issuer() -> Result<PathBuf> {
    shell::say("building the issuer with OpenTelemetry and Sentry");
    native(&["--features", TELEMETRY])?;
    let built = place::target().join("debug/keystone-observed");
    fs::copy(place::target().join("debug/keystone"), &built)?;
    Ok(built)
}

/// Builds the issuer as it is released.
pub(crate) fn optimised_issuer() -> Result<PathBuf> {
    shell::say("building the issuer, optimised");
    shell::run(&mut shell::cargo(&["build", "--locked", "--release", "--package", "keystone-issuer"]))?;
    Ok(place::target().join("release/keystone"))
}

/// Builds the `.wasm` files of the Envoy filter and of the npm package; returns that of the filter.
pub(crate) fn wasm() -> Result<PathBuf> {
    install::rust::targets()?;
    shell::say("building the WebAssembly of the Envoy filter and the npm package");
    let build = |packages: &[&str]| {
        let mut build = shell::cargo(&["build", "--locked", "--lib", "--profile", "wasm", "--target", WASM]);
        shell::run(build.args(packages))
    };
    build(&["--package", VERIFIER_PACKAGE, "--config", FOR_JAVASCRIPT])?;
    fs::copy(wasm_file(VERIFIER), wasm_file(PLAIN_VERIFIER)).context("the plain verifier was not built")?;
    build(&["--package", VERIFIER_PACKAGE, "--no-default-features"])?;
    fs::copy(wasm_file(VERIFIER), wasm_file(SMALL_VERIFIER)).context("the small verifier was not built")?;
    build(&["--package", "keystone-envoy-filter", "--package", VERIFIER_PACKAGE])?;
    Ok(wasm_file(FILTER))
}

/// Builds the npm package in js/: the verifier with its bindings, bundled.
pub(crate) fn npm_package() -> Result<PathBuf> {
    let package = place::root().join("js");
    install::node::packages("js")?;
    shell::say("building the npm package");
    // A file of an earlier build must not hide that this one lacks it.
    let _ = fs::remove_dir_all(package.join("pkg"));
    let whole = fs::read(wasm_file(VERIFIER))?;
    let small = fs::read(wasm_file(SMALL_VERIFIER))?;
    let plain = without_features(&fs::read(wasm_file(PLAIN_VERIFIER))?)?;
    for (module, folder) in [(whole, "pkg"), (small, "pkg/small"), (plain, "pkg/plain")] {
        Bindgen::new()
            .input_bytes(VERIFIER, module)
            .web(true)?
            .remove_name_section(true)
            .typescript(true)
            // With the default path, bundlers would look for a file that the package inlines.
            .omit_default_module_path(false)
            .generate(package.join(folder))
            .with_context(|| format!("wasm-bindgen could not make js/{folder}"))?;
    }
    let mut build = shell::command(install::node::npm()?, &["run", "--silent", "build"]);
    shell::run(build.current_dir(&package))?;
    Ok(package)
}

/// Returns the module without its list of features. The standard library's share of it would make wasm-bindgen use reference types
/// and functions with several results, which JavaScript made of the module could not have.
fn without_features(wasm: &[u8]) -> Result<Vec<u8>> {
    let mut module = walrus::ModuleConfig::new().strict_validate(false).parse(wasm)?;
    module.customs.remove_raw("target_features").context("the module does not list its features")?;
    Ok(module.emit_wasm())
}

/// Returns the paths of the modules that [`wasm`] builds.
pub(crate) fn modules() -> [PathBuf; 4] {
    [FILTER, VERIFIER, SMALL_VERIFIER, PLAIN_VERIFIER].map(wasm_file)
}

fn wasm_file(name: &str) -> PathBuf {
    place::target().join(WASM).join("wasm").join(format!("{name}.wasm"))
}

const FILTER: &str = "keystone_envoy_filter";
const VERIFIER_PACKAGE: &str = "keystone-verifier-wasm";
const VERIFIER: &str = "keystone_verifier_wasm";
/// The same without policies, for programs that only verify tokens.
const SMALL_VERIFIER: &str = "keystone_verifier_small";
/// The whole module without SIMD, which JavaScript does not have, to be translated to JavaScript.
const PLAIN_VERIFIER: &str = "keystone_verifier_plain";
/// Replaces the features that `.cargo/config.toml` names by those that JavaScript can have.
const FOR_JAVASCRIPT: &str =
    r#"target.wasm32-unknown-unknown.rustflags=["-Ctarget-feature=-simd128,-reference-types,-multivalue"]"#;
/// The optional features of the issuer.
pub(crate) const TELEMETRY: &str = "keystone-issuer/otel,keystone-issuer/sentry";
const WASM: &str = "wasm32-unknown-unknown";
