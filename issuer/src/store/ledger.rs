//! What is written down beside a change, in its transaction: who did it, and what verifiers must refuse from now on.

use std::fmt;
use std::time::Duration;

use super::{Actor, SessionId};

/// How long a revocation is published: longer than any token that it can match may live.
///
/// The longest that any setting lets an access token live (3600 s), a verifier's greatest leeway (120 s), and the clock
/// errors of both sides.
pub(super) const RETENTION: Duration = Duration::from_secs(3600 + 120 + 10);

/// A row of the audit log.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) actor: String,
    pub(super) action: String,
    pub(super) target: String,
}

impl Entry {
    pub(super) fn new(actor: &Actor, action: impl Into<String>, target: impl fmt::Display) -> Self {
        Self { actor: actor.to_string(), action: action.into(), target: target.to_string() }
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
