//! Waiting for a condition, with a deadline: the only clock and the only pause of the harness.

use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Result, bail};

/// A moment in the future after which patience ends.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

impl Deadline {
    #[expect(clippy::disallowed_methods, reason = "real programs are waited for in real time")]
    pub fn after(limit: Duration) -> Self {
        Self(Instant::now() + limit)
    }

    #[expect(clippy::disallowed_methods, reason = "real programs are waited for in real time")]
    pub fn passed(self) -> bool {
        Instant::now() >= self.0
    }
}

/// The time, for the question how long something took.
#[expect(clippy::disallowed_methods, reason = "real programs take real time")]
pub fn now() -> Instant {
    Instant::now()
}

/// Seconds since 1970 (RFC 7519 §2, NumericDate).
#[expect(clippy::disallowed_methods, reason = "real programs judge tokens in real time")]
pub fn unix_time() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

/// Asks again and again until the answer is yes; `what` completes the sentence "waited in vain for …".
pub fn until(what: &str, limit: Duration, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Deadline::after(limit);
    while !holds()? {
        if deadline.passed() {
            bail!("waited in vain for {what} ({} s)", limit.as_secs());
        }
        breathe();
    }
    Ok(())
}

/// The pause between two questions.
pub fn breathe() {
    thread::sleep(Duration::from_millis(20));
}
