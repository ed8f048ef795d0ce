//! How often someone may guess: counted before a password is looked at, for everyone alike, whether they exist or not.
//!
//! Three counters: one address (so spraying ends), one user from one address (so guessing ends), one user from anywhere
//! (so a botnet ends). What an address may not do any more counts for no user: it locks nobody out. Nor does a botnet:
//! where someone logged in before, they go on logging in, whatever strangers elsewhere do to their name.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::cache::{Cache, Hits};
use crate::config::Limits;
use crate::metrics::Tally;
use crate::network::{site, subscriber};
use crate::secrets::Secrets;

#[derive(Debug)]
pub struct Attempts {
    pub cache: Arc<dyn Cache>,
    limits: Limits,
    refused: Tally,
}

/// A limit is reached. A right password does not change that before the window ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany {
    pub retry_after: Duration,
}

impl Attempts {
    pub fn new(cache: Arc<dyn Cache>, limits: Limits, refused: Tally) -> Self {
        Self { cache, limits, refused }
    }

    /// Counts a login before its password is checked. `user`: what was claimed, in canonical form.
    pub async fn login(&self, secrets: &Secrets, address: IpAddr, user: &str) -> Result<(), TooMany> {
        let [here, anywhere, familiar] = buckets(secrets, address, user);
        self.failed(secrets, address).await?;
        self.slow_down("login", &here, self.limits.login_attempts).await?;
        if self.cache.has(&familiar).await {
            return Ok(());
        }
        self.slow_down("user", &anywhere, self.limits.user_attempts).await
    }

    /// Forgets what was counted for the user. The address stays counted: one own account must not pay for a thousand others.
    pub async fn succeeded(&self, secrets: &Secrets, address: IpAddr, user: &str) {
        let [here, anywhere, familiar] = buckets(secrets, address, user);
        for bucket in [&here, &anywhere] {
            self.cache.forget(bucket).await;
            self.cache.forget(&longer(bucket)).await;
        }
        self.cache.hit(&familiar, FAMILIAR).await;
    }

    /// Counts a credential from `address`: every login, and whatever else turned out wrong.
    pub async fn failed(&self, secrets: &Secrets, address: IpAddr) -> Result<(), TooMany> {
        let (most, window) = (self.limits.address_attempts, self.limits.login_window);
        self.count("address", &secrets.bucket("address", &[&subscriber(address)]), (most, window)).await?;
        match site(address) {
            Some(site) => {
                self.count("site", &secrets.bucket("address", &[&site]), (SITE * most, window)).await
            }
            None => Ok(()),
        }
    }

    /// Counts who did not prove to be the client that they claimed to be. Whoever proves it is never refused: nobody
    /// guesses 256 random bits, and whoever could stop a client by guessing would.
    pub async fn no_client(
        &self,
        secrets: &Secrets,
        address: IpAddr,
        claimed: Option<&str>,
    ) -> Result<(), TooMany> {
        self.failed(secrets, address).await?;
        let Some(client_id) = claimed else { return Ok(()) };
        let (most, window) = (self.limits.client_attempts, self.limits.login_window);
        let hits = self.cache.hit(&secrets.bucket("client", &[client_id]), window).await;
        if hits.just_passed(most) {
            tracing::warn!(client_id, most, "somebody guesses secrets of a client, or it has a wrong one");
        }
        self.within("client", hits, most)
    }

    /// A burst costs a wait of one window; whoever goes on for many windows waits for much longer.
    async fn slow_down(&self, limit: &'static str, bucket: &str, most: u64) -> Result<(), TooMany> {
        let window = self.limits.login_window;
        self.count(limit, bucket, (most, window)).await?;
        self.count(limit, &longer(bucket), (BURSTS * most, LONGER * window)).await
    }

    async fn count(
        &self,
        limit: &'static str,
        bucket: &str,
        (most, window): (u64, Duration),
    ) -> Result<(), TooMany> {
        self.within(limit, self.cache.hit(bucket, window).await, most)
    }

    fn within(&self, limit: &'static str, hits: Hits, most: u64) -> Result<(), TooMany> {
        if hits.count <= most {
            return Ok(());
        }
        self.refused.count(limit);
        Err(TooMany { retry_after: hits.remaining })
    }
}

/// For this user: at this address, anywhere, and whether they ever logged in at this address.
fn buckets(secrets: &Secrets, address: IpAddr, user: &str) -> [String; 3] {
    let at = subscriber(address);
    [
        secrets.bucket("login", &[user, &at]),
        secrets.bucket("user", &[user]),
        secrets.bucket("familiar", &[user, &at]),
    ]
}

fn longer(bucket: &str) -> String {
    format!("{bucket}:longer")
}

/// Of a site's many subscribers, as many as this may be at their limit.
const SITE: u64 = 10;
/// Within so many windows, no more than so many bursts.
const LONGER: u32 = 60;
const BURSTS: u64 = 10;
/// How long an address is remembered as one where a user logged in.
const FAMILIAR: Duration = Duration::from_secs(30 * 86_400);
