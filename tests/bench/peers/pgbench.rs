//! PostgreSQL's own load generator, on the update that a refresh is.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use keystone_tests::postgres::Postgres;

#[derive(Debug)]
pub(crate) struct Pgbench<'a> {
    postgres: &'a Postgres,
    script: PathBuf,
    clients: usize,
}

impl<'a> Pgbench<'a> {
    /// A table like the issuer's, in its database, with one row for each of so many clients.
    pub(crate) fn new(postgres: &'a Postgres, directory: &Path, clients: usize) -> Result<Self> {
        postgres.query(DATABASE, &TABLE.replace("{clients}", &clients.to_string()))?;
        let script = directory.join("rotate.sql");
        std::fs::write(&script, ROTATE)?;
        Ok(Self { postgres, script, clients })
    }

    /// Updates in a second.
    pub(crate) fn updates(&self, lasting: Duration) -> Result<f64> {
        let (clients, seconds) = (self.clients.to_string(), lasting.as_secs_f64().ceil().to_string());
        let run = self.postgres.client("pgbench").args(["-n", "-M", "prepared", "-c", &clients]);
        let said = run
            .args(["-T", &seconds, "-f"])
            .arg(&self.script)
            .arg(DATABASE)
            .run("", lasting + Duration::from_secs(30))?
            .succeeded()?;
        let rate = said.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
        rate.with_context(|| format!("pgbench said no rate: {said}"))
    }
}

const TABLE: &str = "
CREATE TABLE IF NOT EXISTS bench_sessions (LIKE refresh_tokens INCLUDING ALL) WITH (fillfactor = 60);
INSERT INTO bench_sessions (id, salt, user_id, client_id, scope, auth_time, last_used_at, expires_at)
SELECT
    lpad(n::text, 32, '0')::uuid,
    decode(repeat('00', 16), 'hex'),
    u.id,
    'orders-app',
    '{orders:read}',
    now(),
    now(),
    now() + interval '1 day'
FROM generate_series(0, {clients} - 1) AS n, (SELECT id FROM users LIMIT 1) AS u
ON CONFLICT DO NOTHING";

const ROTATE: &str = "
UPDATE bench_sessions
SET generation = generation + 1, rotated_at = now(), last_used_at = now()
WHERE id = lpad(:client_id::text, 32, '0')::uuid AND ended_at IS NULL AND expires_at > now();";

const DATABASE: &str = "keystone";
