//! Counters in this process: all there is where Redis is not configured, and what is left where it is down.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use time::OffsetDateTime;

use super::{Cache, CacheError, Hits};
use crate::clock::Clock;

/// Bounded: where a stranger chooses the buckets, the oldest make room.
#[derive(Clone)]
pub struct MemoryCache {
    clock: Arc<dyn Clock>,
    buckets: Arc<Mutex<Buckets>>,
    /// How many count apart.
    processes: u64,
}

impl MemoryCache {
    /// `processes`: how many issuers each count for themselves, so that each allows its part of a limit only.
    pub fn new(clock: Arc<dyn Clock>, processes: u64) -> Self {
        Self { processes, ..Self::with_capacity(clock, CAPACITY) }
    }

    fn with_capacity(clock: Arc<dyn Clock>, capacity: usize) -> Self {
        let buckets = Buckets { capacity, next: 0, running: HashMap::new(), by_age: VecDeque::new() };
        Self { clock, buckets: Arc::new(Mutex::new(buckets)), processes: 1 }
    }

    fn buckets(&self) -> std::sync::MutexGuard<'_, Buckets> {
        // Nothing in here can be left half done.
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemoryCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryCache").field("buckets", &self.buckets().running.len()).finish_non_exhaustive()
    }
}

#[async_trait]
impl Cache for MemoryCache {
    async fn hit(&self, bucket: &str, window: Duration) -> Hits {
        let now = self.clock.now();
        let (own, remaining) = self.buckets().hit(bucket, window, now);
        // The others have seen as many since the first: a limit below the number of processes still lets one through.
        let count = own.saturating_sub(1).saturating_mul(self.processes).saturating_add(1);
        Hits { count, step: self.processes, remaining }
    }

    async fn has(&self, bucket: &str) -> bool {
        let now = self.clock.now();
        self.buckets().running.get(bucket).is_some_and(|bucket| bucket.is_running(now))
    }

    async fn forget(&self, bucket: &str) {
        self.buckets().running.remove(bucket);
    }

    async fn ping(&self) -> Result<(), CacheError> {
        Ok(())
    }
}

struct Buckets {
    capacity: usize,
    /// Tells a bucket from an earlier one of the same name.
    next: u64,
    running: HashMap<Arc<str>, Bucket>,
    /// May name buckets that are gone.
    by_age: VecDeque<(u64, Arc<str>)>,
}

struct Bucket {
    id: u64,
    count: u64,
    ends: OffsetDateTime,
    window: Duration,
}

impl Bucket {
    /// An end further away than the window was written by a clock that was ahead: it must not count for as long as that.
    fn is_running(&self, now: OffsetDateTime) -> bool {
        self.ends > now && self.ends - now <= self.window
    }
}

impl Buckets {
    fn hit(&mut self, name: &str, window: Duration, now: OffsetDateTime) -> (u64, Duration) {
        if let Some(bucket) = self.running.get_mut(name)
            && bucket.is_running(now)
        {
            bucket.count = bucket.count.saturating_add(1);
            return (bucket.count, (bucket.ends - now).unsigned_abs());
        }

        self.running.remove(name);
        self.make_room(now);
        self.start(name, window, now);
        (1, window)
    }

    fn start(&mut self, name: &str, window: Duration, now: OffsetDateTime) {
        let id = self.next;
        self.next = self.next.wrapping_add(1);
        let name: Arc<str> = Arc::from(name);
        self.by_age.push_back((id, Arc::clone(&name)));
        self.running.insert(name, Bucket { id, count: 1, ends: now + window, window });
    }

    /// Drops from the old end: what is gone, what is over, and what does not fit any more.
    fn make_room(&mut self, now: OffsetDateTime) {
        while let Some((id, name)) = self.by_age.front() {
            let is_current = self.running.get(name).filter(|bucket| bucket.id == *id);
            let is_full = self.running.len() >= self.capacity || self.by_age.len() >= 2 * self.capacity;
            match is_current {
                Some(bucket) if bucket.is_running(now) && !is_full => return,
                Some(_) => drop(self.running.remove(name)),
                None => {}
            }
            self.by_age.pop_front();
        }
    }
}

/// Some ten megabytes at the worst.
const CAPACITY: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::testing::world;

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_window_of_a_clock_that_was_ahead_does_not_go_on() {
        let (_, clock) = world();
        let cache = MemoryCache::new(clock.clone(), 1);
        let ahead = Duration::from_secs(7200);

        clock.advance(ahead);
        cache.hit("a", MINUTE).await;
        assert_eq!(cache.hit("a", MINUTE).await.count, 2);
        clock.set_back(ahead);

        assert!(!cache.has("a").await);
        assert_eq!(cache.hit("a", MINUTE).await, Hits { count: 1, step: 1, remaining: MINUTE });
    }

    #[tokio::test]
    async fn a_window_ends_and_a_new_one_starts() {
        let (_, clock) = world();
        let cache = MemoryCache::new(clock.clone(), 1);

        let hits = |count, remaining| Hits { count, step: 1, remaining };
        assert_eq!(cache.hit("a", MINUTE).await, hits(1, MINUTE));
        clock.advance(Duration::from_secs(59));
        assert_eq!(cache.hit("a", MINUTE).await, hits(2, Duration::from_secs(1)));
        assert!(cache.has("a").await && !cache.has("b").await);
        clock.advance(Duration::from_secs(1));
        assert!(!cache.has("a").await);
        assert_eq!(cache.hit("a", MINUTE).await, hits(1, MINUTE));
    }

    /// B-14
    #[tokio::test]
    async fn each_of_several_processes_counts_for_all_of_them() {
        let cache = MemoryCache::new(world().1, 3);

        for expected in [1, 4, 7] {
            assert_eq!(cache.hit("a", MINUTE).await, Hits { count: expected, step: 3, remaining: MINUTE });
        }
    }

    #[tokio::test]
    async fn the_oldest_bucket_makes_room() {
        let cache = MemoryCache::with_capacity(world().1, 2);

        for bucket in ["a", "b", "c"] {
            cache.hit(bucket, MINUTE).await;
        }

        assert_eq!(cache.hit("b", MINUTE).await.count, 2);
        assert_eq!(cache.hit("c", MINUTE).await.count, 2);
        assert_eq!(cache.hit("a", MINUTE).await.count, 1);
    }

    #[tokio::test]
    async fn memory_stays_bounded_whatever_is_forgotten() {
        let cache = MemoryCache::with_capacity(world().1, 4);

        cache.hit("old", MINUTE).await;
        for round in 0..100 {
            let bucket = round.to_string();
            cache.hit(&bucket, MINUTE).await;
            cache.forget(&bucket).await;
        }

        assert!(cache.buckets().by_age.len() <= 8);
        assert!(cache.buckets().running.len() <= 4);
    }

    #[tokio::test]
    async fn buckets_that_are_over_are_dropped() {
        let (_, clock) = world();
        let cache = MemoryCache::with_capacity(clock.clone(), 1000);

        for round in 0..100 {
            cache.hit(&round.to_string(), MINUTE).await;
        }
        clock.advance(MINUTE);
        cache.hit("new", MINUTE).await;

        assert_eq!(cache.buckets().running.len(), 1);
    }
}
