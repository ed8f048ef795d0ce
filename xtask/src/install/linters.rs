//! The linters of the deployment files.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::install::distribution::{self, SYSTEMD};
use crate::install::python::{Packages, Wanted};

/// The linters and where they are.
#[derive(Debug)]
pub(crate) struct Linters {
    packages: Packages,
    pub(crate) systemd_analyze: PathBuf,
}

impl Linters {
    pub(crate) fn installed() -> Result<Self> {
        distribution::install(&[SYSTEMD])?;
        let systemd_analyze = SYSTEMD.find().context("systemd-analyze is missing")?;
        Ok(Self { packages: Packages::installed(&PACKAGES)?, systemd_analyze })
    }

    pub(crate) fn hadolint(&self, args: &[&str]) -> Command {
        self.packages.native("hadolint", args)
    }

    /// Returns a command that runs one of the linters that are written in Python.
    pub(crate) fn python(&self, name: &str, args: &[&str]) -> Command {
        self.packages.python(name, args)
    }
}

const PACKAGES: Wanted = Wanted {
    name: "linters",
    requirements: "xtask/linter-requirements.txt",
    description: "hadolint, check-jsonschema and kubernetes-validate (about 45 MB)",
};
