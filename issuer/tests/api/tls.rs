//! TLS on the public listener, by a client that nobody here wrote; and what happens without it.

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use http_body_util::Empty;
use hyper::client::conn::{http1, http2};
use hyper::{Request, Uri};
use hyper_util::rt::{TokioExecutor, TokioIo};
use keystone_issuer::config::TlsFiles;
use keystone_issuer::http;
use keystone_issuer::http::server::{self, Admission, Stop, Terms};
use keystone_issuer::tls::Tls;
use rcgen::{CertificateParams, KeyPair};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion};

use crate::support::{ISSUER, TestIssuer, basic};

const JWKS: &str = "/.well-known/jwks.json";

/// An issuer on a port of its own, with a certificate for `localhost`.
struct Listening {
    tls: Tls,
    address: SocketAddr,
    /// What a client trusts.
    certificate: CertificateDer<'static>,
    files: TlsFiles,
    _directory: TempDir,
    _test: TestIssuer,
}

impl Listening {
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let files =
            TlsFiles { certificate: directory.path().join("tls.crt"), key: directory.path().join("tls.key") };
        let certificate = write_pair(&files);
        let tls = Tls::open(&files).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let test = TestIssuer::start().await;
        let routes = http::public(test.issuer.clone());
        let terms = Terms { routes, tls: Some(tls.clone()), admission: Admission::new(100, 100, &[]) };
        tokio::spawn(server::serve(listener, terms, Stop::never()));
        Self { tls, address, certificate, files, _directory: directory, _test: test }
    }

    /// A connection, for a client that can only this version and speaks this protocol.
    async fn connect(
        &self,
        version: &'static SupportedProtocolVersion,
        protocol: &str,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let stream = TcpStream::connect(self.address).await.unwrap();
        TlsConnector::from(Arc::new(config)).connect("localhost".try_into().unwrap(), stream).await
    }
}

/// A fresh pair into the files.
fn write_pair(files: &TlsFiles) -> CertificateDer<'static> {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    fs::write(&files.certificate, certificate.pem()).unwrap();
    fs::write(&files.key, key.serialize_pem()).unwrap();
    certificate.der().clone()
}

fn get(uri: impl TryInto<Uri, Error: std::fmt::Debug>) -> Request<Empty<&'static [u8]>> {
    Request::builder().uri(uri.try_into().unwrap()).header("host", "localhost").body(Empty::new()).unwrap()
}

#[tokio::test]
async fn both_versions_of_tls_and_of_http_are_spoken() {
    let listening = Listening::start().await;

    for (version, wanted) in [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)] {
        let stream = listening.connect(version, "h2").await.unwrap();
        let (_, session) = stream.get_ref();
        assert_eq!((session.protocol_version(), session.alpn_protocol()), (Some(wanted), Some(&b"h2"[..])));
        let (mut client, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        assert_eq!(
            client.send_request(get("https://localhost/.well-known/jwks.json")).await.unwrap().status(),
            200
        );

        let stream = listening.connect(version, "http/1.1").await.unwrap();
        let (mut client, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        assert_eq!(client.send_request(get(JWKS)).await.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn a_new_certificate_is_used_from_the_next_connection_on_and_open_ones_go_on() {
    let mut listening = Listening::start().await;
    let stream = listening.connect(&TLS13, "http/1.1").await.unwrap();
    let (mut before, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);

    let fresh = write_pair(&listening.files);
    assert!(listening.tls.reload().unwrap());

    let refused = listening.connect(&TLS13, "http/1.1").await.unwrap_err();
    assert!(refused.to_string().contains("certificate"), "{refused}");
    listening.certificate = fresh;
    listening.connect(&TLS13, "http/1.1").await.unwrap();
    assert_eq!(before.send_request(get(JWKS)).await.unwrap().status(), 200);
}

#[tokio::test]
async fn plain_http_where_tls_is_spoken_gets_no_answer() {
    let listening = Listening::start().await;
    let mut stream = TcpStream::connect(listening.address).await.unwrap();
    let mut answer = Vec::new();

    stream.write_all(b"GET /.well-known/jwks.json HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    // It may also be reset.
    drop(stream.read_to_end(&mut answer).await);

    assert!(!String::from_utf8_lossy(&answer).contains("HTTP"), "{answer:?}");
}

#[tokio::test]
async fn a_client_that_never_ends_its_handshake_is_let_go() {
    let listening = Listening::start().await;
    let mut stream = TcpStream::connect(listening.address).await.unwrap();
    // The beginning of a record that never goes on.
    stream.write_all(b"\x16\x03\x01\x02\x00\x01").await.unwrap();

    let end = tokio::time::timeout(Duration::from_secs(30), stream.read(&mut [0; 64])).await;

    assert!(matches!(end, Ok(Ok(0) | Err(_))), "{end:?}");
}

const PRODUCTION: &str = "mode = 'production'\nkey_encryption_key = 'kskek_5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a'\n[limits]\ntrusted_proxies = ['10.0.0.0/8']\n[passwords]\nmemory_kib = 12288\n";

/// P-24
#[tokio::test]
async fn plain_http_in_production_is_answered_to_proxies_and_this_machine_only() {
    let test = TestIssuer::start_with(PRODUCTION).await;
    let credentials = basic("robot", test.secret("robot"));
    let ask = async |address: &str| {
        test.from(address)
            .form_with(std::slice::from_ref(&credentials), "grant_type=client_credentials")
            .await
    };

    for address in ["10.1.2.3", "::ffff:10.1.2.3", "127.0.0.1", "::1"] {
        ask(address).await.success();
    }
    for address in ["192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"] {
        let refusal = ask(address).await.refused(421, "tls_required");
        assert_eq!(refusal.header("location"), "", "never a redirect");
        assert_eq!(
            refusal.text("detail"),
            format!("this request came over plain HTTP; send it to {ISSUER} over TLS")
        );
    }
    let nowhere = test.from("192.0.2.1").get("/nowhere", &[]).await;
    assert_eq!(nowhere.status, StatusCode::MISDIRECTED_REQUEST);
    assert_eq!(test.from("192.0.2.1").health("/health/ready").await.status, StatusCode::OK);
}

#[tokio::test]
async fn development_answers_plain_http() {
    let test = TestIssuer::start().await;

    assert_eq!(test.from("192.0.2.1").get(JWKS, &[]).await.status, StatusCode::OK);
}
