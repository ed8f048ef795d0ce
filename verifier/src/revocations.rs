//! The revocations of an issuer's feed and their age: a state machine without I/O, as [`KeyCache`] is one.
//!
//! The host keeps the feed's own keys fresh ([`Revocations::keys`]), fetches a page when [`Revocations::wants_page`] says so,
//! announces it with [`Revocations::started`], and reports [`Revocations::take`], [`Revocations::failed`], or that the issuer
//! does not know the cursor any more: [`Revocations::restart`].

use alloc::string::String;
use core::fmt;

use crate::Seconds;
use crate::error::{Code, Refusal};
use crate::key_cache::KeyCache;
use crate::pause::Pause;
use crate::text::text;
use crate::verify::Verified;

mod page;
mod snapshot;
mod table;

pub use page::PageError;
use page::{Kind, Page};
use snapshot::Unsaved;
use table::Table;

/// How old the revocations are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedState {
    /// The feed was never read to its end.
    Cold,
    /// Read at most 10 seconds ago.
    Fresh,
    /// Older, and still good enough for a route that is strict.
    Stale,
    /// Older than that: a strict route answers 503, every other goes by what is known.
    Expired,
}

impl FeedState {
    /// Returns the stable text, for logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cold => "cold",
            Self::Fresh => "fresh",
            Self::Stale => "stale",
            Self::Expired => "expired",
        }
    }
}

/// The revocations of one issuer and their age.
#[derive(Clone, Debug)]
pub struct Revocations {
    issuer: String,
    keys: KeyCache,
    max_stale: Seconds,
    known: Table,
    /// The events that a reading from the beginning brought so far; they replace the known ones when it is complete.
    building: Option<Table>,
    /// The cursor that the next page follows; empty for the beginning.
    cursor: String,
    /// When the newest page was signed, by the issuer's clock.
    signed_at: Seconds,
    /// The same of the newest page after which there was no other.
    complete_at: Option<Seconds>,
    /// Before the next page.
    pause: Pause,
    /// Seconds to wait after the next failure.
    back_off: Seconds,
    epoch: u64,
    /// Revocations that were known before this start are not read back yet.
    is_restoring: bool,
    unsaved: Unsaved,
    max_events: usize,
}

impl Revocations {
    /// Makes a follower that knows nothing yet; the first fetch is due at once. `max_stale`: how many seconds after the last
    /// word of the issuer a strict route still decides.
    pub const fn new(issuer: String, max_stale: Seconds) -> Self {
        Self {
            issuer,
            keys: KeyCache::remote(),
            max_stale,
            known: Table::new(),
            building: Some(Table::new()),
            cursor: String::new(),
            signed_at: 0,
            complete_at: None,
            pause: Pause::NONE,
            back_off: 1,
            epoch: 0,
            is_restoring: false,
            unsaved: Unsaved::All,
            max_events: MAX_EVENTS,
        }
    }

    /// Keeps so many revocations instead of 100,000. Beyond that the feed goes stale, which is told, and none that is known is
    /// dropped.
    pub(crate) fn set_max_events(&mut self, max_events: usize) {
        self.max_events = max_events.min(MAX_EVENTS);
    }

    /// Returns the keys that sign the feed, which are not those that sign tokens.
    pub const fn keys(&mut self) -> &mut KeyCache {
        &mut self.keys
    }

    /// Returns the cursor that the next page must follow: the query parameter `after`, which is left out if this is empty.
    pub fn after(&self) -> &str {
        &self.cursor
    }

    /// Returns whether a page is due: every second.
    pub const fn wants_page(&self, now: Seconds) -> bool {
        self.pause.is_over(now)
    }

    /// Notes that a page is being fetched: no other is due until that ends or times out.
    pub fn started(&mut self, now: Seconds) {
        self.age_from(now);
        self.pause = Pause::of(FETCH_TIMEOUT, now);
    }

    /// Notes that a fetch failed: the next try waits twice as long, up to 8 seconds.
    pub fn failed(&mut self, now: Seconds) {
        self.age_from(now);
        self.pause = Pause::of(self.back_off, now);
        self.back_off = (self.back_off * 2).min(MAX_BACK_OFF);
    }

    /// A page that was signed after `now` is the word of a clock that is ahead, or was. It must neither stay young for as long
    /// as that, nor make every later page an older one.
    fn age_from(&mut self, now: Seconds) {
        self.signed_at = self.signed_at.min(now);
        self.complete_at = self.complete_at.map(|at| at.min(now));
    }

    /// Notes that the issuer rejected the cursor (409): reads from the beginning. The known revocations count until that is done.
    pub fn restart(&mut self, now: Seconds) {
        self.cursor.clear();
        self.building = Some(Table::new());
        self.failed(now);
    }

    /// Takes the fetched page (`application/keystone-revocations+jwt`). A bad one changes nothing but the time of the next try.
    pub fn take(&mut self, page: &[u8], now: Seconds) -> Result<(), PageError> {
        let taken = self.read(page, now).and_then(|page| self.apply(page, now));
        if let Err(error) = taken {
            if error == PageError::UnknownKey {
                self.keys.missed(now);
            }
            self.failed(now);
        }
        taken
    }

    /// Takes a page that another follower of this feed has fetched and this one was not asking for. One that ends where this
    /// one has read to is as good as one that begins there: nothing came after it. Any other is no fault of the feed, and
    /// changes nothing at all: the next fetch of its own stays due.
    pub fn adopt(&mut self, page: &[u8], now: Seconds) -> Result<(), PageError> {
        let page = self.verified(page, now)?;
        let ends_here = !page.to.is_empty() && page.to == self.cursor;
        if page.from != self.cursor && !ends_here {
            return Err(PageError::OutOfOrder);
        }
        self.apply(page, now)
    }

    fn read(&self, page: &[u8], now: Seconds) -> Result<Page, PageError> {
        let page = self.verified(page, now)?;
        if page.from == self.cursor { Ok(page) } else { Err(PageError::OutOfOrder) }
    }

    fn verified(&self, page: &[u8], now: Seconds) -> Result<Page, PageError> {
        let keys = self.keys.current(now).ok_or(PageError::NoKeys)?;
        Page::verify(page, &self.issuer, keys, now)
    }

    fn apply(&mut self, page: Page, now: Seconds) -> Result<(), PageError> {
        self.age_from(now);
        // A page that was held back would make old revocations look fresh.
        if page.issued_at < self.signed_at {
            return Err(PageError::Replayed);
        }
        let table = self.building.as_mut().unwrap_or(&mut self.known);
        // What ended makes room before more is taken.
        if page.events.len() > table.room() || table.len() + page.events.len() > self.max_events {
            table.drop_until(now.saturating_sub(LEEWAY));
        }
        if table.len() + page.events.len() > self.max_events {
            return Err(PageError::TooMany);
        }
        let changed = !page.events.is_empty();
        for event in page.events {
            self.unsaved.add(event.kind, &event.value);
            table.put(event);
        }
        self.cursor = page.to;
        self.signed_at = page.issued_at;
        self.back_off = 1;
        self.pause = Pause::of(u64::from(!page.more), now);
        if page.more {
            self.epoch += u64::from(changed);
            return Ok(());
        }
        self.complete_at = Some(page.issued_at);
        self.is_restoring = false;
        let read_anew = self.building.take().map(|table| self.known = table).is_some();
        if read_anew {
            self.unsaved = Unsaved::All;
        }
        self.epoch += u64::from(changed || read_anew);
        Ok(())
    }

    /// Returns how old the revocations are at `now`.
    pub fn state(&self, now: Seconds) -> FeedState {
        match self.age(now) {
            None => FeedState::Cold,
            Some(0..=FRESH) => FeedState::Fresh,
            Some(age) if age <= self.max_stale => FeedState::Stale,
            Some(_) => FeedState::Expired,
        }
    }

    /// Returns the seconds since the issuer signed the last page of the feed, or `None` if the feed was never read to its end.
    pub fn age(&self, now: Seconds) -> Option<Seconds> {
        self.complete_at.map(|at| now.saturating_sub(at))
    }

    /// Returns until when a strict host may use what was verified, exclusive. 0 before the feed was read.
    pub fn usable_until(&self) -> Seconds {
        self.complete_at.map_or(0, |at| at.saturating_add(self.max_stale).saturating_add(1))
    }

    /// Returns another number after every change: a host checks its cached tokens again then.
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Returns how many revocations are known.
    pub const fn len(&self) -> usize {
        self.known.len()
    }

    /// Returns whether none is.
    pub const fn is_empty(&self) -> bool {
        self.known.len() == 0
    }

    /// Returns whether the issuer took `token` back.
    pub fn revokes(&self, token: &Verified, now: Seconds) -> bool {
        let in_table = |table: &Table| table.len() > 0 && matches(table, token, now);
        // While it is read from the beginning, both are the issuer's word.
        in_table(&self.known) || self.building.as_ref().is_some_and(in_table)
    }

    /// Returns whether what is known is young enough for a route that is strict.
    pub fn is_usable(&self, now: Seconds) -> bool {
        matches!(self.state(now), FeedState::Fresh | FeedState::Stale)
    }

    /// For a host without a policy: refuses a token that the issuer revoked and, where it is `strict`, every token while
    /// that is not known well enough. Every token, too, while what was known before is still to be read back.
    pub fn check(&self, token: &Verified, strict: bool, now: Seconds) -> Result<(), Refusal> {
        if self.revokes(token, now) {
            Err(Code::Revoked.into())
        } else if self.is_restoring || strict && !self.is_usable(now) {
            Err(Code::RevocationsStale.into())
        } else {
            Ok(())
        }
    }

    /// For an explanation.
    pub(crate) fn describe(&self, now: Seconds) -> String {
        match self.age(now) {
            _ if self.is_restoring => String::from("what was known before is not read back yet"),
            None => String::from("never read"),
            Some(age) => text!("{}, of {age} seconds ago, {} in all", self.state(now).as_str(), self.len()),
        }
    }
}

fn matches(table: &Table, token: &Verified, now: Seconds) -> bool {
    let named = |kind, value: &str| {
        table.find(kind, value).filter(|event| event.drop_after.saturating_add(LEEWAY) > now)
    };
    named(Kind::Session, token.session().unwrap_or_default()).is_some()
        || named(Kind::Token, token.token_id()).is_some()
        || named(Kind::Key, token.kid()).is_some()
        || named(Kind::Subject, token.subject()).is_some_and(|event| token.subject_epoch() < event.min_epoch)
        || named(Kind::Client, token.client_id()).is_some_and(|event| token.client_epoch() < event.min_epoch)
}

impl fmt::Display for FeedState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A page is signed anew each second, so this is an issuer that answers.
const FRESH: Seconds = 10;
const FETCH_TIMEOUT: Seconds = 10;
const MAX_BACK_OFF: Seconds = 8;
/// By how much the clock of another machine may differ.
const LEEWAY: Seconds = 30;
/// Some ten megabytes. A feed beyond it goes stale, which is told; no revocation is ever dropped for room.
const MAX_EVENTS: usize = 100_000;

#[cfg(test)]
mod tests;
