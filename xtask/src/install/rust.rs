//! The Rust targets in `rust-toolchain.toml`, and tools that cargo builds.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::{place, shell};

/// Installs the missing targets. They are requested explicitly, because rustup's automatic installation may be disabled.
pub(crate) fn targets() -> Result<()> {
    let wanted = wanted(&fs::read_to_string(place::root().join("rust-toolchain.toml"))?);
    let Some(rustup) = place::program(&["rustup"], &[]) else {
        return without_rustup(&wanted);
    };
    let missing = missing(&rustup, &wanted)?;
    if missing.is_empty() {
        return Ok(());
    }
    shell::say(&format!("installing Rust targets: {}", missing.join(", ")));
    let advice = "check the network and run it again, or run `rustup toolchain install` by hand";
    let mut install = shell::command(&rustup, &["toolchain", "install"]);
    // Set by the cargo that runs this program; with it, rustup would not read the file.
    shell::run(install.env_remove("RUSTUP_TOOLCHAIN"))
        .with_context(|| format!("rustup could not install what rust-toolchain.toml names: {advice}"))?;
    match self::missing(&rustup, &wanted)?.first() {
        Some(target) => bail!("rustup did not install the Rust target {target}: {advice}"),
        None => Ok(()),
    }
}

/// Returns the path of a tool from crates.io that `test` does not need; builds it if it is missing.
pub(crate) fn tool(name: &str, version: &str) -> Result<PathBuf> {
    let home = place::cache()?.join(format!("{name}-{version}"));
    if let Some(tool) = place::program(&[name], &[home.join("bin")]) {
        return Ok(tool);
    }
    shell::say(&format!("installing {name} {version} into {} (some minutes)", home.display()));
    let mut install = shell::cargo(&["install", "--locked", "--version", version, "--root"]);
    shell::run(install.arg(&home).arg(name)).with_context(|| format!("cargo could not install {name}"))?;
    Ok(home.join("bin").join(name))
}

fn missing<'a>(rustup: &Path, wanted: &'a [String]) -> Result<Vec<&'a str>> {
    let installed = shell::output(&mut shell::command(rustup, &["target", "list", "--installed"]))?;
    let is_missing = |target: &&String| !installed.lines().any(|line| line == target.as_str());
    Ok(wanted.iter().filter(is_missing).map(String::as_str).collect())
}

/// Checks the targets of a Rust that was not installed with rustup.
fn without_rustup(wanted: &[String]) -> Result<()> {
    let sysroot = shell::output(&mut shell::command("rustc", &["--print", "sysroot"]))?;
    let libraries = Path::new(sysroot.trim()).join("lib/rustlib");
    match wanted.iter().find(|target| !libraries.join(target).exists()) {
        Some(target) => {
            bail!("the Rust target {target} is missing: install Rust with rustup (https://rustup.rs)")
        }
        None => Ok(()),
    }
}

/// Returns the names between the brackets of `targets = [ … ]`.
fn wanted(toolchain: &str) -> Vec<String> {
    let line = toolchain.lines().find(|line| line.trim_start().starts_with("targets")).unwrap_or_default();
    line.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_targets_are_read_from_the_toolchain_file() {
        let file = include_str!("../../../rust-toolchain.toml");

        assert_eq!(wanted(file), ["wasm32-unknown-unknown", "thumbv7em-none-eabi"]);
    }
}
