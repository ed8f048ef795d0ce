//! `cargo xtask verdicts`: the hostile file judged on every platform, and the documents that tell of it.

use std::fs;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use keystone_tests::tools::Tools;
use keystone_tests::verdicts::Verdicts;

use crate::install::distribution::{self, CHROMIUM, FIREFOX, Package, WEBKIT, XVFB};
use crate::{build, install, place, shell};

pub(crate) fn run() -> Result<()> {
    install::node::packages("tests/js")?;
    distribution::install(&[CHROMIUM])?;
    let tools = judges(Tools {
        envoy: install::envoy::binary()?,
        node: install::node::binary()?,
        chromium: found(&CHROMIUM),
        filter: build::wasm()?,
        package: build::npm_package()?,
        ..Tools::default()
    })?;
    shell::say("judging the hostile file on every platform");
    let home = tempfile::tempdir()?;
    let verdicts = Verdicts::collect(&tools, home.path())?;
    for (name, text) in verdicts.files() {
        let path = place::root().join("docs").join(name);
        fs::write(&path, text)?;
        shell::say(&format!("wrote {}", place::shown(&path)));
    }
    let wrong = verdicts.wrong();
    ensure!(wrong.is_empty(), "{wrong:#?}");
    Ok(())
}

/// The same tools, with what only judges.
pub(crate) fn judges(tools: Tools) -> Result<Tools> {
    distribution::install(&[FIREFOX, WEBKIT, XVFB])?;
    let (judge, clock) = build::judges()?;
    Ok(Tools { firefox: found(&FIREFOX), webkit: found(&WEBKIT), xvfb: found(&XVFB), judge, clock, ..tools })
}

fn found(package: &Package) -> PathBuf {
    package.find().unwrap_or_default()
}
