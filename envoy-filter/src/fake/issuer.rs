//! An issuer with a revocation feed, and workers that follow it.

use std::rc::Rc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use ed25519_dalek::{Signer, SigningKey};

use super::{JWKS, Process, Worker, policy};

/// A policy whose issuer has this feed; its `GET /strict` is strict, and its `GET /orders` is not.
pub(crate) fn followed(feed: &str) -> String {
    let strict =
        r#"{ "methods": ["GET"], "path": "/strict", "authenticated": true, "revocation": "strict" },"#;
    policy(&format!(r#"{{ "inline": {JWKS} }}, "revocation": {feed}"#), "{}").replacen(
        r#""routes": ["#,
        &format!(r#""routes": [ {strict}"#),
        1,
    )
}

/// Where the feed of a test is.
pub(crate) const FEED: &str = r#"{ "url": "http://as.test/revocations", "keys_url": "http://as.test/feed-jwks.json", "cluster": "keystone" }"#;

/// An issuer that answers the fetches.
#[derive(Debug)]
pub(crate) struct Issuer {
    /// Each revokes a session. The cursor after the first is `1.1`, after the second `2.1`.
    pub(crate) sessions: Vec<String>,
    /// How many events go into a page.
    pub(crate) page_size: usize,
    /// The second part of its cursors: another one after it was restored from a backup.
    pub(crate) era: u32,
    /// Which key signs pages.
    pub(crate) key: u8,
    /// The status of the answer to a request for a page; 200 brings the page.
    pub(crate) status: &'static str,
}

impl Issuer {
    pub(crate) const fn new() -> Self {
        Self { sessions: Vec::new(), page_size: 256, era: 1, key: 1, status: "200" }
    }

    pub(crate) fn revoke(&mut self, session: &str) {
        self.sessions.push(session.into());
    }

    /// The newest key alone.
    pub(crate) fn jwks(&self) -> String {
        let x = BASE64.encode(signing_key(self.key).verifying_key().as_bytes());
        let kid = self.key;
        format!(
            r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"k{kid}","use":"sig","alg":"EdDSA","x":"{x}"}}]}}"#
        )
    }

    /// Status and body of the answer to this path.
    fn answer(&self, path: &str, now: Duration) -> (&str, String) {
        let Some((_, asked)) = path.split_once("/revocations") else { return ("200", self.jwks()) };
        let from = asked.strip_prefix("?after=").unwrap_or_default();
        let read = (0..=self.sessions.len()).find(|read| self.cursor(*read) == from);
        match (self.status, read) {
            ("200", Some(read)) => ("200", self.page(read, now.as_secs())),
            ("200", None) => ("409", String::new()),
            (status, _) => (status, String::new()),
        }
    }

    fn cursor(&self, read: usize) -> String {
        if read == 0 { String::new() } else { format!("{read}.{}", self.era) }
    }

    /// The page after so many events.
    fn page(&self, read: usize, now: u64) -> String {
        let to = self.sessions.len().min(read + self.page_size);
        let event = |session| format!(r#"["sid","{session}",null,{}]"#, now + 900);
        let events: Vec<_> = self.sessions[read..to].iter().map(event).collect();
        let (from, more) = (self.cursor(read), to < self.sessions.len());
        let (to, events, exp) = (self.cursor(to), events.join(","), now + 10);
        let claims = format!(
            r#"{{"iss":"http://as.test","iat":{now},"exp":{exp},"from":"{from}","to":"{to}","more":{more},"ev":[{events}]}}"#
        );
        let header = format!(r#"{{"alg":"EdDSA","kid":"k{}","typ":"keystone-revocations+jwt"}}"#, self.key);
        let signed = format!("{}.{}", BASE64.encode(header), BASE64.encode(claims));
        let signature = signing_key(self.key).sign(signed.as_bytes());
        format!("{signed}.{}", BASE64.encode(signature.to_bytes()))
    }
}

fn signing_key(number: u8) -> SigningKey {
    SigningKey::from_bytes(&[number; 32])
}

impl Worker {
    /// Answers this fetch, the first of which is 1.
    pub(crate) fn answer(&mut self, call: usize, status: &str, body: &[u8]) {
        self.host.fetched.replace(Some((status.into(), body.into())));
        self.host.attended.set(1);
        self.vm.fetched(1, u32::try_from(call).unwrap(), body.len());
        self.returned(0);
    }
}

/// Workers of one process, and the issuer that they follow.
#[derive(Debug)]
pub(crate) struct Followers {
    pub(crate) process: Rc<Process>,
    pub(crate) issuer: Issuer,
    /// With the number of their fetches that were answered.
    pub(crate) workers: Vec<(Worker, usize)>,
}

impl Followers {
    /// Followers of an issuer that has a revocation already. Nothing was fetched yet.
    pub(crate) fn new(workers: usize) -> Self {
        let mut issuer = Issuer::new();
        issuer.revoke("s-0");
        let mut followers = Self { process: Process::start(), issuer, workers: Vec::new() };
        (0..workers).for_each(|_| followers.join());
        followers
    }

    /// Up to date.
    pub(crate) fn fed(workers: usize) -> Self {
        let mut followers = Self::new(workers);
        followers.run(Duration::from_secs(2));
        followers
    }

    /// One more worker, with a VM of its own.
    pub(crate) fn join(&mut self) {
        self.workers.push((Worker::new(&self.process, &followed(FEED)), 0));
    }

    /// So much time with all its ticks; fetches are answered at once.
    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.process.now.get() + time;
        while self.process.now.get() < end {
            self.process.wait(TICK);
            self.tick();
        }
    }

    pub(crate) fn tick(&mut self) {
        for at in 0..self.workers.len() {
            self.workers[at].0.tick();
            self.answer(at);
        }
    }

    /// Answers what this worker asks for, until it asks for no more.
    pub(crate) fn answer(&mut self, at: usize) {
        let (worker, answered) = &mut self.workers[at];
        while let Some(path) = { worker.host.fetches.borrow().get(*answered).cloned() } {
            *answered += 1;
            let (status, body) = self.issuer.answer(&path, self.process.now.get());
            worker.answer(*answered, status, body.as_bytes());
        }
    }

    /// The pages that were asked for since `start`.
    pub(crate) fn pages(&self) -> Vec<String> {
        let fetches = self.workers.iter().flat_map(|(worker, _)| worker.host.fetches.borrow().clone());
        fetches.filter(|fetch| fetch.contains("/revocations")).collect()
    }

    /// The answers of all workers to the token of session `s-1` at this path.
    pub(crate) fn get(&mut self, path: &str, token: &str) -> Vec<u16> {
        self.workers.iter_mut().map(|(worker, _)| worker.get(path, token).0).collect()
    }

    /// Returns the lines that all workers wrote into the log.
    pub(crate) fn log(&self) -> Vec<String> {
        let lines = self.workers.iter().flat_map(|(worker, _)| worker.host.log.borrow().clone());
        lines.map(|(_, line)| line).collect()
    }
}

/// As the filter asks for while a feed is followed.
pub(crate) const TICK: Duration = Duration::from_millis(250);
