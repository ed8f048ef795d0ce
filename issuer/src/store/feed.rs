//! The revocation feed as it is read: one page after another, in the order in which the events became true.

use time::OffsetDateTime;

/// A place in the feed: that of one event.
///
/// The number alone would not do: a database that was restored from a backup gives it a second time, to another event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub seq: i64,
    /// When it was written, in the smallest unit that the database keeps.
    pub at: i64,
}

/// What verifiers must refuse from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedEvent {
    pub position: Position,
    /// As in the ledger: `sid`, `jti`, `kid`, `sub` or `cid`.
    pub kind: &'static str,
    pub value: String,
    /// Tokens with a smaller epoch are revoked. `None`: all are.
    pub min_epoch: Option<i64>,
    /// From then on no token is left that it could match.
    pub drop_after: OffsetDateTime,
}

/// What follows a position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedPage {
    pub events: Vec<FeedEvent>,
    /// Where the next page begins. `None`: at the beginning, because nothing was there yet.
    pub to: Option<Position>,
    /// Events follow that did not fit.
    pub more: bool,
}

impl FeedPage {
    /// `rows`: the one at `after`, if it is still there, and those that follow it. `None`: the first is not what was asked for.
    ///
    /// A row that the feed cannot say is left out, and logged: the others must not wait for it.
    pub(super) fn of(after: Option<Position>, rows: Vec<Row>, most: u32) -> Option<Self> {
        let mut rows = rows.into_iter();
        if let Some(after) = after {
            rows.next().filter(|row| row.position == after)?;
        }
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let mut rows: Vec<_> = rows.collect();
        let more = rows.len() > most;
        rows.truncate(most);
        let to = rows.last().map(|row| row.position).or(after);
        Some(Self { events: rows.into_iter().filter_map(Row::said).collect(), to, more })
    }
}

/// How many rows to read, so that the one asked for is among them, and one that shows whether more follow.
pub(super) fn rows_for(most: u32) -> i64 {
    i64::from(most).saturating_add(2)
}

/// A row as the database has it, whoever wrote it.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) position: Position,
    pub(super) kind: String,
    pub(super) value: String,
    pub(super) min_epoch: Option<i64>,
    pub(super) drop_after: OffsetDateTime,
}

impl Row {
    /// `None`: verifiers would refuse the page that says this.
    fn said(self) -> Option<FeedEvent> {
        let Some(kind) = kind(&self.kind).filter(|kind| is_whole(kind, &self.value, self.min_epoch)) else {
            let Self { position, kind, value, .. } = self;
            tracing::error!(seq = position.seq, kind, value, "skipped an invalid row of revocation_events");
            return None;
        };
        let Self { position, value, min_epoch, drop_after, .. } = self;
        Some(FeedEvent { position, kind, value, min_epoch, drop_after })
    }
}

fn kind(name: &str) -> Option<&'static str> {
    ["sid", "jti", "kid", "sub", "cid"].into_iter().find(|known| *known == name)
}

fn is_whole(kind: &str, value: &str, min_epoch: Option<i64>) -> bool {
    let has_epoch = matches!(kind, "sub" | "cid");
    !value.is_empty() && min_epoch.is_some() == has_epoch && min_epoch.is_none_or(|epoch| epoch >= 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(seq: i64) -> Row {
        Row {
            position: at(seq),
            kind: "jti".to_owned(),
            value: seq.to_string(),
            min_epoch: None,
            drop_after: OffsetDateTime::UNIX_EPOCH,
        }
    }

    fn at(seq: i64) -> Position {
        Position { seq, at: 1000 + seq }
    }

    fn page(after: Option<i64>, rows: &[i64]) -> Option<(Vec<i64>, Option<i64>, bool)> {
        let page = FeedPage::of(after.map(at), rows.iter().copied().map(row).collect(), 2)?;
        let events = page.events.iter().map(|event| event.position.seq).collect();
        Some((events, page.to.map(|to| to.seq), page.more))
    }

    #[test]
    fn a_page_ends_at_its_last_event_and_says_whether_more_follow() {
        assert_eq!(page(None, &[]), Some((vec![], None, false)));
        assert_eq!(page(None, &[1, 2]), Some((vec![1, 2], Some(2), false)));
        assert_eq!(page(None, &[1, 2, 3]), Some((vec![1, 2], Some(2), true)));
        assert_eq!(page(Some(7), &[7]), Some((vec![], Some(7), false)));
        assert_eq!(page(Some(7), &[7, 8, 11]), Some((vec![8, 11], Some(11), false)));
        assert_eq!(page(Some(7), &[7, 8, 11, 12]), Some((vec![8, 11], Some(11), true)));
    }

    #[test]
    fn a_position_that_is_gone_or_somebody_elses_has_no_page() {
        assert_eq!(page(Some(7), &[]), None);
        assert_eq!(page(Some(7), &[8]), None);
        let later = Position { at: 9, ..at(7) };
        assert_eq!(FeedPage::of(Some(later), vec![row(7), row(8)], 2), None);
    }

    #[test]
    fn a_row_that_the_feed_cannot_say_holds_up_no_other() {
        for wrong in [
            Row { kind: "iss".to_owned(), min_epoch: Some(1), ..row(2) },
            Row { kind: String::new(), ..row(2) },
            Row { value: String::new(), ..row(2) },
            Row { min_epoch: Some(1), ..row(2) },
            Row { kind: "sub".to_owned(), ..row(2) },
            Row { kind: "sub".to_owned(), min_epoch: Some(-1), ..row(2) },
        ] {
            let page = FeedPage::of(None, vec![row(1), wrong.clone(), row(3)], 2).unwrap();
            assert_eq!((page.events.len(), page.to, page.more), (1, Some(at(2)), true), "{wrong:?}");
        }
    }
}
