//! Compares the cost of a decision in Envoy with that of its own filters: one process with one worker and a listener for
//! each side.
//! Nothing stands behind it, each listener answers by itself, so that the filters are most of what is measured.

mod configuration;
mod lab;
mod tokens;

use std::time::Duration;

use anyhow::{Context, Result};
use keystone_tests::stack;
use keystone_tests::tools::Tools;

use self::configuration::Side;
use self::lab::{Lab, Turn};
use crate::arguments::Options;
use crate::load::Caller;
use crate::report::{Figure, Limit, Unit};
use crate::say;
use crate::turns::middle;

type Row = fn(&Lab) -> Result<Vec<Figure>>;

pub(crate) const ROWS: &[(&str, Row)] = &[("cold", cold), ("cached", cached)];

pub(crate) fn run(options: &Options) -> Result<Vec<Figure>> {
    let directory = stack::fresh_directory()?;
    let lab = Lab::start(&Tools::of_envoy()?, directory.path())?;
    let mut figures = Vec::new();
    for (name, row) in ROWS.iter().filter(|(name, _)| options.wants(name)) {
        say(&format!("{name} in Envoy"));
        figures.extend(row(&lab).with_context(|| format!("{name} in Envoy"))?);
    }
    Ok(figures)
}

/// More tokens by turns than any cache holds.
fn cold(lab: &Lab) -> Result<Vec<Figure>> {
    let others =
        [(Side::Native, Some(Limit::AtLeast(1.5))), (Side::NativeScope, None), (Side::Nothing, None)];
    figures(lab, ["cold", "cold, added CPU"], &others, || lab.many())
}

/// The same token on each connection.
fn cached(lab: &Lab) -> Result<Vec<Figure>> {
    let others =
        [(Side::CachedScope, Some(Limit::AtLeast(1.1))), (Side::Cached, None), (Side::Nothing, None)];
    figures(lab, ["cached", "cached, added CPU"], &others, || lab.few())
}

/// Requests in a second, and the processor time that each took more than one without any filter.
fn figures<C: Caller + 'static>(
    lab: &Lab,
    rows: [&'static str; 2],
    others: &[(Side, Option<Limit>)],
    callers: impl Fn() -> Vec<C>,
) -> Result<Vec<Figure>> {
    let sides = [Side::Keystone].into_iter().chain(others.iter().map(|(side, _)| *side));
    let mut callers: Vec<(Side, Vec<C>)> = sides.map(|side| (side, callers())).collect();
    let mut round = |lasting| {
        let turns = callers.iter_mut().map(|(side, callers)| lab.turn(*side, callers, lasting));
        turns.collect::<Result<Vec<Turn>>>()
    };
    round(WARM_UP)?;
    let turns = (0..ROUNDS).map(|_| round(TURN)).collect::<Result<Vec<_>>>()?;
    let nothing = others.iter().position(|(side, _)| *side == Side::Nothing).map(|at| at + 1);
    let added = |turn: &[Turn], at: usize| {
        Some(turn.get(at)?.microseconds - nothing.and_then(|at| turn.get(at))?.microseconds)
    };
    let rate = |turn: &[Turn], at: usize| Some(turn.get(at)?.rate);
    let mut figures = Vec::new();
    for (at, (side, limit)) in others.iter().enumerate() {
        let compare = Compare { turns: &turns, row: rows[0], at: at + 1, side: *side };
        figures.push(Figure { limit: *limit, ..compare.figure(Unit::PerSecond, rate) });
    }
    for (at, (side, _)) in others.iter().enumerate().filter(|(_, (side, _))| *side != Side::Nothing) {
        let compare = Compare { turns: &turns, row: rows[1], at: at + 1, side: *side };
        figures.push(compare.figure(Unit::Microseconds, added));
    }
    Ok(figures)
}

/// V8 compiles a function well when it has been called some 100,000 times, and an Envoy runs for weeks.
const WARM_UP: Duration = Duration::from_secs(15);
/// Short and many, because a machine is quick or slow for seconds.
const TURN: Duration = Duration::from_millis(500);
const ROUNDS: usize = 25;

/// Ours, the first of each turn, with the one at `at`.
struct Compare<'a> {
    turns: &'a [Vec<Turn>],
    row: &'static str,
    at: usize,
    side: Side,
}

impl Compare<'_> {
    fn figure(&self, unit: Unit, of: impl Fn(&[Turn], usize) -> Option<f64>) -> Figure {
        let each = |at: usize| self.turns.iter().filter_map(|turn| of(turn, at)).collect::<Vec<_>>();
        let (ours, theirs) = (each(0), each(self.at));
        Figure {
            row: self.row,
            store: None,
            unit,
            ratio: middle(ours.iter().zip(&theirs).map(|(ours, theirs)| ours / theirs).collect()),
            ours: middle(ours),
            against: self.side.name(),
            theirs: middle(theirs),
            times: None,
            limit: None,
        }
    }
}
