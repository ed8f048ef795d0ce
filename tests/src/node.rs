//! Real Node, with the built npm package in reach under its own name.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::program::Program;
use crate::tools::Tools;

/// A directory in which scripts find their packages, and the program that runs them.
#[derive(Clone, Debug)]
pub struct Node {
    program: PathBuf,
    home: PathBuf,
}

impl Node {
    pub fn new(tools: &Tools, home: &Path) -> Result<Self> {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("js");
        let packages = home.join("node_modules");
        fs::create_dir_all(packages.join("@keystone-auth"))?;
        for script in SCRIPTS {
            fs::copy(scripts.join(script), home.join(script))
                .with_context(|| format!("tests/js/{script}"))?;
        }
        link(&tools.package, &packages.join("@keystone-auth/verifier"))?;
        for package in PACKAGES {
            link(&scripts.join("node_modules").join(package), &packages.join(package))?;
        }
        Ok(Self { program: tools.node.clone(), home: home.to_owned() })
    }

    /// What the npm package, as a module and as CommonJS, says of each token: a list in the tokens' order.
    pub fn verify(&self, issuer: &str, audience: &str, tokens: &[&str]) -> Result<Vec<Value>> {
        let mut args = vec![issuer, audience];
        args.extend(tokens);
        let said = self.run(VERIFY, &args, Duration::from_secs(60))?;
        said.lines().map(|line| serde_json::from_str(line).context("not JSON")).collect()
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

pub(crate) fn link(target: &Path, name: &Path) -> Result<()> {
    let _ = fs::remove_file(name);
    symlink(target, name).with_context(|| format!("cannot link {}", name.display()))
}

const VERIFY: &str = "verify.mjs";
pub(crate) const BROWSE: &str = "browse.mjs";
const SCRIPTS: [&str; 5] = [VERIFY, BROWSE, "jose.mjs", "oauth4webapi.mjs", "openid-client.mjs"];
const PACKAGES: [&str; 4] = ["playwright-core", "oauth4webapi", "openid-client", "jose"];
