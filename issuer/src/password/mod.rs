//! Passwords: checked and hashed in a lane of their own, at one cost for whoever asks.
//!
//! Hashes of several costs are stored after the settings were changed. So that time tells nothing about who has an account
//! (CWE-208), every check does the work of the most expensive of them, and failures are answered at one fixed time.

mod common;
mod lane;
mod phc;
mod policy;
mod text;

use std::sync::{Mutex, PoisonError};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use tokio::time::Instant;
use tracing::Instrument as _;

use self::lane::{Lane, Place, Work};
pub use self::lane::{Load, Overloaded};
use self::phc::{Cost, Hash};
pub use self::policy::Weakness;
use crate::clock::World;
use crate::config::{self, PasswordPolicy};
use crate::secret::Secret;
use crate::telemetry::STEP;

#[derive(Debug)]
pub struct Passwords {
    lane: Lane,
    cost: Cost,
    /// Of all that are stored, and today's.
    slowest: Mutex<Cost>,
    policy: PasswordPolicy,
    world: World,
}

/// Room to compare one password.
#[derive(Debug)]
pub struct Turn<'a> {
    passwords: &'a Passwords,
    place: Place,
}

/// What comparing a password found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    Wrong,
    Right,
    /// Right, and its hash was made at another cost than today's.
    RightButOld,
}

impl Passwords {
    pub fn start(settings: &config::Passwords, world: World) -> std::io::Result<Self> {
        let cost = Cost { memory_kib: settings.memory_kib, passes: settings.passes, lanes: settings.lanes };
        let lane = Lane::start(settings.permits, settings.deadline, world.clock.clone())?;
        Ok(Self { lane, cost, slowest: Mutex::new(cost), policy: settings.policy, world })
    }

    /// Told how stored hashes were made: by what they begin with, up to the salt.
    pub fn know(&self, schemes: &[String]) {
        for cost in schemes.iter().filter_map(|scheme| Cost::of_scheme(scheme)) {
            self.slowest(cost);
        }
    }

    /// The most expensive cost of all known ones, `known` among them.
    fn slowest(&self, known: Cost) -> Cost {
        let mut slowest = self.slowest.lock().unwrap_or_else(PoisonError::into_inner);
        if known.work() > slowest.work() {
            *slowest = known;
        }
        *slowest
    }

    /// Waits until a failure may be answered that began at `begun`.
    pub async fn even_out(&self, begun: Instant) {
        let span = self.lane.fixed_time();
        let elapsed = begun.elapsed();
        let rounds = elapsed.as_micros().checked_div(span.as_micros()).unwrap_or_default() + 1;
        tokio::time::sleep_until(begun + span * u32::try_from(rounds).unwrap_or(u32::MAX)).await;
    }

    /// The right to compare one password. To be asked for before anything else that a login costs.
    pub fn enter(&self) -> Result<Turn<'_>, Overloaded> {
        Ok(Turn { passwords: self, place: self.lane.enter()? })
    }

    /// The text to store. A password too long to be checked later is hashed to nothing that matches.
    pub async fn hash(&self, password: &Secret) -> Result<String, Overloaded> {
        let salt = self.world.bytes::<16>().to_vec();
        let password = text::normalise(password).ok_or(Overloaded)?;
        let work = Work { password, salt: salt.clone(), cost: self.cost, filler: None };
        let output = self.lane.enter()?.hash(work).await?;
        Ok(Hash { cost: self.cost, salt, output }.to_string())
    }

    /// Everything wrong with a password someone wants to have. `about`: their username and e-mail address.
    pub fn weaknesses(&self, password: &Secret, about: &[&str]) -> Vec<Weakness> {
        match text::normalise(password) {
            Some(password) => policy::weaknesses(self.policy, password.expose(), about),
            None => vec![Weakness::TooLong],
        }
    }

    /// Whether two texts are one password.
    pub fn is_same(one: &Secret, other: &Secret) -> bool {
        text::normalise(one) == text::normalise(other)
    }

    pub fn load(&self) -> Load {
        self.lane.load()
    }

    /// The work of comparing a password, and of seeming to where there is none to compare with.
    fn work(&self, stored: Option<(Secret, &Hash)>) -> Work {
        match stored {
            Some((password, hash)) => {
                let slowest = self.slowest(hash.cost);
                let filler = (hash.cost != slowest).then_some(slowest);
                Work { password, salt: hash.salt.clone(), cost: hash.cost, filler }
            }
            None => {
                let cost = self.slowest(self.cost);
                Work { password: Secret::new(""), salt: vec![0; 16], cost, filler: None }
            }
        }
    }
}

impl Turn<'_> {
    /// `stored`: `None` where nobody may log in. That costs as much as any other check; and so does a password too long to be
    /// anyone's.
    pub async fn check(self, password: &Secret, stored: Option<&str>) -> Result<Checked, Overloaded> {
        let stored = stored.and_then(Hash::parse);
        let step = tracing::info_span!(target: STEP, "password");
        let (Some(password), Some(stored)) = (text::normalise(password), stored) else {
            self.place.hash(self.passwords.work(None)).instrument(step).await?;
            return Ok(Checked::Wrong);
        };
        let work = self.passwords.work(Some((password, &stored)));
        let output = self.place.hash(work).instrument(step).await?;
        let same = verify_slices_are_equal(&output, &stored.output).is_ok();
        Ok(match (same, stored.cost == self.passwords.cost) {
            (false, _) => Checked::Wrong,
            (true, true) => Checked::Right,
            (true, false) => Checked::RightButOld,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::testing::world;

    fn passwords(memory_kib: u32) -> Passwords {
        let settings = config::Passwords {
            policy: PasswordPolicy::Classic,
            memory_kib,
            passes: 1,
            lanes: 1,
            permits: 1,
            deadline: Duration::from_secs(5),
        };
        Passwords::start(&settings, world().0).unwrap()
    }

    async fn check(
        passwords: &Passwords,
        password: &Secret,
        stored: Option<&str>,
    ) -> Result<Checked, Overloaded> {
        passwords.enter()?.check(password, stored).await
    }

    #[tokio::test]
    async fn only_the_same_password_is_right() {
        let passwords = passwords(8);
        let hash = passwords.hash(&Secret::new("Zürich is 1 city")).await.unwrap();

        for (password, expected) in [
            ("Zürich is 1 city", Checked::Right),
            ("Zu\u{308}rich is 1 city", Checked::Right),
            ("zürich is 1 city", Checked::Wrong),
            ("Zürich is 1 city ", Checked::Wrong),
            ("", Checked::Wrong),
        ] {
            assert_eq!(
                check(&passwords, &Secret::new(password), Some(&hash)).await,
                Ok(expected),
                "{password}"
            );
        }
    }

    /// L-11
    #[tokio::test]
    async fn nobody_has_the_empty_password_or_one_too_long() {
        let passwords = passwords(8);

        assert_eq!(check(&passwords, &Secret::new(""), None).await, Ok(Checked::Wrong));
        assert_eq!(check(&passwords, &Secret::new("a".repeat(1025)), None).await, Ok(Checked::Wrong));
        assert_eq!(check(&passwords, &Secret::new(""), Some("$argon2id$nonsense")).await, Ok(Checked::Wrong));
    }

    /// L-13
    #[tokio::test]
    async fn passwords_are_compared_beyond_their_first_72_bytes() {
        let passwords = passwords(8);
        let long = "x".repeat(72);
        let hash = passwords.hash(&Secret::new(format!("{long}1"))).await.unwrap();

        assert_eq!(
            check(&passwords, &Secret::new(format!("{long}2")), Some(&hash)).await,
            Ok(Checked::Wrong)
        );
    }

    /// L-01, L-02
    #[test]
    fn every_check_does_the_work_of_the_slowest_stored_hash() {
        let passwords = passwords(16);
        let stored = |memory_kib| Hash {
            cost: Cost { memory_kib, passes: 1, lanes: 1 },
            salt: vec![1; 16],
            output: [2; 32],
        };
        let costs = |stored: Option<&Hash>| {
            let work = passwords.work(stored.map(|hash| (Secret::new("x"), hash)));
            (work.cost.memory_kib, work.filler.map(|cost| cost.memory_kib))
        };

        assert_eq!(costs(None), (16, None));
        assert_eq!(costs(Some(&stored(8))), (8, Some(16)));
        assert_eq!(costs(Some(&stored(16))), (16, None));

        let scheme = |hash: Hash| hash.to_string().rsplitn(3, '$').last().unwrap().to_owned();
        passwords.know(&[scheme(stored(32)), scheme(stored(8)), "hash".to_owned()]);
        assert_eq!(costs(None), (32, None));
        assert_eq!(costs(Some(&stored(16))), (16, Some(32)));

        // Another replica made it.
        assert_eq!(costs(Some(&stored(64))), (64, None));
        assert_eq!(costs(None), (64, None));
    }

    #[tokio::test]
    async fn a_hash_of_another_cost_is_right_but_old() {
        let hash = passwords(16).hash(&Secret::new("secret")).await.unwrap();

        assert_eq!(check(&passwords(8), &Secret::new("secret"), Some(&hash)).await, Ok(Checked::RightButOld));
    }
}
