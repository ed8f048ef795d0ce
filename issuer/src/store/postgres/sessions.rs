//! Sessions: opened by a login, moved from one refresh token to the next.

use std::collections::BTreeSet;
use std::time::Duration;

use sqlx::types::Json;
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{ledger, revocation};
use crate::store::ledger::{Entry, Event};
use crate::store::rotation::{self, Stored, Verdict};
use crate::store::{
    Actor, AskedScope, NewSession, Result, Rotate, Rotation, RotationRefusal, Scope, Session, SessionId,
    StoreError, rows,
};

/// A live session with its subject, all as of one snapshot: roles, scopes and the epochs that revoke them agree.
macro_rules! with_subject {
    ($live:expr) => {
        concat!(
            "WITH ",
            $live,
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
        ARRAY(
            SELECT ur.role_name
            FROM user_roles AS ur
            WHERE ur.user_id = live.user_id
            ORDER BY ur.role_name
        ) AS roles,
        coalesce((
            SELECT json_agg(json_build_object('name', s.name, 'resource', s.resource) ORDER BY s.name)
            FROM scopes AS s
            WHERE s.name = ANY (live.scope)
                AND s.revision <= live.scope_revision
                AND EXISTS (
                    SELECT
                    FROM client_scopes AS cs
                    WHERE cs.client_id = live.client_id
                        AND cs.scope_name = s.name
                )
                AND EXISTS (
                    SELECT
                    FROM held_scopes AS h
                    WHERE h.user_id = live.user_id
                        AND h.scope_name = s.name
                )
        ), '[]') AS scopes
    FROM live
    JOIN users AS u ON u.id = live.user_id
    JOIN service_clients AS c ON c.client_id = live.client_id"
        )
    };
}

/// With its audit row. The conditional update is what makes two logins with one one-time password one session. What the
/// user holds at the login is what the session may ever hold: scope never grows (RFC 6749 §6).
const OPEN: &str = with_subject!(
    "subject AS (
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
            ARRAY(SELECT h.scope_name FROM held_scopes AS h WHERE h.user_id = s.user_id AND h.scope_name = ANY ($5)),
            (SELECT coalesce(max(known.revision), 0) FROM scopes AS known),
            now(),
            now(),
            now() + make_interval(secs => $7)
        FROM subject AS s
        RETURNING *
    ),
    recorded AS (
        INSERT INTO audit_log (actor, action, target, actor_name, target_name, client_id, request_id, network)
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
    )"
);

pub(super) async fn open(pool: &PgPool, session: &NewSession) -> Result<Option<Session>> {
    let mut transaction = pool.begin().await?;
    let row: Option<Row> = sqlx::query_as(OPEN)
        .bind(Uuid::from_bytes(session.id.0))
        .bind(&session.salt[..])
        .bind(session.user_id)
        .bind(&session.client_id)
        .bind(session.scope.iter().cloned().collect::<Vec<_>>())
        .bind(&session.checked_hash)
        .bind(session.lifetimes.absolute.as_secs_f64())
        .bind(session.context.request_id())
        .bind(session.context.network())
        .fetch_optional(&mut *transaction)
        .await?;
    let Some(row) = row else {
        return Ok(None);
    };
    revocation::end_oldest(&mut transaction, session).await?;
    transaction.commit().await?;
    Session::try_from(row).map(Some)
}

const SALT: &str = "
    SELECT salt
    FROM refresh_tokens
    WHERE id = $1";

pub(super) async fn salt(pool: &PgPool, id: SessionId) -> Result<Option<[u8; 16]>> {
    let salt: Option<Vec<u8>> =
        sqlx::query_scalar(SALT).bind(Uuid::from_bytes(id.0)).fetch_optional(pool).await?;
    salt.map(|salt| rows::bytes("a salt", &salt)).transpose()
}

/// Whether the user holds at this moment anything of the scopes that are asked for, or of the whole session where none are.
macro_rules! holds_any {
    ($asked:literal) => {
        concat!(
            "EXISTS (
            SELECT
            FROM held_scopes AS h
            JOIN scopes AS s ON s.name = h.scope_name AND s.revision <= t.scope_revision
            JOIN client_scopes AS cs ON cs.client_id = t.client_id AND cs.scope_name = s.name
            WHERE h.user_id = t.user_id
                AND s.name = ANY (coalesce(",
            $asked,
            "::text[], t.scope))
        )"
        )
    };
}

/// One statement, one commit: the whole of a refresh that goes well.
const ROTATE: &str = with_subject!(concat!(
    "live AS (
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
            AND t.last_used_at + make_interval(secs => $4) > now()
            AND ($5::text[] IS NULL OR $5 <@ t.scope)
            AND ",
    holds_any!("$5"),
    "
            AND u.id = t.user_id
            AND u.enabled
            AND c.client_id = t.client_id
            AND c.enabled
        RETURNING t.*
    )"
));

async fn advance(executor: impl sqlx::PgExecutor<'_>, rotate: &Rotate) -> Result<Option<Session>> {
    if matches!(rotate.scope, AskedScope::Ungrantable) {
        return Ok(None);
    }
    let row: Option<Row> = sqlx::query_as(ROTATE)
        .bind(Uuid::from_bytes(rotate.id.0))
        .bind(i64::from(rotate.presented))
        .bind(&rotate.client_id)
        .bind(rotate.inactivity.as_secs_f64())
        .bind(asked(rotate))
        .fetch_optional(executor)
        .await?;
    row.map(Session::try_from).transpose()
}

fn asked(rotate: &Rotate) -> Option<Vec<&String>> {
    rotate.scope.only().map(|asked| asked.iter().collect())
}

pub(super) async fn rotate(pool: &PgPool, rotate: &Rotate) -> Result<Rotation> {
    if let Some(session) = advance(pool, rotate).await? {
        return Ok(Rotation::Rotated(Box::new(session)));
    }

    let mut transaction = pool.begin().await?;
    let Some(stored) = stored(&mut transaction, rotate, LOCK).await? else {
        return Ok(Rotation::Refused(RotationRefusal::Unknown));
    };
    let rotation = match rotation::judge(&stored, rotate) {
        Verdict::Rotate => advance(&mut *transaction, rotate).await?.map(Box::new).map(Rotation::Rotated),
        Verdict::Repeat => current(&mut transaction, rotate.id).await?.map(Box::new).map(Rotation::Repeated),
        Verdict::Refuse(refusal) => {
            if let Some(reason) = rotation::end_reason(refusal) {
                end(&mut transaction, rotate, reason).await?;
            }
            Some(Rotation::Refused(refusal))
        }
    };
    transaction.commit().await?;
    // Nothing here: user or client was disabled while we looked.
    Ok(rotation.unwrap_or(Rotation::Refused(RotationRefusal::Ended)))
}

macro_rules! stored {
    ($lock:literal) => {
        concat!(
            "
    SELECT
        t.generation,
        t.client_id,
        t.ended_at IS NOT NULL AS ended,
        t.expires_at <= now() OR t.last_used_at + make_interval(secs => $2) <= now() AS expired,
        extract(epoch FROM now() - t.rotated_at)::float8 AS since_rotation,
        coalesce((
            SELECT sum(extract(epoch FROM o.ended_at - greatest(o.started_at, t.rotated_at)))
            FROM (
                SELECT started_at, ended_at FROM outages
                UNION ALL
                SELECT reported_at, now() FROM liveness WHERE due_at < now()
            ) AS o
            WHERE o.ended_at > t.rotated_at
        ), 0)::float8 AS unanswerable,
        u.enabled AND c.enabled AS enabled,
        t.scope,
        ",
            holds_any!("$3"),
            " AS holds_any
    FROM refresh_tokens AS t
    JOIN users AS u ON u.id = t.user_id
    JOIN service_clients AS c ON c.client_id = t.client_id
    WHERE t.id = $1",
            $lock
        )
    };
}

const STORED: &str = stored!("");

const LOCK: &str = stored!(
    "
    FOR UPDATE OF t"
);

pub(super) async fn foretell(pool: &PgPool, rotate: &Rotate) -> Result<Option<RotationRefusal>> {
    let stored = stored(&mut *pool.acquire().await?, rotate, STORED).await?;
    Ok(rotation::refusal(stored.as_ref(), rotate))
}

async fn stored(
    connection: &mut PgConnection,
    rotate: &Rotate,
    question: &'static str,
) -> Result<Option<Stored>> {
    let row: Option<StoredRow> = sqlx::query_as(question)
        .bind(Uuid::from_bytes(rotate.id.0))
        .bind(rotate.inactivity.as_secs_f64())
        .bind(asked(rotate))
        .fetch_optional(connection)
        .await?;
    row.map(Stored::try_from).transpose()
}

#[derive(sqlx::FromRow)]
struct StoredRow {
    generation: i64,
    client_id: String,
    ended: bool,
    expired: bool,
    since_rotation: Option<f64>,
    unanswerable: f64,
    enabled: bool,
    scope: Vec<String>,
    holds_any: bool,
}

impl TryFrom<StoredRow> for Stored {
    type Error = StoreError;

    fn try_from(row: StoredRow) -> Result<Self> {
        Ok(Self {
            generation: rows::generation(row.generation)?,
            client_id: row.client_id,
            ended: row.ended,
            expired: row.expired,
            since_rotation: row.since_rotation,
            unanswerable: row.unanswerable,
            enabled: row.enabled,
            scope: BTreeSet::from_iter(row.scope),
            holds_any: row.holds_any,
        })
    }
}

const CURRENT: &str = with_subject!(
    "live AS (
        SELECT *
        FROM refresh_tokens
        WHERE id = $1
    )"
);

async fn current(connection: &mut PgConnection, id: SessionId) -> Result<Option<Session>> {
    let row: Option<Row> =
        sqlx::query_as(CURRENT).bind(Uuid::from_bytes(id.0)).fetch_optional(connection).await?;
    row.map(Session::try_from).transpose()
}

const LIVE: &str = with_subject!(
    "live AS (
        SELECT t.*
        FROM refresh_tokens AS t
        JOIN users AS u ON u.id = t.user_id
        JOIN service_clients AS c ON c.client_id = t.client_id
        WHERE t.id = $1
            AND t.ended_at IS NULL
            AND t.expires_at > now()
            AND t.last_used_at + make_interval(secs => $2) > now()
            AND u.enabled
            AND c.enabled
    )"
);

pub(super) async fn live(pool: &PgPool, id: SessionId, inactivity: Duration) -> Result<Option<Session>> {
    let row: Option<Row> = sqlx::query_as(LIVE)
        .bind(Uuid::from_bytes(id.0))
        .bind(inactivity.as_secs_f64())
        .fetch_optional(pool)
        .await?;
    row.map(Session::try_from).transpose()
}

const END: &str = "
    UPDATE refresh_tokens
    SET
        ended_at = now(),
        end_reason = $2
    WHERE id = $1";

async fn end(connection: &mut PgConnection, rotate: &Rotate, reason: &str) -> Result<()> {
    sqlx::query(END).bind(Uuid::from_bytes(rotate.id.0)).bind(reason).execute(&mut *connection).await?;
    let actor = Actor::Client(rotate.client_id.clone());
    let entry = Entry::new(&actor, format!("session.{reason}"), rotate.id).within(&rotate.context);
    ledger::record(connection, &[entry]).await?;
    ledger::publish(connection, &[Event::session(rotate.id)]).await
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    salt: Vec<u8>,
    generation: i64,
    client_id: String,
    client_epoch: i64,
    user_id: Uuid,
    username: String,
    user_epoch: i64,
    auth_time: OffsetDateTime,
    expires_at: OffsetDateTime,
    roles: Vec<String>,
    scopes: Json<Vec<Scope>>,
}

impl TryFrom<Row> for Session {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: SessionId(row.id.into_bytes()),
            salt: rows::bytes("a salt", &row.salt)?,
            generation: rows::generation(row.generation)?,
            client_id: row.client_id,
            client_epoch: row.client_epoch,
            user_id: row.user_id,
            username: row.username,
            user_epoch: row.user_epoch,
            roles: row.roles,
            scopes: row.scopes.0,
            auth_time: row.auth_time,
            expires_at: row.expires_at,
        })
    }
}
