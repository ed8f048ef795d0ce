//! The figures as a person reads them, and as a script does.

use std::time::Duration;

use keystone_tests::stack::Store;
use serde_json::{Value, json};

/// One line: ours, the other side in the same unit, and what lies between.
#[derive(Debug)]
pub(crate) struct Figure {
    pub(crate) row: &'static str,
    /// The store of the issuer; `None` if nothing is stored.
    pub(crate) store: Option<Store>,
    pub(crate) unit: Unit,
    pub(crate) ours: f64,
    /// The other side.
    pub(crate) against: &'static str,
    pub(crate) theirs: f64,
    /// Ours in theirs.
    pub(crate) ratio: f64,
    /// Half of our answers, and 99 of 100, came within these times.
    pub(crate) times: Option<[Duration; 2]>,
    /// The limit of the ratio; `None` if the other side is shown for comparison only.
    pub(crate) limit: Option<Limit>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Limit {
    AtMost(f64),
    AtLeast(f64),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Unit {
    PerSecond,
    Milliseconds,
    Microseconds,
    Mebibytes,
    Kilobytes,
    Statements,
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Self::PerSecond => "/s",
            Self::Milliseconds => "ms",
            Self::Microseconds => "µs",
            Self::Mebibytes => "MiB",
            Self::Kilobytes => "kB",
            Self::Statements => "statements",
        }
    }
}

impl Limit {
    fn held(self, figure: &Figure) -> bool {
        // Not by the ratio, which is none where nothing at all is allowed.
        match self {
            Self::AtMost(most) if figure.theirs == 0.0 => figure.ours <= most * figure.theirs,
            Self::AtMost(most) => figure.ratio <= most,
            Self::AtLeast(least) => figure.ratio >= least,
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtMost(most) => format!("≤ {}", short(most)),
            Self::AtLeast(least) => format!("≥ {}", short(least)),
        }
    }
}

pub(crate) fn table(figures: &[Figure]) -> String {
    let heading = ["row", "store", "ours", "against", "", "ratio", "limit", "p50", "p99"];
    let mut lines = vec![heading.map(str::to_owned)];
    lines.extend(figures.iter().map(cells));
    let width = |column: usize| {
        let cells = lines.iter().skip(1).filter_map(|line| line.get(column));
        let widest = cells.map(|cell| cell.chars().count()).max().unwrap_or_default();
        // A column without a figure is left out.
        (widest > 0).then(|| widest.max(heading.get(column).map_or(0, |text| text.len())))
    };
    let widths: Vec<Option<usize>> = (0..heading.len()).map(width).collect();
    let mut text = String::new();
    for line in &lines {
        let padded = line.iter().zip(&widths).enumerate().filter_map(|(column, (cell, width))| {
            let width = (*width)?;
            Some(match column {
                // Words to the left, numbers to the right.
                0 | 1 | 3 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            })
        });
        text.push_str(padded.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn cells(figure: &Figure) -> [String; 9] {
    let unit = figure.unit.name();
    let limit = figure.limit.map_or_else(String::new, |limit| {
        format!("{} {}", limit.text(), if limit.held(figure) { "✓" } else { "✗" })
    });
    let time = |at: usize| {
        let time = figure.times.as_ref().and_then(|times| times.get(at));
        time.map_or_else(String::new, |time| format!("{} ms", short(milliseconds(*time))))
    };
    let ratio = if figure.ratio.is_finite() { format!("{:.2}", figure.ratio) } else { String::new() };
    [
        figure.row.to_owned(),
        figure.store.map_or("", name).to_owned(),
        format!("{} {unit}", short(figure.ours)),
        figure.against.to_owned(),
        format!("{} {unit}", short(figure.theirs)),
        ratio,
        limit,
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
    let (most, least) = match figure.limit {
        Some(Limit::AtMost(most)) => (Some(most), None),
        Some(Limit::AtLeast(least)) => (None, Some(least)),
        None => (None, None),
    };
    json!({
        "row": figure.row,
        "store": figure.store.map(name),
        "unit": figure.unit.name(),
        "ours": figure.ours,
        "against": figure.against,
        "theirs": figure.theirs,
        "ratio": figure.ratio,
        "at_most": most,
        "at_least": least,
        "held": figure.limit.map(|limit| limit.held(figure)),
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
