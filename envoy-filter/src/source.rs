//! Where an issuer's keys are: a URL for the request, and the cluster that Envoy reaches it through.

use std::time::Duration;

use keystone_verifier::{IssuerPolicy, KeySource, text};

use crate::host::{Fetch, Host};

/// The largest key set, as for every verifier.
const MAX_BYTES: usize = 64 * 1024;
const TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) url: String,
    pub(crate) cluster: String,
    scheme: String,
    authority: String,
    path: String,
}

impl Source {
    /// `None` if the keys are in the policy itself. The error is what the policy lacks for Envoy.
    pub(crate) fn new(issuer: &IssuerPolicy) -> Result<Option<Self>, String> {
        let KeySource::Remote { url, cluster } = &issuer.keys else { return Ok(None) };
        let Some(cluster) = cluster.clone() else {
            return Err(text!("keys.cluster: missing, it must name the Envoy cluster that reaches {url}"));
        };
        let Some((scheme, authority, path)) = split(url) else {
            return Err(text!(
                "keys.url: {url} must be http:// or https://, a host and a path, nothing else"
            ));
        };
        let (scheme, authority, path) = (scheme.into(), authority.into(), path.into());
        Ok(Some(Self { url: url.clone(), cluster, scheme, authority, path }))
    }

    /// Starts a fetch. `None`: Envoy knows no such cluster, or cannot use it.
    pub(crate) fn fetch(&self, host: &impl Host) -> Option<u32> {
        host.fetch(&Fetch {
            cluster: &self.cluster,
            headers: &[
                (":method", "GET"),
                (":scheme", &self.scheme),
                (":authority", &self.authority),
                (":path", &self.path),
                ("accept", "application/jwk-set+json, application/json"),
            ],
            timeout: TIMEOUT,
        })
    }
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

/// Scheme, authority and path with query.
fn split(url: &str) -> Option<(&str, &str, &str)> {
    let (scheme, rest) = match (url.strip_prefix("http://"), url.strip_prefix("https://")) {
        (Some(rest), _) => ("http", rest),
        (_, rest) => ("https", rest?),
    };
    let (authority, path) = rest.split_at_checked(rest.find(['/', '?']).unwrap_or(rest.len()))?;
    let path = if path.is_empty() { "/" } else { path };
    let clean = url.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#' && byte != b'\\');
    let valid = clean && !authority.is_empty() && !authority.contains(['@']) && path.starts_with('/');
    valid.then_some((scheme, authority, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_split_into_what_envoy_asks_for() {
        assert_eq!(split("https://as.example/k?a=b"), Some(("https", "as.example", "/k?a=b")));
        assert_eq!(split("http://127.0.0.1:8000"), Some(("http", "127.0.0.1:8000", "/")));
    }

    #[test]
    fn a_url_with_more_or_less_than_host_and_path_is_refused() {
        for url in [
            "as.example/k",
            "ftp://as.example/k",
            "https:///k",
            "https://u@as.example/k",
            "https://as.example/k#f",
            "https://as.example/k\r\n",
            "https://as.example\\k",
            "https://as.example?k",
            "",
        ] {
            assert_eq!(split(url), None, "{url}");
        }
    }
}
