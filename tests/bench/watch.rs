//! The stopwatch: the only clock of the measurements.

use std::time::{Duration, Instant};

pub(crate) type Moment = Instant;

#[expect(clippy::disallowed_methods, reason = "what is measured is real time")]
pub(crate) fn now() -> Moment {
    Instant::now()
}

/// How long this took, with what came of it.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let begun = now();
    let done = work();
    (done, now() - begun)
}

/// How often this can be done in a second.
pub(crate) fn rate<E>(lasting: Duration, mut work: impl FnMut() -> Result<(), E>) -> Result<f64, E> {
    let begun = now();
    let mut times = 0.0;
    loop {
        work()?;
        times += 1.0;
        let spent = now() - begun;
        if spent >= lasting {
            return Ok(times / spent.as_secs_f64());
        }
    }
}
