//! `cargo xtask dist`: writes the artifacts of a release, with their checksums.

use std::env;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::{build, install, place, shell};

pub(crate) fn run(with_binary: bool) -> Result<()> {
    let dist = place::root().join("dist");
    let _ = fs::remove_dir_all(&dist);
    fs::create_dir_all(&dist)?;
    fs::copy(build::wasm()?, dist.join("keystone_envoy_filter.wasm"))?;
    pack(&build::npm_package()?, &dist)?;
    if with_binary {
        let name = format!("keystone-{}-{}", env::consts::ARCH, env::consts::OS);
        fs::copy(build::optimised_issuer()?, dist.join(name))?;
    }
    let sums = checksums(&dist)?;
    fs::write(dist.join("SHA256SUMS"), &sums)?;
    print!("{sums}");
    Ok(())
}

fn pack(package: &Path, dist: &Path) -> Result<()> {
    shell::say("packing the npm package");
    let mut pack = shell::command(
        install::node::npm()?,
        &["pack", "--silent", "--ignore-scripts", "--pack-destination"],
    );
    shell::run(pack.arg(dist).current_dir(package)).context("npm could not pack js/")
}

/// Returns the checksums in the format of `sha256sum`, so that `sha256sum --check SHA256SUMS` works.
fn checksums(dist: &Path) -> Result<String> {
    let mut names: Vec<_> = fs::read_dir(dist)?.flatten().map(|entry| entry.file_name()).collect();
    names.sort();
    let mut sums = String::new();
    for name in names {
        let digest = Sha256::digest(fs::read(dist.join(&name))?);
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(sums, "{hex}  {}", name.to_string_lossy())?;
    }
    Ok(sums)
}
