//! `cargo xtask bench`: builds the product and the measuring program, and runs the measurements.

use std::path::PathBuf;

use anyhow::Result;

use crate::args::Product;
use crate::{build, install, shell};

pub(crate) fn run(product: Product, args: &[String]) -> Result<()> {
    let (name, tools) = match product {
        Product::Issuer => ("issuer", issuer()?),
        Product::Node => ("node", node()?),
        Product::Envoy => ("envoy", envoy()?),
    };
    shell::say("building and running the measurements");
    let mut bench = shell::cargo(&["bench", "--locked", "--quiet", "--package", "keystone-tests"]);
    bench.args(["--bench", "bench", "--", name]).args(args);
    shell::show(bench.envs(tools))
}

type Tools = Vec<(&'static str, PathBuf)>;

fn issuer() -> Result<Tools> {
    let (postgres, redis) = install::backends()?;
    let keystone = build::optimised_issuer()?;
    Ok(vec![("KEYTEST_KEYSTONE", keystone), ("KEYTEST_POSTGRES", postgres), ("KEYTEST_REDIS", redis)])
}

fn node() -> Result<Tools> {
    install::node::packages("tests/bench/node")?;
    build::wasm()?;
    Ok(vec![("KEYTEST_NODE", install::node::binary()?), ("KEYTEST_PACKAGE", build::npm_package()?)])
}

fn envoy() -> Result<Tools> {
    let envoy = install::envoy::binary()?;
    Ok(vec![("KEYTEST_ENVOY", envoy), ("KEYTEST_FILTER", build::wasm()?)])
}
