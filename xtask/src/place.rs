//! Where things are on this machine. The only file here that reads the environment.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The project's folder.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// A path as a person in the project's folder would type it.
pub(crate) fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// Where cargo puts what it builds.
pub(crate) fn target() -> PathBuf {
    variable("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |named| root().join(named))
}

/// Where downloads outlive this checkout.
pub(crate) fn cache() -> Result<PathBuf> {
    let base = variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")));
    Ok(base
        .context("neither XDG_CACHE_HOME nor HOME is set: set one, downloads are kept there")?
        .join("keystone"))
}

/// The cargo that runs us.
pub(crate) fn cargo() -> PathBuf {
    variable("CARGO").unwrap_or_else(|| PathBuf::from("cargo"))
}

/// A program by one of its names: in one of these directories, where distributions hide some, or in `PATH`.
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
