//! Ends of sessions and tokens, and what still stands.

use std::time::Duration;

use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;
use uuid::Uuid;

use super::ledger;
use crate::store::ledger::{Entry, Event};
use crate::store::{
    Actor, EndReason, EndSession, Holder, Initiator, IssuedToken, LiveSession, NewSession, RequestContext,
    Result, SessionId, Standing,
};

const END: &str = "
    UPDATE refresh_tokens
    SET
        ended_at = now(),
        end_reason = $4
    WHERE id = $1
        AND (user_id = $2 OR client_id = $3)
        AND ended_at IS NULL";

pub(super) async fn end_session(pool: &PgPool, end: &EndSession) -> Result<bool> {
    let (user_id, client_id) = match &end.actor {
        Actor::User(id) => (Some(id), None),
        Actor::Client(client_id) => (None, Some(client_id)),
        Actor::Operator | Actor::Schedule => (None, None),
    };
    let mut transaction = pool.begin().await?;
    let ended = sqlx::query(END)
        .bind(Uuid::from_bytes(end.id.0))
        .bind(user_id)
        .bind(client_id)
        .bind(end.reason.as_str())
        .execute(&mut *transaction)
        .await?
        .rows_affected();
    if ended == 0 {
        return Ok(false);
    }
    write_down(&mut transaction, (&end.actor, &end.context), end.reason, &[end.id]).await?;
    transaction.commit().await?;
    Ok(true)
}

async fn write_down(
    connection: &mut PgConnection,
    (actor, context): (&Actor, &RequestContext),
    reason: EndReason,
    sessions: &[SessionId],
) -> Result<()> {
    let action = format!("session.{}", reason.as_str());
    let entries: Vec<_> =
        sessions.iter().map(|id| Entry::new(actor, action.clone(), id).within(context)).collect();
    let events: Vec<_> = sessions.iter().copied().map(Event::session).collect();
    ledger::record(connection, &entries).await?;
    ledger::publish(connection, &events).await
}

/// The user's row is locked by the login, so of two logins the second counts the session of the first.
/// The new session is not its own victim, whichever of two transactions began first.
const END_OLDEST: &str = "
    UPDATE refresh_tokens AS t
    SET
        ended_at = now(),
        end_reason = $5
    FROM (
        SELECT id
        FROM refresh_tokens
        WHERE user_id = $1
            AND id <> $2
            AND ended_at IS NULL
            AND expires_at > now()
            AND last_used_at + make_interval(secs => $3) > now()
        ORDER BY auth_time DESC, id
        OFFSET $4
    ) AS surplus
    WHERE t.id = surplus.id
        AND t.ended_at IS NULL
    RETURNING t.id";

pub(super) async fn end_oldest(connection: &mut PgConnection, opened: &NewSession) -> Result<()> {
    let ended: Vec<Uuid> = sqlx::query_scalar(END_OLDEST)
        .bind(opened.user_id)
        .bind(Uuid::from_bytes(opened.id.0))
        .bind(opened.lifetimes.inactivity.as_secs_f64())
        .bind(i64::from(opened.most_live.saturating_sub(1)))
        .bind(EndReason::OverLimit.as_str())
        .fetch_all(&mut *connection)
        .await?;
    let ended: Vec<_> = ended.into_iter().map(|id| SessionId(id.into_bytes())).collect();
    let by = (&Actor::User(opened.user_id), &opened.context);
    write_down(connection, by, EndReason::OverLimit, &ended).await
}

const IS_REVOKED: &str = "
    SELECT EXISTS (
        SELECT
        FROM revocation_events
        WHERE kind = 'jti'
            AND value = $1
    )";

pub(super) async fn is_revoked(executor: impl sqlx::PgExecutor<'_>, token_id: &str) -> Result<bool> {
    Ok(sqlx::query_scalar(IS_REVOKED).bind(token_id).fetch_one(executor).await?)
}

pub(super) async fn revoke_token(pool: &PgPool, by: &Initiator, token_id: &str) -> Result<()> {
    let mut transaction = pool.begin().await?;
    if is_revoked(&mut *transaction, token_id).await? {
        return Ok(());
    }
    ledger::record(&mut transaction, &[Entry::new(&by.actor, "token.revoked", token_id).within(&by.context)])
        .await?;
    ledger::publish(&mut transaction, &[Event::token(token_id.to_owned())]).await?;
    transaction.commit().await?;
    Ok(())
}

const USER_STANDS: &str = "
    SELECT u.username, u.password_must_change
    FROM refresh_tokens AS t
    JOIN users AS u ON u.id = t.user_id
    JOIN service_clients AS c ON c.client_id = t.client_id
    WHERE t.id = $1
        AND t.ended_at IS NULL
        AND u.id = $2
        AND u.enabled
        AND u.epoch <= $3
        AND c.client_id = $4
        AND c.enabled
        AND c.epoch <= $5
        AND NOT EXISTS (
            SELECT
            FROM revocation_events AS e
            WHERE e.kind = 'jti'
                AND e.value = $6
        )";

const CLIENT_STANDS: &str = "
    SELECT NULL::text AS username, false AS password_must_change
    FROM service_clients AS c
    WHERE c.client_id = $1
        AND c.enabled
        AND c.epoch <= least($2::bigint, $3::bigint)
        AND NOT EXISTS (
            SELECT
            FROM revocation_events AS e
            WHERE e.kind = 'jti'
                AND e.value = $4
        )";

pub(super) async fn standing(pool: &PgPool, token: &IssuedToken) -> Result<Option<Standing>> {
    let question = match token.holder {
        Holder::User { id, session } => sqlx::query_as(USER_STANDS)
            .bind(Uuid::from_bytes(session.0))
            .bind(id)
            .bind(token.subject_epoch)
            .bind(&token.client_id),
        Holder::Client => sqlx::query_as(CLIENT_STANDS).bind(&token.client_id).bind(token.subject_epoch),
    };
    let row: Option<(Option<String>, bool)> =
        question.bind(token.client_epoch).bind(&token.token_id).fetch_optional(pool).await?;
    Ok(row.map(|(username, password_must_change)| Standing { username, password_must_change }))
}

const LIVE: &str = "
    SELECT id, client_id, auth_time, last_used_at, expires_at
    FROM refresh_tokens
    WHERE user_id = $1
        AND ended_at IS NULL
        AND expires_at > now()
        AND last_used_at + make_interval(secs => $2) > now()
    ORDER BY auth_time DESC, id";

pub(super) async fn live_sessions(
    pool: &PgPool,
    user_id: Uuid,
    inactivity: Duration,
) -> Result<Vec<LiveSession>> {
    let rows: Vec<Row> =
        sqlx::query_as(LIVE).bind(user_id).bind(inactivity.as_secs_f64()).fetch_all(pool).await?;
    Ok(rows.into_iter().map(LiveSession::from).collect())
}

#[derive(sqlx::FromRow)]
pub(super) struct Row {
    id: Uuid,
    client_id: String,
    auth_time: OffsetDateTime,
    last_used_at: OffsetDateTime,
    expires_at: OffsetDateTime,
}

impl From<Row> for LiveSession {
    fn from(row: Row) -> Self {
        Self {
            id: SessionId(row.id.into_bytes()),
            client_id: row.client_id,
            created_at: row.auth_time,
            last_used_at: row.last_used_at,
            expires_at: row.expires_at,
        }
    }
}
