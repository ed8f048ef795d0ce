//! Ends of sessions and tokens, and what still stands.

use std::time::Duration;

use sqlx::SqliteConnection;
use uuid::Uuid;

use super::pool::Pools;
use super::{clock, ledger};
use crate::store::ledger::{Entry, Event};
use crate::store::{
    Actor, EndReason, EndSession, Holder, Initiator, IssuedToken, LiveSession, NewSession, RequestContext,
    Result, SessionId, Standing, StoreError,
};

const END: &str = "
    UPDATE refresh_tokens
    SET
        ended_at = $5,
        end_reason = $4
    WHERE id = $1
        AND (user_id = $2 OR client_id = $3)
        AND ended_at IS NULL";

pub(super) async fn end_session(pools: &Pools, end: &EndSession) -> Result<bool> {
    let (user_id, client_id) = match &end.actor {
        Actor::User(id) => (Some(id), None),
        Actor::Client(client_id) => (None, Some(client_id)),
        Actor::Operator | Actor::Schedule => (None, None),
    };
    let mut transaction = pools.write().await?;
    let now = clock::now(&mut transaction).await?;
    let ended = sqlx::query(END)
        .bind(Uuid::from_bytes(end.id.0))
        .bind(user_id)
        .bind(client_id)
        .bind(end.reason.as_str())
        .bind(now)
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
    connection: &mut SqliteConnection,
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

/// The new session is not its own victim, whatever the clock did since the others were opened.
const END_OLDEST: &str = "
    UPDATE refresh_tokens
    SET
        ended_at = $4,
        end_reason = $6
    WHERE id IN (
        SELECT id
        FROM refresh_tokens
        WHERE user_id = $1
            AND id <> $2
            AND ended_at IS NULL
            AND expires_at > $4
            AND last_used_at > $3
        ORDER BY auth_time DESC, id
        LIMIT -1 OFFSET $5
    )
    RETURNING id";

pub(super) async fn end_oldest(
    connection: &mut SqliteConnection,
    opened: &NewSession,
    now: i64,
) -> Result<()> {
    let ended: Vec<Uuid> = sqlx::query_scalar(END_OLDEST)
        .bind(opened.user_id)
        .bind(Uuid::from_bytes(opened.id.0))
        .bind(clock::before(now, opened.lifetimes.inactivity))
        .bind(now)
        .bind(opened.most_live.saturating_sub(1))
        .bind(EndReason::OverLimit.as_str())
        .fetch_all(&mut *connection)
        .await?;
    let ended: Vec<_> = ended.into_iter().map(|id| SessionId(id.into_bytes())).collect();
    let by = (&Actor::User(opened.user_id), &opened.context);
    write_down(connection, by, EndReason::OverLimit, &ended).await
}

const IS_REVOKED: &str = "
    SELECT EXISTS (
        SELECT 1
        FROM revocation_events
        WHERE kind = 'jti'
            AND value = $1
    )";

pub(super) async fn is_revoked(executor: impl sqlx::SqliteExecutor<'_>, token_id: &str) -> Result<bool> {
    Ok(sqlx::query_scalar(IS_REVOKED).bind(token_id).fetch_one(executor).await?)
}

pub(super) async fn revoke_token(pools: &Pools, by: &Initiator, token_id: &str) -> Result<()> {
    let mut transaction = pools.write().await?;
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
            SELECT 1
            FROM revocation_events AS e
            WHERE e.kind = 'jti'
                AND e.value = $6
        )";

const CLIENT_STANDS: &str = "
    SELECT NULL AS username, 0 AS password_must_change
    FROM service_clients AS c
    WHERE c.client_id = $1
        AND c.enabled
        AND c.epoch <= min($2, $3)
        AND NOT EXISTS (
            SELECT 1
            FROM revocation_events AS e
            WHERE e.kind = 'jti'
                AND e.value = $4
        )";

pub(super) async fn standing(pools: &Pools, token: &IssuedToken) -> Result<Option<Standing>> {
    let question = match token.holder {
        Holder::User { id, session } => sqlx::query_as(USER_STANDS)
            .bind(Uuid::from_bytes(session.0))
            .bind(id)
            .bind(token.subject_epoch)
            .bind(&token.client_id),
        Holder::Client => sqlx::query_as(CLIENT_STANDS).bind(&token.client_id).bind(token.subject_epoch),
    };
    let row: Option<(Option<String>, bool)> =
        question.bind(token.client_epoch).bind(&token.token_id).fetch_optional(pools.reader()).await?;
    Ok(row.map(|(username, password_must_change)| Standing { username, password_must_change }))
}

const LIVE: &str = "
    SELECT id, client_id, auth_time, last_used_at, expires_at
    FROM refresh_tokens
    WHERE user_id = $1
        AND ended_at IS NULL
        AND expires_at > $2
        AND last_used_at > $3
    ORDER BY auth_time DESC, id";

pub(super) async fn live_sessions(
    pools: &Pools,
    user_id: Uuid,
    inactivity: Duration,
) -> Result<Vec<LiveSession>> {
    let mut connection = pools.reader().acquire().await?;
    let now = clock::now(&mut connection).await?;
    let rows: Vec<Row> = sqlx::query_as(LIVE)
        .bind(user_id)
        .bind(now)
        .bind(clock::before(now, inactivity))
        .fetch_all(&mut *connection)
        .await?;
    rows.into_iter().map(LiveSession::try_from).collect()
}

#[derive(sqlx::FromRow)]
pub(super) struct Row {
    id: Uuid,
    client_id: String,
    auth_time: i64,
    last_used_at: i64,
    expires_at: i64,
}

impl TryFrom<Row> for LiveSession {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: SessionId(row.id.into_bytes()),
            client_id: row.client_id,
            created_at: clock::moment(row.auth_time)?,
            last_used_at: clock::moment(row.last_used_at)?,
            expires_at: clock::moment(row.expires_at)?,
        })
    }
}
