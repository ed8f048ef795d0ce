//! Sessions: opened by a login, moved from one refresh token to the next.

use std::collections::BTreeSet;
use std::time::Duration;

use sqlx::SqliteConnection;
use sqlx::types::Json;
use uuid::Uuid;

use super::pool::Pools;
use super::{clock, ledger, revocation};
use crate::store::ledger::{Entry, Event};
use crate::store::rotation::{self, Stored, Verdict};
use crate::store::{
    Actor, AskedScope, NewSession, RequestContext, Result, Rotate, Rotation, RotationRefusal, Scope, Session,
    SessionId, StoreError, rows,
};

/// The conditional update is what makes two logins with one one-time password one session.
const LOG_IN: &str = "
    UPDATE users
    SET
        last_login = $4,
        password_hash = CASE WHEN one_time_until IS NULL THEN password_hash END,
        one_time_until = NULL
    WHERE id = $1
        AND enabled
        AND password_hash = $2
        AND (one_time_until IS NULL OR one_time_until > $4)
        AND EXISTS (
            SELECT 1
            FROM service_clients AS c
            WHERE c.client_id = $3
                AND c.enabled
        )";

/// What the user holds at the login is what the session may ever hold: scope never grows (RFC 6749 §6).
const OPEN: &str = "
    INSERT INTO refresh_tokens (
        id, salt, user_id, client_id, scope, scope_revision, auth_time, last_used_at, expires_at
    )
    VALUES (
        $1, $2, $3, $4,
        (
            SELECT json_group_array(h.scope_name)
            FROM json_each($5) AS wanted
            JOIN held_scopes AS h ON h.scope_name = wanted.value AND h.user_id = $3
        ),
        (SELECT coalesce(max(revision), 0) FROM scopes),
        $6, $6, $7
    )";

pub(super) async fn open(pools: &Pools, session: &NewSession) -> Result<Option<Session>> {
    let mut transaction = pools.write().await?;
    let now = clock::now(&mut transaction).await?;
    let logged_in = sqlx::query(LOG_IN)
        .bind(session.user_id)
        .bind(&session.checked_hash)
        .bind(&session.client_id)
        .bind(now)
        .execute(&mut *transaction)
        .await?
        .rows_affected();
    if logged_in == 0 {
        return Ok(None);
    }

    sqlx::query(OPEN)
        .bind(Uuid::from_bytes(session.id.0))
        .bind(&session.salt[..])
        .bind(session.user_id)
        .bind(&session.client_id)
        .bind(Json(&session.scope))
        .bind(now)
        .bind(clock::after(now, session.lifetimes.absolute))
        .execute(&mut *transaction)
        .await?;
    let opened = current(&mut transaction, session.id).await?;
    let context = RequestContext { client_id: Some(session.client_id.clone()), ..session.context.clone() };
    let entry = Entry::new(&Actor::User(session.user_id), "session.opened", session.id).within(&context);
    ledger::record(&mut transaction, &[entry.named(&opened.username)]).await?;
    revocation::end_oldest(&mut transaction, session, now).await?;
    transaction.commit().await?;
    Ok(Some(opened))
}

const SALT: &str = "
    SELECT salt
    FROM refresh_tokens
    WHERE id = $1";

pub(super) async fn salt(pools: &Pools, id: SessionId) -> Result<Option<[u8; 16]>> {
    let salt: Option<Vec<u8>> =
        sqlx::query_scalar(SALT).bind(Uuid::from_bytes(id.0)).fetch_optional(pools.reader()).await?;
    salt.map(|salt| rows::bytes("a salt", &salt)).transpose()
}

/// Whether the user holds at this moment anything of the scopes that are asked for, or of the whole session where none are.
macro_rules! holds_any {
    ($asked:literal) => {
        concat!(
            "EXISTS (
            SELECT 1
            FROM json_each(coalesce(",
            $asked,
            ", t.scope)) AS asked
            JOIN scopes AS s ON s.name = asked.value AND s.revision <= t.scope_revision
            JOIN client_scopes AS cs ON cs.client_id = t.client_id AND cs.scope_name = s.name
            JOIN held_scopes AS h ON h.user_id = t.user_id AND h.scope_name = s.name
        )"
        )
    };
}

const ROTATE: &str = concat!(
    "
    UPDATE refresh_tokens AS t
    SET
        generation = t.generation + 1,
        rotated_at = $4,
        last_used_at = $4
    FROM users AS u, service_clients AS c
    WHERE t.id = $1
        AND t.generation = $2
        AND t.client_id = $3
        AND t.ended_at IS NULL
        AND t.expires_at > $4
        AND t.last_used_at > $5
        AND NOT EXISTS (
            SELECT 1
            FROM json_each($6) AS asked
            WHERE asked.value NOT IN (SELECT held.value FROM json_each(t.scope) AS held)
        )
        AND ",
    holds_any!("$6"),
    "
        AND u.id = t.user_id
        AND u.enabled
        AND c.client_id = t.client_id
        AND c.enabled"
);

/// Whether the session moved on.
async fn advance(connection: &mut SqliteConnection, rotate: &Rotate, now: i64) -> Result<bool> {
    if matches!(rotate.scope, AskedScope::Ungrantable) {
        return Ok(false);
    }
    let rotated = sqlx::query(ROTATE)
        .bind(Uuid::from_bytes(rotate.id.0))
        .bind(i64::from(rotate.presented))
        .bind(&rotate.client_id)
        .bind(now)
        .bind(clock::before(now, rotate.inactivity))
        .bind(rotate.scope.only().map(Json))
        .execute(connection)
        .await?;
    Ok(rotated.rows_affected() > 0)
}

pub(super) async fn rotate(pools: &Pools, rotate: &Rotate) -> Result<Rotation> {
    let mut transaction = pools.write().await?;
    let now = clock::now(&mut transaction).await?;
    let rotated = advance(&mut transaction, rotate, now).await?;
    let verdict = match rotated {
        false => verdict(&mut transaction, rotate, now).await?,
        true => Verdict::Rotate,
    };

    let rotation = match verdict {
        Verdict::Rotate => Rotation::Rotated(Box::new(current(&mut transaction, rotate.id).await?)),
        Verdict::Repeat => Rotation::Repeated(Box::new(current(&mut transaction, rotate.id).await?)),
        Verdict::Refuse(refusal) => {
            if let Some(reason) = rotation::end_reason(refusal) {
                end(&mut transaction, rotate, reason).await?;
            }
            Rotation::Refused(refusal)
        }
    };
    transaction.commit().await?;
    Ok(rotation)
}

const STORED: &str = concat!(
    "
    SELECT
        t.generation,
        t.client_id,
        t.ended_at IS NOT NULL AS ended,
        t.expires_at <= $2 OR t.last_used_at <= $3 AS expired,
        ($2 - t.rotated_at) / 1000.0 AS since_rotation,
        coalesce((
            SELECT sum(o.ended_at - max(o.started_at, t.rotated_at))
            FROM (
                SELECT started_at, ended_at FROM outages
                UNION ALL
                SELECT reported_at, $2 FROM liveness WHERE due_at < $2
            ) AS o
            WHERE o.ended_at > t.rotated_at
        ), 0) / 1000.0 AS unanswerable,
        u.enabled AND c.enabled AS enabled,
        t.scope,
        ",
    holds_any!("$4"),
    " AS holds_any
    FROM refresh_tokens AS t
    JOIN users AS u ON u.id = t.user_id
    JOIN service_clients AS c ON c.client_id = t.client_id
    WHERE t.id = $1"
);

async fn stored(connection: &mut SqliteConnection, rotate: &Rotate, now: i64) -> Result<Option<Stored>> {
    let row: Option<StoredRow> = sqlx::query_as(STORED)
        .bind(Uuid::from_bytes(rotate.id.0))
        .bind(now)
        .bind(clock::before(now, rotate.inactivity))
        .bind(rotate.scope.only().map(Json))
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
    scope: Json<BTreeSet<String>>,
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
            scope: row.scope.0,
            holds_any: row.holds_any,
        })
    }
}

pub(super) async fn foretell(pools: &Pools, rotate: &Rotate) -> Result<Option<RotationRefusal>> {
    let mut snapshot = pools.read().await?;
    let now = clock::now(&mut snapshot).await?;
    Ok(rotation::refusal(stored(&mut snapshot, rotate, now).await?.as_ref(), rotate))
}

/// Of a rotation that found nothing to rotate.
async fn verdict(connection: &mut SqliteConnection, rotate: &Rotate, now: i64) -> Result<Verdict> {
    let Some(stored) = stored(connection, rotate, now).await? else {
        return Ok(Verdict::Refuse(RotationRefusal::Unknown));
    };
    match rotation::judge(&stored, rotate) {
        // Nothing moves between our two questions: there is one writer.
        Verdict::Rotate => Err(StoreError::Inconsistent(format!("session {} does not rotate", rotate.id))),
        verdict => Ok(verdict),
    }
}

const END: &str = "
    UPDATE refresh_tokens
    SET
        ended_at = $3,
        end_reason = $2
    WHERE id = $1";

async fn end(connection: &mut SqliteConnection, rotate: &Rotate, reason: &str) -> Result<()> {
    let now = clock::now(connection).await?;
    sqlx::query(END)
        .bind(Uuid::from_bytes(rotate.id.0))
        .bind(reason)
        .bind(now)
        .execute(&mut *connection)
        .await?;
    let actor = Actor::Client(rotate.client_id.clone());
    let entry = Entry::new(&actor, format!("session.{reason}"), rotate.id).within(&rotate.context);
    ledger::record(connection, &[entry]).await?;
    ledger::publish(connection, &[Event::session(rotate.id)]).await
}

const IS_LIVE: &str = "
    SELECT EXISTS (
        SELECT 1
        FROM refresh_tokens AS t
        JOIN users AS u ON u.id = t.user_id
        JOIN service_clients AS c ON c.client_id = t.client_id
        WHERE t.id = $1
            AND t.ended_at IS NULL
            AND t.expires_at > $2
            AND t.last_used_at > $3
            AND u.enabled
            AND c.enabled
    )";

pub(super) async fn live(pools: &Pools, id: SessionId, inactivity: Duration) -> Result<Option<Session>> {
    let mut snapshot = pools.read().await?;
    let now = clock::now(&mut snapshot).await?;
    let is_live: bool = sqlx::query_scalar(IS_LIVE)
        .bind(Uuid::from_bytes(id.0))
        .bind(now)
        .bind(clock::before(now, inactivity))
        .fetch_one(&mut *snapshot)
        .await?;
    if is_live { current(&mut snapshot, id).await.map(Some) } else { Ok(None) }
}

const CURRENT: &str = "
    SELECT
        t.salt,
        t.generation,
        t.client_id,
        c.epoch AS client_epoch,
        t.user_id,
        u.username,
        u.epoch AS user_epoch,
        t.auth_time,
        t.expires_at
    FROM refresh_tokens AS t
    JOIN users AS u ON u.id = t.user_id
    JOIN service_clients AS c ON c.client_id = t.client_id
    WHERE t.id = $1";

const ROLES: &str = "
    SELECT role_name
    FROM user_roles
    WHERE user_id = $1
    ORDER BY role_name";

const SCOPES: &str = "
    SELECT s.name, s.resource
    FROM refresh_tokens AS t
    JOIN json_each(t.scope) AS asked
    JOIN scopes AS s ON s.name = asked.value AND s.revision <= t.scope_revision
    JOIN client_scopes AS cs ON cs.client_id = t.client_id AND cs.scope_name = s.name
    WHERE t.id = $1
        AND EXISTS (
            SELECT 1
            FROM held_scopes AS h
            WHERE h.user_id = t.user_id
                AND h.scope_name = s.name
        )
    ORDER BY s.name";

/// The session and its subject, within a transaction: nothing moves between the three questions.
async fn current(connection: &mut SqliteConnection, id: SessionId) -> Result<Session> {
    let key = Uuid::from_bytes(id.0);
    let row: Row = sqlx::query_as(CURRENT).bind(key).fetch_one(&mut *connection).await?;
    let roles = sqlx::query_scalar(ROLES).bind(row.user_id).fetch_all(&mut *connection).await?;
    let scopes: Vec<(String, String)> = sqlx::query_as(SCOPES).bind(key).fetch_all(connection).await?;

    Ok(Session {
        id,
        salt: rows::bytes("a salt", &row.salt)?,
        generation: rows::generation(row.generation)?,
        client_id: row.client_id,
        client_epoch: row.client_epoch,
        user_id: row.user_id,
        username: row.username,
        user_epoch: row.user_epoch,
        roles,
        scopes: scopes.into_iter().map(|(name, resource)| Scope { name, resource }).collect(),
        auth_time: clock::moment(row.auth_time)?,
        expires_at: clock::moment(row.expires_at)?,
    })
}

#[derive(sqlx::FromRow)]
struct Row {
    salt: Vec<u8>,
    generation: i64,
    client_id: String,
    client_epoch: i64,
    user_id: Uuid,
    username: String,
    user_epoch: i64,
    auth_time: i64,
    expires_at: i64,
}
