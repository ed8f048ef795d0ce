//! One connection, from its handshake to its end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, Request, Response, Version};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tower::Service as _;

use super::Peer;
use super::framing::Framed;
use super::server::{Stop, Stopping, Terms};
use super::under_way::{Answer, Doing, UnderWay};
use super::unread::Unread;
use super::write_deadline::WriteDeadline;
use crate::tls::Tls;

/// What the connections of a listener share.
pub(super) struct Site {
    pub(super) terms: Terms,
    pub(super) stop: Stop,
    pub(super) builder: Builder<TokioExecutor>,
}

#[derive(Clone)]
pub(super) struct Connection {
    pub(super) peer: SocketAddr,
    pub(super) site: Arc<Site>,
}

impl Connection {
    /// `leaving` turns true when requests under way are the last ones.
    pub(super) async fn serve(self, stream: TcpStream, leaving: watch::Receiver<bool>) {
        // Small answers must not wait for more to send.
        drop(stream.set_nodelay(true));
        match self.site.terms.tls.clone() {
            None => self.speak(stream, leaving).await,
            // Elsewhere, so that a plain connection takes no room for it: twice its own.
            Some(tls) => Box::pin(self.shake_hands(tls, stream, leaving)).await,
        }
    }

    async fn shake_hands(self, tls: Tls, stream: TcpStream, leaving: watch::Receiver<bool>) {
        match tokio::time::timeout(SLOWEST_HANDSHAKE, tls.acceptor().accept(stream)).await {
            Ok(Ok(stream)) => self.speak(stream, leaving).await,
            // Scanners, mostly, and clients that do not trust the certificate.
            Ok(Err(error)) => tracing::debug!(%error, "tls handshake failed"),
            Err(_) => tracing::debug!("tls handshake timed out"),
        }
    }

    async fn speak(
        self,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        mut leaving: watch::Receiver<bool>,
    ) {
        let under_way = Arc::new(UnderWay::default());
        let site = self.site.clone();
        let service = {
            let under_way = under_way.clone();
            hyper::service::service_fn(move |request| self.clone().answer(request, under_way.clone()))
        };
        let stream = Framed::new(WriteDeadline::new(stream));
        let mut connection = pin!(site.builder.serve_connection(TokioIo::new(stream), service));
        let (mut is_leaving, mut turn) = (false, SLOWEST_HEAD);
        loop {
            tokio::select! {
                // A client that breaks its connection is no news.
                _ = &mut connection => return,
                () = told(&mut leaving), if !is_leaving => {}
                () = tokio::time::sleep(turn) => match under_way.turn() {
                    Doing::Something => {
                        turn = TURN;
                        continue;
                    }
                    // A version of HTTP that is not spoken by now is not going to be (Slowloris).
                    Doing::Nothing if turn == SLOWEST_HEAD || is_leaving => return,
                    Doing::Nothing => {}
                    // The client does not take the answer.
                    Doing::Overdue => return,
                }
            }
            is_leaving = true;
            connection.as_mut().graceful_shutdown();
        }
    }

    async fn answer(
        self,
        request: Request<Incoming>,
        under_way: Arc<UnderWay>,
    ) -> Result<Response<Answer>, Infallible> {
        let begun = under_way.begin();
        let Site { terms, stop, .. } = &*self.site;
        let version = request.version();
        let (mut request, unread) = Unread::of(request);
        request.extensions_mut().insert(Peer(self.peer));
        if stop.is_told() {
            request.extensions_mut().insert(Stopping);
        }
        let mut response = terms.routes.clone().call(request).await?;
        // Else the next request could cross the end of the connection. HTTP/2 has a word of its own for that.
        if version <= Version::HTTP_11 {
            let goes_on = match unread {
                Some(unread) => unread.finish().await,
                None => true,
            };
            if !goes_on || stop.is_told() {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
        }
        Ok(response.map(|body| Answer { body, _request: begun }))
    }
}

async fn told(leaving: &mut watch::Receiver<bool>) {
    // Without a sender, the listener is gone.
    drop(leaving.wait_for(|leaving| *leaving).await);
}

const SLOWEST_HANDSHAKE: Duration = Duration::from_secs(5);
/// For the head of a request, and for an idle connection that speaks HTTP/1.1.
pub(super) const SLOWEST_HEAD: Duration = Duration::from_secs(10);
/// For an answer to be taken, once or twice; for an idle connection that speaks HTTP/2 as well.
const TURN: Duration = Duration::from_secs(30);
