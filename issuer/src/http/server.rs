//! Connections: HTTP/1.1 and HTTP/2 on one port, with an end to everything a client can do slowly or too much of.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::header::HOST;
use axum::http::{Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt as _;

use super::Peer;
use crate::tls::Tls;

/// What every connection of a listener gets.
#[derive(Clone, Debug)]
pub struct Terms {
    pub routes: Router,
    /// `None`: plain HTTP.
    pub tls: Option<Tls>,
}

/// Serves until `stop` ends, then lets requests under way finish for a while.
pub async fn serve(listener: TcpListener, terms: Terms, stop: impl Future<Output = ()>) {
    let builder = Arc::new(builder());
    let graceful = GracefulShutdown::new();
    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let connection = Connection { peer, routes: terms.routes.clone(), builder: builder.clone() };
                tokio::spawn(connection.serve(stream, terms.tls.clone(), graceful.watcher()));
            }
            Err(error) => {
                // Out of descriptors, mostly: the connections under way need a moment to end.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(BREATH).await;
            }
        }
    }
    drop(listener);
    if tokio::time::timeout(FAREWELL, graceful.shutdown()).await.is_err() {
        tracing::warn!("connections that did not end in time were cut");
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(SLOWEST_HEAD)
        .max_buf_size(MOST_HEAD)
        .max_headers(MOST_HEADERS);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(MOST_HEADER_LIST)
        .max_concurrent_streams(MOST_STREAMS)
        .keep_alive_interval(Some(SLOWEST_HEAD))
        .keep_alive_timeout(SLOWEST_HEAD);
    builder
}

struct Connection {
    peer: SocketAddr,
    routes: Router,
    builder: Arc<Builder<TokioExecutor>>,
}

impl Connection {
    async fn serve(self, stream: TcpStream, tls: Option<Tls>, watcher: Watcher) {
        // Small answers must not wait for more to send.
        drop(stream.set_nodelay(true));
        let Some(tls) = tls else { return self.speak(stream, watcher).await };
        match tokio::time::timeout(SLOWEST_HANDSHAKE, tls.acceptor().accept(stream)).await {
            Ok(Ok(stream)) => self.speak(stream, watcher).await,
            // Scanners, mostly, and clients that do not trust the certificate.
            Ok(Err(error)) => tracing::debug!(%error, "no TLS with a client"),
            Err(_) => tracing::debug!("no TLS with a client: it took too long"),
        }
    }

    async fn speak(self, stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, watcher: Watcher) {
        let Self { peer, routes, builder } = self;
        let heard = Arc::new(AtomicBool::new(false));
        let service = {
            let heard = heard.clone();
            hyper::service::service_fn(move |request| {
                heard.store(true, Ordering::Relaxed);
                answer(routes.clone(), peer, request)
            })
        };
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        let mut connection = pin!(watcher.watch(connection));
        tokio::select! {
            // A client that breaks its connection is no news.
            _ = &mut connection => return,
            () = tokio::time::sleep(SLOWEST_HEAD) => {}
        }
        // Whoever has not even begun to speak a version of HTTP by now is not going to (Slowloris).
        if heard.load(Ordering::Relaxed) {
            drop(connection.await);
        }
    }
}

async fn answer(
    routes: Router,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    if !names_one_host(&request) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::BAD_REQUEST;
        return Ok(response);
    }
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(Peer(peer));
    routes.oneshot(request).await
}

/// "A server MUST respond with a 400 to any HTTP/1.1 request message that lacks a Host header field and to any
/// that contains more than one" (RFC 9112 §3.2): two readers could take different ones.
fn names_one_host<B>(request: &Request<B>) -> bool {
    let hosts = request.headers().get_all(HOST).iter().count();
    hosts == 1 || (hosts == 0 && request.version() != Version::HTTP_11)
}

const SLOWEST_HANDSHAKE: Duration = Duration::from_secs(5);
/// For the head of a request, and for an idle connection.
const SLOWEST_HEAD: Duration = Duration::from_secs(10);
const MOST_HEAD: usize = 32 * 1024;
const MOST_HEADER_LIST: u32 = 32 * 1024;
const MOST_HEADERS: usize = 64;
const MOST_STREAMS: u32 = 128;
/// For requests under way when the process is told to stop.
const FAREWELL: Duration = Duration::from_secs(10);
const BREATH: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_1_1_names_exactly_one_host() {
        let request = |version, hosts: &[&str]| {
            let mut request = Request::builder().version(version);
            for host in hosts {
                request = request.header(HOST, *host);
            }
            names_one_host(&request.body(()).unwrap())
        };

        assert!(request(Version::HTTP_11, &["a"]));
        assert!(!request(Version::HTTP_11, &[]));
        assert!(!request(Version::HTTP_11, &["a", "a"]));
        assert!(request(Version::HTTP_2, &[]) && request(Version::HTTP_10, &[]));
        assert!(!request(Version::HTTP_2, &["a", "b"]));
    }
}
