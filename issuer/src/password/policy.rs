//! Which passwords people may choose.

use serde::Serialize;

use super::common;
use super::text::MOST_CHARACTERS;
use crate::config::PasswordPolicy;
use crate::tagged;

/// Why a password may not be chosen. Asked when it is set, never at login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Weakness {
    TooShort,
    TooLong,
    NoUpperCase,
    NoLowerCase,
    NoDigit,
    NoSpecialCharacter,
    /// On the list, or a word of it in disguise.
    Common,
    /// The username, the e-mail address or this product's name, forwards or backwards, and little else.
    Context,
    /// What was to be changed, or a password for one login.
    Unchanged,
}

impl Weakness {
    pub const fn explain(self) -> &'static str {
        match self {
            Self::TooShort => "it is too short",
            Self::TooLong => "it is longer than 128 characters or 1024 bytes",
            Self::NoUpperCase => "it has no uppercase letter",
            Self::NoLowerCase => "it has no lowercase letter",
            Self::NoDigit => "it has no digit",
            Self::NoSpecialCharacter => "it has no special character",
            Self::Common => "it is a common password or a variation of one",
            Self::Context => "it consists of the username, the e-mail address or the name of this service",
            Self::Unchanged => "someone else knows it; choose a new one",
        }
    }
}

/// Everything wrong with `password`, which is in normal form. `about`: what an attacker would try for this user.
pub(super) fn weaknesses(policy: PasswordPolicy, password: &str, about: &[&str]) -> Vec<Weakness> {
    let characters = password.chars().count();
    let least = match policy {
        PasswordPolicy::Classic => CLASSIC_LEAST,
        PasswordPolicy::Nist => LONG,
    };
    let mut found = Vec::new();
    let mut require = |fulfilled: bool, weakness| {
        if !fulfilled {
            found.push(weakness);
        }
    };
    require(characters >= least, Weakness::TooShort);
    require(characters <= MOST_CHARACTERS, Weakness::TooLong);
    // Composition is not asked of long passwords; under `nist` every acceptable one is long, so it never is.
    if policy == PasswordPolicy::Classic && characters < LONG {
        require(password.chars().any(char::is_uppercase), Weakness::NoUpperCase);
        require(password.chars().any(char::is_lowercase), Weakness::NoLowerCase);
        require(password.chars().any(char::is_numeric), Weakness::NoDigit);
        require(password.chars().any(|c| !c.is_alphanumeric()), Weakness::NoSpecialCharacter);
    }
    require(!common::is_common(password), Weakness::Common);
    require(!is_about(password, about), Weakness::Context);
    require(tagged::decode::<20>(tagged::ONE_TIME_PASSWORD, password).is_none(), Weakness::Unchanged);
    found
}

fn is_about(password: &str, about: &[&str]) -> bool {
    let password = password.to_lowercase();
    let reversed: String = password.chars().rev().collect();
    let words = about.iter().flat_map(|text| [*text, text.split('@').next().unwrap_or_default()]);
    words.chain([PRODUCT]).map(str::to_lowercase).filter(|word| word.chars().count() >= 4).any(|word| {
        [&password, &reversed]
            .iter()
            .any(|text| text.contains(&word) && text.chars().count() < word.chars().count() + ENOUGH_ELSE)
    })
}

const CLASSIC_LEAST: usize = 8;
const LONG: usize = 15;
const PRODUCT: &str = "keystone";
/// Characters beside the known word that make a password worth having.
const ENOUGH_ELSE: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PasswordPolicy::{Classic, Nist};

    fn found(policy: PasswordPolicy, password: &str) -> Vec<Weakness> {
        weaknesses(policy, password, &["alice", "alice.liddell@example.com"])
    }

    #[test]
    fn classic_asks_for_composition_below_fifteen_characters_only() {
        assert_eq!(found(Classic, "kV7!mzQp"), []);
        assert_eq!(found(Classic, "kV7!mz"), [Weakness::TooShort]);
        assert_eq!(
            found(Classic, "kvzmqpwx"),
            [Weakness::NoUpperCase, Weakness::NoDigit, Weakness::NoSpecialCharacter]
        );
        assert_eq!(found(Classic, "KV7!MZQP"), [Weakness::NoLowerCase]);
        assert_eq!(found(Classic, "nine purple hats"), []);
    }

    #[test]
    fn nist_asks_for_length_only() {
        assert_eq!(found(Nist, "kV7!mzQpkV7!mz"), [Weakness::TooShort]);
        assert_eq!(found(Nist, "nine purple hats"), []);
        assert_eq!(found(Nist, &"kV7!mzQ9".repeat(17)), [Weakness::TooLong]);
    }

    #[test]
    fn both_refuse_common_passwords_in_disguise() {
        for password in ["P@ssw0rd1!", "Summer2024!", "Qwerty123!", "Welcome1!", "1qaz!QAZ2wsx@WSX"] {
            assert!(found(Classic, password).contains(&Weakness::Common), "{password}");
        }
        assert!(found(Nist, "passwordpassword").contains(&Weakness::Common));
        assert!(found(Nist, "aaaaaaaaaaaaaaaaaa").contains(&Weakness::Common));
        assert!(found(Nist, "123456789012345").contains(&Weakness::Common));
    }

    #[test]
    fn names_of_the_user_and_the_service_are_refused() {
        for password in ["Alice-77", "77-ecilA", "Keystone#1", "Alice.Liddell1", "enotsyek-1A"] {
            assert!(found(Classic, password).contains(&Weakness::Context), "{password}");
        }
        assert_eq!(found(Classic, "alice walks nine purple hats"), []);
    }
}
