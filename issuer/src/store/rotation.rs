//! Why a refresh token was not the current one, and what follows (RFC 9700 §4.14.2).

use std::collections::BTreeSet;
use std::time::Duration;

use super::{EndReason, Rotate, RotationRefusal};

/// A session's row, read under its lock after the rotation found nothing to rotate.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(super) struct Stored {
    #[sqlx(try_from = "i64")]
    pub(super) generation: u32,
    pub(super) client_id: String,
    pub(super) ended: bool,
    /// By absolute or by inactivity lifetime.
    pub(super) expired: bool,
    /// Seconds since the last rotation, below zero where the clock was set back. `None`: there was none.
    pub(super) since_rotation: Option<f64>,
    /// How many of these no issuer could answer in.
    pub(super) unanswerable: f64,
    /// User and client both are.
    pub(super) enabled: bool,
    /// What the session may ever hold.
    #[sqlx(json)]
    pub(super) scope: BTreeSet<String>,
    /// Whether the user holds anything of what is asked for.
    pub(super) holds_any: bool,
}

impl Stored {
    /// Whether a client whose answer was lost may still be about to try again.
    fn is_in_grace(&self, grace: Duration) -> bool {
        let grace = grace.as_secs_f64();
        // Set back by more, a clock would make the window as much longer.
        let is_open = |since: f64| since >= -grace && since - self.unanswerable < grace;
        self.since_rotation.is_some_and(is_open)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// What stood in the way is gone (an account was enabled in between): rotate after all.
    Rotate,
    /// A retry whose answer was lost: the current generation again, which has not been used yet.
    Repeat,
    Refuse(RotationRefusal),
}

pub(super) fn judge(stored: &Stored, rotate: &Rotate) -> Verdict {
    use RotationRefusal::{BeyondScope, Ended, Expired, ForeignClient, NothingHeld, Reused, Unknown};
    // Only the immediate predecessor has a grace window; anything older was copied.
    let is_predecessor = rotate.presented.checked_add(1) == Some(stored.generation);

    if stored.ended {
        Verdict::Refuse(Ended)
    } else if stored.client_id != rotate.client_id {
        Verdict::Refuse(ForeignClient)
    } else if rotate.presented > stored.generation {
        Verdict::Refuse(Unknown)
    } else if rotate.presented < stored.generation && !(is_predecessor && stored.is_in_grace(rotate.grace)) {
        Verdict::Refuse(Reused)
    } else if stored.expired {
        Verdict::Refuse(Expired)
    } else if !stored.enabled {
        Verdict::Refuse(Ended)
    } else if !rotate.scope.is_within(&stored.scope) {
        // After everything that ends a session: nobody may hide reuse behind a scope, nor ask for free what it holds.
        Verdict::Refuse(BeyondScope)
    } else if !stored.holds_any {
        // No token can come of it, so the client keeps the one that it has.
        Verdict::Refuse(NothingHeld)
    } else if is_predecessor {
        Verdict::Repeat
    } else {
        Verdict::Rotate
    }
}

/// Why the rotation of what is stored is refused, if it is.
pub(super) fn refusal(stored: Option<&Stored>, rotate: &Rotate) -> Option<RotationRefusal> {
    match stored.map(|stored| judge(stored, rotate)) {
        None => Some(RotationRefusal::Unknown),
        Some(Verdict::Refuse(refusal)) => Some(refusal),
        Some(Verdict::Rotate | Verdict::Repeat) => None,
    }
}

/// The reason to end the session for, where the refusal is the sign of a copied token.
pub(super) fn end_reason(refusal: RotationRefusal) -> Option<EndReason> {
    match refusal {
        RotationRefusal::Reused => Some(EndReason::Reused),
        RotationRefusal::ForeignClient => Some(EndReason::ForeignClient),
        RotationRefusal::Unknown
        | RotationRefusal::Ended
        | RotationRefusal::Expired
        | RotationRefusal::BeyondScope
        | RotationRefusal::NothingHeld => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{AskedScope, RequestContext, SessionId};

    fn stored() -> Stored {
        Stored {
            generation: 5,
            client_id: "app".to_owned(),
            ended: false,
            expired: false,
            since_rotation: Some(5.0),
            unanswerable: 0.0,
            enabled: true,
            scope: BTreeSet::from(["read".to_owned()]),
            holds_any: true,
        }
    }

    fn presenting(presented: u32) -> Rotate {
        Rotate {
            id: SessionId([1; 16]),
            presented,
            client_id: "app".to_owned(),
            grace: Duration::from_secs(10),
            inactivity: Duration::from_secs(60),
            scope: AskedScope::All,
            context: RequestContext::default(),
        }
    }

    #[test]
    fn each_presented_generation_has_its_verdict() {
        let verdicts = [3, 4, 5, 6, u32::MAX].map(|presented| judge(&stored(), &presenting(presented)));

        assert_eq!(
            verdicts,
            [
                Verdict::Refuse(RotationRefusal::Reused),
                Verdict::Repeat,
                Verdict::Rotate,
                Verdict::Refuse(RotationRefusal::Unknown),
                Verdict::Refuse(RotationRefusal::Unknown),
            ]
        );
    }

    #[test]
    fn the_predecessor_is_reuse_once_the_grace_window_is_over() {
        let reuse = Verdict::Refuse(RotationRefusal::Reused);

        for (since_rotation, unanswerable, verdict) in [
            (9.9, 0.0, Verdict::Repeat),
            (10.0, 0.0, reuse),
            // Nobody could answer for most of the time.
            (3_600.0, 3_595.0, Verdict::Repeat),
            (3_600.0, 3_590.0, reuse),
            // The clock was set back, a little or an hour.
            (-0.01, 0.0, Verdict::Repeat),
            (-3_600.0, 0.0, reuse),
        ] {
            let stored = Stored { since_rotation: Some(since_rotation), unanswerable, ..stored() };
            assert_eq!(judge(&stored, &presenting(4)), verdict, "{since_rotation} {unanswerable}");
            assert_eq!(judge(&stored, &presenting(3)), reuse);
        }
    }

    #[test]
    fn a_scope_hides_neither_reuse_nor_theft_nor_the_end() {
        let beyond = |presented| Rotate {
            scope: AskedScope::Only(BTreeSet::from(["write".to_owned()])),
            ..presenting(presented)
        };
        let ungrantable = Rotate { scope: AskedScope::Ungrantable, ..presenting(5) };
        let within = Rotate { scope: AskedScope::Only(BTreeSet::from(["read".to_owned()])), ..presenting(5) };

        for (presented, refusal) in [
            (3, RotationRefusal::Reused),
            (4, RotationRefusal::BeyondScope),
            (5, RotationRefusal::BeyondScope),
            (6, RotationRefusal::Unknown),
        ] {
            assert_eq!(judge(&stored(), &beyond(presented)), Verdict::Refuse(refusal), "{presented}");
        }
        assert_eq!(judge(&stored(), &ungrantable), Verdict::Refuse(RotationRefusal::BeyondScope));
        assert_eq!(judge(&stored(), &within), Verdict::Rotate);
        let foreign = Rotate { client_id: "other".to_owned(), ..ungrantable.clone() };
        assert_eq!(judge(&stored(), &foreign), Verdict::Refuse(RotationRefusal::ForeignClient));
        let ended = Stored { ended: true, ..stored() };
        assert_eq!(judge(&ended, &ungrantable), Verdict::Refuse(RotationRefusal::Ended));
    }

    #[test]
    fn a_session_of_which_nothing_is_held_stays_as_it_is() {
        let bare = Stored { holds_any: false, ..stored() };
        let nothing = Verdict::Refuse(RotationRefusal::NothingHeld);

        assert_eq!([4, 5].map(|presented| judge(&bare, &presenting(presented))), [nothing, nothing]);
        assert_eq!(judge(&bare, &presenting(3)), Verdict::Refuse(RotationRefusal::Reused));
        let beyond = Rotate { scope: AskedScope::Ungrantable, ..presenting(5) };
        assert_eq!(judge(&bare, &beyond), Verdict::Refuse(RotationRefusal::BeyondScope));
    }

    #[test]
    fn reuse_is_seen_even_when_the_session_has_expired_or_the_account_is_disabled() {
        let dead = Stored { expired: true, enabled: false, ..stored() };

        assert_eq!(judge(&dead, &presenting(3)), Verdict::Refuse(RotationRefusal::Reused));
        assert_eq!(judge(&dead, &presenting(4)), Verdict::Refuse(RotationRefusal::Expired));
        assert_eq!(judge(&dead, &presenting(5)), Verdict::Refuse(RotationRefusal::Expired));
    }

    #[test]
    fn an_ended_session_is_not_ended_twice() {
        let ended = Stored { ended: true, ..stored() };
        let foreign = Rotate { client_id: "other".to_owned(), ..presenting(5) };

        assert_eq!(judge(&ended, &presenting(1)), Verdict::Refuse(RotationRefusal::Ended));
        assert_eq!(judge(&ended, &foreign), Verdict::Refuse(RotationRefusal::Ended));
        assert_eq!(judge(&stored(), &foreign), Verdict::Refuse(RotationRefusal::ForeignClient));
    }
}
