//! The hostile file gets the same verdicts on every platform, and the documents say so.

use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};
use keystone_tests::verdicts::Verdicts;

use crate::lab::{Alone, Lab, promises};

pub(crate) const PROMISES: &[(&str, Alone)] = promises![every_platform_gives_every_hostile_case_its_verdict];

fn every_platform_gives_every_hostile_case_its_verdict(lab: &Lab) -> Result<()> {
    let verdicts = Verdicts::collect(&lab.tools, &lab.directory("verdicts")?)?;

    let wrong = verdicts.wrong();
    ensure!(wrong.is_empty(), "{wrong:#?}");
    for (name, text) in verdicts.files() {
        ensure!(
            !text.contains("not explained"),
            "a difference has no line in tests/src/verdicts/document.rs: {text}"
        );
        let written = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name))?;
        ensure!(written == text, "docs/{name} says something else: run `cargo xtask verdicts`");
    }
    Ok(())
}
