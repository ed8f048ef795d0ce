//! `cargo xtask verdicts`: evaluates the hostile requests on every platform and writes the documents with the results.

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
    shell::say("evaluating the hostile requests on every platform");
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

/// Adds the programs that only evaluate the hostile requests.
pub(crate) fn judges(tools: Tools) -> Result<Tools> {
    distribution::install(&[FIREFOX, WEBKIT, XVFB])?;
    let (judge, clock) = build::judges()?;
    Ok(Tools { firefox: found(&FIREFOX), webkit: found(&WEBKIT), xvfb: found(&XVFB), judge, clock, ..tools })
}

fn found(package: &Package) -> PathBuf {
    package.find().unwrap_or_default()
}
