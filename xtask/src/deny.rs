//! `cargo xtask deny`: licences, advisories and sources of every dependency. Apart from `test`, because building the
//! tool takes minutes and its answer depends on today's advisories, not on the change.

use anyhow::{Context, Result};

use crate::{place, shell};

pub(crate) fn run(checks: &[String]) -> Result<()> {
    let home = place::cache()?.join(format!("cargo-deny-{VERSION}"));
    let tool = match place::program(&["cargo-deny"], &[home.join("bin")]) {
        Some(tool) => tool,
        None => {
            shell::say(&format!("installing cargo-deny {VERSION} into {} (some minutes)", home.display()));
            let mut install = shell::cargo(&["install", "--locked", "--version", VERSION, "--root"]);
            shell::run(install.arg(&home).arg("cargo-deny")).context("cargo could not install cargo-deny")?;
            home.join("bin/cargo-deny")
        }
    };
    shell::show(shell::command(tool, &["check"]).args(checks))
}

const VERSION: &str = "0.20.2";
