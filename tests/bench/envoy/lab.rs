//! The setup: one Envoy with a listener for each side, and the clients.

use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use keystone_tests::http::{Request, Site};
use keystone_tests::ledger::Ledger;
use keystone_tests::process::Process;
use keystone_tests::tools::Tools;
use keystone_tests::{envoy, ports};
use serde_json::json;

use super::configuration::{Side, listener};
use super::tokens::Issuer;
use crate::load::{self, Caller, Repeated};

#[derive(Debug)]
pub(crate) struct Lab {
    envoy: Process,
    sites: Vec<(Side, Site)>,
    issuer: Issuer,
    /// Requests without a host, each with another token.
    requests: Rc<[Vec<u8>]>,
}

/// The result of one side.
#[derive(Debug)]
pub(super) struct Turn {
    /// Requests in a second.
    pub(super) rate: f64,
    /// Processor time of Envoy for each.
    pub(super) microseconds: f64,
}

impl Lab {
    pub(super) fn start(tools: &Tools, directory: &Path) -> Result<Self> {
        let (issuer, ledger) = (Issuer::new()?, Ledger::default());
        let site = |side| Ok((side, Site::new(ports::free()?, &ledger)));
        let sites = Side::ALL.into_iter().map(site).collect::<Result<Vec<_>>>()?;
        let listeners: Vec<_> = sites
            .iter()
            .map(|(side, site)| listener(*side, site.port, &tools.filter, &issuer.jwks()))
            .collect();
        let (envoy, _) = envoy::run(tools, directory, &json!({ "listeners": listeners }), &ledger)?;
        // Not noted in the ledger: nobody searches the logs of a bench.
        let request = |number| request_with(&issuer.token(number, SCOPES));
        let requests = (0..MANY).map(request).collect();
        let lab = Self { envoy, sites, issuer, requests };
        Side::ALL.into_iter().try_for_each(|side| lab.guards(side))?;
        Ok(lab)
    }

    /// A side that lets everybody in would be a quick one.
    fn guards(&self, side: Side) -> Result<()> {
        let answer = |token: &str| Ok::<_, anyhow::Error>(self.request(side)?.bearer(token).send()?.status);
        let expected = |refused: bool, status: u16| if refused { status } else { 200 };
        let statuses = [
            answer(&self.issuer.token(MANY, SCOPES))?,
            answer(&self.issuer.token(MANY, "orders:write"))?,
            self.request(side)?.send()?.status,
        ];
        let expected = [200, expected(side.wants_scope(), 403), expected(side.wants_token(), 401)];
        ensure!(statuses == expected, "{} answers {statuses:?}, not {expected:?}", side.name());
        Ok(())
    }

    fn request(&self, side: Side) -> Result<Request> {
        Ok(self.site(side)?.get("/orders"))
    }

    fn site(&self, side: Side) -> Result<&Site> {
        let found = self.sites.iter().find(|(known, _)| *known == side);
        found.map(|(_, site)| site).with_context(|| format!("{} has no listener", side.name()))
    }

    /// Returns clients that send another token each time.
    pub(super) fn many(&self) -> Vec<Rotating> {
        let next = Rc::new(Cell::new(0));
        let caller = |_| Rotating { requests: Rc::clone(&self.requests), next: Rc::clone(&next) };
        (0..CONNECTIONS).map(caller).collect()
    }

    /// Returns clients that each send only their own token.
    pub(super) fn few(&self) -> Vec<Repeated> {
        self.requests.iter().take(CONNECTIONS).cloned().map(Repeated).collect()
    }

    pub(super) fn turn<C: Caller + 'static>(
        &self,
        side: Side,
        callers: &mut Vec<C>,
        lasting: Duration,
    ) -> Result<Turn> {
        let before = self.processor_time()?;
        let tally = load::run(self.site(side)?.port, callers, lasting)?.only(&[200])?;
        let spent = self.processor_time()? - before;
        let rate = tally.rate(200);
        Ok(Turn { rate, microseconds: spent / 1000.0 / (rate * lasting.as_secs_f64()) })
    }

    /// Returns the processor time of all of Envoy's threads, in nanoseconds.
    fn processor_time(&self) -> Result<f64> {
        let tasks = format!("/proc/{}/task", self.envoy.pid()?.as_raw_nonzero());
        let mut sum = 0.0;
        for task in fs::read_dir(tasks)? {
            let file = task?.path().join("schedstat");
            let text = fs::read_to_string(&file)?;
            let spent = text.split(' ').next().and_then(|spent| spent.parse::<f64>().ok());
            sum += spent.with_context(|| format!("{} holds no time", file.display()))?;
        }
        Ok(sum)
    }
}

/// Takes the next token of a list that all callers share.
pub(super) struct Rotating {
    requests: Rc<[Vec<u8>]>,
    next: Rc<Cell<usize>>,
}

impl Caller for Rotating {
    fn ask(&mut self, request: &mut Vec<u8>) {
        let next = self.next.get();
        self.next.set((next + 1) % self.requests.len());
        request.extend(self.requests.get(next).into_iter().flatten());
    }
}

fn request_with(token: &str) -> Vec<u8> {
    format!("GET /orders HTTP/1.1\r\nhost: orders\r\nauthorization: Bearer {token}\r\n\r\n").into_bytes()
}

const SCOPES: &str = "orders:read orders:write";
/// More than any cache holds, several times over.
const MANY: usize = 30_000;
const CONNECTIONS: usize = 32;
