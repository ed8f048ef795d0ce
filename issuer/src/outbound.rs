//! What the issuer itself asks of others: one connection, one request, one answer with an end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderValue};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};
use url::Url;

#[derive(Clone, Debug)]
pub struct Outbound {
    tls: Arc<ClientConfig>,
}

#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    #[error(transparent)]
    Connection(#[from] io::Error),
    #[error(transparent)]
    Http(#[from] hyper::Error),
    #[error("the host name has no address")]
    Nowhere,
    #[error("the response is too long or incomplete")]
    Body,
    #[error("no response within {} seconds", PATIENCE.as_secs())]
    Late,
}

/// An answer has its end: see [`bounded`].
pub type Answer = Result<Response<Bytes>, OutboundError>;

impl Outbound {
    /// Trusts the certificates that the machine does. `SSL_CERT_FILE` names others.
    pub fn new() -> Result<Self, rustls::Error> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let tls = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { tls: Arc::new(tls) })
    }

    /// To the first address behind the host of `url` where somebody answers the call.
    #[cfg(any(feature = "otel", feature = "sentry"))]
    pub async fn send(&self, url: &Url, request: Request<Full<Bytes>>) -> Answer {
        let mut outcome = Err(OutboundError::Nowhere);
        for address in addresses(url).await? {
            outcome = self.send_to(address, url, request.clone()).await;
            if !matches!(outcome, Err(OutboundError::Connection(_))) {
                break;
            }
        }
        outcome
    }

    /// To one of the addresses behind the host of `url`. The request needs no URI and no `Host`.
    pub async fn send_to(&self, address: SocketAddr, url: &Url, request: Request<Full<Bytes>>) -> Answer {
        let request = addressed(request, url)?;
        let stream = TcpStream::connect(address).await?;
        if url.scheme() == "https" {
            let name = ServerName::try_from(bare_host(url).to_owned()).map_err(io::Error::other)?;
            exchange(TlsConnector::from(self.tls.clone()).connect(name, stream).await?, request).await
        } else {
            exchange(stream, request).await
        }
    }
}

pub async fn addresses(url: &Url) -> io::Result<Vec<SocketAddr>> {
    let port = url.port_or_known_default().unwrap_or(443);
    Ok(tokio::net::lookup_host((bare_host(url), port)).await?.take(MOST_ADDRESSES).collect())
}

/// Resolving, connecting, and whatever else belongs to one question.
pub async fn bounded<T, E: From<OutboundError>>(
    question: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    tokio::time::timeout(PATIENCE, question).await.unwrap_or_else(|_| Err(OutboundError::Late.into()))
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<Full<Bytes>>,
) -> Answer {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It ends with `sender`.
    drop(tokio::spawn(connection));
    let (head, body) = sender.send_request(request).await?.into_parts();
    if !head.status.is_success() {
        // Whoever refuses has nothing else to say.
        return Ok(Response::from_parts(head, Bytes::new()));
    }
    let body = Limited::new(body, MOST_BYTES).collect().await.map_err(|_| OutboundError::Body)?;
    Ok(Response::from_parts(head, body.to_bytes()))
}

fn addressed(mut request: Request<Full<Bytes>>, url: &Url) -> io::Result<Request<Full<Bytes>>> {
    let host = url.host_str().unwrap_or_default();
    let authority = url.port().map_or(host.to_owned(), |port| format!("{host}:{port}"));
    let path = url.query().map_or(url.path().to_owned(), |query| format!("{}?{query}", url.path()));
    *request.uri_mut() = path.parse().map_err(io::Error::other)?;
    request.headers_mut().insert(HOST, HeaderValue::from_str(&authority).map_err(io::Error::other)?);
    Ok(request)
}

/// Without the brackets of an IPv6 address.
fn bare_host(url: &Url) -> &str {
    url.host_str().unwrap_or_default().trim_matches(['[', ']'])
}

const MOST_ADDRESSES: usize = 16;
const PATIENCE: Duration = Duration::from_secs(10);
/// What a verifier reads of a key set.
const MOST_BYTES: usize = 64 * 1024;
