//! Looks at what is published where others get it: past every load balancer and cache, on connections of its own.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, HOST, HeaderValue};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use keystone_verifier::KeySet;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use url::Url;

/// One address, and what it takes to trust who answers there.
#[derive(Clone, Debug)]
pub struct Lookout {
    url: Url,
    tls: Arc<ClientConfig>,
}

/// Why a look found nothing out. It is no evidence against a key.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    #[error(transparent)]
    Connection(#[from] io::Error),
    #[error(transparent)]
    Http(#[from] hyper::Error),
    #[error("the answer is {0}")]
    Status(StatusCode),
    #[error("the answer is longer than a key set may be, or breaks off")]
    Body,
    #[error("{0}")]
    KeySet(String),
    #[error("no answer within {} seconds", PATIENCE.as_secs())]
    Late,
}

/// Why nobody can look there.
#[derive(Debug, thiserror::Error)]
pub enum LookoutError {
    #[error("the key set cannot be looked at: {0}")]
    Url(#[from] url::ParseError),
    #[error("the key set cannot be looked at: {0}")]
    Tls(#[from] tokio_rustls::rustls::Error),
}

impl Lookout {
    /// Trusts the certificates that the machine does. `SSL_CERT_FILE` names others.
    pub fn new(url: &str) -> Result<Self, LookoutError> {
        let url = Url::parse(url)?;
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let tls = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { url, tls: Arc::new(tls) })
    }

    /// The keys that every copy holds. As many connections as replicas and caches may hide behind one name.
    pub async fn look(&self) -> Result<Vec<String>, LookError> {
        let all = async {
            let addresses = self.addresses().await?;
            let mut common: Option<Vec<String>> = None;
            for address in addresses.iter().cycle().take(CONNECTIONS.max(addresses.len())) {
                let copy = self.copy(*address).await?;
                match &mut common {
                    None => common = Some(copy.kids().map(str::to_owned).collect()),
                    Some(common) => common.retain(|kid| copy.kids().any(|known| known == kid)),
                }
            }
            Ok(common.unwrap_or_default())
        };
        tokio::time::timeout(PATIENCE, all).await.map_err(|_| LookError::Late)?
    }

    /// One copy, byte by byte.
    pub async fn read(&self) -> Result<Vec<u8>, LookError> {
        let first = async {
            let nowhere = || io::Error::new(io::ErrorKind::NotFound, "the name has no address");
            self.fetch(*self.addresses().await?.first().ok_or_else(nowhere)?).await
        };
        tokio::time::timeout(PATIENCE, first).await.map_err(|_| LookError::Late)?
    }

    async fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        let port = self.url.port_or_known_default().unwrap_or(443);
        let host = self.host().trim_matches(['[', ']']);
        Ok(tokio::net::lookup_host((host, port)).await?.take(MOST_ADDRESSES).collect())
    }

    fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// Read as a verifier reads it: what it would not use was not seen.
    async fn copy(&self, address: SocketAddr) -> Result<KeySet, LookError> {
        let body = self.fetch(address).await?;
        super::read_key_set(&body).map_err(|error| LookError::KeySet(error.to_string()))
    }

    async fn fetch(&self, address: SocketAddr) -> Result<Vec<u8>, LookError> {
        let stream = TcpStream::connect(address).await?;
        if self.url.scheme() == "https" {
            let name = ServerName::try_from(self.host().trim_matches(['[', ']']).to_owned())
                .map_err(io::Error::other)?;
            self.get(TlsConnector::from(self.tls.clone()).connect(name, stream).await?).await
        } else {
            self.get(stream).await
        }
    }

    async fn get(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    ) -> Result<Vec<u8>, LookError> {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // It ends with `sender`.
        drop(tokio::spawn(connection));
        let answer = sender.send_request(self.request()?).await?;
        if answer.status() != StatusCode::OK {
            return Err(LookError::Status(answer.status()));
        }
        let body =
            Limited::new(answer.into_body(), MOST_BYTES).collect().await.map_err(|_| LookError::Body)?;
        Ok(body.to_bytes().to_vec())
    }

    fn request(&self) -> Result<Request<Empty<&'static [u8]>>, LookError> {
        let authority = match self.url.port() {
            Some(port) => format!("{}:{port}", self.host()),
            None => self.host().to_owned(),
        };
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = self.path().parse().map_err(io::Error::other)?;
        request.headers_mut().insert(HOST, HeaderValue::from_str(&authority).map_err(io::Error::other)?);
        request
            .headers_mut()
            .insert(ACCEPT, HeaderValue::from_static("application/jwk-set+json, application/json"));
        Ok(request)
    }

    fn path(&self) -> String {
        self.url.query().map_or(self.url.path().to_owned(), |query| format!("{}?{query}", self.url.path()))
    }
}

/// At least.
const CONNECTIONS: usize = 3;
const MOST_ADDRESSES: usize = 16;
/// For all connections together.
const PATIENCE: Duration = Duration::from_secs(10);
/// What a verifier reads.
const MOST_BYTES: usize = 64 * 1024;
