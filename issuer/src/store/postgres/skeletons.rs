//! What the names of users look like who are older than that rule (UTS 39).

use sqlx::PgPool;
use uuid::Uuid;

use crate::identifier;
use crate::store::{Result, Skeletons};

const OLDER: &str = "
    SELECT id, username_key, email_key
    FROM users
    WHERE id > $1
        AND (username_skeleton IS NULL OR (email_skeleton IS NULL AND email_key IS NOT NULL))
    ORDER BY id
    LIMIT $2";

/// Only where the name is still the one that was read, and nobody else's looks the same.
const WRITE_USERNAME: &str = "
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
        )";

const WRITE_EMAIL: &str = "
    UPDATE users
    SET email_skeleton = $3
    WHERE id = $1
        AND email_key = $2
        AND NOT EXISTS (
            SELECT 1
            FROM users AS other
            WHERE other.id <> $1
                AND other.email_skeleton = $3
        )";

pub(super) async fn write(pool: &PgPool, after: Uuid, most: u32) -> Result<Skeletons> {
    let mut transaction = pool.begin().await?;
    let older: Vec<(Uuid, String, Option<String>)> =
        sqlx::query_as(OLDER).bind(after).bind(i64::from(most)).fetch_all(&mut *transaction).await?;
    let mut step = Skeletons { last: older.last().map(|(id, ..)| *id), alike: Vec::new() };
    for (id, username, email) in older {
        let [lower, capitals] = identifier::username_skeletons(&username);
        let named = sqlx::query(WRITE_USERNAME).bind(id).bind(&username).bind(lower).bind(capitals);
        let mut written = named.execute(&mut *transaction).await?.rows_affected() > 0;
        if let Some(email) = email {
            let skeleton = identifier::email_skeleton(&email);
            let addressed = sqlx::query(WRITE_EMAIL).bind(id).bind(&email).bind(skeleton);
            written &= addressed.execute(&mut *transaction).await?.rows_affected() > 0;
        }
        step.alike.extend((!written).then_some(id));
    }
    transaction.commit().await?;
    Ok(step)
}
