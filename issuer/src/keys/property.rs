//! Weeks of rotations and emergencies in a virtual fleet of three issuers and four verifiers: no good token is refused.
//!
//! Clocks are wrong by up to `skew`, views of the keys and copies of the key set are as old as they may be, and the waits
//! are the shortest that the configuration accepts. One way to the key set gets stuck for as long as it likes. The scheduler, the choice of a signer, the check before signing and
//! the verifiers' key cache are the real ones.

mod fleet;

use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence};

use self::fleet::Fleet;

/// What happens, and when.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// Time passes, in milliseconds.
    Wait(i64),
    /// Time passes to the next moment that is written in a row, and this many milliseconds before or after.
    Approach(i64),
    /// A replica with a view this old (in milliseconds) is asked for a token.
    Sign { replica: usize, view_age: i64 },
    /// An operator asks for a rotation.
    Rotate,
    /// The active key, or the one at this place, is lost.
    Lose(Option<usize>),
    /// All but one replica let their tokens live longer.
    Lengthen,
    /// One of three ways to the key set goes on serving the copy it has.
    Stick,
    /// No longer.
    Heal,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..900_000_i64).prop_map(Step::Wait),
        6 => (-6_000..36_000_i64).prop_map(Step::Approach),
        9 => (0..3_usize, 0..=32_000_i64).prop_map(|(replica, view_age)| Step::Sign { replica, view_age }),
        1 => Just(Step::Rotate),
        1 => prop_oneof![3 => Just(None), 1 => (0..6_usize).prop_map(Some)].prop_map(Step::Lose),
        1 => Just(Step::Lengthen),
        1 => Just(Step::Stick),
        1 => Just(Step::Heal),
    ]
}

fn config() -> Config {
    let persistence = FileFailurePersistence::WithSource("regressions");
    Config { cases: 24, failure_persistence: Some(Box::new(persistence)), ..Config::default() }
}

proptest! {
    #![proptest_config(config())]

    /// B-07
    #[test]
    fn no_rotation_or_emergency_makes_a_verifier_refuse_a_good_token(
        skews in prop::array::uniform7(-5_000..=5_000_i64),
        seed in any::<u64>(),
        steps in prop::collection::vec(step(), 60..160),
    ) {
        let mut fleet = Fleet::new(skews, seed);
        for step in steps {
            fleet.take(step);
            fleet.every_good_token_is_accepted();
        }
    }
}
