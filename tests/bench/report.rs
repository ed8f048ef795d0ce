//! The figures as a person reads them, and as a script does.

use std::time::Duration;

use keystone_tests::stack::Store;
use serde_json::{Value, json};

/// One line: ours, the other side in the same unit, and what lies between.
#[derive(Debug)]
pub(crate) struct Figure {
    pub(crate) row: &'static str,
    pub(crate) store: Store,
    pub(crate) unit: Unit,
    pub(crate) ours: f64,
    /// What the other side is.
    pub(crate) against: &'static str,
    pub(crate) theirs: f64,
    /// Ours in theirs.
    pub(crate) ratio: f64,
    /// Half of our answers, and 99 of 100, came within these times.
    pub(crate) times: Option<[Duration; 2]>,
    /// What the ratio must not exceed; `None`: the more the better.
    pub(crate) most: Option<f64>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Unit {
    PerSecond,
    Milliseconds,
    Mebibytes,
    Statements,
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Self::PerSecond => "/s",
            Self::Milliseconds => "ms",
            Self::Mebibytes => "MiB",
            Self::Statements => "statements",
        }
    }
}

pub(crate) fn table(figures: &[Figure]) -> String {
    let heading = ["row", "store", "ours", "against", "", "ratio", "at most", "p50", "p99"];
    let mut lines = vec![heading.map(str::to_owned)];
    lines.extend(figures.iter().map(cells));
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..heading.len()).map(width).collect();
    let mut text = String::new();
    for line in &lines {
        let padded = line.iter().zip(&widths).enumerate().map(|(column, (cell, width))| match column {
            // Words to the left, numbers to the right.
            0 | 1 | 3 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        text.push_str(padded.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn cells(figure: &Figure) -> [String; 9] {
    let unit = figure.unit.name();
    let most = figure.most.map_or_else(String::new, |most| {
        let held = if figure.ours <= most * figure.theirs { "✓" } else { "✗" };
        format!("{} {held}", short(most))
    });
    let time = |at: usize| {
        let time = figure.times.as_ref().and_then(|times| times.get(at));
        time.map_or_else(String::new, |time| format!("{} ms", short(milliseconds(*time))))
    };
    let ratio = if figure.ratio.is_finite() { format!("{:.2}", figure.ratio) } else { String::new() };
    [
        figure.row.to_owned(),
        name(figure.store).to_owned(),
        format!("{} {unit}", short(figure.ours)),
        figure.against.to_owned(),
        format!("{} {unit}", short(figure.theirs)),
        ratio,
        most,
        time(0),
        time(1),
    ]
}

/// Three digits that count.
fn short(figure: f64) -> String {
    match figure {
        figure if figure >= 100.0 || figure.fract() == 0.0 => format!("{figure:.0}"),
        figure if figure >= 10.0 => format!("{figure:.1}"),
        figure => format!("{figure:.2}"),
    }
}

pub(crate) fn json(figures: &[Figure]) -> String {
    let all: Vec<Value> = figures.iter().map(member).collect();
    format!("{:#}\n", json!(all))
}

fn member(figure: &Figure) -> Value {
    let [p50, p99] = [0, 1].map(|at| figure.times.as_ref().and_then(|times| times.get(at)).copied());
    json!({
        "row": figure.row,
        "store": name(figure.store),
        "unit": figure.unit.name(),
        "ours": figure.ours,
        "against": figure.against,
        "theirs": figure.theirs,
        "ratio": figure.ratio,
        "at_most": figure.most,
        "p50_ms": p50.map(milliseconds),
        "p99_ms": p99.map(milliseconds),
    })
}

pub(crate) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn name(store: Store) -> &'static str {
    match store {
        Store::Sqlite => "sqlite",
        Store::Postgres => "postgres",
    }
}
