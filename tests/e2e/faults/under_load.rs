//! One fault after the other under a load that never stops, and what the issuer says meanwhile.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use keystone_tests::cast;
use keystone_tests::wait::{self, Deadline};

use super::answers::{Kept, addresses, answered, hang_ups, refreshes, revocations, roles};
use crate::load::{Load, Watch};
use crate::requests::{ROBOT, Staffed};

/// Something that goes wrong, and what `/health/ready` says meanwhile.
pub(super) struct Fault<'a> {
    pub(super) name: &'static str,
    /// `None`: as long as anyone is answered. On a full disk, the files that are there can be written.
    pub(super) ready: Option<bool>,
    pub(super) begin: Box<dyn Fn() -> Result<()> + 'a>,
    pub(super) end: Box<dyn Fn() -> Result<()> + 'a>,
}

/// One fault after the other, under a load that never stops. Returns a line about each.
pub(super) fn work_through(on: &Staffed, lasting: Duration, faults: &[Fault<'_>]) -> Result<Vec<String>> {
    let kept = Kept::default();
    let mut load = Load::new();
    // Carol logs in no more: a user's oldest session ends when there are too many.
    for _ in 0..4 {
        load = load.and(refreshes(on, "carol")?);
    }
    let login = on.issuer.password_grant("alice", cast::password("alice")?);
    let client = on.issuer.client_grant(ROBOT, &on.secret);
    load = load
        .and(move || answered(&login, 200).map(drop))
        .and(move || answered(&client, 200).map(drop))
        .and(addresses(on, &kept)?)
        .and(revocations(on, &kept))
        .and(roles(on, &kept))
        .and(hang_ups(on)?);
    let mut lines = Vec::new();
    load.during(|watch| {
        for fault in faults {
            lines.push(under(fault, on, (watch, lasting)).with_context(|| fault.name)?);
        }
        Ok(())
    })
    .with_context(|| on.issuer.process.log_tail())?;
    kept.holds(on)?;
    Ok(lines)
}

fn under(fault: &Fault<'_>, on: &Staffed, (watch, lasting): (&Watch<'_>, Duration)) -> Result<String> {
    let probe = || on.issuer.operations.get("/health/ready").send().map_or(0, |answer| answer.status);
    watch.rounds_within(1, RECOVERY)?;
    ensure!(probe() == 200, "not ready before");
    // All but the loop of those who hang up.
    let answers = || watch.counts().into_iter().rev().skip(1).sum::<usize>();
    let (begun, before) = (wait::now(), answers());
    (fault.begin)()?;
    let told = told_the_truth(fault, lasting, watch, &probe);
    (fault.end)()?;
    told?;
    let (lasted, meanwhile, over) = (begun.elapsed().as_secs(), answers() - before, wait::now());
    wait::until("the issuer to be ready again", RECOVERY, || Ok(probe() == 200))?;
    let ready = over.elapsed().as_secs_f64();
    watch.rounds_within(1, RECOVERY.saturating_sub(over.elapsed()))?;
    let everyone = over.elapsed().as_secs_f64();
    Ok(format!(
        "{}: {lasted} s, {meanwhile} answers meanwhile, ready after {ready:.1} s, all served after {everyone:.1} s",
        fault.name
    ))
}

/// Whether readiness says what those who ask for tokens meet, as long as the fault lasts.
fn told_the_truth(
    fault: &Fault<'_>,
    lasting: Duration,
    watch: &Watch<'_>,
    probe: &dyn Fn() -> u16,
) -> Result<()> {
    let tokens = || watch.counts().into_iter().take(TOKENS).collect::<Vec<_>>();
    let before = tokens();
    let (mut answered, mut since) = (before.clone(), Deadline::after(NOTICE));
    let (noticed, over) = (Deadline::after(NOTICE), Deadline::after(lasting));
    while !over.passed() {
        let said = probe();
        let now = tokens();
        if now != answered || said != 200 {
            (answered, since) = (now, Deadline::after(NOTICE));
        }
        let is_true = fault.ready.map_or(!since.passed(), |ready| (said == 200) == ready);
        ensure!(is_true || !noticed.passed(), "/health/ready said {said} meanwhile");
        watch.goes_on()?;
        wait::breathe();
    }
    let all = before.iter().zip(tokens()).all(|(before, now)| now > *before);
    ensure!(fault.ready != Some(true) || all, "token requests stood still");
    Ok(())
}

/// The first loops of the load ask for tokens.
const TOKENS: usize = 6;
/// From the cause to what readiness says, and from its end to an answer for everyone.
const NOTICE: Duration = Duration::from_secs(4);
const RECOVERY: Duration = Duration::from_secs(10);
