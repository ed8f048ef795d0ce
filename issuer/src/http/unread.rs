//! Bodies of requests that were answered before they were read: a short rest is read and dropped, so that the
//! connection can go on; after a long one the answer says that it ends (RFC 9112 §9.6).

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::Request;
use axum::http::header::EXPECT;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Frame, Incoming, SizeHint};

/// What is known of a body once its handler is done with it.
#[derive(Debug)]
enum Rest {
    /// It was read to its end.
    Nothing,
    Left(Incoming),
    /// It ended early or cannot be read.
    Broken,
}

/// Where a body comes back to that was not read to its end.
#[derive(Debug)]
pub(super) struct Unread {
    rest: Arc<Mutex<Rest>>,
    /// The client sends the body only if it is asked for it, and reading asks.
    waits: bool,
}

impl Unread {
    /// Of a request without a body: nothing.
    pub(super) fn of(request: Request<Incoming>) -> (Request<Body>, Option<Self>) {
        if hyper::body::Body::is_end_stream(request.body()) {
            return (request.map(Body::new), None);
        }
        let rest = Arc::new(Mutex::new(Rest::Nothing));
        let waits = request.headers().contains_key(EXPECT);
        let request = request.map(|body| Body::new(Lent { body: Some(body), rest: rest.clone() }));
        (request, Some(Self { rest, waits }))
    }

    /// Reads a short rest; returns whether the next request can follow on the connection.
    pub(super) async fn finish(self) -> bool {
        let rest = std::mem::replace(&mut *locked(&self.rest), Rest::Broken);
        let body = match rest {
            Rest::Nothing => return true,
            Rest::Broken => return false,
            Rest::Left(body) => body,
        };
        if self.waits || hyper::body::Body::size_hint(&body).lower() > MOST_BYTES as u64 {
            return false;
        }
        let rest = Limited::new(body, MOST_BYTES).collect();
        matches!(tokio::time::timeout(SLOWEST, rest).await, Ok(Ok(_)))
    }
}

struct Lent {
    /// `None`: there is no more of it.
    body: Option<Incoming>,
    rest: Arc<Mutex<Rest>>,
}

impl hyper::body::Body for Lent {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = Pin::new(body).poll_frame(context);
        match frame {
            Poll::Ready(None) => self.body = None,
            Poll::Ready(Some(Err(_))) => {
                self.body = None;
                *locked(&self.rest) = Rest::Broken;
            }
            _ => {}
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(hyper::body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or(SizeHint::with_exact(0), hyper::body::Body::size_hint)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(body) = self.body.take().filter(|body| !hyper::body::Body::is_end_stream(body)) {
            *locked(&self.rest) = Rest::Left(body);
        }
    }
}

fn locked(rest: &Mutex<Rest>) -> MutexGuard<'_, Rest> {
    rest.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a client that was refused may still be sending. Cheaper than a connection anew.
const MOST_BYTES: usize = 64 * 1024;
const SLOWEST: Duration = Duration::from_secs(1);
