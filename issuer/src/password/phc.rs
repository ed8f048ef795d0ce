//! Argon2id hashes as text: `$argon2id$v=19$m=65536,t=3,p=1$<salt>$<hash>` (the PHC string format).

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// What one hash costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cost {
    pub memory_kib: u32,
    pub passes: u32,
    pub lanes: u32,
}

/// A stored hash, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hash {
    pub cost: Cost,
    pub salt: Vec<u8>,
    pub output: [u8; OUTPUT],
}

impl Cost {
    /// `None`: not the costs of a hash, or beyond anything we ever stored, or unknown to Argon2.
    fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split(',');
        let cost = Self {
            memory_kib: numbers.next()?.strip_prefix("m=")?.parse().ok()?,
            passes: numbers.next()?.strip_prefix("t=")?.parse().ok()?,
            lanes: numbers.next()?.strip_prefix("p=")?.parse().ok()?,
        };
        let bounded = cost.memory_kib <= MOST_MEMORY_KIB && cost.passes <= 64 && cost.lanes <= 64;
        (bounded && numbers.next().is_none() && cost.argon2().is_some()).then_some(cost)
    }

    /// What every hash made this way begins with, taken apart.
    pub(super) fn of_scheme(text: &str) -> Option<Self> {
        Self::parse(text.strip_prefix(SCHEME)?)
    }

    /// Of two costs, the one with more work takes longer.
    pub(super) const fn work(self) -> u64 {
        self.memory_kib as u64 * self.passes as u64
    }

    /// `None`: not a cost that Argon2 knows.
    pub(super) fn argon2(self) -> Option<Argon2<'static>> {
        let params = Params::new(self.memory_kib, self.passes, self.lanes, Some(OUTPUT)).ok()?;
        Some(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
    }
}

impl Hash {
    /// `None`: not such a text.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut fields = text.strip_prefix(SCHEME)?.split('$');
        let (cost, salt, output) = (fields.next()?, fields.next()?, fields.next()?);
        let hash = Self {
            cost: Cost::parse(cost)?,
            salt: STANDARD_NO_PAD.decode(salt).ok()?,
            output: STANDARD_NO_PAD.decode(output).ok()?.try_into().ok()?,
        };
        fields.next().is_none().then_some(hash)
    }
}

impl std::fmt::Display for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Cost { memory_kib, passes, lanes } = self.cost;
        let (salt, output) = (STANDARD_NO_PAD.encode(&self.salt), STANDARD_NO_PAD.encode(self.output));
        write!(f, "{SCHEME}m={memory_kib},t={passes},p={lanes}${salt}${output}")
    }
}

/// Bytes of a hash.
pub(super) const OUTPUT: usize = 32;
const SCHEME: &str = "$argon2id$v=19$";
const MOST_MEMORY_KIB: u32 = 1_048_576;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_survives_as_text() {
        let cost = Cost { memory_kib: 65_536, passes: 3, lanes: 1 };
        let hash = Hash { cost, salt: vec![1; 16], output: [2; OUTPUT] };

        assert_eq!(Hash::parse(&hash.to_string()), Some(hash));
    }

    #[test]
    fn other_texts_are_no_hash() {
        let (salt, output) = ("c29tZXNhbHQ", "A".repeat(43));
        for wrong in [
            String::new(),
            format!("$argon2i$v=19$m=8,t=1,p=1${salt}${output}"),
            format!("$argon2id$v=16$m=8,t=1,p=1${salt}${output}"),
            format!("$argon2id$v=19$m=8,t=1${salt}${output}"),
            format!("$argon2id$v=19$m=4194304,t=1,p=1${salt}${output}"),
            format!("$argon2id$v=19$m=1,t=1,p=1${salt}${output}"),
            format!("$argon2id$v=19$m=8,t=1,p=1${salt}${output}$x"),
            format!("$argon2id$v=19$m=8,t=1,p=1${salt}$AA"),
        ] {
            assert_eq!(Hash::parse(&wrong), None, "{wrong}");
        }
    }
}
