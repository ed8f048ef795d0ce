//! PostgreSQL, Redis, browsers and other programs from packages of the distribution.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{place, shell};

/// A program and the Debian package it comes from.
#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) debian: &'static str,
    programs: &'static [&'static str],
    /// Where to look for a program that is not in `PATH`: in this subdirectory of each directory in the first one.
    hidden: Option<(&'static str, &'static str)>,
}

pub(crate) const POSTGRES: Package =
    Package { debian: "postgresql", programs: &["initdb"], hidden: Some(("/usr/lib/postgresql", "bin")) };
pub(crate) const REDIS: Package =
    Package { debian: "redis-server", programs: &["redis-server"], hidden: None };
pub(crate) const SYSTEMD: Package =
    Package { debian: "systemd", programs: &["systemd-analyze"], hidden: None };
pub(crate) const SQLITE: Package = Package { debian: "sqlite3", programs: &["sqlite3"], hidden: None };
pub(crate) const PGBOUNCER: Package =
    Package { debian: "pgbouncer", programs: &["pgbouncer"], hidden: Some(("/", "sbin")) };
pub(crate) const CURL: Package = Package { debian: "curl", programs: &["curl"], hidden: None };
pub(crate) const CHROMIUM: Package = Package {
    debian: "chromium",
    programs: &["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"],
    hidden: None,
};

pub(crate) const FIREFOX: Package =
    Package { debian: "firefox-esr", programs: &["firefox-esr", "firefox"], hidden: None };
pub(crate) const WEBKIT: Package = Package {
    debian: "libwebkit2gtk-4.1-0",
    programs: &["MiniBrowser"],
    hidden: Some(("/usr/lib", "webkit2gtk-4.1")),
};
pub(crate) const XVFB: Package = Package { debian: "xvfb", programs: &["Xvfb"], hidden: None };

impl Package {
    pub(crate) fn find(&self) -> Option<PathBuf> {
        let hidden =
            self.hidden.map(|(base, inside)| directories(Path::new(base), inside)).unwrap_or_default();
        place::program(self.programs, &hidden)
    }
}

/// Installs those of these packages that are missing.
pub(crate) fn install(packages: &[Package]) -> Result<()> {
    let missing: Vec<&str> =
        packages.iter().filter(|package| package.find().is_none()).map(|package| package.debian).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let advice = format!("install {} with your package manager and run this again", missing.join(", "));
    let Some(apt) = place::program(&["apt-get"], &[]) else {
        bail!("this machine has no apt-get: {advice}");
    };
    if !may_install() {
        bail!("installing packages needs root or a sudo that asks for no password: {advice}");
    }
    shell::say(&format!("installing {} with apt-get", missing.join(", ")));
    apt_install(&apt, &missing).with_context(|| format!("apt-get could not do it: {advice}"))?;
    match packages.iter().find(|package| package.find().is_none()) {
        Some(package) => bail!("{} is installed but {:?} is not in PATH", package.debian, package.programs),
        None => Ok(()),
    }
}

/// Installs packages; refreshes the package lists only if that fails.
fn apt_install(apt: &Path, packages: &[&str]) -> Result<()> {
    let install = || {
        let mut command = as_root(apt);
        command.args(["install", "--yes", "--quiet", "--no-install-recommends"]).args(packages);
        shell::run(&mut command)
    };
    if install().is_ok() {
        return Ok(());
    }
    shell::say("refreshing apt's lists");
    shell::run(as_root(apt).args(["update", "--quiet"]))?;
    install()
}

/// Returns a command that runs apt-get as root. RUNLEVEL 1 tells the packages' scripts not to start services: the tests
/// start their own on free ports.
fn as_root(apt: &Path) -> Command {
    let assignments = ["DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1"];
    let mut command =
        if is_root() { shell::command("env", &[]) } else { shell::command("sudo", &["-n", "env"]) };
    command.args(assignments).arg(apt);
    command
}

fn may_install() -> bool {
    is_root() || shell::output(&mut shell::command("sudo", &["-n", "true"])).is_ok()
}

fn is_root() -> bool {
    shell::output(&mut shell::command("id", &["-u"])).is_ok_and(|id| id.trim() == "0")
}

/// Returns directories such as `/usr/lib/postgresql/15/bin`, the newest version first.
fn directories(base: &Path, inside: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        fs::read_dir(base).into_iter().flatten().flatten().map(|entry| entry.path().join(inside)).collect();
    found.sort();
    found.reverse();
    found
}
