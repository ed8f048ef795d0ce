//! What is written down beside a change, in its transaction: who did it, and what verifiers must refuse from now on.

use std::fmt;
use std::time::Duration;

use super::{Actor, Difference, RequestContext, Result, SessionId, StoreError};

/// How long a revocation is published: longer than any token that it can match may live.
///
/// The longest that any setting lets an access token live (3600 s), a verifier's greatest leeway (120 s), and the clock
/// errors of both sides.
pub(super) const RETENTION: Duration = Duration::from_secs(3600 + 120 + 10);

/// A row of the audit log. It never holds a secret, nor a fact about a password.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) actor: Actor,
    pub(super) action: String,
    pub(super) target: String,
    /// What people call the target, where `target` is an id.
    pub(super) target_name: Option<String>,
    pub(super) context: RequestContext,
    /// Each member that is not as it was, before and after.
    pub(super) changes: Vec<Difference>,
}

impl Entry {
    pub(super) fn new(actor: &Actor, action: impl Into<String>, target: impl fmt::Display) -> Self {
        Self {
            actor: actor.clone(),
            action: action.into(),
            target: target.to_string(),
            target_name: None,
            context: RequestContext::default(),
            changes: Vec::new(),
        }
    }

    pub(super) fn within(self, context: &RequestContext) -> Self {
        Self { context: context.clone(), ..self }
    }

    pub(super) fn named(self, name: &str) -> Self {
        Self { target_name: Some(name.to_owned()), ..self }
    }

    pub(super) fn with(self, changes: Vec<Difference>) -> Self {
        Self { changes, ..self }
    }

    /// The client whose token was shown, or that asked for itself.
    pub(super) fn client_id(&self) -> Option<&str> {
        match &self.actor {
            Actor::Client(client_id) => Some(client_id),
            _ => self.context.client_id.as_deref(),
        }
    }

    /// As JSON. `None`: nothing that could be named was changed.
    pub(super) fn changes(&self) -> Result<Option<String>> {
        let written = (!self.changes.is_empty()).then(|| serde_json::to_string(&self.changes)).transpose();
        written.map_err(|error| StoreError::Inconsistent(format!("an audit row: {error}")))
    }
}

/// A row of the revocation feed.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) kind: &'static str,
    pub(super) value: String,
    pub(super) min_epoch: Option<i64>,
}

impl Event {
    /// Every token of this session.
    pub(super) fn session(id: SessionId) -> Self {
        Self { kind: "sid", value: id.to_string(), min_epoch: None }
    }

    /// This one token, which belongs to no session.
    pub(super) fn token(token_id: String) -> Self {
        Self { kind: "jti", value: token_id, min_epoch: None }
    }

    /// Every token that this key signed.
    pub(super) fn key(kid: String) -> Self {
        Self { kind: "kid", value: kid, min_epoch: None }
    }

    /// Every token of this user from before `epoch`.
    pub(super) fn user(id: uuid::Uuid, epoch: i64) -> Self {
        Self { kind: "sub", value: id.to_string(), min_epoch: Some(epoch) }
    }

    /// Every token of this client from before `epoch`.
    pub(super) fn client(client_id: String, epoch: i64) -> Self {
        Self { kind: "cid", value: client_id, min_epoch: Some(epoch) }
    }
}
