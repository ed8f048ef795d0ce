//! Node, and the npm packages of a folder.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::{place, shell};

/// Returns the path of Node, if it is new enough.
pub(crate) fn binary() -> Result<PathBuf> {
    let node = place::program(&["node"], &[]).context(ADVICE)?;
    let version = shell::output(&mut shell::command(&node, &["--version"]))?;
    match major(&version) {
        Some(major) if major >= OLDEST => Ok(node),
        _ => bail!("Node {} is too old. {ADVICE}", version.trim()),
    }
}

pub(crate) fn npm() -> Result<PathBuf> {
    binary()?;
    place::program(&["npm"], &[])
        .context("npm is missing beside Node: install it (Debian: apt-get install npm)")
}

/// Runs `npm ci`, unless it has run since the lock file changed.
pub(crate) fn packages(folder: &str) -> Result<()> {
    let folder_path = place::root().join(folder);
    if is_newer(&folder_path.join("node_modules/.package-lock.json"), &folder_path.join("package-lock.json"))
    {
        return Ok(());
    }
    shell::say(&format!("installing npm packages in {folder}/"));
    let mut ci = shell::command(npm()?, &["ci", "--no-audit", "--no-fund", "--ignore-scripts"]);
    shell::run(ci.current_dir(&folder_path))
        .context("npm could not install the packages: check the network and run it again")
}

fn is_newer(made: &Path, from: &Path) -> bool {
    let modified = |path: &Path| fs::metadata(path).and_then(|data| data.modified()).ok();
    matches!((modified(made), modified(from)), (Some(made), Some(from)) if made >= from)
}

fn major(version: &str) -> Option<u32> {
    version.trim().trim_start_matches('v').split('.').next()?.parse().ok()
}

const OLDEST: u32 = 20;
const ADVICE: &str = "Node 20 or newer is needed: install it from https://nodejs.org or with your version manager, and run this again";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_from_what_node_prints() {
        assert_eq!(major("v20.20.2\n"), Some(20));
        assert_eq!(major("nonsense"), None);
    }
}
