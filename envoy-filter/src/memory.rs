//! Keeps an issuer's revocations in the host's shared data, for a VM that starts anew.
//!
//! The worker that fetches writes it, in pieces: those that have changed, then how many there are and of when they are. A new
//! VM reads them back a few at a time, and accepts no token before it has read them all. It reads the feed from its beginning
//! all the same, as soon as the issuer answers.

use keystone_verifier::{Revocations, Seconds, text};

use crate::host::{Host, Level};
use crate::record::{Found, Origin, Record};

#[derive(Debug)]
pub(crate) struct Memory {
    issuer: String,
    record: Record,
    reading: Option<Reading>,
}

/// The state of reading back.
#[derive(Clone, Copy, Debug)]
struct Reading {
    head: Head,
    next: usize,
}

/// Written last: the pieces hold all that was revoked by then, or more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    complete_at: Seconds,
    pieces: usize,
}

impl Memory {
    pub(crate) fn new(issuer: &str, origin: Origin<'_>) -> Self {
        Self { issuer: issuer.into(), record: Record::new("revocations", origin), reading: None }
    }

    /// Begins to read back what is there.
    pub(crate) fn open(&mut self, host: &impl Host, feed: &mut Revocations) {
        match self.record.find(host) {
            Found::Nothing => return,
            Found::Own(record) => {
                self.reading = Head::read(&record.value).map(|head| Reading { head, next: 0 })
            }
            Found::Foreign => self.reading = None,
        }
        feed.expect_restore();
        match self.reading {
            Some(_) => self.read_on(host, feed),
            None => self.give_up(host, "it is not what this filter wrote"),
        }
    }

    pub(crate) const fn is_reading(&self) -> bool {
        self.reading.is_some()
    }

    /// Reads the next pieces, if there is something to be read back.
    pub(crate) fn read_on(&mut self, host: &impl Host, feed: &mut Revocations) {
        // Another configuration of this VM may have known it all along, or the issuer has said it anew.
        let Some(Reading { head, mut next }) = self.reading.take().filter(|_| feed.is_restoring()) else {
            return;
        };
        let now = host.now().as_secs();
        let end = head.pieces.min(next.saturating_add(PIECES_IN_A_CALL));
        while next < end {
            let piece = self.record.part(next, head.pieces).read(host);
            let restored = piece.map(|piece| feed.restore(&piece.value, now));
            match restored {
                Some(Ok(())) => next += 1,
                Some(Err(error)) => return self.give_up(host, &text!("piece {next}: {error}")),
                None => return self.give_up(host, &text!("piece {next} is not what this filter wrote")),
            }
        }
        if next < head.pieces {
            self.reading = Some(Reading { head, next });
        } else {
            feed.restored(head.complete_at, now);
        }
    }

    /// Writes what has changed. Only when the feed was read to its end.
    pub(crate) fn write(&self, host: &impl Host, feed: &mut Revocations, complete_at: Seconds) {
        let head = Head { complete_at, pieces: feed.pieces() };
        let before = self.record.read(host).and_then(|record| Head::read(&record.value));
        let changed = feed.take_changed_pieces(head.pieces);
        // Pieces of another number are others.
        let is_same = before.is_some_and(|before| before.pieces == head.pieces);
        let all = (0..head.pieces).filter(|_| !is_same);
        for at in all.chain(changed.into_iter().filter(|_| is_same)) {
            self.record.part(at, head.pieces).write(host, feed.piece(at, head.pieces).as_bytes(), None);
        }
        self.record.write(host, &head.write(), None);
    }

    fn give_up(&self, host: &impl Host, why: &str) {
        host.log(
            Level::Error,
            &text!(
                "the saved revocations of {} could not be restored: {why}; requests with a token are answered 503 \
                 until the issuer answers",
                self.issuer
            ),
        );
    }
}

impl Head {
    fn read(bytes: &[u8]) -> Option<Self> {
        let (complete_at, pieces) = bytes.split_first_chunk()?;
        let pieces = u32::from_le_bytes(pieces.try_into().ok()?);
        let pieces = usize::try_from(pieces).ok().filter(|pieces| (1..=MAX_PIECES).contains(pieces))?;
        Some(Self { complete_at: Seconds::from_le_bytes(*complete_at), pieces })
    }

    fn write(&self) -> Vec<u8> {
        let pieces = u32::try_from(self.pieces).unwrap_or(u32::MAX);
        [&self.complete_at.to_le_bytes()[..], &pieces.to_le_bytes()].concat()
    }
}

/// Some thousands of revocations, which take a few milliseconds.
const PIECES_IN_A_CALL: usize = 16;
/// More than the most revocations fill.
const MAX_PIECES: usize = 1024;

#[cfg(test)]
mod tests;
