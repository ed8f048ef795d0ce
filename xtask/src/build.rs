//! Building what runs: the issuer, the Envoy filter, the npm package.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use keystone_tests::tools::Tools;
use wasm_bindgen_cli_support::Bindgen;

use crate::install::{self, Programs};
use crate::{place, shell};

/// Everything a stack needs, built; together with the programs of others it makes the tools of the harness.
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

/// The core as a program, and the clock that Envoy is handed when the hostile file is judged.
pub(crate) fn judges() -> Result<(PathBuf, PathBuf)> {
    shell::say("building what judges the hostile file");
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

/// What runs on this machine. Chosen from the whole workspace and together with an example, so that cargo picks the same
/// features as for the tests, and builds the dependencies once.
pub(crate) fn native(more: &[&str]) -> Result<()> {
    let ours = ["build", "--locked", "--workspace", "--bin", "keystone", "--example", "judge"];
    shell::run(shell::cargo(&ours).args(more))
}

/// With telemetry, under a name of its own: the next build of the issuer takes the usual one.
pub(crate) fn observed_issuer() -> Result<PathBuf> {
    shell::say("building the issuer with OpenTelemetry and Sentry");
    native(&["--features", TELEMETRY])?;
    let built = place::target().join("debug/keystone-observed");
    fs::copy(place::target().join("debug/keystone"), &built)?;
    Ok(built)
}

/// As it is shipped.
pub(crate) fn optimised_issuer() -> Result<PathBuf> {
    shell::say("building the issuer, optimised");
    shell::run(&mut shell::cargo(&["build", "--locked", "--release", "--package", "keystone-issuer"]))?;
    Ok(place::target().join("release/keystone"))
}

/// Both `.wasm` files: the filter, and the verifier that the npm package wraps.
pub(crate) fn wasm() -> Result<PathBuf> {
    install::rust::targets()?;
    shell::say("building the WebAssembly of the Envoy filter and the npm package");
    let build = |packages: &[&str]| {
        let mut build = shell::cargo(&["build", "--locked", "--lib", "--profile", "wasm", "--target", WASM]);
        shell::run(build.args(packages))
    };
    build(&["--package", VERIFIER_PACKAGE, "--config", WITHOUT_SIMD])?;
    fs::copy(wasm_file(VERIFIER), wasm_file(PLAIN_VERIFIER)).context("the plain verifier was not built")?;
    build(&["--package", VERIFIER_PACKAGE, "--no-default-features"])?;
    fs::copy(wasm_file(VERIFIER), wasm_file(SMALL_VERIFIER)).context("the small verifier was not built")?;
    build(&["--package", "keystone-envoy-filter", "--package", VERIFIER_PACKAGE])?;
    Ok(wasm_file(FILTER))
}

/// The npm package in js/: the verifier with its glue, bundled.
pub(crate) fn npm_package() -> Result<PathBuf> {
    let package = place::root().join("js");
    install::node::packages("js")?;
    shell::say("building the npm package");
    // Nothing of an earlier build may fill a gap in this one.
    let _ = fs::remove_dir_all(package.join("pkg"));
    let whole = fs::read(wasm_file(VERIFIER))?;
    let small = fs::read(wasm_file(SMALL_VERIFIER))?;
    let plain = without_references(&fs::read(wasm_file(PLAIN_VERIFIER))?)?;
    for (module, folder) in [(whole, "pkg"), (small, "pkg/small"), (plain, "pkg/plain")] {
        Bindgen::new()
            .input_bytes(VERIFIER, module)
            .web(true)?
            .remove_name_section(true)
            .typescript(true)
            // The default path makes bundlers look for a file that the package inlines.
            .omit_default_module_path(false)
            .generate(package.join(folder))
            .with_context(|| format!("wasm-bindgen could not make js/{folder}"))?;
    }
    let mut build = shell::command(install::node::npm()?, &["run", "--silent", "build"]);
    shell::run(build.current_dir(&package))?;
    Ok(package)
}

/// The module, said not to use what JavaScript made of it could not have: values of the host in tables, and
/// functions with several results. It is what makes wasm-bindgen use them.
fn without_references(wasm: &[u8]) -> Result<Vec<u8>> {
    let mut wasm = wasm.to_vec();
    for used in [&b"+\x0freference-types"[..], b"+\x0amultivalue"] {
        let at = wasm.windows(used.len()).position(|bytes| bytes == used);
        let sign = at.and_then(|at| wasm.get_mut(at)).context("the module does not list its features")?;
        *sign = b'-';
    }
    Ok(wasm)
}

/// All that [`wasm`] builds, as the compiler leaves it.
pub(crate) fn modules() -> [PathBuf; 4] {
    [FILTER, VERIFIER, SMALL_VERIFIER, PLAIN_VERIFIER].map(wasm_file)
}

fn wasm_file(name: &str) -> PathBuf {
    place::target().join(WASM).join("wasm").join(format!("{name}.wasm"))
}

const FILTER: &str = "keystone_envoy_filter";
const VERIFIER_PACKAGE: &str = "keystone-verifier-wasm";
const VERIFIER: &str = "keystone_verifier_wasm";
/// The same without policies, for those who only verify tokens.
const SMALL_VERIFIER: &str = "keystone_verifier_small";
/// The whole one, for being translated to JavaScript, which has no registers of 128 bits.
const PLAIN_VERIFIER: &str = "keystone_verifier_plain";
/// Takes back what `.cargo/config.toml` says.
const WITHOUT_SIMD: &str = r#"target.wasm32-unknown-unknown.rustflags=["-Ctarget-feature=-simd128"]"#;
/// What the issuer can do besides, for who asks for it.
pub(crate) const TELEMETRY: &str = "keystone-issuer/otel,keystone-issuer/sentry";
const WASM: &str = "wasm32-unknown-unknown";
