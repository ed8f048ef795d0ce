//! How often someone may guess: counted before a password is looked at, for everyone alike, whether they exist or not.
//!
//! Three counters a window: one address (so spraying ends), one user from one address (so guessing ends), one user
//! from anywhere (so a botnet ends). What an address may not do any more counts for no user: it locks nobody out.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::cache::Cache;
use crate::config::Limits;
use crate::metrics::Tally;
use crate::network::subscriber;
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
        self.failed(secrets, address).await?;
        let here = secrets.bucket("login", &[user, &subscriber(address)]);
        self.count("login", &here, self.limits.login_attempts).await?;
        self.count("user", &secrets.bucket("user", &[user]), self.limits.user_attempts).await
    }

    /// Forgets what was counted for the user. The address stays counted: one own account must not pay for a thousand others.
    pub async fn succeeded(&self, secrets: &Secrets, address: IpAddr, user: &str) {
        self.cache.forget(&secrets.bucket("login", &[user, &subscriber(address)])).await;
        self.cache.forget(&secrets.bucket("user", &[user])).await;
    }

    /// Counts a credential from `address`: every login, and whatever else turned out wrong.
    pub async fn failed(&self, secrets: &Secrets, address: IpAddr) -> Result<(), TooMany> {
        let here = secrets.bucket("address", &[&subscriber(address)]);
        self.count("address", &here, self.limits.address_attempts).await
    }

    async fn count(&self, limit: &'static str, bucket: &str, most: u64) -> Result<(), TooMany> {
        let hits = self.cache.hit(bucket, self.limits.login_window).await;
        if hits.count <= most {
            return Ok(());
        }
        self.refused.count(limit);
        Err(TooMany { retry_after: hits.remaining })
    }
}
