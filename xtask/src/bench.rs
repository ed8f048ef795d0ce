//! `cargo xtask bench`: builds what is measured and what measures it, and runs the one on the other.

use anyhow::Result;

use crate::{build, install, shell};

pub(crate) fn run(args: &[String]) -> Result<()> {
    let (postgres, redis) = install::backends()?;
    let keystone = build::optimised_issuer()?;
    shell::say("building and running the measurements");
    let mut bench = shell::cargo(&["bench", "--locked", "--quiet", "--package", "keystone-tests"]);
    bench.args(["--bench", "bench", "--"]).args(args);
    let tools = [("KEYTEST_KEYSTONE", keystone), ("KEYTEST_POSTGRES", postgres), ("KEYTEST_REDIS", redis)];
    shell::show(bench.envs(tools))
}
