//! Paths on this machine. The only file of xtask that reads the environment.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The project's folder.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// Returns a path relative to the project's folder.
pub(crate) fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// Returns the folder of cargo's build output.
pub(crate) fn target() -> PathBuf {
    variable("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |named| root().join(named))
}

/// Returns the folder for downloads, which all checkouts share.
pub(crate) fn cache() -> Result<PathBuf> {
    let base = variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")));
    Ok(base
        .context("neither XDG_CACHE_HOME nor HOME is set: set one, downloads are kept there")?
        .join("keystone"))
}

/// Returns the cargo that runs this program.
pub(crate) fn cargo() -> PathBuf {
    variable("CARGO").unwrap_or_else(|| PathBuf::from("cargo"))
}

/// Finds a program by one of its names, in one of these directories or in `PATH`.
pub(crate) fn program(names: &[&str], first_in: &[PathBuf]) -> Option<PathBuf> {
    let path = variable("PATH").unwrap_or_default();
    let directories: Vec<PathBuf> = first_in.iter().cloned().chain(std::env::split_paths(&path)).collect();
    let candidates =
        names.iter().flat_map(|name| directories.iter().map(move |directory| directory.join(name)));
    candidates.into_iter().find(|candidate| candidate.is_file())
}

#[expect(
    clippy::disallowed_methods,
    reason = "a developer's tool learns from the environment where things are"
)]
fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}
