//! Ours and the other side by turns, so that whatever else the machine does falls on both.

use std::time::Duration;

use anyhow::Result;

use crate::load::Tally;

/// The results of two sides, for each second.
#[derive(Debug)]
pub(crate) struct Compared {
    pub(crate) ours: f64,
    pub(crate) theirs: f64,
    /// The median of the ratios of all turns, so that a disturbed turn does not count.
    pub(crate) ratio: f64,
    /// Every answer of ours.
    pub(crate) tally: Tally,
}

pub(crate) fn compared(
    turn: Duration,
    mut ours: impl FnMut(Duration) -> Result<Tally>,
    mut theirs: impl FnMut(Duration) -> Result<f64>,
) -> Result<Compared> {
    ours(WARM_UP)?;
    theirs(WARM_UP)?;
    let (mut tally, mut turns) = (Tally::default(), Vec::new());
    for _ in 0..TURNS {
        let answers = ours(turn)?;
        turns.push((answers.rate(200), theirs(turn)?));
        tally.join(answers);
    }
    let middle = |figure: fn(&(f64, f64)) -> f64| middle(turns.iter().map(figure).collect());
    Ok(Compared {
        ours: middle(|(ours, _)| *ours),
        theirs: middle(|(_, theirs)| *theirs),
        ratio: middle(|(ours, theirs)| ours / theirs),
        tally,
    })
}

pub(crate) fn middle(mut figures: Vec<f64>) -> f64 {
    figures.sort_unstable_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Odd, so that there is a middle one.
pub(crate) const TURNS: usize = 3;
pub(crate) const WARM_UP: Duration = Duration::from_millis(700);
