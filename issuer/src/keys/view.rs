//! What people see of a signing key: its state and its times, nothing of its material.

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use utoipa::ToSchema;

use crate::store::{KeyHistory, KeyLine, KeyState};

/// A signing key and its lifecycle
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SigningKey)]
pub struct KeyView {
    /// The key id, as in the header of tokens
    #[schema(example = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k")]
    pub kid: String,
    /// The algorithm (RFC 7518 §3.1)
    #[schema(example = "EdDSA")]
    pub alg: String,
    /// The state in the lifecycle of the key
    pub state: KeyState,
    /// When the key was added to the key set
    #[schema(format = DateTime)]
    pub published_at: String,
    /// Since when every check of the published key set found the key; only for a key that has not signed yet
    #[schema(format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen_since: Option<String>,
    /// When the key starts to sign
    #[schema(format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activates_at: Option<String>,
    /// When the key stops signing
    #[schema(format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retires_at: Option<String>,
    /// When the key is removed from the key set
    #[schema(format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub removed_at: Option<String>,
    /// When the key was revoked as compromised
    #[schema(format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compromised_at: Option<String>,
}

impl KeyView {
    /// Every key there ever was, oldest first.
    pub fn all(history: &KeyHistory) -> Vec<Self> {
        history.keys.iter().map(|key| Self::new(key, history.now)).collect()
    }

    fn new(key: &KeyLine, now: OffsetDateTime) -> Self {
        let state = key.state(now);
        let waits = matches!(state, KeyState::Standby | KeyState::Planned);
        Self {
            kid: key.kid.clone(),
            alg: key.alg.clone(),
            state,
            seen_since: key.seen_since.filter(|_| waits).map(to_the_second),
            published_at: to_the_second(key.published_at),
            activates_at: key.activates_at.map(to_the_second),
            retires_at: key.retires_at.map(to_the_second),
            removed_at: key.removed_at.map(to_the_second),
            compromised_at: key.compromised_at.map(to_the_second),
        }
    }
}

/// Which is what a person compares.
pub fn to_the_second(at: OffsetDateTime) -> String {
    let whole = at.replace_nanosecond(0).unwrap_or(at);
    whole.format(&Rfc3339).unwrap_or_else(|_| whole.to_string())
}
