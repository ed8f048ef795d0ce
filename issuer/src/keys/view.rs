//! What people see of a signing key: its state and its times, nothing of its material.

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use utoipa::ToSchema;

use crate::store::{KeyHistory, KeyLine, KeyState};

/// A signing key, and where it is in its life
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SigningKey)]
pub struct KeyView {
    pub kid: String,
    pub alg: String,
    pub state: KeyState,
    #[schema(format = DateTime)]
    pub published_at: String,
    /// Of a key that has not signed yet: since when the published key set held it whenever the issuer looked.
    #[schema(format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen_since: Option<String>,
    #[schema(format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activates_at: Option<String>,
    #[schema(format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retires_at: Option<String>,
    #[schema(format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub removed_at: Option<String>,
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
