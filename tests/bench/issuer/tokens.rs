//! Measures the requests that clients send all day.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use keystone_tests::cast;

use super::lab::Lab;
use crate::load::{self, Answer, Caller, Repeated};
use crate::peers::{self, Pgbench};
use crate::report::{Figure, Unit};
use crate::turns::{Compared, compared};

pub(super) fn client_credentials(lab: &Lab) -> Result<Vec<Figure>> {
    against_bare(lab, "client_credentials", &lab.client_grant().kept_alive())
}

pub(super) fn introspection(lab: &Lab) -> Result<Vec<Figure>> {
    let token = lab.issuer.login("alice")?.access;
    against_bare(lab, "introspection", &lab.introspection(&token).kept_alive())
}

/// A request that needs no person, against the least that an HTTP server does.
pub(super) fn against_bare(lab: &Lab, row: &'static str, request: &[u8]) -> Result<Vec<Figure>> {
    let mut ours = vec![Repeated(request.to_owned()); CONNECTIONS];
    let mut theirs = vec![Repeated(lab.bare.request()); CONNECTIONS];
    let compared = compared(
        TURN,
        |lasting| load::run(lab.issuer.site.port, &mut ours, lasting)?.only(&[200]),
        |lasting| Ok(load::run(lab.bare.site.port, &mut theirs, lasting)?.only(&[200])?.rate(200)),
    )?;
    Ok(vec![figure(lab, row, "bare axum", compared)])
}

/// Each connection has a session of its own. The limit is what the store can commit.
pub(super) fn refresh(lab: &Lab) -> Result<Vec<Figure>> {
    let session = |_| Session::open(lab);
    let mut sessions = (0..CONNECTIONS).map(session).collect::<Result<Vec<_>>>()?;
    let ours = |lasting| load::run(lab.issuer.site.port, &mut sessions, lasting)?.only(&[200]);
    let (against, compared) = match &lab.backends {
        Some(backends) => {
            let pgbench = Pgbench::new(&backends.postgres, &lab.directory, CONNECTIONS)?;
            ("the update in pgbench", compared(TURN, ours, |lasting| pgbench.updates(lasting))?)
        }
        None => ("fdatasync", compared(TURN, ours, |lasting| peers::commits(&lab.directory, lasting))?),
    };
    Ok(vec![figure(lab, "refresh", against, compared)])
}

/// Enough at a time that the hash pool is never idle, and so few that they are admitted unless the machine is busy.
pub(super) fn login(lab: &Lab) -> Result<Vec<Figure>> {
    let mut people = logins(lab, 2 * thread::available_parallelism()?.get())?;
    let compared = compared(
        TURN * 2,
        |lasting| load::run(lab.issuer.site.port, &mut people, lasting)?.only(&[200, 503]),
        peers::hashes,
    )?;
    Ok(vec![figure(lab, "login", "Argon2id on all cores", compared)])
}

/// Returns callers that each log in as one of the users.
pub(super) fn logins(lab: &Lab, count: usize) -> Result<Vec<Repeated>> {
    let login = |(name, password, _): &(&str, &str, &str)| {
        Repeated(lab.issuer.password_grant(name, password).kept_alive())
    };
    Ok(cast::PEOPLE.iter().map(login).cycle().take(count).collect())
}

fn figure(lab: &Lab, row: &'static str, against: &'static str, compared: Compared) -> Figure {
    let Compared { ours, theirs, ratio, tally } = compared;
    let times = [tally.within(0.5, 200), tally.within(0.99, 200)];
    let times = times.map(Option::unwrap_or_default);
    Figure {
        row,
        store: Some(lab.store),
        unit: Unit::PerSecond,
        ours,
        against,
        theirs,
        ratio,
        times: Some(times),
        limit: None,
    }
}

/// A session that is refreshed with what the last refresh gave.
pub(super) struct Session {
    before_token: Vec<u8>,
    token: Vec<u8>,
}

impl Session {
    pub(super) fn open(lab: &Lab) -> Result<Self> {
        let token = lab.issuer.login("alice")?.refresh()?.to_owned();
        let request = lab.issuer.refresh_grant(&token).kept_alive();
        let before_token = request.strip_suffix(token.as_bytes()).context("the token is not the last")?;
        Ok(Self { before_token: before_token.to_owned(), token: token.into_bytes() })
    }
}

impl Caller for Session {
    fn ask(&mut self, request: &mut Vec<u8>) {
        request.extend_from_slice(&self.before_token);
        request.extend_from_slice(&self.token);
    }

    fn hear(&mut self, answer: &Answer<'_>) -> Option<Duration> {
        let name = b"\"refresh_token\":\"";
        let at = answer.body.windows(name.len()).position(|bytes| bytes == name)? + name.len();
        // Tokens are all of one length, so the request's length stays right.
        self.token = answer.body.get(at..at + self.token.len())?.to_owned();
        None
    }
}

pub(super) const CONNECTIONS: usize = 32;
const TURN: Duration = Duration::from_millis(1500);
