//! Passwords: checked and hashed in a lane of their own, at one cost for whoever asks.

mod common;
mod lane;
mod phc;
mod policy;
mod text;

use aws_lc_rs::constant_time::verify_slices_are_equal;
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
        Ok(Self { lane, cost, policy: settings.policy, world })
    }

    /// The right to compare one password. To be asked for before anything else that a login costs.
    pub fn enter(&self) -> Result<Turn<'_>, Overloaded> {
        Ok(Turn { passwords: self, place: self.lane.enter()? })
    }

    /// The text to store. A password too long to be checked later is hashed to nothing that matches.
    pub async fn hash(&self, password: &Secret) -> Result<String, Overloaded> {
        let salt = self.world.bytes::<16>().to_vec();
        let password = text::normalise(password).ok_or(Overloaded)?;
        let work = Work { password, salt: salt.clone(), cost: self.cost };
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

    fn dummy(&self) -> Work {
        Work { password: Secret::new(""), salt: vec![0; 16], cost: self.cost }
    }
}

impl Turn<'_> {
    /// `stored`: `None` where nobody may log in. That costs one hash all the same, so that time tells nothing about
    /// who exists (CWE-208); and so does a password too long to be anyone's.
    pub async fn check(self, password: &Secret, stored: Option<&str>) -> Result<Checked, Overloaded> {
        let stored = stored.and_then(Hash::parse);
        let step = tracing::info_span!(target: STEP, "password");
        let (Some(password), Some(stored)) = (text::normalise(password), stored) else {
            self.place.hash(self.passwords.dummy()).instrument(step).await?;
            return Ok(Checked::Wrong);
        };
        let work = Work { password, salt: stored.salt, cost: stored.cost };
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

    #[tokio::test]
    async fn a_hash_of_another_cost_is_right_but_old() {
        let hash = passwords(16).hash(&Secret::new("secret")).await.unwrap();

        assert_eq!(check(&passwords(8), &Secret::new("secret"), Some(&hash)).await, Ok(Checked::RightButOld));
    }
}
