//! Weeks of rotations and emergencies in a virtual fleet of three issuers and four verifiers: no good token is refused.
//!
//! Clocks are wrong by up to `skew`, views of the keys and copies of the key set are as old as they may be, and the waits
//! are the shortest that the configuration accepts. One way to the key set gets stuck for as long as it likes. The scheduler, the choice of a signer, the check before signing and
//! the verifiers' key cache are the real ones.

mod fleet;

use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence};

use self::fleet::Fleet;
use super::Algorithm;

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
    /// All but one replica make keys for another algorithm from now on.
    Switch(Algorithm),
    /// The last replica does as the others.
    Agree,
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
        1 => prop::sample::select(&Algorithm::ALL[..]).prop_map(Step::Switch),
        1 => Just(Step::Agree),
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

/// Two minutes of a fleet in which every replica signs all the while.
fn pass_two_minutes(fleet: &mut Fleet) {
    fleet.take(Step::Wait(120_000));
    (0..3).for_each(|replica| fleet.take(Step::Sign { replica, view_age: 30_000 }));
    fleet.every_good_token_is_accepted();
}

/// I12.
#[test]
fn a_change_of_algorithm_is_a_rotation_like_any_other() {
    for [from, to] in [[Algorithm::EdDsa, Algorithm::Es256], [Algorithm::Es256, Algorithm::Rs256]] {
        let mut fleet = Fleet::new([5_000, -5_000, 0, 5_000, -5_000, 0, 0], 1);
        let signs = |fleet: &Fleet, algorithm: Algorithm| fleet.active().1 == algorithm.as_str();
        let switch = |fleet: &mut Fleet, algorithm| {
            fleet.take(Step::Switch(algorithm));
            fleet.take(Step::Agree);
            let (before, _) = fleet.active();
            // Not a rotation more than without the change.
            while !signs(fleet, algorithm) {
                assert_eq!(fleet.active().0, before, "{algorithm}");
                pass_two_minutes(fleet);
            }
        };
        if !signs(&fleet, from) {
            switch(&mut fleet, from);
        }

        switch(&mut fleet, to);

        for _ in 0..60 {
            pass_two_minutes(&mut fleet);
        }
        assert!(signs(&fleet, to));
        assert!(fleet.published().iter().all(|alg| alg == to.as_str()), "{:?}", fleet.published());
    }
}

#[test]
fn replicas_that_disagree_about_the_algorithm_rotate_and_do_not_fight() {
    let mut fleet = Fleet::new([0; 7], 7);
    fleet.take(Step::Switch(Algorithm::Es256));
    let mut signed = std::collections::BTreeSet::new();

    for _ in 0..360 {
        pass_two_minutes(&mut fleet);
        signed.insert(fleet.active().0);
        assert!(fleet.published().len() <= 8, "{:?}", fleet.published());
    }

    // Twelve hours, with a rotation every 70 minutes.
    assert!((8..=11).contains(&signed.len()), "{}", signed.len());
}
