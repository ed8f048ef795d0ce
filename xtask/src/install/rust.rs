//! The Rust targets of `rust-toolchain.toml`.

use std::fs;

use anyhow::{Context, Result, bail};

use crate::{place, shell};

/// Adds what is missing. Automatic installation may be switched off in rustup, so it is asked for in so many words.
pub(crate) fn targets() -> Result<()> {
    let wanted = wanted(&fs::read_to_string(place::root().join("rust-toolchain.toml"))?);
    let Some(rustup) = place::program(&["rustup"], &[]) else {
        return without_rustup(&wanted);
    };
    let installed = shell::output(&mut shell::command(&rustup, &["target", "list", "--installed"]))?;
    let missing: Vec<&String> =
        wanted.iter().filter(|target| !installed.lines().any(|line| line == *target)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    shell::say(&format!("installing Rust targets: {missing:?}"));
    shell::run(&mut shell::command(&rustup, &["toolchain", "install"])).context(
        "rustup could not install what rust-toolchain.toml names: check the network and run it again",
    )
}

/// A distribution's Rust: all we can do is look.
fn without_rustup(wanted: &[String]) -> Result<()> {
    let sysroot = shell::output(&mut shell::command("rustc", &["--print", "sysroot"]))?;
    let libraries = std::path::Path::new(sysroot.trim()).join("lib/rustlib");
    match wanted.iter().find(|target| !libraries.join(target).exists()) {
        Some(target) => {
            bail!("the Rust target {target} is missing: install Rust with rustup (https://rustup.rs)")
        }
        None => Ok(()),
    }
}

/// The names between the brackets of `targets = [ … ]`.
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
