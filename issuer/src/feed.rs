//! The signed revocation feed: what verifiers must refuse before it expires, a page at a time, signed when it is asked for.
//!
//! A page is believed for ten seconds. One without events says as much as one with many: that there is nothing newer.

use serde::Serialize;
use time::OffsetDateTime;

use crate::issuer::Issuer;
use crate::keys::{CannotSign, KeyError};
use crate::store::{FeedEvent, Position, StoreError};

#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// Swept, or from before the database was restored from a backup.
    #[error("the cursor is unknown or has expired; start again without `after`")]
    UnknownCursor,
    /// This replica, at the moment; another one may.
    #[error("the server cannot sign at the moment; try again shortly")]
    CannotSign(#[from] CannotSign),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("the claims of the page cannot be serialized: {0}")]
    Claims(#[from] serde_json::Error),
}

/// What follows `after`, as a compact JWS. `None`: from the beginning.
pub async fn page(issuer: &Issuer, after: Option<Position>) -> Result<String, FeedError> {
    // Before the question, so that a page never seems newer than what it says.
    let now = issuer.world.now();
    // A clock that is ahead would let an old page count as new, and later ones as old.
    issuer.keys.sight().check(now, &issuer.config.keys)?;
    let page = issuer.store.revoked_after(after, MOST).await?.ok_or(FeedError::UnknownCursor)?;
    let iat = now.unix_timestamp();
    let claims = Claims {
        iss: &issuer.config.issuer,
        iat,
        exp: iat.saturating_add(LIFETIME),
        from: cursor(after),
        to: cursor(page.to),
        more: page.more,
        ev: page.events.iter().map(event).collect(),
    };
    Ok(issuer.keys.feed.sign(&serde_json::to_vec(&claims)?)?)
}

/// A position as verifiers repeat it, without knowing what it says.
fn cursor(position: Option<Position>) -> String {
    position.map(|Position { seq, at }| format!("{seq}.{at}")).unwrap_or_default()
}

/// `None`: not a text that `cursor` makes of a position.
pub fn read_cursor(text: &str) -> Option<Position> {
    let (seq, at) = text.split_once('.')?;
    let position = Position { seq: seq.parse().ok()?, at: at.parse().ok()? };
    // One spelling for each: what is asked for is repeated in the answer.
    (position.seq > 0 && cursor(Some(position)) == text).then_some(position)
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    iat: i64,
    exp: i64,
    from: String,
    to: String,
    more: bool,
    ev: Vec<Event<'a>>,
}

/// Kind, value, the least epoch that is not revoked, and when to forget it.
type Event<'a> = (&'static str, &'a str, Option<i64>, i64);

fn event(event: &FeedEvent) -> Event<'_> {
    (event.kind, &event.value, event.min_epoch, second_after(event.drop_after))
}

/// Never earlier: a revocation may be known for too long, not too short.
fn second_after(moment: OffsetDateTime) -> i64 {
    moment.unix_timestamp().saturating_add(i64::from(moment.nanosecond() > 0))
}

/// Of events in a page: some thirty kilobytes.
const MOST: u32 = 256;
/// Seconds.
const LIFETIME: i64 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_has_one_spelling() {
        let position = Position { seq: 42, at: 1_700_000_000_123_456 };
        assert_eq!(cursor(Some(position)), "42.1700000000123456");
        assert_eq!(read_cursor("42.1700000000123456"), Some(position));
        assert_eq!(cursor(None), "");

        for wrong in [
            "",
            ".",
            "1",
            "1.",
            ".1",
            "0.1",
            "-1.1",
            "+1.1",
            "01.1",
            "1.01",
            "1.1.1",
            " 1.1",
            "1.1 ",
            "1.1\0",
            "1,1",
            "1.x",
            "١.١",
            "9223372036854775808.1",
            "1.9223372036854775808",
        ] {
            assert_eq!(read_cursor(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn the_longest_cursor_is_shorter_than_verifiers_take() {
        let longest = cursor(Some(Position { seq: i64::MAX, at: i64::MIN }));

        assert!(longest.len() <= 64, "{longest}");
    }

    #[test]
    fn a_revocation_is_not_forgotten_before_its_time() {
        let at = |millis: i64| OffsetDateTime::UNIX_EPOCH + time::Duration::milliseconds(millis);

        assert_eq!((second_after(at(5000)), second_after(at(5001))), (5, 6));
    }
}
