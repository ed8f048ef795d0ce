//! Finds the programs that are needed besides Rust, Node and Python. A missing one is installed with its ordinary client;
//! if that fails, the error says what to do.

pub(crate) mod distribution;
pub(crate) mod envoy;
pub(crate) mod linters;
pub(crate) mod node;
pub(crate) mod python;
pub(crate) mod rust;

use std::path::{Path, PathBuf};

use anyhow::Result;
use keystone_tests::stack::Store;

use crate::install::distribution::{CHROMIUM, POSTGRES, REDIS};

/// The paths of third-party programs.
#[derive(Debug)]
pub(crate) struct Programs {
    pub(crate) envoy: PathBuf,
    pub(crate) node: PathBuf,
    /// The directory of PostgreSQL's programs.
    pub(crate) postgres: PathBuf,
    pub(crate) redis: PathBuf,
    pub(crate) chromium: PathBuf,
}

/// Returns the directory of PostgreSQL's programs and the path of Redis.
pub(crate) fn backends() -> Result<(PathBuf, PathBuf)> {
    distribution::install(&[POSTGRES, REDIS])?;
    let found = |package: &distribution::Package| package.find().unwrap_or_default();
    Ok((directory_of(&found(&POSTGRES)), found(&REDIS)))
}

/// Returns the programs of a whole stack on this store. The paths of those that only the other store needs may be empty.
pub(crate) fn programs(store: Store) -> Result<Programs> {
    let wanted: &[_] = match store {
        Store::Sqlite => &[CHROMIUM],
        Store::Postgres => &[CHROMIUM, POSTGRES, REDIS],
    };
    distribution::install(wanted)?;
    let optional = |package: &distribution::Package| package.find().unwrap_or_default();
    Ok(Programs {
        envoy: envoy::binary()?,
        node: node::binary()?,
        postgres: directory_of(&optional(&POSTGRES)),
        redis: optional(&REDIS),
        chromium: optional(&CHROMIUM),
    })
}

/// Returns the directory of the file itself: a link may be in a directory without the other programs.
fn directory_of(program: &Path) -> PathBuf {
    let real = program.canonicalize().unwrap_or_default();
    real.parent().map(PathBuf::from).unwrap_or_default()
}
