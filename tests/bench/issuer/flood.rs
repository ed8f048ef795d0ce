//! Five hundred people who log in at the same time: what everybody else notices, how soon who cannot be let in is told,
//! and what it takes.

use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow};

use super::lab::Lab;
use super::tokens::logins;
use crate::load::{self, Answer, Caller, Repeated, Tally};
use crate::report::{Figure, Limit, Unit, milliseconds};
use crate::turns::{TURNS, WARM_UP, middle};

pub(super) fn figures(lab: &Lab) -> Result<Vec<Figure>> {
    let service = Repeated(lab.client_grant().kept_alive());
    let mut steady = Flood { services: vec![Paced(service.clone()); SERVICES], people: people(lab)? };
    let mut greedy = Flood { services: vec![service; SERVICES], people: people(lab)? };
    load::run(lab.issuer.site.port, &mut steady.services, WARM_UP)?;
    // By itself: the process takes its memory and opens its connections to the database.
    let mut first = Tally::default();
    steady.turn(lab, &mut first)?;

    let (mut times, mut rates, mut refused) = (Vec::new(), Vec::new(), Tally::default());
    for _ in 0..TURNS {
        let (calm, busy) = steady.turn(lab, &mut refused)?;
        times.push([busy, calm].map(|tally| tally.within(0.99, 200).map_or(f64::NAN, milliseconds)));
        let (calm, busy) = greedy.turn(lab, &mut Tally::default())?;
        rates.push([busy, calm].map(|tally| tally.rate(200)));
    }
    let figure = |row, unit, [ours, theirs]: [f64; 2], against| Figure {
        row,
        store: Some(lab.store),
        unit,
        ours,
        against,
        theirs,
        ratio: ours / theirs,
        times: None,
        limit: Some(Limit::AtMost(1.0)),
    };
    let (times, rates, calm) = (middles(&times), middles(&rates), "without logins");
    let [refusal, first] =
        [refused, first].map(|tally| tally.within(0.99, 503).map_or(f64::NAN, milliseconds));
    let most = thread::available_parallelism()?.get() as f64 * 64.0 + 150.0;
    Ok(vec![
        Figure {
            limit: Some(Limit::AtMost(3.0)),
            ..figure("flood: p99 of client_credentials", Unit::Milliseconds, times, calm)
        },
        Figure { limit: None, ..figure("flood: client_credentials", Unit::PerSecond, rates, calm) },
        figure("flood: p99 of a refusal", Unit::Milliseconds, [refusal, SLOWEST_REFUSAL], "the limit"),
        Figure {
            limit: None,
            ..figure(
                "flood: p99 of a refusal, first",
                Unit::Milliseconds,
                [first, SLOWEST_REFUSAL],
                "the limit",
            )
        },
        figure("flood: peak memory", Unit::Mebibytes, [lab.peak()?, most], "permits × 64 MiB + 150 MiB"),
    ])
}

/// Services that go on with their work, and people who come all at once.
struct Flood<C> {
    services: Vec<C>,
    people: Vec<Patient>,
}

impl<C: Caller + Send + 'static> Flood<C> {
    /// How the services fare without the people, and with them.
    fn turn(&mut self, lab: &Lab, refused: &mut Tally) -> Result<(Tally, Tally)> {
        let (port, Self { services, people }) = (lab.issuer.site.port, self);
        let calm = load::run(port, services, TURN)?.only(&[200])?;
        let (busy, flood) = thread::scope(|scope| {
            let flood = scope.spawn(|| load::run(port, people, TURN * 2));
            let busy = load::run(port, services, TURN * 2);
            let flood = flood.join().map_err(|_| anyhow!("the flood ended early"))?;
            anyhow::Ok((busy?.only(&[200])?, flood?.only(&[200, 503])?))
        })?;
        refused.join(flood);
        Ok((calm, busy))
    }
}

fn people(lab: &Lab) -> Result<Vec<Patient>> {
    let apart = RETRY_AFTER / u32::try_from(PEOPLE)?;
    let patience = |person| RETRY_AFTER + apart * person;
    Ok(logins(lab, PEOPLE)?
        .into_iter()
        .zip((0..).map(patience))
        .map(|(login, wait)| Patient { login, wait })
        .collect())
}

fn middles(pairs: &[[f64; 2]]) -> [f64; 2] {
    [0, 1].map(|side| middle(pairs.iter().filter_map(|pair| pair.get(side)).copied().collect()))
}

/// A service that asks now and then, so that its time is that of one request and not of a queue.
#[derive(Clone, Debug)]
struct Paced(Repeated);

impl Caller for Paced {
    fn ask(&mut self, request: &mut Vec<u8>) {
        self.0.ask(request);
    }

    fn hear(&mut self, _answer: &Answer<'_>) -> Option<Duration> {
        Some(PACE)
    }
}

/// A client that logs in again and again. All start at once; a refused one waits for a time of its own, at least as long
/// as `Retry-After` says.
#[derive(Debug)]
struct Patient {
    login: Repeated,
    wait: Duration,
}

impl Caller for Patient {
    fn ask(&mut self, request: &mut Vec<u8>) {
        self.login.ask(request);
    }

    fn hear(&mut self, answer: &Answer<'_>) -> Option<Duration> {
        (answer.status == 503).then_some(self.wait)
    }
}

const PEOPLE: usize = 500;
const SERVICES: usize = 8;
const TURN: Duration = Duration::from_secs(2);
const PACE: Duration = Duration::from_millis(5);
const RETRY_AFTER: Duration = Duration::from_secs(2);
/// Milliseconds.
const SLOWEST_REFUSAL: f64 = 50.0;
