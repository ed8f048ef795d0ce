//! Compares a verification in Node with other packages, all in one process by turns. The scripts
//! are in `tests/bench/node/`.

use std::collections::BTreeMap;
use std::iter;
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

/// Whom ours is compared with, and what is promised of it.
type Side = (&'static str, Option<Limit>);

/// The time of each side in each round.
type Rounds = BTreeMap<String, Vec<f64>>;

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

/// The import, and from there to the first verified token, with the keys at hand.
fn start(lab: &Lab) -> Result<Vec<Figure>> {
    let mut phases = BTreeMap::<String, Rounds>::new();
    for who in iter::repeat_n([OURS, EMPTY, "jose"], STARTS).flatten() {
        let said = lab.node.run("start.mjs", &[who], PATIENCE)?;
        for (phase, took) in serde_json::from_str::<BTreeMap<_, _>>(&said)? {
            phases.entry(phase).or_default().entry(who.to_owned()).or_default().push(took);
        }
    }
    let of = |phase: &'static str, others: &[Side]| {
        compared(phase, Unit::Milliseconds, phases.get(phase).context("a phase was not measured")?, others)
    };
    let mut figures = of("import", &[("jose", None)])?;
    let starts = of("start", &[("jose", None), (EMPTY, None)])?;
    figures.extend(starts.first().map(|start| against_limit("start", start.unit, start.ours, SLOWEST_START)));
    figures.extend(starts);
    Ok(figures)
}

/// Measures the size of the package's default entry, as a server sends it.
fn size(lab: &Lab) -> Result<Vec<Figure>> {
    let bytes = lab.number("size.mjs", &[])?;
    Ok(vec![against_limit("size", Unit::Kilobytes, bytes / 1000.0, LARGEST)])
}

/// Measures the memory that is in use after the verification of more tokens than any cache holds.
fn memory(lab: &Lab) -> Result<Vec<Figure>> {
    let times = if lab.long { "10000000" } else { "1000000" };
    let added = lab.number("memory.mjs", &[times])?;
    Ok(vec![against_limit("memory", Unit::Mebibytes, added, MOST_ADDED)])
}

impl Lab {
    fn sides(&self, row: &'static str, others: &[Side]) -> Result<Vec<Figure>> {
        let said = self.node.run("verify.mjs", &[row], PATIENCE)?;
        compared(row, Unit::Microseconds, &serde_json::from_str(&said)?, others)
    }

    /// The number that a script says.
    fn number(&self, script: &str, args: &[&str]) -> Result<f64> {
        let patience = if self.long { PATIENCE * 10 } else { PATIENCE };
        let said = self.node.run(script, args, patience)?;
        said.trim().parse().with_context(|| format!("{script} said: {said}"))
    }
}

/// Ours against each of the others, of each round by itself.
fn compared(row: &'static str, unit: Unit, rounds: &Rounds, others: &[Side]) -> Result<Vec<Figure>> {
    let of = |name: &str| rounds.get(name).with_context(|| format!("{name} was not measured"));
    let ours = of(OURS)?;
    let figure = |(against, limit): &Side| {
        let theirs = of(against)?;
        Ok(Figure {
            row,
            store: None,
            unit,
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

const OURS: &str = "keystone";
/// Node starts and ends.
const EMPTY: &str = "an empty program";
/// Odd, so that there is a middle one.
const STARTS: usize = 15;
/// Milliseconds.
const SLOWEST_START: f64 = 10.0;
/// Kilobytes, compressed.
const LARGEST: f64 = 64.0;
/// Mebibytes: what the garbage collector may not have given back yet.
const MOST_ADDED: f64 = 8.0;
const PATIENCE: Duration = Duration::from_secs(400);
