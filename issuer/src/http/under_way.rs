//! The requests of a connection that are not answered to their end, and how long that takes.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use hyper::body::{Frame, SizeHint};

/// Counts requests by the turn of the clock in which they began. Two counts are enough: what began before the last turn
/// is overdue.
#[derive(Debug, Default)]
pub(super) struct UnderWay {
    turn: AtomicUsize,
    counts: [AtomicUsize; 2],
    begun: AtomicUsize,
}

/// A request, until its answer was handed over.
#[derive(Debug)]
pub(super) struct Request {
    connection: Arc<UnderWay>,
    slot: usize,
}

/// What a connection was found to do at a turn of the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    Something,
    /// No request since the last turn, and none under way.
    Nothing,
    /// A request is under way since before the last turn.
    Overdue,
}

impl UnderWay {
    pub(super) fn begin(self: &Arc<Self>) -> Request {
        let slot = self.turn.load(Ordering::Relaxed) % 2;
        self.count(slot, |count| count.fetch_add(1, Ordering::Relaxed));
        self.begun.fetch_add(1, Ordering::Relaxed);
        Request { connection: self.clone(), slot }
    }

    /// Once in each turn, by one task.
    pub(super) fn turn(&self) -> Doing {
        let turn = self.turn.load(Ordering::Relaxed);
        let [now, before] =
            [turn % 2, (turn + 1) % 2].map(|slot| self.count(slot, |count| count.load(Ordering::Relaxed)));
        let begun = self.begun.swap(0, Ordering::Relaxed);
        self.turn.store(turn.wrapping_add(1), Ordering::Relaxed);
        match (before, now, begun) {
            (1.., ..) => Doing::Overdue,
            (0, 0, 0) => Doing::Nothing,
            _ => Doing::Something,
        }
    }

    fn count(&self, slot: usize, change: impl Fn(&AtomicUsize) -> usize) -> usize {
        self.counts.get(slot).map_or(0, change)
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        self.connection.count(self.slot, |count| count.fetch_sub(1, Ordering::Relaxed));
    }
}

/// The body of an answer, with the request that it answers.
pub(super) struct Answer {
    pub(super) body: Body,
    pub(super) _request: Request,
}

impl hyper::body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_overdue_at_the_second_turn() {
        let connection = Arc::new(UnderWay::default());
        let slow = connection.begin();

        assert_eq!(connection.turn(), Doing::Something);
        let _later = connection.begin();
        assert_eq!(connection.turn(), Doing::Overdue);
        drop(slow);
        assert_eq!(connection.turn(), Doing::Overdue, "the later one");
    }

    #[test]
    fn a_connection_without_requests_does_nothing() {
        let connection = Arc::new(UnderWay::default());

        drop(connection.begin());
        assert_eq!(connection.turn(), Doing::Something);
        assert_eq!(connection.turn(), Doing::Nothing);
    }
}
