//! What a verification costs in Node, against what else an author could take, all in one process by turns. The scripts
//! are in `tests/bench/node/`.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use keystone_tests::node::Node;
use keystone_tests::stack;
use keystone_tests::tools::Tools;

use crate::arguments::Options;
use crate::report::{Figure, Limit, Unit};
use crate::say;
use crate::turns::middle;

type Row = fn(&Lab) -> Result<Vec<Figure>>;

pub(crate) const ROWS: &[(&str, Row)] =
    &[("cold", cold), ("cached", cached), ("start", start), ("size", size), ("memory", memory)];

#[derive(Debug)]
pub(crate) struct Lab {
    node: Node,
    long: bool,
}

pub(crate) fn run(options: &Options) -> Result<Vec<Figure>> {
    let directory = stack::fresh_directory()?;
    let node = Node::with(&Tools::of_node()?, directory.path(), "bench/node")?;
    let lab = Lab { node, long: options.long };
    let mut figures = Vec::new();
    for (name, row) in ROWS.iter().filter(|(name, _)| options.wants(name)) {
        say(&format!("{name} in Node"));
        figures.extend(row(&lab).with_context(|| format!("{name} in Node"))?);
    }
    Ok(figures)
}

/// No token comes twice.
fn cold(lab: &Lab) -> Result<Vec<Figure>> {
    lab.sides(
        "cold",
        &[
            ("node:crypto and checks", Some(Limit::AtMost(0.30))),
            ("jose", Some(Limit::AtMost(0.22))),
            ("fast-jwt", None),
            ("aws-jwt-verify", None),
            // It has no EdDSA.
            ("jsonwebtoken, ES256", None),
        ],
    )
}

/// The same tokens again and again.
fn cached(lab: &Lab) -> Result<Vec<Figure>> {
    lab.sides("cached", &[("fast-jwt's cache", Some(Limit::AtMost(0.12)))])
}

/// From the import to the first verified token, with the keys at hand.
fn start(lab: &Lab) -> Result<Vec<Figure>> {
    let starts = (0..STARTS).map(|_| lab.number("start.mjs", &[])).collect::<Result<_>>()?;
    Ok(vec![against_limit("start", Unit::Milliseconds, middle(starts), SLOWEST_START)])
}

/// Of the package's default entry, as a server sends it.
fn size(lab: &Lab) -> Result<Vec<Figure>> {
    let bytes = lab.number("size.mjs", &[])?;
    Ok(vec![against_limit("size", Unit::Kilobytes, bytes / 1000.0, LARGEST)])
}

/// What many verifications of more tokens than any cache holds leave behind.
fn memory(lab: &Lab) -> Result<Vec<Figure>> {
    let times = if lab.long { "10000000" } else { "1000000" };
    let added = lab.number("memory.mjs", &[times])?;
    Ok(vec![against_limit("memory", Unit::Mebibytes, added, MOST_ADDED)])
}

impl Lab {
    /// Ours against each of the others.
    fn sides(&self, row: &'static str, others: &[(&'static str, Option<Limit>)]) -> Result<Vec<Figure>> {
        let said = self.node.run("verify.mjs", &[row], PATIENCE)?;
        let rounds: BTreeMap<String, Vec<f64>> = serde_json::from_str(&said)?;
        let of = |name: &str| rounds.get(name).with_context(|| format!("{name} was not measured"));
        let ours = of("keystone")?;
        let figure = |(against, limit): &(&'static str, Option<Limit>)| {
            let theirs = of(against)?;
            Ok(Figure {
                row,
                store: None,
                unit: Unit::Microseconds,
                ours: middle(ours.clone()),
                against,
                theirs: middle(theirs.clone()),
                ratio: middle(ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect()),
                times: None,
                limit: *limit,
            })
        };
        others.iter().map(figure).collect()
    }

    /// The number that a script says.
    fn number(&self, script: &str, args: &[&str]) -> Result<f64> {
        let patience = if self.long { PATIENCE * 10 } else { PATIENCE };
        let said = self.node.run(script, args, patience)?;
        said.trim().parse().with_context(|| format!("{script} said: {said}"))
    }
}

fn against_limit(row: &'static str, unit: Unit, ours: f64, limit: f64) -> Figure {
    Figure {
        row,
        store: None,
        unit,
        ours,
        against: "the limit",
        theirs: limit,
        ratio: ours / limit,
        times: None,
        limit: Some(Limit::AtMost(1.0)),
    }
}

/// Odd, so that there is a middle one.
const STARTS: usize = 15;
/// Milliseconds.
const SLOWEST_START: f64 = 10.0;
/// Kilobytes, compressed.
const LARGEST: f64 = 60.0;
/// Mebibytes: what the garbage collector may not have given back yet.
const MOST_ADDED: f64 = 8.0;
const PATIENCE: Duration = Duration::from_secs(400);
