//! Carries what is told to a receiver that may be slow or gone. Whoever puts something in never waits.
//!
//! Memory is bounded: what finds no room, and what is refused or not taken in a few tries, is counted and forgotten.

use std::time::Duration;

use axum::body::Bytes;
use http_body_util::Full;
use hyper::header::RETRY_AFTER;
use hyper::{Request, Response, StatusCode};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use url::Url;

use crate::metrics::Tally;
use crate::outbound::{self, Outbound, OutboundError};

/// Who is told, over HTTP.
pub(super) trait Receiver: Send + Sync + 'static {
    type Item: Send + 'static;
    /// In the log and in the metric.
    const NAME: &'static str;

    fn url(&self) -> &Url;

    /// One or more requests. They need no URI and no `Host`.
    fn pack(&self, items: Vec<Self::Item>) -> Vec<Parcel>;

    /// How many items the receiver did not want of a parcel that it took.
    fn unwanted(&self, _answer: &[u8]) -> u64 {
        0
    }
}

#[derive(Clone, Debug)]
pub(super) struct Parcel {
    pub(super) request: Request<Full<Bytes>>,
    pub(super) items: u64,
}

/// The end into which things are put.
#[derive(Clone, Debug)]
pub(super) struct Outbox<T> {
    sender: mpsc::Sender<T>,
    dropped: Tally,
    name: &'static str,
}

/// The end that carries them away.
#[derive(Debug)]
pub(super) struct Carrier {
    task: JoinHandle<()>,
    closing: watch::Sender<bool>,
}

/// What it takes to open an outbox.
#[derive(Clone, Debug)]
pub(super) struct Way {
    pub(super) outbound: Outbound,
    pub(super) dropped: Tally,
}

/// Needs a running tokio.
pub(super) fn open<R: Receiver>(receiver: R, way: Way) -> (Outbox<R::Item>, Carrier) {
    let (sender, inbox) = mpsc::channel(ROOM);
    let (closing, told) = watch::channel(false);
    let outbox = Outbox { sender, dropped: way.dropped.clone(), name: R::NAME };
    let work = Work { receiver, way, told, failing: false };
    (outbox, Carrier { task: tokio::spawn(work.run(inbox)), closing })
}

impl<T> Outbox<T> {
    /// One that nobody empties but the test.
    #[cfg(test)]
    pub(super) fn observed() -> (Self, mpsc::Receiver<T>) {
        let (sender, inbox) = mpsc::channel(ROOM);
        (Self { sender, dropped: crate::metrics::Metrics::default().telemetry_dropped, name: "test" }, inbox)
    }

    pub(super) fn put(&self, item: T) {
        if self.sender.try_send(item).is_err() {
            self.dropped.count(self.name);
        }
    }
}

impl Carrier {
    /// Carries away what is there, in one try each. What it has not carried when it is cut off is lost.
    pub(super) async fn finish(self) {
        self.closing.send_replace(true);
        drop(self.task.await);
    }
}

struct Work<R> {
    receiver: R,
    way: Way,
    told: watch::Receiver<bool>,
    /// So that a receiver that is gone is one line in the log, not one for each parcel.
    failing: bool,
}

impl<R: Receiver> Work<R> {
    async fn run(mut self, mut inbox: mpsc::Receiver<R::Item>) {
        let mut batch = Vec::new();
        while !*self.told.borrow() {
            tokio::select! {
                () = told(&mut self.told) => break,
                more = gather(&mut inbox, &mut batch) => {
                    self.carry_all(std::mem::take(&mut batch)).await;
                    if !more {
                        return;
                    }
                }
            }
        }
        inbox.close();
        loop {
            inbox.recv_many(&mut batch, MOST).await;
            if batch.is_empty() {
                return;
            }
            self.carry_all(std::mem::take(&mut batch)).await;
        }
    }

    async fn carry_all(&mut self, items: Vec<R::Item>) {
        if items.is_empty() {
            return;
        }
        for parcel in self.receiver.pack(items) {
            let lost = match self.carry(&parcel).await {
                Ok(unwanted) => unwanted,
                Err(()) => parcel.items,
            };
            self.way.dropped.add(R::NAME, lost);
        }
    }

    async fn carry(&mut self, parcel: &Parcel) -> Result<u64, ()> {
        let mut pauses = PAUSES.into_iter();
        loop {
            let trouble = match self.deliver(parcel).await {
                Ok(unwanted) => {
                    self.failing = false;
                    return Ok(unwanted);
                }
                Err(trouble) => trouble,
            };
            if !std::mem::replace(&mut self.failing, true) {
                tracing::warn!(receiver = R::NAME, error = %trouble, "exporting telemetry failed");
            }
            let (Some(pause), false) = (pauses.next(), trouble.is_final()) else { return Err(()) };
            tokio::select! {
                () = tokio::time::sleep(trouble.pause().unwrap_or(pause)) => {}
                () = told(&mut self.told) => return Err(()),
            }
        }
    }

    async fn deliver(&self, parcel: &Parcel) -> Result<u64, Trouble> {
        let sent = self.way.outbound.send(self.receiver.url(), parcel.request.clone());
        let answer = outbound::bounded(sent).await?;
        if answer.status().is_success() {
            return Ok(self.receiver.unwanted(answer.body()));
        }
        Err(Trouble::Refused { status: answer.status(), retry_after: retry_after(&answer) })
    }
}

/// Why a parcel did not arrive.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Outbound(#[from] OutboundError),
    #[error("the response has status {status}")]
    Refused { status: StatusCode, retry_after: Option<Duration> },
}

impl Trouble {
    /// Those to try again are what OTLP names (OTLP 1.10, "Retryable Response Codes").
    fn is_final(&self) -> bool {
        matches!(self, Self::Refused { status, .. } if !matches!(status.as_u16(), 429 | 502 | 503 | 504))
    }

    fn pause(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            Self::Outbound(_) => None,
        }
    }
}

fn retry_after(answer: &Response<Bytes>) -> Option<Duration> {
    let seconds = answer.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_PAUSE))
}

/// Waits for the first, then a little for others. Loses nothing when it is dropped. `false`: there is no more.
async fn gather<T>(inbox: &mut mpsc::Receiver<T>, batch: &mut Vec<T>) -> bool {
    if batch.is_empty() && inbox.recv_many(batch, MOST).await == 0 {
        return false;
    }
    let patience = tokio::time::sleep(PATIENCE);
    tokio::pin!(patience);
    while batch.len() < MOST {
        tokio::select! {
            count = inbox.recv_many(batch, MOST - batch.len()) => if count == 0 { return false },
            () = &mut patience => break,
        }
    }
    true
}

/// Also when there is nobody left who could say so.
async fn told(told: &mut watch::Receiver<bool>) {
    drop(told.wait_for(|told| *told).await);
}

/// Things that wait.
const ROOM: usize = 2048;
/// Things in one batch.
const MOST: usize = 512;
/// From the first of a batch to its departure.
const PATIENCE: Duration = Duration::from_millis(500);
/// Between tries.
const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];
/// Of those that a receiver asks for.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
