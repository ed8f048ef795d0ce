//! Refreshes: a session moves from one refresh token to the next.

use sqlx::types::Json;

use super::super::columns::{Bytes, Seconds};
use super::super::queries::{Access, Autocommit, Queries};
use super::super::rotation::{self, Stored, Verdict};
use super::super::sql::{Sql, fragment, statements};
use super::super::transaction::{ANSWER_TIMEOUT, Transaction};
use super::super::{
    Actor, AskedScope, Initiator, Result, Rotate, Rotation, RotationRefusal, Session, SessionId, Store,
};
use super::{CURRENT, record_ends, with_subject};

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
}

impl Store {
    /// Returns the salt of a session's refresh tokens, which never changes, or `None` if the session does not exist. A deleted
    /// session may still be served from the cache.
    pub async fn session_salt(&self, id: SessionId) -> Result<Option<[u8; 16]>> {
        if let Self::Postgres(postgres) = self
            && let Some(salt) = postgres.salts.get(&id).await
        {
            return Ok(Some(salt));
        }
        let salt: Option<Bytes> = Autocommit(self.clone()).optional_value(SALT, (id,)).await?;
        let salt = salt.map(|salt| salt.fixed("a salt")).transpose()?;
        if let Some(salt) = salt {
            self.remember_salt(id, salt).await;
        }
        Ok(salt)
    }

    pub(super) async fn remember_salt(&self, id: SessionId, salt: [u8; 16]) {
        if let Self::Postgres(postgres) = self {
            postgres.salts.insert(id, salt).await;
        }
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
