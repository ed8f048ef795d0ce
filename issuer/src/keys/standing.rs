//! Whether this replica may sign: only with a fresh view of the keys, and only while its clock is right.

use std::time::Duration;

use time::OffsetDateTime;

use crate::config::KeyTimes;

/// When the keys were last seen, and how far this clock was from the database's then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    pub at: OffsetDateTime,
    pub skew: Duration,
}

/// A token signed now could carry a key that verifiers do not know, or that somebody else has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CannotSign {
    #[error("the signing keys have not been refreshed for too long")]
    StaleView,
    #[error("this replica's clock differs from the database's by {} seconds", .0.as_secs())]
    ClockSkew(Duration),
}

/// Whether a token has expired cannot be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this replica's clock differs from the database's by {} seconds", .0.as_secs())]
pub struct WrongClock(pub Duration);

impl Sight {
    /// `before` and `after` are this clock's readings around the `database`'s: what it said lies between them.
    pub fn new(before: OffsetDateTime, database: OffsetDateTime, after: OffsetDateTime) -> Self {
        let off = (before - database).max(database - after);
        // A view counts from before the question, so that it is never younger than it seems.
        Self { at: before, skew: Duration::try_from(off).unwrap_or_default() }
    }

    /// An old view is no reason: what it takes to judge a token beside the keys is asked of the database anyway.
    pub fn check_clock(&self, now: OffsetDateTime, times: &KeyTimes) -> Result<(), WrongClock> {
        let set_back = Duration::try_from(self.at - now).unwrap_or_default();
        let off = self.skew.max(set_back);
        if off > times.skew { Err(WrongClock(off)) } else { Ok(()) }
    }

    pub fn check(&self, now: OffsetDateTime, times: &KeyTimes) -> Result<(), CannotSign> {
        if self.skew > times.skew {
            return Err(CannotSign::ClockSkew(self.skew));
        }
        // A clock that was set back would make an old view look fresh.
        if now - self.at > times.propagation || self.at - now > times.skew {
            return Err(CannotSign::StaleView);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::schedule::tests::times;

    fn at(second: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(second).unwrap()
    }

    fn seen(before: i64, database: i64, after: i64) -> Sight {
        Sight::new(at(before), at(database), at(after))
    }

    #[test]
    fn a_view_may_be_as_old_as_the_settings_say() {
        let sight = seen(1000, 1000, 1000);

        assert_eq!(sight.check(at(1030), &times()), Ok(()));
        assert_eq!(sight.check(at(1031), &times()), Err(CannotSign::StaleView));
    }

    #[test]
    fn a_clock_that_is_off_either_way_does_not_sign() {
        for database in [994, 1006] {
            let skew = Duration::from_secs(6);
            assert_eq!(
                seen(1000, database, 1000).check(at(1000), &times()),
                Err(CannotSign::ClockSkew(skew))
            );
        }
        for database in [995, 1005] {
            assert_eq!(seen(1000, database, 1000).check(at(1000), &times()), Ok(()));
        }
    }

    #[test]
    fn a_clock_that_is_off_judges_no_token_and_an_old_view_may() {
        let wrong = |seconds| Err(WrongClock(Duration::from_secs(seconds)));

        assert_eq!(seen(1000, 994, 1000).check_clock(at(1000), &times()), wrong(6));
        assert_eq!(seen(1000, 1006, 1000).check_clock(at(1000), &times()), wrong(6));
        assert_eq!(seen(1000, 1000, 1000).check_clock(at(400), &times()), wrong(600));
        assert_eq!(seen(1000, 1000, 1000).check_clock(at(9000), &times()), Ok(()));
    }

    #[test]
    fn a_slow_answer_is_not_a_wrong_clock() {
        assert_eq!(seen(1000, 1007, 1008).check(at(1008), &times()), Ok(()));
    }

    #[test]
    fn a_clock_that_jumps_between_two_looks_does_not_sign() {
        let sight = seen(1000, 1000, 1000);

        assert_eq!(sight.check(at(1600), &times()), Err(CannotSign::StaleView));
        assert_eq!(sight.check(at(400), &times()), Err(CannotSign::StaleView));
    }
}
