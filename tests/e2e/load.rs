//! People and services who never stop asking: each answer must be the right one, whatever happens behind the issuer.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use keystone_tests::issuer::Issuer;
use keystone_tests::wait;

/// One kind of request, sent again and again by one thread, each after the answer to the one before.
type Loop<'a> = Box<dyn FnMut() -> Result<()> + Send + 'a>;

/// Requests in the background, and how often each kind succeeded.
pub(crate) struct Load<'a> {
    loops: Vec<Loop<'a>>,
}

/// How a load is doing.
pub(crate) struct Watch<'a> {
    counts: &'a [AtomicUsize],
    failed: &'a AtomicBool,
}

impl<'a> Load<'a> {
    pub(crate) fn new() -> Self {
        Self { loops: Vec::new() }
    }

    pub(crate) fn and(mut self, again: impl FnMut() -> Result<()> + Send + 'a) -> Self {
        self.loops.push(Box::new(again));
        self
    }

    /// Logs a user in, again and again.
    pub(crate) fn logins(self, issuer: &'a Issuer, name: &'a str) -> Self {
        self.and(move || issuer.login(name).map(drop))
    }

    /// Logs a user in and refreshes the session again and again, each time with the latest token.
    pub(crate) fn refreshes(self, issuer: &'a Issuer, name: &str) -> Result<Self> {
        let mut token = issuer.login(name)?.refresh()?.to_owned();
        Ok(self.and(move || {
            token = issuer.tokens(&issuer.refresh_grant(&token))?.refresh()?.to_owned();
            Ok(())
        }))
    }

    /// A service asks for itself.
    pub(crate) fn services(self, issuer: &'a Issuer, (id, secret): (&'a str, &'a str)) -> Self {
        self.and(move || issuer.tokens(&issuer.client_grant(id, secret)).map(drop))
    }

    /// Runs it all while `meanwhile` does, which ends early with an error when anything of it fails.
    pub(crate) fn during(self, meanwhile: impl FnOnce(&Watch<'_>) -> Result<()>) -> Result<()> {
        let counts: Vec<AtomicUsize> = self.loops.iter().map(|_| AtomicUsize::new(0)).collect();
        let (stop, failed) = (AtomicBool::new(false), AtomicBool::new(false));
        thread::scope(|scope| {
            let threads: Vec<_> = self
                .loops
                .into_iter()
                .zip(&counts)
                .map(|(again, count)| {
                    let (stop, failed) = (&stop, &failed);
                    scope.spawn(move || repeat(again, count, (stop, failed)))
                })
                .collect();
            let outcome = meanwhile(&Watch { counts: &counts, failed: &failed });
            stop.store(true, Ordering::Relaxed);
            for thread in threads {
                let ended = thread.join().map_err(|_| anyhow!("a thread of the load panicked"))?;
                // What happened meanwhile may be why.
                ended.with_context(|| {
                    outcome.as_ref().err().map_or_else(String::new, |why| format!("{why:#}"))
                })?;
            }
            outcome
        })
    }
}

impl Watch<'_> {
    /// Waits until each loop went well so many times more.
    pub(crate) fn rounds(&self, more: usize) -> Result<()> {
        self.rounds_within(more, Duration::from_secs(60))
    }

    pub(crate) fn rounds_within(&self, more: usize, limit: Duration) -> Result<()> {
        let before = self.counts();
        wait::until("the load to go on", limit, || {
            self.goes_on()?;
            Ok(self.counts().iter().zip(&before).all(|(now, before)| *now >= before + more))
        })
    }

    pub(crate) fn goes_on(&self) -> Result<()> {
        ensure!(!self.failed.load(Ordering::Relaxed), "the load met a failure");
        Ok(())
    }

    pub(crate) fn counts(&self) -> Vec<usize> {
        self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect()
    }
}

fn repeat(
    mut again: Loop<'_>,
    count: &AtomicUsize,
    (stop, failed): (&AtomicBool, &AtomicBool),
) -> Result<()> {
    while !stop.load(Ordering::Relaxed) {
        if let Err(error) = again() {
            failed.store(true, Ordering::Relaxed);
            let rounds = count.load(Ordering::Relaxed);
            return Err(error).with_context(|| format!("after {rounds} rounds that went well"));
        }
        count.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}
