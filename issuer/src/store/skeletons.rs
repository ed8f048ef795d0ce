//! Skeletons (UTS 39) of users who are older than that column.

use uuid::Uuid;

use super::queries::Queries as _;
use super::sql::statements;
use super::transaction::Transaction;
use super::{Result, Skeletons, Store};
use crate::identifier;

statements! {
    WITHOUT = { "
        SELECT id, username_key, email_key
        FROM users
        WHERE id > $1
            AND (username_skeleton IS NULL OR (email_skeleton IS NULL AND email_key IS NOT NULL))
        ORDER BY id
        LIMIT $2" }

    /// Only if the name is still the one that was read, and no other user's looks the same.
    SET_USERNAME = { "
        UPDATE users
        SET
            username_skeleton = $3,
            username_capitals = $4
        WHERE id = $1
            AND username_key = $2
            AND NOT EXISTS (
                SELECT 1
                FROM users AS other
                WHERE other.id <> $1
                    AND (other.username_skeleton = $3 OR other.username_capitals = $4)
            )" }

    SET_EMAIL = { "
        UPDATE users
        SET email_skeleton = $3
        WHERE id = $1
            AND email_key = $2
            AND NOT EXISTS (
                SELECT 1
                FROM users AS other
                WHERE other.id <> $1
                    AND other.email_skeleton = $3
            )" }
}

impl Store {
    /// Writes the skeletons of older users, for at most `most` users after `after`. Of two that look alike, one stays without.
    pub async fn write_skeletons(&self, after: Uuid, most: u32) -> Result<Skeletons> {
        self.write(async move |mut transaction: Transaction| {
            let users: Vec<(Uuid, String, Option<String>)> =
                transaction.all(WITHOUT, (after, i64::from(most))).await?;
            let mut step = Skeletons { last: users.last().map(|(id, ..)| *id), alike: Vec::new() };
            for (id, username, email) in users {
                let [lower, capitals] = identifier::username_skeletons(&username);
                let mut written =
                    transaction.execute(SET_USERNAME, (id, &username, lower, capitals)).await? > 0;
                if let Some(email) = email {
                    let skeleton = identifier::email_skeleton(&email);
                    written &= transaction.execute(SET_EMAIL, (id, &email, skeleton)).await? > 0;
                }
                step.alike.extend((!written).then_some(id));
            }
            transaction.commit().await?;
            Ok(step)
        })
        .await
    }
}
