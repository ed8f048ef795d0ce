//! Why a refresh token was not the current one, and what follows (RFC 9700 §4.14.2).

use super::{Rotate, RotationRefusal};

/// A session's row, read under its lock after the rotation found nothing to rotate.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) generation: u32,
    pub(super) client_id: String,
    pub(super) ended: bool,
    /// By absolute or by inactivity lifetime.
    pub(super) expired: bool,
    /// The last rotation is younger than the grace window.
    pub(super) in_grace: bool,
    /// User and client both are.
    pub(super) enabled: bool,
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
    use RotationRefusal::{Ended, Expired, ForeignClient, Reused, Unknown};
    // Only the immediate predecessor has a grace window; anything older was copied.
    let is_predecessor = rotate.presented.checked_add(1) == Some(stored.generation);

    if stored.ended {
        Verdict::Refuse(Ended)
    } else if stored.client_id != rotate.client_id {
        Verdict::Refuse(ForeignClient)
    } else if rotate.presented > stored.generation {
        Verdict::Refuse(Unknown)
    } else if rotate.presented < stored.generation && !(is_predecessor && stored.in_grace) {
        Verdict::Refuse(Reused)
    } else if stored.expired {
        Verdict::Refuse(Expired)
    } else if !stored.enabled {
        Verdict::Refuse(Ended)
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
pub(super) fn end_reason(refusal: RotationRefusal) -> Option<&'static str> {
    match refusal {
        RotationRefusal::Reused => Some("reused"),
        RotationRefusal::ForeignClient => Some("foreign_client"),
        RotationRefusal::Unknown | RotationRefusal::Ended | RotationRefusal::Expired => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::store::SessionId;

    fn stored() -> Stored {
        Stored {
            generation: 5,
            client_id: "app".to_owned(),
            ended: false,
            expired: false,
            in_grace: true,
            enabled: true,
        }
    }

    fn presenting(presented: u32) -> Rotate {
        Rotate {
            id: SessionId([1; 16]),
            presented,
            client_id: "app".to_owned(),
            grace: Duration::from_secs(10),
            inactivity: Duration::from_secs(60),
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
        let late = Stored { in_grace: false, ..stored() };

        assert_eq!(judge(&late, &presenting(4)), Verdict::Refuse(RotationRefusal::Reused));
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
