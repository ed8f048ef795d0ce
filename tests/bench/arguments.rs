//! The command line, parsed into closed types.

use anyhow::{Context, Result, bail};
use keystone_tests::stack::Store;

use crate::{envoy, issuer, node};

#[derive(Debug)]
pub(crate) enum Task {
    Help,
    Measure(Product, Options),
    /// The peer, which is a process of its own.
    Bare(u16),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Product {
    Issuer,
    Node,
    Envoy,
}

#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) json: bool,
    pub(crate) stores: Vec<Store>,
    /// Takes the time for what cannot be had in a short one.
    pub(crate) long: bool,
    /// Names of rows; all when empty.
    pub(crate) rows: Vec<String>,
}

impl Options {
    pub(crate) fn wants(&self, row: &str) -> bool {
        self.rows.is_empty() || self.rows.iter().any(|wanted| wanted == row)
    }
}

impl Product {
    const ALL: [Self; 3] = [Self::Issuer, Self::Node, Self::Envoy];

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|product| product.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Issuer => "issuer",
            Self::Node => "node",
            Self::Envoy => "envoy",
        }
    }

    fn rows(self) -> Vec<&'static str> {
        match self {
            Self::Issuer => issuer::ROWS.iter().map(|(name, _)| *name).collect(),
            Self::Node => node::ROWS.iter().map(|(name, _)| *name).collect(),
            Self::Envoy => envoy::ROWS.iter().map(|(name, _)| *name).collect(),
        }
    }

    /// Returns the options as the usage shows them.
    fn options(self) -> &'static str {
        match self {
            Self::Issuer => "[--store sqlite|postgres] [--json]",
            Self::Node => "[--long] [--json]",
            Self::Envoy => "[--json]",
        }
    }
}

impl Task {
    /// Cargo adds `--bench`, which says nothing.
    pub(crate) fn parse(args: impl Iterator<Item = String>) -> Result<Self> {
        let mut args = args.filter(|arg| arg != "--bench");
        match args.next().as_deref() {
            Some("bare") => {
                let port = args.next().and_then(|port| port.parse().ok());
                Ok(Self::Bare(port.context("bare takes a port")?))
            }
            Some("help" | "-h" | "--help") | None => Ok(Self::Help),
            Some(name) => {
                let product = Product::named(name)
                    .with_context(|| format!("there is nothing to measure called `{name}`"))?;
                Ok(Self::Measure(product, options(product, args)?))
            }
        }
    }
}

fn options(product: Product, mut args: impl Iterator<Item = String>) -> Result<Options> {
    let stores = vec![Store::Sqlite, Store::Postgres];
    let mut options = Options { json: false, stores, long: false, rows: Vec::new() };
    let rows = product.rows();
    while let Some(arg) = args.next() {
        match (arg.as_str(), product) {
            ("--json", _) => options.json = true,
            ("--store", Product::Issuer) => options.stores = vec![store(&args.next().unwrap_or_default())?],
            ("--long", Product::Node) => options.long = true,
            (row, _) if rows.contains(&row) => options.rows.push(arg),
            (other, _) => bail!("{} has no row or option `{other}`", product.name()),
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
    let line = |product: Product| {
        let (name, options, rows) = (product.name(), product.options(), product.rows().join(", "));
        format!("  cargo xtask bench {name} {options} [ROW…]\n    rows: {rows}\n")
    };
    format!("usage:\n{}", Product::ALL.map(line).concat())
}
