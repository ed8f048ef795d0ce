//! Five hundred people who log in at the same time: what everybody else notices, how soon who cannot be let in is told,
//! and what it takes.

use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow};

use super::lab::Lab;
use super::tokens::logins;
use crate::load::{self, Answer, Caller, Repeated, Tally};
use crate::report::{Figure, Unit, milliseconds};
use crate::turns::{TURNS, WARM_UP, middle};

pub(super) fn figures(lab: &Lab) -> Result<Vec<Figure>> {
    let mut services = vec![Repeated(lab.client_grant().kept_alive()); SERVICES];
    let mut people: Vec<_> = logins(lab, PEOPLE)?.into_iter().map(Patient).collect();
    let port = lab.issuer.site.port;
    load::run(port, &mut services, WARM_UP)?;

    let (mut calm, mut busy, mut refused) = (Vec::new(), Vec::new(), Tally::default());
    for _ in 0..TURNS {
        calm.push(load::run(port, &mut services, TURN)?.only(&[200])?);
        let (during, flood) = thread::scope(|scope| {
            let flood = scope.spawn(|| load::run(port, &mut people, TURN));
            let during = load::run(port, &mut services, TURN);
            let flood = flood.join().map_err(|_| anyhow!("the flood ended early"))?;
            anyhow::Ok((during?.only(&[200])?, flood?.only(&[200, 503])?))
        })?;
        busy.push(during);
        refused.join(flood);
    }
    let peak = lab.peak()?;
    let refusal = refused.within(0.99, 503).map(milliseconds).unwrap_or(f64::NAN);
    let permits = thread::available_parallelism()?.get() as f64;
    let row = |row, unit, [ours, theirs]: [f64; 2], against| Figure {
        row,
        store: lab.store,
        unit,
        ours,
        against,
        theirs,
        ratio: ours / theirs,
        times: None,
        most: Some(1.0),
    };
    let slowest = |tally: &Tally| tally.within(0.99, 200).map(milliseconds).unwrap_or(f64::NAN);
    let rate = |tally: &Tally| tally.rate(200);
    let both = |figure: &dyn Fn(&Tally) -> f64| {
        [&busy, &calm].map(|tallies| middle(tallies.iter().map(figure).collect()))
    };
    Ok(vec![
        Figure {
            most: Some(3.0),
            ..row("client_credentials p99 in a flood", Unit::Milliseconds, both(&slowest), "without logins")
        },
        Figure {
            most: None,
            ..row("client_credentials in a flood", Unit::PerSecond, both(&rate), "without logins")
        },
        row("p99 of a refused login", Unit::Milliseconds, [refusal, SLOWEST_REFUSAL], "the limit"),
        row("peak memory", Unit::Mebibytes, [peak, permits * 64.0 + 150.0], "permits × 64 MiB + 150 MiB"),
    ])
}

/// Somebody who logs in again and again, and waits as `Retry-After` says when there is no room.
struct Patient(Repeated);

impl Caller for Patient {
    fn ask(&mut self, request: &mut Vec<u8>) {
        self.0.ask(request);
    }

    fn hear(&mut self, answer: &Answer<'_>) -> Option<Duration> {
        (answer.status == 503).then_some(RETRY_AFTER)
    }
}

const PEOPLE: usize = 500;
const SERVICES: usize = 8;
const TURN: Duration = Duration::from_secs(4);
const RETRY_AFTER: Duration = Duration::from_secs(2);
/// Milliseconds.
const SLOWEST_REFUSAL: f64 = 50.0;
