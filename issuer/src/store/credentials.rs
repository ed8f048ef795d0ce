//! The passwords of users: read by a login, changed by their users.

use uuid::Uuid;

use super::audit::Entry;
use super::queries::{Autocommit, Queries as _};
use super::revocation_events::Event;
use super::sql::statements;
use super::transaction::Transaction;
use super::{Actor, Credential, EndReason, PasswordChange, Result, Store};

statements! {
    BY_USERNAME = { "
        SELECT
            id AS user_id,
            username,
            enabled,
            password_hash,
            one_time_until IS NOT NULL AS one_time,
            one_time_until IS NOT NULL OR password_must_change AS must_change,
            coalesce(one_time_until <= " [now] ", false) AS expired
        FROM users
        WHERE username_key = $1" }

    BY_ID = { "
        SELECT
            id AS user_id,
            username,
            enabled,
            password_hash,
            one_time_until IS NOT NULL AS one_time,
            one_time_until IS NOT NULL OR password_must_change AS must_change,
            coalesce(one_time_until <= " [now] ", false) AS expired
        FROM users
        WHERE id = $1" }

    /// Up to the `$` after the costs: `$argon2id$v=19$m=65536,t=3,p=1`.
    SCHEMES = {
        postgres: "
            SELECT DISTINCT left(password_hash, 14 + strpos(substr(password_hash, 16), '$'))
            FROM users
            WHERE password_hash IS NOT NULL",
        sqlite: "
            SELECT DISTINCT substr(password_hash, 1, 14 + instr(substr(password_hash, 16), '$'))
            FROM users
            WHERE password_hash IS NOT NULL",
    }

    REHASH = { "
        UPDATE users
        SET password_hash = $3
        WHERE id = $1
            AND password_hash = $2" }

    CHANGE = { "
        UPDATE users
        SET
            password_hash = $3,
            one_time_until = NULL,
            password_must_change = false,
            epoch = epoch + 1,
            updated_at = " [now] "
        WHERE id = $1
            AND enabled
            AND password_hash IS NOT DISTINCT FROM $2
        RETURNING epoch" }
}

impl Store {
    /// Returns what a login needs, by canonical username, or `None` if the user does not exist.
    pub async fn credential(&self, username_key: &str) -> Result<Option<Credential>> {
        // Anyone can send this text. PostgreSQL takes no NUL in one, and would call it an error of ours.
        if username_key.contains('\0') {
            return Ok(None);
        }
        Autocommit(self.clone()).optional(BY_USERNAME, (username_key,)).await
    }

    /// The same by id, for a user who changes the password.
    pub async fn credential_by_id(&self, user_id: Uuid) -> Result<Option<Credential>> {
        Autocommit(self.administration()).optional(BY_ID, (user_id,)).await
    }

    /// Returns the part of each stored hash that says how it was made, up to the salt. Reads every user once.
    pub async fn password_schemes(&self) -> Result<Vec<String>> {
        self.read_patiently(async |mut transaction: Transaction| transaction.values(SCHEMES, ()).await).await
    }

    /// Replaces a hash made with other parameters, if it is still the stored one. Must follow `open_session`, which asks for the
    /// hash that was checked.
    pub async fn rehash_password(&self, user_id: Uuid, old: &str, new: &str) -> Result<()> {
        Autocommit(self.clone()).execute(REHASH, (user_id, old, new)).await.map(drop)
    }

    /// Sets a password, ends the user's sessions other than `keep`, and increments the epoch, which revokes every access token
    /// of the user; the session that is kept refreshes into a new one. `false`: the stored hash is no longer `expected`.
    pub async fn change_password(&self, change: &PasswordChange) -> Result<bool> {
        let change = change.clone();
        self.administration()
            .write(async move |mut transaction: Transaction| {
                let args = (change.user_id, &change.expected, &change.new_hash);
                let Some(epoch) = transaction.optional_value(CHANGE, args).await? else { return Ok(false) };
                transaction
                    .end_other_sessions(change.user_id, EndReason::PasswordChanged, change.keep)
                    .await?;
                let actor = Actor::User(change.user_id);
                let entry = Entry::new(&actor, "user.password_changed", change.user_id);
                transaction.record(&[entry.within(&change.context)]).await?;
                transaction.publish(&[Event::user(change.user_id, epoch)]).await?;
                transaction.commit().await?;
                Ok(true)
            })
            .await
    }
}
