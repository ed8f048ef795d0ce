//! How often someone may guess: counted before a password is looked at, for everyone alike, whether they exist or not.
//!
//! Three counters: one address (so spraying ends), one user from one address (so guessing ends), one user from anywhere
//! (so a botnet ends). What an address may not do any more counts for no user: it locks nobody out. Nor does a botnet:
//! where someone logged in before, they go on logging in, whatever strangers elsewhere do to their name.
//!
//! A confidential client asks for many users from one address. Either its registration says that it forwards theirs, which then
//! count as if they asked themselves, or the client is counted instead: only wrong passwords, and at the expense only of users
//! who never logged in there.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::cache::{Cache, Hits};
use crate::config::Limits;
use crate::metrics::Tally;
use crate::network::{site, subscriber};
use crate::secrets::Secrets;
use crate::store::Client;

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

/// Whence a user asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    Address(IpAddr),
    /// Through a confidential client that does not say at which address its user is: its own is nobody's.
    Client(String),
}

impl Attempts {
    pub fn new(cache: Arc<dyn Cache>, limits: Limits, refused: Tally) -> Self {
        Self { cache, limits, refused }
    }

    /// Counts a login before its password is checked. `user`: what was claimed, in canonical form.
    pub async fn login(&self, secrets: &Secrets, source: &Source, user: &str) -> Result<(), TooMany> {
        let [here, anywhere, familiar] = buckets(secrets, source, user);
        self.failed(secrets, source).await?;
        let is_familiar = self.cache.has(&familiar).await;
        if !is_familiar {
            self.not_closed(secrets, source).await?;
        }
        self.slow_down("login", &here, self.limits.login_attempts).await?;
        if is_familiar {
            return Ok(());
        }
        self.slow_down("user", &anywhere, self.limits.user_attempts).await
    }

    /// Forgets what was counted for the user. The address stays counted: one own account must not pay for a thousand others.
    pub async fn succeeded(&self, secrets: &Secrets, source: &Source, user: &str) {
        let [here, anywhere, familiar] = buckets(secrets, source, user);
        for bucket in [&here, &anywhere] {
            self.cache.forget(bucket).await;
            self.cache.forget(&longer(bucket)).await;
        }
        self.cache.hit(&familiar, FAMILIAR).await;
    }

    /// Counts a credential from an address: every login, and whatever else turned out wrong. Nobody is behind the address of
    /// a client alone.
    pub async fn failed(&self, secrets: &Secrets, source: &Source) -> Result<(), TooMany> {
        match source {
            Source::Address(address) => self.address(secrets, *address).await,
            Source::Client(_) => Ok(()),
        }
    }

    /// Counts a wrong password through a client whose users' addresses are not known. Too many of them close the client for
    /// users who never logged in there.
    pub async fn wrong_password(&self, secrets: &Secrets, source: &Source) {
        let Source::Client(client_id) = source else { return };
        let (most, window) = (self.limits.client_user_attempts, self.limits.login_window);
        let hits = self.cache.hit(&secrets.bucket("through", &[client_id]), window).await;
        if hits.just_passed(most) {
            tracing::warn!(
                client_id,
                most,
                "too many failed logins through a client that does not forward its users' addresses"
            );
        }
        if hits.count > most {
            self.cache.hit(&closed(secrets, client_id), window).await;
        }
    }

    /// Counts a change that tells whether somebody else has an address.
    pub async fn change_of_account(&self, secrets: &Secrets, user: uuid::Uuid) -> Result<(), TooMany> {
        let bucket = secrets.bucket("account", &[&user.to_string()]);
        self.slow_down("account", &bucket, self.limits.login_attempts).await
    }

    async fn not_closed(&self, secrets: &Secrets, source: &Source) -> Result<(), TooMany> {
        match source {
            Source::Client(client_id) if self.cache.has(&closed(secrets, client_id)).await => {
                self.refused.count("client_users");
                Err(TooMany { retry_after: self.limits.login_window })
            }
            _ => Ok(()),
        }
    }

    async fn address(&self, secrets: &Secrets, address: IpAddr) -> Result<(), TooMany> {
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
        self.address(secrets, address).await?;
        let Some(client_id) = claimed else { return Ok(()) };
        let (most, window) = (self.limits.client_attempts, self.limits.login_window);
        let hits = self.cache.hit(&secrets.bucket("client", &[client_id]), window).await;
        if hits.just_passed(most) {
            tracing::warn!(client_id, most, "too many failed authentications of a client");
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

impl Source {
    /// `client` has proved who it is, if it can. A public one is whoever asks, so the address is the user's.
    ///
    /// `user_address`: where the client says that its user is.
    pub fn of(client: &Client, address: IpAddr, user_address: Option<IpAddr>) -> Self {
        match user_address {
            _ if client.public => Self::Address(address),
            Some(user_address) if client.forwards_user_address => Self::Address(user_address),
            _ => Self::Client(client.client_id.clone()),
        }
    }
}

/// For this user: here, anywhere, and whether they ever logged in here.
fn buckets(secrets: &Secrets, source: &Source, user: &str) -> [String; 3] {
    let at = match source {
        Source::Address(address) => subscriber(*address),
        Source::Client(client_id) => format!("client {client_id}"),
    };
    [
        secrets.bucket("login", &[user, &at]),
        secrets.bucket("user", &[user]),
        secrets.bucket("familiar", &[user, &at]),
    ]
}

fn closed(secrets: &Secrets, client_id: &str) -> String {
    secrets.bucket("closed", &[client_id])
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
