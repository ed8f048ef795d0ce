//! `cargo xtask deny`: licences, advisories and sources of every dependency. Apart from `test`, because building the
//! tool takes minutes and its answer depends on today's advisories, not on the change.

use anyhow::Result;

use crate::{install, shell};

pub(crate) fn run(checks: &[String]) -> Result<()> {
    let tool = install::rust::tool("cargo-deny", VERSION)?;
    shell::show(shell::command(tool, &["check"]).args(checks))
}

const VERSION: &str = "0.20.2";
