//! How many statements one request puts to PostgreSQL, as its own log counts them.

use std::fs;

use anyhow::Result;
use keystone_tests::cast;
use keystone_tests::http::Request;
use keystone_tests::postgres::Postgres;

use super::lab::Lab;
use crate::report::{Figure, Limit, Unit};

/// How many there should be, and a fresh request.
type Case = (&'static str, f64, fn(&Lab) -> Result<Request>);

const CASES: [Case; 4] = [
    ("statements of client_credentials", 0.0, |lab| Ok(lab.client_grant())),
    ("statements of refresh", 1.0, |lab| Ok(lab.issuer.refresh_grant(lab.issuer.login("alice")?.refresh()?))),
    ("statements of login", 6.0, |lab| Ok(lab.issuer.password_grant("alice", cast::password("alice")?))),
    ("statements of introspection", 1.0, |lab| Ok(lab.introspection(&lab.issuer.login("alice")?.access))),
];

pub(super) fn figures(lab: &Lab) -> Result<Vec<Figure>> {
    let Some(backends) = &lab.backends else { return Ok(Vec::new()) };
    // The last row of all: what the log costs disturbs no other.
    let log_all = "ALTER SYSTEM SET log_min_duration_statement = 0; SELECT pg_reload_conf()";
    backends.postgres.query("keystone", log_all)?;
    let figure = |(row, theirs, request): &Case| {
        let ours = fewest(lab, &backends.postgres, *request)?;
        Ok(Figure {
            row,
            store: Some(lab.store),
            unit: Unit::Statements,
            ours,
            against: "as designed",
            theirs: *theirs,
            ratio: ours / theirs,
            times: None,
            limit: Some(Limit::AtMost(1.0)),
        })
    };
    CASES.iter().map(figure).collect()
}

/// Returns the smallest number of several requests, so that statements of background tasks do not count.
fn fewest(lab: &Lab, postgres: &Postgres, request: fn(&Lab) -> Result<Request>) -> Result<f64> {
    let mut fewest = f64::INFINITY;
    for _ in 0..REQUESTS {
        let request = request(lab)?;
        let before = statements(postgres)?;
        request.send()?.expect(200)?;
        fewest = fewest.min((statements(postgres)? - before) as f64);
    }
    Ok(fewest)
}

fn statements(postgres: &Postgres) -> Result<usize> {
    let log = fs::read_to_string(postgres.process.log())?;
    let is_statement = |line: &&str| line.contains(" ms  execute ") || line.contains(" ms  statement: ");
    Ok(log.lines().filter(is_statement).count())
}

const REQUESTS: usize = 5;
