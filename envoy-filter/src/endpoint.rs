//! Where an issuer's keys and its revocation feed are: URLs for the requests, and the cluster that Envoy reaches them through.

use std::time::Duration;

use keystone_verifier::{Address, IssuerPolicy, KeySource, text};

use crate::host::{Fetch, Host};
use crate::record::Origin;

/// The largest key set and the largest page, as for every verifier.
const MAX_BYTES: usize = 64 * 1024;
const TIMEOUT: Duration = Duration::from_secs(5);

/// The values of the `accept` header.
const JWKS: &str = "application/jwk-set+json, application/json";
const PAGE: &str = "application/keystone-revocations+jwt";

#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) url: String,
    pub(crate) cluster: String,
    accept: &'static str,
    scheme: String,
    authority: String,
    path: String,
}

/// Where the revocation feed of an issuer is.
#[derive(Debug)]
pub(crate) struct FeedEndpoints {
    pub(crate) keys: Endpoint,
    pub(crate) pages: Endpoint,
}

impl Endpoint {
    /// Where the keys of tokens are. `None` if they are in the policy itself. The error is what the policy lacks for Envoy.
    pub(crate) fn of_keys(issuer: &IssuerPolicy) -> Result<Option<Self>, String> {
        let KeySource::Remote { url, cluster } = &issuer.keys else { return Ok(None) };
        let cluster = cluster.as_ref().ok_or_else(|| missing("keys", url))?;
        Self::new("keys.url", url, JWKS, cluster).map(Some)
    }

    fn new(member: &str, url: &str, accept: &'static str, cluster: &str) -> Result<Self, String> {
        // Every policy that was read has such addresses only.
        let Some(Address { scheme, authority, target }) = Address::parse(url) else {
            return Err(text!("{member}: {url} is not an address that can be asked for"));
        };
        let (scheme, authority, path) = (scheme.into(), authority.into(), target.into());
        Ok(Self { url: url.into(), cluster: cluster.into(), accept, scheme, authority, path })
    }

    /// Returns the origin of the records for all who ask here about `issuer`.
    pub(crate) fn origin<'a>(&'a self, issuer: &'a str) -> Origin<'a> {
        Origin { url: &self.url, cluster: &self.cluster, issuer }
    }

    /// Starts a fetch. `None`: Envoy knows no such cluster, or cannot use it.
    pub(crate) fn fetch(&self, host: &impl Host) -> Option<u32> {
        self.get(host, &self.path)
    }

    /// Starts a fetch of what comes after `cursor`, which may stand in a URL as it is; of the beginning where it is empty.
    pub(crate) fn fetch_after(&self, host: &impl Host, cursor: &str) -> Option<u32> {
        if cursor.is_empty() {
            return self.fetch(host);
        }
        let joint = if self.path.contains(['?']) { "&" } else { "?" };
        self.get(host, &text!("{}{joint}after={cursor}", self.path))
    }

    /// Why a fetch could not start.
    pub(crate) fn no_cluster(&self) -> String {
        text!("Envoy has no usable cluster {}", self.cluster)
    }

    fn get(&self, host: &impl Host, path: &str) -> Option<u32> {
        host.fetch(&Fetch {
            cluster: &self.cluster,
            headers: &[
                (":method", "GET"),
                (":scheme", &self.scheme),
                (":authority", &self.authority),
                (":path", path),
                ("accept", self.accept),
            ],
            timeout: TIMEOUT,
        })
    }
}

impl FeedEndpoints {
    /// `None` if the feed is not followed. The error is what the policy lacks for Envoy.
    pub(crate) fn new(issuer: &IssuerPolicy) -> Result<Option<Self>, String> {
        let Some(feed) = &issuer.revocations else { return Ok(None) };
        let cluster = feed_cluster(issuer).ok_or_else(|| missing("revocation", &feed.url))?;
        Ok(Some(Self {
            keys: Endpoint::new("revocation.keys_url", &feed.keys_url, JWKS, cluster)?,
            pages: Endpoint::new("revocation.url", &feed.url, PAGE, cluster)?,
        }))
    }
}

/// Mostly one cluster serves all of an issuer: that of its keys does where the feed names none.
pub(crate) fn feed_cluster(issuer: &IssuerPolicy) -> Option<&str> {
    let of_keys = match &issuer.keys {
        KeySource::Remote { cluster, .. } => cluster.as_deref(),
        KeySource::Inline(_) => None,
    };
    issuer.revocations.as_ref()?.cluster.as_deref().or(of_keys)
}

fn missing(member: &str, url: &str) -> String {
    text!("{member}.cluster: missing, it must name the Envoy cluster that reaches {url}")
}

/// The body of the answer that has arrived. Only 200 counts: a redirect could lead to someone else's keys.
pub(crate) fn body(host: &impl Host, size: usize) -> Result<Vec<u8>, String> {
    match host.fetched_status() {
        None => return Err("there was no answer".into()),
        Some(status) if status != b"200" => {
            return Err(text!("the status was {}, not 200", String::from_utf8_lossy(&status)));
        }
        Some(_) if size > MAX_BYTES => return Err(text!("the answer is longer than {MAX_BYTES} bytes")),
        Some(_) => {}
    }
    host.fetched_body(MAX_BYTES).ok_or_else(|| "the answer cannot be read".into())
}
