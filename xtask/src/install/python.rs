//! Python packages from PyPI, in a folder of their own: no environment of the machine changes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::{place, shell};

/// What one file of pinned requirements names, installed.
#[derive(Debug)]
pub(crate) struct Packages {
    pub(crate) home: PathBuf,
}

/// A set of packages before it is looked for.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// Of the folder in the cache.
    pub(crate) name: &'static str,
    /// A file with hashes, seen from the project's folder.
    pub(crate) requirements: &'static str,
    /// For whoever waits for it.
    pub(crate) description: &'static str,
}

impl Packages {
    /// From the cache, or fetched into it.
    pub(crate) fn installed(wanted: &Wanted) -> Result<Self> {
        let Wanted { name, requirements, description } = wanted;
        let home = place::cache()?.join(format!("{name}-{}", edition(requirements)?));
        if !home.exists() {
            shell::say(&format!("installing {description} from PyPI into {}", home.display()));
            fetch(requirements, &home).with_context(|| {
                format!(
                    "{name} could not be fetched: Python 3.11 or newer with pip is needed, and PyPI in reach"
                )
            })?;
        }
        Ok(Self { home })
    }

    /// One of their programs that needs no Python.
    pub(crate) fn native(&self, name: &str, args: &[&str]) -> Command {
        shell::command(self.home.join("bin").join(name), args)
    }

    /// One of their programs that are written in Python.
    pub(crate) fn python(&self, name: &str, args: &[&str]) -> Command {
        let mut command = shell::command("python3", &[]);
        command.arg(self.home.join("bin").join(name)).args(args).env("PYTHONPATH", &self.home);
        command
    }
}

/// The interpreter itself: what stands in `PATH` may be a script that needs an environment.
pub(crate) fn interpreter() -> Result<PathBuf> {
    ask("import sys; print(sys.executable)").map(PathBuf::from)
}

/// Unpacked beside its place and moved in one step, so that an interrupted fetch leaves no half folder.
fn fetch(requirements: &str, home: &Path) -> Result<()> {
    let parent = home.parent().context("the cache has no folder")?;
    fs::create_dir_all(parent)?;
    let beside = tempfile::tempdir_in(parent)?;
    let unpacked = beside.path().join("unpacked");
    let mut pip = shell::command("python3", &["-m", "pip", "install", "--quiet", "--only-binary", ":all:"]);
    pip.args(["--require-hashes", "--requirement"]).arg(place::root().join(requirements));
    shell::run(
        pip.args(["--disable-pip-version-check", "--root-user-action", "ignore", "--target"]).arg(&unpacked),
    )?;
    fs::rename(&unpacked, home).with_context(|| format!("cannot write {}", home.display()))
}

/// Some of the packages are native, so Python's version counts as much as theirs.
fn edition(requirements: &str) -> Result<String> {
    let requirements = fs::read(place::root().join(requirements))?;
    let digest: String =
        Sha256::digest(requirements).iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    let version = ask("import sys; print('%d.%d' % sys.version_info[:2])")?;
    Ok(format!("python{version}-{digest}"))
}

fn ask(question: &str) -> Result<String> {
    Ok(shell::output(&mut shell::command("python3", &["-c", question]))?.trim().to_owned())
}
