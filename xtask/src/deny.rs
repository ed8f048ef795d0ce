//! `cargo xtask deny`: checks the licenses, advisories and sources of all dependencies. It is not a part of `test`, because
//! the tool takes minutes to build and the result depends on the advisories of the day, not on the change.

use anyhow::Result;

use crate::{install, shell};

pub(crate) fn run(checks: &[String]) -> Result<()> {
    let tool = install::rust::tool("cargo-deny", VERSION)?;
    shell::show(shell::command(tool, &["check"]).args(checks))
}

const VERSION: &str = "0.20.2";
