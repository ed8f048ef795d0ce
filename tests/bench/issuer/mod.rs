//! Measures the issuer on either store.

mod flood;
mod lab;
mod published;
mod start;
mod statements;
mod tokens;

use anyhow::{Context, Result};
use keystone_tests::stack;
use keystone_tests::tools::Tools;

use self::lab::Lab;
use crate::arguments::Options;
use crate::report::Figure;
use crate::say;

type Row = fn(&Lab) -> Result<Vec<Figure>>;

pub(crate) const ROWS: &[(&str, Row)] = &[
    ("start", start::first_token),
    ("idle", start::idle),
    ("client_credentials", tokens::client_credentials),
    ("refresh", tokens::refresh),
    ("login", tokens::login),
    ("introspection", tokens::introspection),
    ("jwks", published::jwks),
    ("metadata", published::metadata),
    ("flood", flood::figures),
    ("statements", statements::figures),
];

pub(crate) fn run(options: &Options) -> Result<Vec<Figure>> {
    let tools = Tools::of_the_issuer()?;
    let mut figures = Vec::new();
    for store in &options.stores {
        let directory = stack::fresh_directory()?;
        let lab = Lab::start(&tools, *store, directory.path())?;
        for (name, row) in ROWS.iter().filter(|(name, _)| options.wants(name)) {
            say(&format!("{name} on {store:?}"));
            figures.extend(row(&lab).with_context(|| format!("{name} on {store:?}"))?);
        }
    }
    Ok(figures)
}
