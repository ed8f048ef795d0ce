//! The audit log: written inside the transaction that it tells of, read newest first.

use std::fmt;

use serde::Serialize;
use sqlx::types::Json;

use super::columns::{Timestamp, end_of_prefix};
use super::queries::{Autocommit, Queries as _};
use super::sql::statements;
use super::transaction::Transaction;
use super::{Actor, AuditEntry, AuditSearch, Difference, RequestContext, Result, Store};

statements! {
    /// The actor's name is the one of this moment.
    INSERT = { "
        INSERT INTO audit_log
            (actor, actor_name, action, target, target_name, client_id, request_id, network, changes)
        SELECT
            e.value ->> 'actor',
            CASE
                WHEN e.value ->> 'actor' LIKE 'user:%' THEN (
                    SELECT u.username
                    FROM users AS u
                    WHERE u.id = " [uuid "e.value ->> 'actor_id'"] "
                )
                WHEN e.value ->> 'actor' LIKE 'client:%' THEN (
                    SELECT c.name
                    FROM service_clients AS c
                    WHERE c.client_id = e.value ->> 'actor_id'
                )
            END,
            e.value ->> 'action',
            e.value ->> 'target',
            e.value ->> 'target_name',
            e.value ->> 'client_id',
            e.value ->> 'request_id',
            e.value ->> 'network',
            e.value -> 'changes'
        FROM " [elements "$1"] }

    SEARCH = { "
        SELECT id, at, actor, actor_name, action, target, target_name, client_id, request_id, network, changes
        FROM audit_log
        WHERE (CAST($1 AS bigint) IS NULL OR id < $1)
            AND (CAST($2 AS text) IS NULL OR actor = $2)
            AND (CAST($3 AS text) IS NULL OR target = $3)
            AND action" [binary] " BETWEEN $4 AND $5
            AND (CAST($6 AS timestamptz) IS NULL OR at >= $6)
            AND (CAST($7 AS timestamptz) IS NULL OR at < $7)
        ORDER BY id DESC
        LIMIT $8" }
}

/// A row of the audit log. It never holds a secret, nor a fact about a password.
#[derive(Debug)]
pub struct Entry {
    actor: Actor,
    action: String,
    target: String,
    /// The target's name, where `target` is an id.
    target_name: Option<String>,
    context: RequestContext,
    /// The members that differ, before and after.
    changes: Vec<Difference>,
}

impl Entry {
    pub fn new(actor: &Actor, action: impl Into<String>, target: impl fmt::Display) -> Self {
        Self {
            actor: actor.clone(),
            action: action.into(),
            target: target.to_string(),
            target_name: None,
            context: RequestContext::default(),
            changes: Vec::new(),
        }
    }

    pub fn within(self, context: &RequestContext) -> Self {
        Self { context: context.clone(), ..self }
    }

    pub fn named(self, name: &str) -> Self {
        Self { target_name: Some(name.to_owned()), ..self }
    }

    pub fn with(self, changes: Vec<Difference>) -> Self {
        Self { changes, ..self }
    }

    pub fn has_changes(&self) -> bool {
        !self.changes.is_empty()
    }

    fn columns(&self) -> Columns<'_> {
        let actor_id = match &self.actor {
            Actor::User(id) => Some(id.to_string()),
            Actor::Client(client_id) => Some(client_id.clone()),
            Actor::Operator | Actor::Schedule => None,
        };
        // The client whose token was shown, or that asked for itself.
        let client_id = match &self.actor {
            Actor::Client(client_id) => Some(client_id.as_str()),
            _ => self.context.client_id.as_deref(),
        };
        Columns {
            actor: self.actor.to_string(),
            actor_id,
            action: &self.action,
            target: &self.target,
            target_name: self.target_name.as_deref(),
            client_id,
            request_id: self.context.request_id(),
            network: self.context.network(),
            changes: &self.changes,
        }
    }
}

#[derive(Serialize)]
struct Columns<'e> {
    actor: String,
    actor_id: Option<String>,
    action: &'e str,
    target: &'e str,
    target_name: Option<&'e str>,
    client_id: Option<&'e str>,
    request_id: Option<String>,
    network: Option<String>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    changes: &'e [Difference],
}

impl Transaction {
    /// Writes rows of the audit log.
    pub async fn record(&mut self, entries: &[Entry]) -> Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        let rows: Vec<_> = entries.iter().map(Entry::columns).collect();
        self.execute(INSERT, (Json(rows),)).await.map(drop)
    }
}

impl Store {
    /// Returns rows of the audit log, newest first.
    pub async fn audit(&self, search: &AuditSearch) -> Result<Vec<AuditEntry>> {
        let args = (
            search.before,
            &search.actor,
            &search.target,
            &search.action,
            end_of_prefix(&search.action),
            search.since.map(Timestamp),
            search.until.map(Timestamp),
            search.limit,
        );
        Autocommit(self.administration()).all(SEARCH, args).await
    }
}
