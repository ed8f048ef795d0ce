//! What is reached over the network: Redis, the listeners' addresses, and the issuer as others see it.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::net::TcpListener;

use super::report::Report;
use crate::cache::{Cache as _, MemoryCache, RedisCache};
use crate::clock::World;
use crate::config::Config;
use crate::http;
use crate::keys::Lookout;
use crate::store::{KeyHistory, KeyState};

pub(super) async fn redis(config: &Config, world: &World, report: &mut Report) {
    let Some(url) = &config.redis_url else {
        return report.ok(REDIS, "not configured; attempts are counted in each process");
    };
    let fallbacks = world.metrics.redis_fallbacks.clone();
    let cache = match RedisCache::connect(url.expose(), MemoryCache::new(world.clock.clone(), 1), fallbacks) {
        Ok(cache) => cache,
        Err(error) => return report.failed(REDIS, error.to_string()),
    };
    match cache.ping().await {
        Ok(()) => report.ok(REDIS, "answers"),
        Err(error) => {
            let advice = if error.is_unknown_ca() { UNKNOWN_CA } else { "" };
            report.failed(
                REDIS,
                format!("{error}{advice}; until it responds, each issuer counts attempts on its own"),
            );
        }
    }
}

/// Whether an issuer of this configuration runs here.
pub(super) async fn listeners(config: &Config, report: &mut Report) -> bool {
    let live = format!("http://{}/health/live", reachable(config.operations_listen));
    let runs = read(&live).await.is_ok_and(|body| member(&body, "status").as_deref() == Some("live"));
    for (name, address) in [("listen", config.listen), ("operations_listen", config.operations_listen)] {
        match TcpListener::bind(address).await {
            Ok(_) => report.ok(LISTENERS, format!("`{name}` {address} is free; no issuer is running here")),
            Err(error) if error.kind() != std::io::ErrorKind::AddrInUse => {
                report.failed(LISTENERS, format!("`{name}` {address} cannot be used: {error}"));
            }
            Err(_) if runs => report.ok(LISTENERS, format!("an issuer is listening on `{name}` {address}")),
            Err(_) => report.failed(
                LISTENERS,
                format!("another program is listening on `{name}` {address}: stop it or choose another port"),
            ),
        }
    }
    runs
}

/// Others take nothing but exactly this issuer (RFC 8414 §3.3).
pub(super) async fn issuer(config: &Config, runs: bool, report: &mut Report) {
    let url = format!("{}{}", config.issuer, http::METADATA);
    let body = match read(&url).await {
        Ok(body) => body,
        Err(why) if runs => return unreached_issuer(config, (&url, &why), report).await,
        Err(why) => return not_started(ISSUER, (&url, &why), report),
    };
    if body == http::metadata(&config.issuer).body.as_bytes() {
        return report.ok(ISSUER, format!("{url} responds as expected"));
    }
    match member(&body, "issuer") {
        Some(told) if told == config.issuer => {
            report.warning(ISSUER, format!("{url} differs from what this version publishes: check which version is serving"));
        }
        Some(told) => report.failed(
            ISSUER,
            format!("{url} names the issuer `{told}`, so verifiers reject its tokens: correct `issuer` or the proxy"),
        ),
        None => report.failed(ISSUER, format!("{url} is not an issuer's metadata: check the proxy")),
    }
}

/// What verifiers get, on several connections.
pub(super) async fn key_set(
    config: &Config,
    history: Option<&KeyHistory>,
    (runs, report): (bool, &mut Report),
) {
    let url = &config.jwks_url;
    let seen = match Lookout::new(url) {
        Err(error) => return report.failed(KEY_SET, error.to_string()),
        Ok(lookout) => match lookout.look().await {
            Ok(seen) => seen,
            Err(error) if runs => {
                let says = format!(
                    "{url} is not reached from here ({error}), so no rotation of keys begins: set `keys.jwks_url` to an \
                     address of the key set that this machine reaches"
                );
                return report.failed(KEY_SET, says);
            }
            Err(error) => return not_started(KEY_SET, (url, &error.to_string()), report),
        },
    };
    let Some(history) = history else {
        return report.skipped(KEY_SET, "the database must be ready first");
    };
    let due = [KeyState::Active, KeyState::Planned, KeyState::Standby];
    let mut missing = history
        .keys
        .iter()
        .filter(|key| due.contains(&key.state(history.now)) && !seen.contains(&key.kid))
        .peekable();
    if missing.peek().is_none() {
        return report.ok(KEY_SET, format!("{url} has every key that signs or is due to sign"));
    }
    for key in missing {
        let (kid, state) = (&key.kid, key.state(history.now));
        report.failed(
            KEY_SET,
            format!("{url} lacks {kid}, which is {state}: check for an issuer of another database or a stale cache"),
        );
    }
}

/// Before the first start this is as it should be.
fn not_started(check: &'static str, (url, why): (&str, &str), report: &mut Report) {
    report.warning(check, format!("{url} cannot be reached ({why}): start an issuer with `keystone serve`"));
}

/// The public name may mean nothing on the machine that serves it (split DNS, a proxy elsewhere), so the issuer that runs
/// here is asked itself.
async fn unreached_issuer(config: &Config, (url, why): (&str, &str), report: &mut Report) {
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    let direct = url.split_once("://").map(|(_, rest)| format!("{scheme}://{rest}"));
    let says = format!("{url} cannot be reached from here ({why})");
    match read_from(reachable(config.listen), &direct.unwrap_or_default()).await {
        Ok(body) if body == http::metadata(&config.issuer).body.as_bytes() => report.warning(
            ISSUER,
            format!(
                "{says}; the issuer on `listen` responds as expected. If clients do not reach it either, correct \
                 `issuer`, the name, the certificate or the proxy"
            ),
        ),
        Ok(_) => report.failed(ISSUER, format!("{says}, and `listen` serves other metadata: check which version is serving")),
        Err(direct) => report.failed(ISSUER, format!("{says}, nor can `listen` ({direct})")),
    }
}

/// A text in a JSON object.
fn member(body: &[u8], name: &str) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    body.get(name)?.as_str().map(str::to_owned)
}

async fn read(url: &str) -> Result<Vec<u8>, String> {
    let lookout = Lookout::new(url).map_err(|error| error.to_string())?;
    lookout.read().await.map(|body| body.to_vec()).map_err(|error| error.to_string())
}

async fn read_from(address: SocketAddr, url: &str) -> Result<Vec<u8>, String> {
    let lookout = Lookout::new(url).map_err(|error| error.to_string())?;
    lookout.read_from(address).await.map(|body| body.to_vec()).map_err(|error| error.to_string())
}

/// An address to listen on is not always one to connect to.
fn reachable(address: SocketAddr) -> SocketAddr {
    let loopback: std::net::IpAddr = match address {
        SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
    };
    if address.ip().is_unspecified() { SocketAddr::new(loopback, address.port()) } else { address }
}

const REDIS: &str = "redis";
const UNKNOWN_CA: &str =
    ": let this machine trust the CA of its certificate, or name a PEM file of the CA in SSL_CERT_FILE";
const LISTENERS: &str = "listeners";
const ISSUER: &str = "issuer URL";
const KEY_SET: &str = "published keys";
