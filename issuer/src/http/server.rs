//! Listeners: HTTP/1.1 and HTTP/2 on one port, with an end to everything a client can do slowly or too much of.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpListener;
use tokio::sync::watch;

pub use super::admission::Admission;
use super::connection::{Connection, SLOWEST_HEAD, Site};
use crate::tls::Tls;

/// What every connection of a listener gets.
#[derive(Clone, Debug)]
pub struct Terms {
    pub routes: Router,
    /// `None`: plain HTTP.
    pub tls: Option<Tls>,
    pub admission: Arc<Admission>,
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

    pub(super) fn is_told(&self) -> bool {
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
    let admission = terms.admission.clone();
    let site = Arc::new(Site { terms, stop, builder: builder() });
    // Every connection has a receiver, so that their end is seen.
    let leaving = watch::Sender::new(false);
    loop {
        let accepted = tokio::select! {
            accepted = admission.accept(&listener) => accepted,
            () = &mut drained => break,
        };
        match accepted {
            Ok(Some((stream, peer, admitted))) => {
                let connection = Connection { peer, site: site.clone() };
                let served = connection.serve(stream, leaving.subscribe());
                tokio::spawn(async move {
                    served.await;
                    drop(admitted);
                });
            }
            Ok(None) => {}
            Err(error) => {
                // Out of descriptors, mostly: the connections under way need a moment to end.
                tracing::warn!(%error, "accepting a connection failed");
                tokio::time::sleep(BREATH).await;
            }
        }
    }
    drop(listener);
    // A connection that has not been read from yet is cut by what follows, even if its request is there already.
    tokio::time::sleep(BREATH).await;
    leaving.send_replace(true);
    if tokio::time::timeout(FAREWELL, leaving.closed()).await.is_err() {
        tracing::warn!("connections that did not end in time were closed");
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

const MOST_HEAD: usize = 32 * 1024;
const MOST_HEADER_LIST: u32 = 32 * 1024;
const MOST_HEADERS: usize = 64;
const MOST_STREAMS: u32 = 128;
/// For requests under way when the process is told to stop.
const FAREWELL: Duration = Duration::from_secs(10);
const BREATH: Duration = Duration::from_millis(50);
