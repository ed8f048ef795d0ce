//! Revocations by what they name: a hash table without a way to panic.

use alloc::vec::Vec;

use super::page::{Event, Kind};
use crate::Seconds;

/// Open addressing, at most half full.
#[derive(Clone, Debug)]
pub(super) struct Table {
    places: Vec<Option<Event>>,
    len: usize,
}

impl Table {
    pub(super) const fn new() -> Self {
        Self { places: Vec::new(), len: 0 }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Event> {
        self.places.iter().flatten()
    }

    /// How many more there is room for, without a larger table.
    pub(super) const fn room(&self) -> usize {
        (self.places.len() / 2).saturating_sub(self.len)
    }

    #[inline(never)] // for size
    pub(super) fn find(&self, kind: Kind, value: &str) -> Option<&Event> {
        self.places.get(self.place(kind, value)?)?.as_ref()
    }

    /// Puts an event into the table. If one names the same already, the stricter epoch and the longer time count.
    #[inline(never)] // for size
    pub(super) fn put(&mut self, event: Event) {
        if (self.len + 1) * 2 > self.places.len() {
            self.rebuild((self.places.len() * 2).max(SMALLEST), 0);
        }
        let Some(place) = self.place(event.kind, &event.value).and_then(|at| self.places.get_mut(at)) else {
            return;
        };
        match place {
            Some(known) => {
                known.min_epoch = known.min_epoch.max(event.min_epoch);
                known.drop_after = known.drop_after.max(event.drop_after);
            }
            None => {
                *place = Some(event);
                self.len += 1;
            }
        }
    }

    /// Forgets what matches no living token any more.
    pub(super) fn drop_until(&mut self, time: Seconds) {
        self.rebuild(self.places.len(), time);
    }

    /// The room that there is holds all of it at most half full.
    #[inline(never)] // for size
    fn rebuild(&mut self, places: usize, ended: Seconds) {
        let mut larger = Vec::new();
        larger.resize_with(places, || None);
        let old = core::mem::replace(self, Self { places: larger, len: 0 });
        for place in old.places {
            if let Some(event) = place
                && event.drop_after > ended
            {
                self.put(event);
            }
        }
    }

    /// Where it is, or would be. `None`: there are no places.
    #[inline(never)] // for size
    fn place(&self, kind: Kind, value: &str) -> Option<usize> {
        let mask = self.places.len().checked_sub(1)?;
        let first = spread(kind, value);
        (0..self.places.len()).map(|step| first.wrapping_add(step) & mask).find(|at| {
            let place = self.places.get(*at).and_then(Option::as_ref);
            place.is_none_or(|event| event.kind == kind && *event.value == *value)
        })
    }
}

/// FNV-1a. Only the issuer chooses the values of the table, so an attacker cannot make hashes collide.
pub(super) fn spread(kind: Kind, value: &str) -> usize {
    let start = 0x811c_9dc5 ^ kind as u32;
    let hash = value.bytes().fold(start, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    (hash ^ hash >> 15) as usize
}

/// A power of two, as every number of places is.
const SMALLEST: usize = 16;

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    fn event(kind: Kind, value: &str, min_epoch: u64, drop_after: Seconds) -> Event {
        Event { kind, value: value.into(), min_epoch, drop_after }
    }

    #[test]
    fn what_is_put_is_found_under_its_kind_and_whole_value_only() {
        let mut table = Table::new();
        assert!(table.find(Kind::Session, "a").is_none());
        for number in 0..5_000 {
            table.put(event(Kind::Session, &format!("s{number}"), 0, 10));
        }

        assert_eq!(table.len(), 5_000);
        for number in 0..5_000 {
            let value = format!("s{number}");
            assert_eq!(table.find(Kind::Session, &value).map(|found| &*found.value), Some(&*value));
            assert!(table.find(Kind::Token, &value).is_none());
        }
        assert!(table.find(Kind::Session, "s").is_none() && table.find(Kind::Session, "s5000").is_none());
        assert!(table.places.len() >= 2 * table.len());
    }

    #[test]
    fn of_two_that_name_the_same_the_stricter_and_the_longer_count() {
        let mut table = Table::new();
        table.put(event(Kind::Subject, "u", 3, 20));
        table.put(event(Kind::Subject, "u", 2, 30));
        table.put(event(Kind::Subject, "u", 1, 10));

        let found = table.find(Kind::Subject, "u").unwrap();
        assert_eq!((found.min_epoch, found.drop_after, table.len()), (3, 30, 1));
    }

    #[test]
    fn what_ended_is_forgotten_and_the_rest_is_still_found() {
        let mut table = Table::new();
        for number in 0..1_000 {
            table.put(event(Kind::Token, &format!("t{number}"), 0, number));
        }
        table.drop_until(899);

        assert_eq!(table.len(), 100);
        assert!(table.find(Kind::Token, "t899").is_none());
        assert!((900..1_000).all(|number| table.find(Kind::Token, &format!("t{number}")).is_some()));
    }
}
