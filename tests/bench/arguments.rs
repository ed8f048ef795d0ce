//! The command line, parsed into closed types.

use anyhow::{Context, Result, bail};
use keystone_tests::stack::Store;

use crate::issuer::ROWS;

#[derive(Debug)]
pub(crate) enum Task {
    Help,
    Issuer(Options),
    /// The peer, which is a process of its own.
    Bare(u16),
}

#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) json: bool,
    pub(crate) stores: Vec<Store>,
    /// Names of rows; all when empty.
    pub(crate) rows: Vec<String>,
}

impl Options {
    pub(crate) fn wants(&self, row: &str) -> bool {
        self.rows.is_empty() || self.rows.iter().any(|wanted| wanted == row)
    }
}

impl Task {
    /// Cargo adds `--bench`, which says nothing.
    pub(crate) fn parse(args: impl Iterator<Item = String>) -> Result<Self> {
        let mut args = args.filter(|arg| arg != "--bench");
        match args.next().as_deref() {
            Some("issuer") => issuer(args).map(Self::Issuer),
            Some("bare") => {
                let port = args.next().and_then(|port| port.parse().ok());
                Ok(Self::Bare(port.context("bare takes a port")?))
            }
            Some("help" | "-h" | "--help") | None => Ok(Self::Help),
            Some(other) => bail!("there is nothing to measure called `{other}`"),
        }
    }
}

fn issuer(mut args: impl Iterator<Item = String>) -> Result<Options> {
    let mut options = Options { json: false, stores: vec![Store::Sqlite, Store::Postgres], rows: Vec::new() };
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--json" => options.json = true,
            "--store" => options.stores = vec![store(&args.next().unwrap_or_default())?],
            row if ROWS.iter().any(|(known, _)| *known == row) => options.rows.push(arg),
            other => bail!("there is no row or option `{other}`"),
        }
    }
    Ok(options)
}

fn store(name: &str) -> Result<Store> {
    match name {
        "sqlite" => Ok(Store::Sqlite),
        "postgres" => Ok(Store::Postgres),
        other => bail!("--store takes sqlite or postgres, not `{other}`"),
    }
}

pub(crate) fn usage() -> String {
    let rows: Vec<&str> = ROWS.iter().map(|(name, _)| *name).collect();
    format!(
        "usage: cargo xtask bench issuer [--store sqlite|postgres] [--json] [ROW…]\n\n  rows: {}\n",
        rows.join(", ")
    )
}
