//! Connections: HTTP/1.1 and HTTP/2 on one port, with an end to everything a client can do slowly or too much of.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, Request, Response, Version};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tower::Service as _;

use super::Peer;
use super::framing::Framed;
use crate::tls::Tls;

/// What every connection of a listener gets.
#[derive(Clone, Debug)]
pub struct Terms {
    pub routes: Router,
    /// `None`: plain HTTP.
    pub tls: Option<Tls>,
}

/// When to stop.
#[derive(Clone, Debug)]
pub struct Stop {
    told: watch::Receiver<bool>,
    drain: Duration,
}

impl Stop {
    /// `told` turns true, once; for as long as `drain` after that, connections are still taken.
    pub fn new(told: watch::Receiver<bool>, drain: Duration) -> Self {
        Self { told, drain }
    }

    pub fn never() -> Self {
        Self::new(watch::channel(false).1, Duration::ZERO)
    }

    fn is_told(&self) -> bool {
        *self.told.borrow()
    }

    async fn drained(mut self) {
        if self.told.wait_for(|told| *told).await.is_err() {
            // Nobody can say so any more.
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(self.drain).await;
    }
}

/// Put into each request that comes after the process was told to stop.
#[derive(Clone, Copy, Debug)]
pub struct Stopping;

/// Serves until it is time to stop, then lets requests under way finish for a while.
pub async fn serve(listener: TcpListener, terms: Terms, stop: Stop) {
    let mut drained = pin!(stop.clone().drained());
    let site = Arc::new(Site { terms, stop, builder: builder() });
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut drained => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let connection = Connection { peer, site: site.clone() };
                tokio::spawn(connection.serve(stream, graceful.watcher()));
            }
            Err(error) => {
                // Out of descriptors, mostly: the connections under way need a moment to end.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(BREATH).await;
            }
        }
    }
    drop(listener);
    // A connection that has not been read from yet is cut by what follows, even if its request is there already.
    tokio::time::sleep(BREATH).await;
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

/// What the connections of a listener share.
struct Site {
    terms: Terms,
    stop: Stop,
    builder: Builder<TokioExecutor>,
}

#[derive(Clone)]
struct Connection {
    peer: SocketAddr,
    site: Arc<Site>,
}

impl Connection {
    async fn serve(self, stream: TcpStream, watcher: Watcher) {
        // Small answers must not wait for more to send.
        drop(stream.set_nodelay(true));
        match self.site.terms.tls.clone() {
            None => self.speak(stream, watcher).await,
            // Elsewhere, so that a plain connection takes no room for it: twice its own.
            Some(tls) => Box::pin(self.shake_hands(tls, stream, watcher)).await,
        }
    }

    async fn shake_hands(self, tls: Tls, stream: TcpStream, watcher: Watcher) {
        match tokio::time::timeout(SLOWEST_HANDSHAKE, tls.acceptor().accept(stream)).await {
            Ok(Ok(stream)) => self.speak(stream, watcher).await,
            // Scanners, mostly, and clients that do not trust the certificate.
            Ok(Err(error)) => tracing::debug!(%error, "no TLS with a client"),
            Err(_) => tracing::debug!("no TLS with a client: it took too long"),
        }
    }

    async fn speak(self, stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, watcher: Watcher) {
        let heard = Arc::new(AtomicBool::new(false));
        let site = self.site.clone();
        let service = {
            let heard = heard.clone();
            hyper::service::service_fn(move |request| {
                heard.store(true, Ordering::Relaxed);
                self.clone().answer(request)
            })
        };
        let connection = site.builder.serve_connection(TokioIo::new(Framed::new(stream)), service);
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

    async fn answer(self, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        let Site { terms, stop, .. } = &*self.site;
        let version = request.version();
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Peer(self.peer));
        if stop.is_told() {
            request.extensions_mut().insert(Stopping);
        }
        let mut response = terms.routes.clone().call(request).await?;
        // Else the next request could cross the end of the connection. HTTP/2 has a word of its own for that.
        if version <= Version::HTTP_11 && stop.is_told() {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response)
    }
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
