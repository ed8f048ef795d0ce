//! Revocations to be handed to the next start, in pieces of bounded size, and read back there.
//!
//! A piece holds the revocations of its share of the table as a JSON array, as a page does. A host that keeps the pieces writes
//! those anew that have changed. A host that reads them back knows the revocations, and reads the feed from its beginning all the
//! same: nothing depends on a piece for longer than the issuer is away.

use alloc::string::String;
use alloc::vec::Vec;

use super::page::{Event, Kind, PageError, events};
use super::table::spread;
use super::{LEEWAY, MAX_EVENTS, Revocations};
use crate::Seconds;
use crate::json::{self, write_string};
use crate::text::text;

/// Which pieces have changed since a host wrote them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unsaved {
    /// All may have.
    All,
    /// Those that hold the values with these hashes.
    Some(Vec<usize>),
}

impl Unsaved {
    pub(super) fn add(&mut self, kind: Kind, value: &str) {
        match self {
            Self::Some(hashes) if hashes.len() < MAX_UNSAVED => hashes.push(spread(kind, value)),
            _ => *self = Self::All,
        }
    }
}

impl Revocations {
    /// Returns in how many pieces the revocations are to be kept: a power of two, for at most 256 of them in a piece on average.
    pub const fn pieces(&self) -> usize {
        (self.known.len() / EVENTS_IN_A_PIECE + 1).next_power_of_two()
    }

    /// Returns which of this many pieces, a power of two, have changed since this was called last.
    pub fn take_changed_pieces(&mut self, pieces: usize) -> Vec<usize> {
        match core::mem::replace(&mut self.unsaved, Unsaved::Some(Vec::new())) {
            Unsaved::All => (0..pieces).collect(),
            Unsaved::Some(hashes) => {
                // Not sorted: the standard library's way to do that can panic.
                let mut is_changed = Vec::new();
                is_changed.resize(pieces, false);
                for hash in hashes {
                    if let Some(piece) = is_changed.get_mut(hash & pieces.saturating_sub(1)) {
                        *piece = true;
                    }
                }
                let changed = is_changed.into_iter().enumerate().filter(|(_, is_changed)| *is_changed);
                changed.map(|(at, _)| at).collect()
            }
        }
    }

    /// Returns the piece at `at` of this many, a power of two.
    pub fn piece(&self, at: usize, pieces: usize) -> String {
        let mut piece = String::from("[");
        let share = |event: &&Event| spread(event.kind, &event.value) & pieces.saturating_sub(1) == at;
        for event in self.known.iter().filter(share) {
            if piece.len() > 1 {
                piece.push(',');
            }
            write(event, &mut piece);
        }
        piece.push(']');
        piece
    }

    /// Announces that earlier revocations are about to be read back, see [`Revocations::restore`]: until
    /// [`Revocations::restored`] no token is accepted, because it could be one that was revoked.
    pub const fn expect_restore(&mut self) {
        self.is_restoring = true;
    }

    /// Returns whether what was known before is still to be read back.
    pub const fn is_restoring(&self) -> bool {
        self.is_restoring
    }

    /// Restores a piece. Revocations that have ended are left out.
    pub fn restore(&mut self, piece: &[u8], now: Seconds) -> Result<(), PageError> {
        let document = json::parse(piece).map_err(|_| PageError::Claims)?;
        let read = events(&document)?;
        if self.known.len() + read.len() > MAX_EVENTS {
            return Err(PageError::TooMany);
        }
        for event in read {
            if event.drop_after.saturating_add(LEEWAY) > now {
                self.known.put(event);
            }
        }
        self.epoch += 1;
        Ok(())
    }

    /// Notes that every piece was restored; together they are the revocations of the issuer by `complete_at`. The time is
    /// believed up to `now`.
    pub fn restored(&mut self, complete_at: Seconds, now: Seconds) {
        let complete_at = complete_at.min(now);
        self.is_restoring = false;
        self.signed_at = self.signed_at.max(complete_at);
        self.complete_at = self.complete_at.max(Some(complete_at));
        self.epoch += 1;
    }
}

/// `[kind, value, min_epoch or null, drop_after]`, as in a page.
fn write(event: &Event, json: &mut String) {
    let Event { kind, value, min_epoch, drop_after } = event;
    json.push_str(&text!("[\"{}\",", kind.name()));
    write_string(value, json);
    match kind.has_epoch() {
        true => json.push_str(&text!(",{min_epoch},{drop_after}]")),
        false => json.push_str(&text!(",null,{drop_after}]")),
    }
}

const EVENTS_IN_A_PIECE: usize = 256;
/// More changes than these are not told apart: of several followers one writes the pieces, and the others are never asked.
const MAX_UNSAVED: usize = 1024;

#[cfg(test)]
mod tests;
