//! Real Node, with the built npm package in reach under its own name.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::cast::AUDIENCE;
use crate::program::Program;
use crate::tools::Tools;

/// A directory in which scripts find their packages, and the program that runs them.
#[derive(Clone, Debug)]
pub struct Node {
    program: PathBuf,
    home: PathBuf,
}

impl Node {
    /// Returns Node with the scripts of the tests.
    pub fn new(tools: &Tools, home: &Path) -> Result<Self> {
        Self::with(tools, home, "js")
    }

    /// Every script of a folder in `tests/`, and every package that is installed there.
    pub fn with(tools: &Tools, home: &Path, folder: &str) -> Result<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let packages = home.join("node_modules");
        fs::create_dir_all(packages.join("@keystone-auth"))?;
        for script in entries(&folder)? {
            if script.extension().is_some_and(|end| end == "mjs") {
                fs::copy(&script, home.join(script.file_name().unwrap_or_default()))?;
            }
        }
        for package in entries(&folder.join("node_modules"))? {
            link(&package, &packages.join(package.file_name().unwrap_or_default()))?;
        }
        link(&tools.package, &packages.join("@keystone-auth/verifier"))?;
        Ok(Self { program: tools.node.clone(), home: home.to_owned() })
    }

    /// Verifies tokens with the npm package, as a module and as CommonJS; the results are in the order of the tokens.
    pub fn verify(&self, issuer: &str, audience: &str, tokens: &[&str]) -> Result<Vec<Value>> {
        let mut args = vec![issuer, audience];
        args.extend(tokens);
        let said = self.run(VERIFY, &args, Duration::from_secs(60))?;
        said.lines().map(|line| serde_json::from_str(line).context("not JSON")).collect()
    }

    /// Returns the results of a verifier that had accepted `token`, for it after its logout, and for `other`.
    pub fn revoked(&self, issuer: &str, token: &str, other: &str) -> Result<Value> {
        let said = self.run("revoked.mjs", &[issuer, AUDIENCE, token, other], Duration::from_secs(60))?;
        serde_json::from_str(&said).context("not JSON")
    }

    /// Runs one of the scripts and returns what it printed.
    pub fn run(&self, script: &str, args: &[&str], limit: Duration) -> Result<String> {
        let name = script.trim_end_matches(".mjs");
        Program::new(name, &self.program, &self.home).arg(script).args(args).run("", limit)?.succeeded()
    }

    /// The script that verifies tokens, for a person to run.
    pub fn verify_script(&self) -> PathBuf {
        self.home.join(VERIFY)
    }
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    Ok(entries.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?)
}

pub(crate) fn link(target: &Path, name: &Path) -> Result<()> {
    let _ = fs::remove_file(name);
    symlink(target, name).with_context(|| format!("cannot link {}", name.display()))
}

const VERIFY: &str = "verify.mjs";
pub(crate) const BROWSE: &str = "browse.mjs";
