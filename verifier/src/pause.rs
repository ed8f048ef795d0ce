//! How long to wait before the next try, by a clock that may be set.

use crate::Seconds;

/// A wait of some seconds from a moment on.
///
/// The moment is kept beside the length, because an end alone would be believed for as long as a clock was ahead when it was
/// written. A time before the moment ends the wait: whatever was written, no wait is longer than the length from now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pause {
    from: Seconds,
    seconds: Seconds,
}

impl Pause {
    /// No wait at all.
    pub(crate) const NONE: Self = Self { from: 0, seconds: 0 };

    pub(crate) const fn of(seconds: Seconds, from: Seconds) -> Self {
        Self { from, seconds }
    }

    pub(crate) const fn is_over(self, now: Seconds) -> bool {
        match now.checked_sub(self.from) {
            None => true,
            Some(waited) => waited >= self.seconds,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_ends_with_its_seconds_or_when_the_clock_is_set_back() {
        let pause = Pause::of(10, 1000);

        assert_eq!(
            [999, 1000, 1009, 1010, 0, u64::MAX].map(|now| pause.is_over(now)),
            [true, false, false, true, true, true]
        );
        assert!(Pause::NONE.is_over(0) && Pause::NONE.is_over(u64::MAX));
        assert!(!Pause::of(10, u64::MAX).is_over(u64::MAX));
    }
}
