//! Single tokens: revoked, or still good.

use super::audit::Entry;
use super::queries::{Autocommit, Queries};
use super::revocation_events::Event;
use super::sql::statements;
use super::transaction::Transaction;
use super::{Holder, Initiator, IssuedToken, Result, Standing, Store};

statements! {
    IS_REVOKED = { "
        SELECT EXISTS (
            SELECT 1
            FROM revocation_events
            WHERE kind = 'jti'
                AND value = $1
        )" }

    USER_STATUS = { "
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
            )" }

    CLIENT_STATUS = { "
        SELECT CAST(NULL AS text) AS username, false AS password_must_change
        FROM service_clients AS c
        WHERE c.client_id = $1
            AND c.enabled
            AND c.epoch <= " [least] "(CAST($2 AS bigint), CAST($3 AS bigint))
            AND NOT EXISTS (
                SELECT 1
                FROM revocation_events AS e
                WHERE e.kind = 'jti'
                    AND e.value = $4
            )" }
}

impl Store {
    /// Returns whether one token was revoked by its own id.
    pub async fn is_token_revoked(&self, token_id: &str) -> Result<bool> {
        is_revoked(&mut Autocommit(self.clone()), token_id).await
    }

    /// Revokes one access token that belongs to no session. Doing it twice is doing it once.
    pub async fn revoke_token(&self, by: &Initiator, token_id: &str) -> Result<()> {
        let (by, token_id) = (by.clone(), token_id.to_owned());
        self.write(async move |mut transaction: Transaction| {
            if is_revoked(&mut transaction, &token_id).await? {
                return Ok(());
            }
            let entry = Entry::new(&by.actor, "token.revoked", &token_id).within(&by.context);
            transaction.record(&[entry]).await?;
            transaction.publish(&[Event::token(token_id)]).await?;
            transaction.commit().await
        })
        .await
    }

    /// Returns who stands behind a token that we issued, in one statement, or `None` if it was revoked.
    pub async fn standing(&self, token: &IssuedToken) -> Result<Option<Standing>> {
        let IssuedToken { token_id, client_id, subject_epoch, client_epoch, .. } = token;
        let mut queries = Autocommit(self.clone());
        match token.holder {
            Holder::User { id, session } => {
                let args = (session, id, *subject_epoch, client_id, *client_epoch, token_id);
                queries.optional(USER_STATUS, args).await
            }
            Holder::Client => {
                queries.optional(CLIENT_STATUS, (client_id, *subject_epoch, *client_epoch, token_id)).await
            }
        }
    }
}

async fn is_revoked(queries: &mut impl Queries, token_id: &str) -> Result<bool> {
    queries.value(IS_REVOKED, (token_id,)).await
}
