//! Sessions: opened by a [login](login), moved on by each [refresh](refresh), searched and ended here.

pub(super) mod login;
pub(super) mod refresh;

use std::time::Duration;

use uuid::Uuid;

use super::audit::Entry;
use super::columns::Seconds;
use super::queries::{Autocommit, Queries as _};
use super::revocation_events::Event;
use super::sql::{fragment, statements};
use super::transaction::Transaction;
use super::{
    Actor, EndReason, EndSession, Initiator, LiveSession, Result, Session, SessionId, SessionSearch, Store,
    UserSession,
};

/// A session with its subject, all as of one snapshot: roles, scopes and the epochs that revoke them agree. `live` is the
/// session's row.
macro_rules! with_subject {
    ($database:ident $($live:tt)+) => {
        concat!(
            "WITH ",
            $(fragment!($database $live),)+
            "
            SELECT
                live.id,
                live.salt,
                live.generation,
                live.client_id,
                c.epoch AS client_epoch,
                live.user_id,
                u.username,
                u.epoch AS user_epoch,
                live.auth_time,
                live.expires_at,
                (
                    SELECT ", fragment!($database [sorted_array "ur.role_name"]), "
                    FROM user_roles AS ur
                    WHERE ur.user_id = live.user_id
                ) AS roles,
                (
                    SELECT ", fragment!($database [scopes]), "
                    FROM scopes AS s
                    WHERE s.name ", fragment!($database [in_list "live.scope"]), "
                        AND s.revision <= live.scope_revision
                        AND EXISTS (
                            SELECT 1
                            FROM client_scopes AS cs
                            WHERE cs.client_id = live.client_id
                                AND cs.scope_name = s.name
                        )
                        AND EXISTS (
                            SELECT 1
                            FROM held_scopes AS h
                            WHERE h.user_id = live.user_id
                                AND h.scope_name = s.name
                        )
                ) AS scopes
            FROM live
            JOIN users AS u ON u.id = live.user_id
            JOIN service_clients AS c ON c.client_id = live.client_id"
        )
    };
}

use with_subject;

/// The session whose refresh token may be used.
macro_rules! live {
    ($database:ident) => {
        with_subject!($database "
            live AS (
                SELECT t.*
                FROM refresh_tokens AS t
                JOIN users AS u ON u.id = t.user_id
                JOIN service_clients AS c ON c.client_id = t.client_id
                WHERE t.id = $1
                    AND t.ended_at IS NULL
                    AND t.expires_at > " [now] "
                    AND t.last_used_at > " [before "$2"] "
                    AND u.enabled
                    AND c.enabled
            )")
    };
}

statements! {
    CURRENT = {
        postgres: with_subject!(postgres "live AS (SELECT * FROM refresh_tokens WHERE id = $1)"),
        sqlite: with_subject!(sqlite "live AS (SELECT * FROM refresh_tokens WHERE id = $1)"),
    }

    LIVE = { postgres: live!(postgres), sqlite: live!(sqlite) }

    LIVE_OF_USER = { "
        SELECT id, client_id, auth_time, last_used_at, expires_at
        FROM refresh_tokens
        WHERE user_id = $1
            AND ended_at IS NULL
            AND expires_at > " [now] "
            AND last_used_at > " [before "$2"] "
        ORDER BY auth_time DESC, id" }

    SEARCH = { "
        SELECT t.id, t.client_id, t.auth_time, t.last_used_at, t.expires_at, t.user_id, u.username
        FROM refresh_tokens AS t
        JOIN users AS u ON u.id = t.user_id
        WHERE (CAST($1 AS uuid) IS NULL OR t.user_id = $1)
            AND (CAST($2 AS text) IS NULL OR t.client_id = $2)
            AND (CAST($3 AS uuid) IS NULL OR t.id > $3)
            AND t.ended_at IS NULL
            AND t.expires_at > " [now] "
            AND t.last_used_at > " [before "$4"] "
        ORDER BY t.id
        LIMIT $5" }

    END = { "
        UPDATE refresh_tokens
        SET
            ended_at = " [now] ",
            end_reason = $2
        WHERE id = $1
            AND ended_at IS NULL" }

    END_OWN = { "
        UPDATE refresh_tokens
        SET
            ended_at = " [now] ",
            end_reason = $4
        WHERE id = $1
            AND (user_id = $2 OR client_id = $3)
            AND ended_at IS NULL" }

    END_ALL = { "
        UPDATE refresh_tokens
        SET
            ended_at = " [now] ",
            end_reason = $2
        WHERE user_id = $1
            AND ended_at IS NULL" }

    END_OTHERS = { "
        UPDATE refresh_tokens
        SET
            ended_at = " [now] ",
            end_reason = $2
        WHERE user_id = $1
            AND ended_at IS NULL
            AND id IS DISTINCT FROM $3" }
}

impl Store {
    /// Returns a session whose refresh token may be used. `None`: it ended, expired, or its user or client is disabled.
    pub async fn live_session(&self, id: SessionId, inactivity: Duration) -> Result<Option<Session>> {
        Autocommit(self.clone()).optional(LIVE, (id, Seconds::from(inactivity))).await
    }

    /// Returns a user's sessions that have neither ended nor expired, the newest first.
    pub async fn live_sessions(&self, user_id: Uuid, inactivity: Duration) -> Result<Vec<LiveSession>> {
        Autocommit(self.administration()).all(LIVE_OF_USER, (user_id, Seconds::from(inactivity))).await
    }

    /// Returns live sessions by id, which is random: a reader of pages misses none that stays.
    pub async fn sessions(&self, search: &SessionSearch) -> Result<Vec<UserSession>> {
        let args =
            (search.user_id, &search.client_id, search.after, Seconds::from(search.inactivity), search.limit);
        Autocommit(self.administration()).all(SEARCH, args).await
    }

    /// Ends a session, with its event and its audit row. `false`: the actor has no such session, or it ended before.
    pub async fn end_session(&self, end: &EndSession) -> Result<bool> {
        let store = match end.reason {
            EndReason::EndedByUser => self.administration(),
            _ => self.clone(),
        };
        let end = end.clone();
        store
            .write(async move |mut transaction: Transaction| {
                let (user_id, client_id) = match end.actor.clone() {
                    Actor::User(id) => (Some(id), None),
                    Actor::Client(client_id) => (None, Some(client_id)),
                    Actor::Operator | Actor::Schedule => (None, None),
                };
                let args = (end.id, user_id, client_id, end.reason.as_str());
                if transaction.execute(END_OWN, args).await? == 0 {
                    return Ok(false);
                }
                let by = Initiator { actor: end.actor, context: end.context };
                record_ends(&mut transaction, &by, end.reason, &[end.id]).await?;
                transaction.commit().await?;
                Ok(true)
            })
            .await
    }
}

impl Transaction {
    /// Ends a session. `false`: there is no such session, or it ended before.
    pub async fn end_session(&mut self, id: SessionId, reason: EndReason) -> Result<bool> {
        Ok(self.execute(END, (id, reason.as_str())).await? > 0)
    }

    /// Ends every session of a user.
    pub async fn end_sessions(&mut self, user_id: Uuid, reason: EndReason) -> Result<()> {
        self.execute(END_ALL, (user_id, reason.as_str())).await.map(drop)
    }

    /// Ends every session of a user but `keep`.
    pub(super) async fn end_other_sessions(
        &mut self,
        user_id: Uuid,
        reason: EndReason,
        keep: Option<SessionId>,
    ) -> Result<()> {
        self.execute(END_OTHERS, (user_id, reason.as_str(), keep)).await.map(drop)
    }
}

async fn record_ends(
    transaction: &mut Transaction,
    by: &Initiator,
    reason: EndReason,
    sessions: &[SessionId],
) -> Result<()> {
    let action = format!("session.{}", reason.as_str());
    let entry = |id: &SessionId| Entry::new(&by.actor, action.clone(), id).within(&by.context);
    transaction.record(&sessions.iter().map(entry).collect::<Vec<_>>()).await?;
    transaction.publish(&sessions.iter().copied().map(Event::session).collect::<Vec<_>>()).await
}
