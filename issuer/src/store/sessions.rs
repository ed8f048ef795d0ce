//! Sessions: opened by a login, moved from one refresh token to the next, ended.

use std::time::Duration;

use sqlx::types::Json;
use uuid::Uuid;

use super::audit::Entry;
use super::columns::{Bytes, Seconds};
use super::revocation_events::Event;
use super::rotation::{self, Stored, Verdict};
use super::sql::{Sql, fragment, statements};
use super::transaction::{ANSWER_TIMEOUT, Access, Autocommit, Queries, Transaction};
use super::{
    Actor, AskedScope, EndReason, EndSession, Initiator, LiveSession, NewSession, RequestContext, Result,
    Rotate, Rotation, RotationRefusal, Session, SessionId, SessionSearch, Store, UserSession,
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

/// Whether the user holds at this moment any of the scopes that are asked for, or of the whole session if none are.
macro_rules! holds_any {
    ($database:ident $asked:literal) => {
        concat!(
            "EXISTS (
                SELECT 1
                FROM held_scopes AS h
                JOIN scopes AS s ON s.name = h.scope_name AND s.revision <= t.scope_revision
                JOIN client_scopes AS cs ON cs.client_id = t.client_id AND cs.scope_name = s.name
                WHERE h.user_id = t.user_id
                    AND (
                        CAST(", $asked, " AS jsonb) IS NULL AND s.name ", fragment!($database [in_list "t.scope"]), "
                        OR s.name IN (", fragment!($database [members $asked]), ")
                    )
            )"
        )
    };
}

/// The row of a session, read when a rotation changed nothing.
macro_rules! stored {
    ($database:ident $lock:literal) => {
        concat!(
            "
            SELECT
                t.generation,
                t.client_id,
                t.ended_at IS NOT NULL AS ended,
                t.expires_at <= ", fragment!($database [now]), "
                    OR t.last_used_at <= ", fragment!($database [before "$2"]), " AS expired,
                ", fragment!($database [seconds_since "t.rotated_at"]), " AS since_rotation,
                coalesce((
                    SELECT sum(", fragment!($database [seconds_between
                        "CASE WHEN o.started_at > t.rotated_at THEN o.started_at ELSE t.rotated_at END",
                        "o.ended_at"]), ")
                    FROM (
                        SELECT started_at, ended_at FROM outages
                        UNION ALL
                        SELECT reported_at, ", fragment!($database [now]), "
                        FROM liveness
                        WHERE due_at < ", fragment!($database [now]), "
                    ) AS o
                    WHERE o.ended_at > t.rotated_at
                ), 0.0) AS unanswerable,
                u.enabled AND c.enabled AS enabled,
                ", fragment!($database [list "t.scope"]), " AS scope,
                ", holds_any!($database "$3"), " AS holds_any
            FROM refresh_tokens AS t
            JOIN users AS u ON u.id = t.user_id
            JOIN service_clients AS c ON c.client_id = t.client_id
            WHERE t.id = $1",
            $lock
        )
    };
}

statements! {
    /// A login on PostgreSQL, with its audit row. The conditional update makes two logins with one one-time password one
    /// session. The scopes that the user holds at the login are the most that the session may ever hold (RFC 6749 §6).
    OPEN = {
        postgres: with_subject!(postgres "
            subject AS (
                UPDATE users AS u
                SET
                    last_login = now(),
                    password_hash = CASE WHEN u.one_time_until IS NULL THEN u.password_hash END,
                    one_time_until = NULL
                FROM service_clients AS c
                WHERE u.id = $3
                    AND u.enabled
                    AND u.password_hash = $6
                    AND (u.one_time_until IS NULL OR u.one_time_until > now())
                    AND c.client_id = $4
                    AND c.enabled
                RETURNING u.id AS user_id, c.client_id
            ),
            live AS (
                INSERT INTO refresh_tokens (
                    id, salt, user_id, client_id, scope, scope_revision, auth_time, last_used_at, expires_at
                )
                SELECT
                    $1,
                    $2,
                    s.user_id,
                    s.client_id,
                    ARRAY(
                        SELECT h.scope_name
                        FROM held_scopes AS h
                        WHERE h.user_id = s.user_id
                            AND h.scope_name IN (SELECT jsonb_array_elements_text($5))
                    ),
                    (SELECT coalesce(max(known.revision), 0) FROM scopes AS known),
                    now(),
                    now(),
                    now() + make_interval(secs => $7)
                FROM subject AS s
                RETURNING *
            ),
            recorded AS (
                INSERT INTO audit_log
                    (actor, action, target, actor_name, target_name, client_id, request_id, network)
                SELECT
                    'user:' || live.user_id,
                    'session.opened',
                    replace(CAST(live.id AS text), '-', ''),
                    u.username,
                    u.username,
                    live.client_id,
                    $8,
                    $9
                FROM live
                JOIN users AS u ON u.id = live.user_id
            )"),
    }

    /// The same on SQLite, where a statement changes one table: first the user, then the session.
    LOG_IN = {
        sqlite: concat!("
            UPDATE users
            SET
                last_login = ", fragment!(sqlite [now]), ",
                password_hash = CASE WHEN one_time_until IS NULL THEN password_hash END,
                one_time_until = NULL
            WHERE id = $1
                AND enabled
                AND password_hash = $2
                AND (one_time_until IS NULL OR one_time_until > ", fragment!(sqlite [now]), ")
                AND EXISTS (
                    SELECT 1
                    FROM service_clients AS c
                    WHERE c.client_id = $3
                        AND c.enabled
                )"),
    }

    INSERT = {
        sqlite: concat!("
            INSERT INTO refresh_tokens (
                id, salt, user_id, client_id, scope, scope_revision, auth_time, last_used_at, expires_at
            )
            VALUES (
                $1,
                $2,
                $3,
                $4,
                (
                    SELECT json_group_array(h.scope_name)
                    FROM json_each($5) AS wanted
                    JOIN held_scopes AS h ON h.scope_name = wanted.value AND h.user_id = $3
                ),
                (SELECT coalesce(max(revision), 0) FROM scopes),
                ", fragment!(sqlite [now]), ",
                ", fragment!(sqlite [now]), ",
                ", fragment!(sqlite [after "$6"]), "
            )"),
    }

    SALT = { "
        SELECT salt
        FROM refresh_tokens
        WHERE id = $1" }

    /// The whole of a refresh that goes well, on PostgreSQL: one statement, one commit.
    ROTATE = {
        postgres: with_subject!(postgres "
            live AS (
                UPDATE refresh_tokens AS t
                SET
                    generation = t.generation + 1,
                    rotated_at = now(),
                    last_used_at = now()
                FROM users AS u, service_clients AS c
                WHERE t.id = $1
                    AND t.generation = $2
                    AND t.client_id = $3
                    AND t.ended_at IS NULL
                    AND t.expires_at > now()
                    AND t.last_used_at > now() - make_interval(secs => $4)
                    AND (CAST($5 AS jsonb) IS NULL OR t.scope @> ARRAY(SELECT jsonb_array_elements_text($5)))
                    AND " (holds_any!(postgres "$5")) "
                    AND u.id = t.user_id
                    AND u.enabled
                    AND c.client_id = t.client_id
                    AND c.enabled
                RETURNING t.*
            )"),
        sqlite: concat!("
            UPDATE refresh_tokens AS t
            SET
                generation = t.generation + 1,
                rotated_at = ", fragment!(sqlite [now]), ",
                last_used_at = ", fragment!(sqlite [now]), "
            FROM users AS u, service_clients AS c
            WHERE t.id = $1
                AND t.generation = $2
                AND t.client_id = $3
                AND t.ended_at IS NULL
                AND t.expires_at > ", fragment!(sqlite [now]), "
                AND t.last_used_at > ", fragment!(sqlite [before "$4"]), "
                AND NOT EXISTS (
                    SELECT 1
                    FROM json_each($5) AS asked
                    WHERE asked.value NOT IN (SELECT held.value FROM json_each(t.scope) AS held)
                )
                AND ", holds_any!(sqlite "$5"), "
                AND u.id = t.user_id
                AND u.enabled
                AND c.client_id = t.client_id
                AND c.enabled"),
    }

    STORED = { postgres: stored!(postgres ""), sqlite: stored!(sqlite "") }

    /// The same, and other refreshes of the session wait.
    STORED_LOCKED = { postgres: stored!(postgres " FOR UPDATE OF t"), sqlite: stored!(sqlite "") }

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

    /// The user's row is locked by the login, so the second of two logins counts the session of the first. The new session
    /// is never the one to end, whichever of two transactions began first.
    END_OLDEST = { "
        UPDATE refresh_tokens
        SET
            ended_at = " [now] ",
            end_reason = $5
        WHERE ended_at IS NULL
            AND id IN (
                SELECT id
                FROM refresh_tokens
                WHERE user_id = $1
                    AND id <> $2
                    AND ended_at IS NULL
                    AND expires_at > " [now] "
                    AND last_used_at > " [before "$3"] "
                ORDER BY auth_time DESC, id
                LIMIT 1000000 OFFSET $4
            )
        RETURNING id" }
}

impl Store {
    /// Opens a session. `None`: since the password was checked, the user or client was disabled, or the password changed or
    /// was used up.
    pub async fn open_session(&self, session: &NewSession) -> Result<Option<Session>> {
        let session = session.clone();
        self.write(async move |mut transaction: Transaction| {
            let Some(opened) = open(&mut transaction, &session).await? else { return Ok(None) };
            end_oldest(&mut transaction, &session).await?;
            transaction.commit().await?;
            Ok(Some(opened))
        })
        .await
    }

    /// Returns the salt of a session's refresh tokens, which never changes, or `None` if the session does not exist.
    pub async fn session_salt(&self, id: SessionId) -> Result<Option<[u8; 16]>> {
        let salt: Option<Bytes> = Autocommit(self.clone()).optional_value(SALT, (id,)).await?;
        salt.map(|salt| salt.fixed("a salt")).transpose()
    }

    /// Moves a session from the presented generation to the next, or says why not. Reuse ends the session here.
    pub async fn rotate(&self, rotate: &Rotate) -> Result<Rotation> {
        let (store, rotate) = (self.clone(), rotate.clone());
        self.in_task(async move { store.rotate_here(&rotate).await }, Some(ANSWER_TIMEOUT)).await
    }

    async fn rotate_here(&self, rotate: &Rotate) -> Result<Rotation> {
        if let Self::Postgres(_) = self {
            let rotated = advance(&mut self.lease(Access::Write).await?, rotate).await?;
            if let Some(session) = rotated {
                return Ok(Rotation::Rotated(Box::new(session)));
            }
        }

        let mut transaction = self.begin(Access::Write).await?;
        // On PostgreSQL the row is locked first, so that what is judged is what is there.
        if let Self::Sqlite(_) = self
            && let Some(session) = advance(&mut transaction, rotate).await?
        {
            transaction.commit().await?;
            return Ok(Rotation::Rotated(Box::new(session)));
        }
        let rotation = judged(&mut transaction, rotate).await?;
        transaction.commit().await?;
        Ok(rotation)
    }

    /// Returns why [`rotate`](Self::rotate) would refuse, or `None` if it would not.
    pub async fn rotation_refusal(&self, rotate: &Rotate) -> Result<Option<RotationRefusal>> {
        let stored = stored(&mut Autocommit(self.clone()), STORED, rotate).await?;
        Ok(rotation::refusal(stored.as_ref(), rotate))
    }

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

async fn open(transaction: &mut Transaction, session: &NewSession) -> Result<Option<Session>> {
    let absolute = Seconds::from(session.lifetimes.absolute);
    if transaction.is_postgres() {
        let args = (
            session.id,
            session.salt.as_slice(),
            session.user_id,
            &session.client_id,
            Json(&session.scope),
            &session.checked_hash,
            absolute,
            session.context.request_id(),
            session.context.network(),
        );
        return transaction.optional(OPEN, args).await;
    }

    let args = (session.user_id, &session.checked_hash, &session.client_id);
    if transaction.execute(LOG_IN, args).await? == 0 {
        return Ok(None);
    }
    let args = (
        session.id,
        session.salt.as_slice(),
        session.user_id,
        &session.client_id,
        Json(&session.scope),
        absolute,
    );
    transaction.execute(INSERT, args).await?;
    let opened: Session = transaction.one(CURRENT, (session.id,)).await?;
    let context = RequestContext { client_id: Some(session.client_id.clone()), ..session.context.clone() };
    let entry = Entry::new(&Actor::User(session.user_id), "session.opened", session.id).within(&context);
    transaction.record(&[entry.named(&opened.username)]).await?;
    Ok(Some(opened))
}

async fn end_oldest(transaction: &mut Transaction, opened: &NewSession) -> Result<()> {
    let args = (
        opened.user_id,
        opened.id,
        Seconds::from(opened.lifetimes.inactivity),
        i64::from(opened.most_live.saturating_sub(1)),
        EndReason::OverLimit.as_str(),
    );
    let ended: Vec<SessionId> = transaction.values(END_OLDEST, args).await?;
    let by = Initiator { actor: Actor::User(opened.user_id), context: opened.context.clone() };
    record_ends(transaction, &by, EndReason::OverLimit, &ended).await
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

/// Moves the session to its next generation. `None`: it is not at the presented one, or must not be refreshed.
async fn advance(queries: &mut impl Queries, rotate: &Rotate) -> Result<Option<Session>> {
    if matches!(rotate.scope, AskedScope::Ungrantable) {
        return Ok(None);
    }
    let args = (
        rotate.id,
        i64::from(rotate.presented),
        &rotate.client_id,
        Seconds::from(rotate.inactivity),
        rotate.scope.only().map(Json),
    );
    if queries.is_postgres() {
        return queries.optional(ROTATE, args).await;
    }
    match queries.execute(ROTATE, args).await? {
        0 => Ok(None),
        _ => queries.optional(CURRENT, (rotate.id,)).await,
    }
}

/// Carries out what follows from a rotation that changed nothing.
async fn judged(transaction: &mut Transaction, rotate: &Rotate) -> Result<Rotation> {
    let Some(stored) = stored(transaction, STORED_LOCKED, rotate).await? else {
        return Ok(Rotation::Refused(RotationRefusal::Unknown));
    };
    let session = match rotation::judge(&stored, rotate) {
        Verdict::Rotate => advance(transaction, rotate).await?.map(Rotation::rotated),
        Verdict::Repeat => transaction.optional(CURRENT, (rotate.id,)).await?.map(Rotation::repeated),
        Verdict::Refuse(refusal) => {
            if let Some(reason) = rotation::end_reason(refusal) {
                transaction.end_session(rotate.id, reason).await?;
                let by = Initiator {
                    actor: Actor::Client(rotate.client_id.clone()),
                    context: rotate.context.clone(),
                };
                record_ends(transaction, &by, reason, &[rotate.id]).await?;
            }
            Some(Rotation::Refused(refusal))
        }
    };
    // No session: user or client was disabled in between.
    Ok(session.unwrap_or(Rotation::Refused(RotationRefusal::Ended)))
}

async fn stored(queries: &mut impl Queries, statement: Sql, rotate: &Rotate) -> Result<Option<Stored>> {
    let args = (rotate.id, Seconds::from(rotate.inactivity), rotate.scope.only().map(Json));
    queries.optional(statement, args).await
}
