//! The lives of the signing keys: what a decision about them sees, and what it may change.

use std::fmt;
use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::audit::Entry;
use super::columns::{OptionalSeconds, OptionalTimestamp, Timestamp};
use super::revocation_events::Event;
use super::{Difference, Initiator};

/// Pure: it is asked inside a transaction.
pub type Decide = dyn Fn(&KeyHistory) -> std::result::Result<Vec<KeyChange>, KeyRefusal> + Send + Sync;

/// `None`: this cannot be opened. It is asked inside a transaction.
pub type Reseal = dyn Fn(&SealedName, &[u8]) -> Option<Vec<u8>> + Send + Sync;

/// Something that is kept under the key-encryption key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SealedName {
    SigningKey(String),
    ServerSecret(String),
}

impl fmt::Display for SealedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SigningKey(kid) => write!(f, "signing key `{kid}`"),
            Self::ServerSecret(name) => write!(f, "server secret `{name}`"),
        }
    }
}

#[derive(Clone, Debug)]
pub struct KeyHistory {
    /// The database's time, read after the keys were locked.
    pub now: OffsetDateTime,
    pub keys: Vec<KeyLine>,
}

/// One key's life, without its material.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct KeyLine {
    pub kid: String,
    pub alg: String,
    #[sqlx(try_from = "Timestamp")]
    pub published_at: OffsetDateTime,
    /// How long verifiers were given to fetch the key before it signs.
    #[sqlx(try_from = "OptionalSeconds")]
    pub lead: Option<Duration>,
    /// `None`: a standby.
    #[sqlx(try_from = "OptionalTimestamp")]
    pub activates_at: Option<OffsetDateTime>,
    /// When its successor activates.
    #[sqlx(try_from = "OptionalTimestamp")]
    pub retires_at: Option<OffsetDateTime>,
    /// How long the key stays known after that, at least.
    #[sqlx(try_from = "OptionalSeconds")]
    pub tail: Option<Duration>,
    #[sqlx(try_from = "OptionalTimestamp")]
    pub removed_at: Option<OffsetDateTime>,
    #[sqlx(try_from = "OptionalTimestamp")]
    pub compromised_at: Option<OffsetDateTime>,
    /// Since when every look at the published key set found the key. `None`: never yet, or the last look missed it.
    #[sqlx(try_from = "OptionalTimestamp")]
    pub seen_since: Option<OffsetDateTime>,
    /// When that was looked at last.
    #[sqlx(try_from = "OptionalTimestamp")]
    pub seen_at: Option<OffsetDateTime>,
    /// How long the key must have been seen before it signs. `None`: nobody asks.
    #[sqlx(try_from = "OptionalSeconds")]
    pub watch: Option<Duration>,
}

/// The state of a signing key
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// Published, and next to sign.
    Standby,
    /// Published, with a time from which it signs.
    Planned,
    Active,
    /// No longer signs; tokens that it signed may still be valid.
    Retired,
    Removed,
    Compromised,
}

impl KeyLine {
    pub fn state(&self, now: OffsetDateTime) -> KeyState {
        match self {
            _ if self.compromised_at.is_some() => KeyState::Compromised,
            _ if self.removed_at.is_some_and(|at| at <= now) => KeyState::Removed,
            _ => KeyState::of_known(self.activates_at, self.retires_at, now),
        }
    }
}

impl KeyState {
    /// Of a key that verifiers know.
    pub fn of_known(
        activates_at: Option<OffsetDateTime>,
        retires_at: Option<OffsetDateTime>,
        now: OffsetDateTime,
    ) -> Self {
        let past = |at: Option<OffsetDateTime>| at.is_some_and(|at| at <= now);
        match activates_at {
            _ if past(retires_at) => Self::Retired,
            None => Self::Standby,
            Some(at) if at <= now => Self::Active,
            Some(_) => Self::Planned,
        }
    }
}

impl fmt::Display for KeyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Standby => "standby",
            Self::Planned => "planned",
            Self::Active => "active",
            Self::Retired => "retired",
            Self::Removed => "removed",
            Self::Compromised => "compromised",
        })
    }
}

/// One step in the life of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyChange {
    /// A new key is known from now on; `active`: and signs at once.
    Publish {
        active: bool,
        tail: Duration,
        /// Of a standby: how long it must be seen before it signs.
        watch: Duration,
    },
    Activate {
        kid: String,
        at: OffsetDateTime,
        lead: Duration,
    },
    /// `None`: its successor is not going to take over after all.
    Retire {
        kid: String,
        at: Option<OffsetDateTime>,
    },
    /// The key stays known for longer.
    Keep {
        kid: String,
        tail: Duration,
    },
    /// How long the key must be seen before it signs. `None`: an emergency does not wait for that.
    Watch {
        kid: String,
        watch: Option<Duration>,
    },
    /// The published key set was looked at now, and every copy of it held the key, as all did `since` then.
    Sighted {
        kid: String,
        since: OffsetDateTime,
    },
    /// The published key set was looked at now, and a copy of it lacked the key.
    Missed {
        kid: String,
    },
    /// The key will not sign when it was planned to; it stands by again.
    CallOff {
        kid: String,
    },
    /// Nobody needs the key any more. The private half is wiped.
    Remove {
        kid: String,
    },
    /// Somebody else may have the key: it signs and is known no more from now on. The private half is wiped.
    Compromise {
        kid: String,
    },
}

impl KeyChange {
    /// What the audit log says. `Publish` takes the name of the new key.
    pub(super) fn entry(&self, by: &Initiator, published: &str) -> Option<Entry> {
        let entry = |verb, kid: &str| Some(Entry::new(&by.actor, verb, kid).within(&by.context));
        match self {
            Self::Publish { .. } => entry("key.published", published),
            Self::Activate { kid, at, .. } => {
                let at = at.format(&Rfc3339).ok();
                let activates_at = Difference::of_values("activates_at", None, at.as_deref());
                entry("key.activation_set", kid).map(|entry| entry.with(activates_at.into_iter().collect()))
            }
            Self::CallOff { kid } => entry("key.activation_called_off", kid),
            Self::Remove { kid } => entry("key.removed", kid),
            Self::Compromise { kid } => entry("key.compromised", kid),
            // What follows from another change, or from the settings, or was only looked at.
            Self::Retire { .. }
            | Self::Keep { .. }
            | Self::Watch { .. }
            | Self::Sighted { .. }
            | Self::Missed { .. } => None,
        }
    }

    /// What verifiers must be told at once.
    pub(super) fn event(&self) -> Option<Event> {
        match self {
            Self::Compromise { kid } => Some(Event::key(kid.clone())),
            _ => None,
        }
    }
}

/// Why a person's wish about a key is not fulfilled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyRefusal {
    #[error("signing key `{0}` does not exist; `keystone keys list` lists all keys")]
    Unknown(String),
    #[error("signing key `{0}` is already marked as compromised")]
    Compromised(String),
    #[error("no standby key for `keys.algorithm` exists; `keystone serve` publishes one within seconds")]
    NoStandby,
    #[error(
        "no recent check of the published key set found the standby key everywhere; `keystone serve` checks every minute and logs what is missing"
    )]
    NotSeen,
    #[error("the key set has {0} keys, and verifiers accept at most 32; wait until retired keys are removed")]
    TooMany(usize),
    /// A second emergency before the new standby is known everywhere.
    #[error(
        "some verifiers have not fetched the standby key yet and would reject valid tokens for up to {seconds} seconds; wait, or pass --now (over HTTP: \"now\": true)"
    )]
    Window { seconds: u64 },
}
