//! Looks at what is published where others get it: past every load balancer and cache, on connections of its own.

use std::net::SocketAddr;

use axum::body::Bytes;
use http_body_util::Full;
use hyper::header::{ACCEPT, HeaderValue};
use hyper::{Request, StatusCode};
use keystone_verifier::KeySet;
use tokio_rustls::rustls;
use url::Url;

use crate::outbound::{self, Outbound, OutboundError};

/// One address, and what it takes to trust who answers there.
#[derive(Clone, Debug)]
pub struct Lookout {
    url: Url,
    outbound: Outbound,
}

/// Why a look found nothing out. It is no evidence against a key.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    #[error(transparent)]
    Outbound(#[from] OutboundError),
    #[error("the response has status {0}")]
    Status(StatusCode),
    #[error("{0}")]
    KeySet(String),
}

/// Why nobody can look there.
#[derive(Debug, thiserror::Error)]
pub enum LookoutError {
    #[error("the key set cannot be checked: {0}")]
    Url(#[from] url::ParseError),
    #[error("the key set cannot be checked: {0}")]
    Tls(#[from] rustls::Error),
}

impl Lookout {
    pub fn new(url: &str) -> Result<Self, LookoutError> {
        Ok(Self { url: Url::parse(url)?, outbound: Outbound::new()? })
    }

    /// The keys that every copy holds. As many connections as replicas and caches may hide behind one name.
    pub async fn look(&self) -> Result<Vec<String>, LookError> {
        outbound::bounded(async {
            let addresses = outbound::addresses(&self.url).await.map_err(OutboundError::from)?;
            let mut common: Option<Vec<String>> = None;
            for address in addresses.iter().cycle().take(CONNECTIONS.max(addresses.len())) {
                let copy = self.copy(*address).await?;
                match &mut common {
                    None => common = Some(copy.kids().map(str::to_owned).collect()),
                    Some(common) => common.retain(|kid| copy.kids().any(|known| known == kid)),
                }
            }
            Ok(common.unwrap_or_default())
        })
        .await
    }

    /// One copy, byte by byte.
    pub async fn read(&self) -> Result<Bytes, LookError> {
        outbound::bounded(async {
            let addresses = outbound::addresses(&self.url).await.map_err(OutboundError::from)?;
            self.fetch(*addresses.first().ok_or(OutboundError::Nowhere)?).await
        })
        .await
    }

    /// What a server at this address answers, wherever the name leads.
    pub async fn read_from(&self, address: SocketAddr) -> Result<Bytes, LookError> {
        outbound::bounded(self.fetch(address)).await
    }

    /// Read as a verifier reads it: what it would not use was not seen.
    async fn copy(&self, address: SocketAddr) -> Result<KeySet, LookError> {
        let body = self.fetch(address).await?;
        super::read_key_set(&body).map_err(|error| LookError::KeySet(error.to_string()))
    }

    async fn fetch(&self, address: SocketAddr) -> Result<Bytes, LookError> {
        let mut request = Request::new(Full::<Bytes>::default());
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static(ACCEPTED));
        let answer = self.outbound.send_to(address, &self.url, request).await?;
        if answer.status() != StatusCode::OK {
            return Err(LookError::Status(answer.status()));
        }
        Ok(answer.into_body())
    }
}

const ACCEPTED: &str = "application/jwk-set+json, application/json";
/// At least.
const CONNECTIONS: usize = 3;
