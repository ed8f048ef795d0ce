//! Logins: a session is opened.

use sqlx::types::Json;

use super::super::audit::Entry;
use super::super::columns::Seconds;
use super::super::queries::Queries as _;
use super::super::sql::{fragment, statements};
use super::super::transaction::Transaction;
use super::super::{
    Actor, EndReason, Initiator, NewSession, RequestContext, Result, Session, SessionId, Store,
};
use super::{CURRENT, record_ends, with_subject};

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
        let login = async move |mut transaction: Transaction| {
            let Some(opened) = open(&mut transaction, &session).await? else { return Ok(None) };
            end_oldest(&mut transaction, &session).await?;
            transaction.commit().await?;
            Ok(Some(opened))
        };
        let opened: Result<Option<Session>> = self.write(login).await;
        let opened = opened?;
        if let Some(session) = &opened {
            self.remember_salt(session.id, session.salt).await;
        }
        Ok(opened)
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
