//! Measures the memory and start of an issuer without requests.

use anyhow::Result;
use keystone_tests::stack::Store;
use serde_json::Value;

use super::lab::Lab;
use crate::report::{Figure, Limit, Unit, milliseconds};
use crate::turns::{TURNS, middle};
use crate::watch;

/// Resident memory of an issuer that has started and is asked for nothing but its health.
pub(super) fn idle(lab: &Lab) -> Result<Vec<Figure>> {
    Ok(vec![Figure {
        row: "idle",
        store: Some(lab.store),
        unit: Unit::Mebibytes,
        ours: lab.idle,
        against: "the limit",
        theirs: MOST_IDLE,
        ratio: lab.idle / MOST_IDLE,
        times: None,
        limit: Some(Limit::AtMost(1.0)),
    }])
}

/// From an empty directory to the administrator's first token: schema, keys, bootstrap and one login.
pub(super) fn first_token(lab: &Lab) -> Result<Vec<Figure>> {
    if lab.store == Store::Postgres {
        return Ok(Vec::new());
    }
    let mut times = Vec::new();
    for turn in 0..TURNS {
        let home = lab.unused_home(&format!("first-{turn}"))?;
        let (done, took) = watch::timed(|| {
            let issuer = home.serve()?;
            let administrator = home.bootstrap()?;
            let of = |name: &str| administrator.get(name).and_then(Value::as_str).unwrap_or_default();
            let login = [
                ("grant_type", "password"),
                ("client_id", of("client_id")),
                ("username", of("username")),
                ("password", of("one_time_password")),
            ];
            issuer.tokens(&issuer.token(&login))
        });
        done?;
        times.push(milliseconds(took));
    }
    let ours = middle(times);
    Ok(vec![Figure {
        row: "first token",
        store: Some(lab.store),
        unit: Unit::Milliseconds,
        ours,
        against: "the limit",
        theirs: SLOWEST_START,
        ratio: ours / SLOWEST_START,
        times: None,
        limit: Some(Limit::AtMost(1.0)),
    }])
}

const MOST_IDLE: f64 = 40.0;
/// Milliseconds.
const SLOWEST_START: f64 = 2000.0;
