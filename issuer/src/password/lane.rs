//! The lane in which passwords are hashed: its own few threads, so that nothing else ever queues behind a hash.
//!
//! As many threads as permits, each with its memory blocks kept between hashes (page faults cost a third of a hash),
//! at a lower priority than the threads that serve tokens. Work that could not end in time is refused at once.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use argon2::Block;
use time::OffsetDateTime;
use tokio::sync::oneshot;

use super::phc::{Cost, OUTPUT};
use crate::clock::Clock;
use crate::secret::Secret;

#[derive(Debug)]
pub(super) struct Lane {
    shared: Arc<Shared>,
    permits: usize,
    deadline: Duration,
}

/// One hash to compute.
#[derive(Debug)]
pub(super) struct Work {
    pub password: Secret,
    pub salt: Vec<u8>,
    pub cost: Cost,
    /// Done afterwards, for nothing but the time it takes.
    pub filler: Option<Cost>,
}

/// More logins than the lane can answer in time, or one that it cannot compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overloaded;

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
    /// Places taken: by who is about to ask for a hash, who waits for one, and whose is being computed.
    taken: AtomicUsize,
    /// Who asked for a hash and got none.
    refused: AtomicU64,
    /// What a hash took lately, in microseconds. Beside the queue and not in it, so that nobody who is refused waits for a
    /// thread that holds the queue and that the machine lets wait.
    usual: AtomicU64,
    /// The most that a hash took lately, in microseconds.
    longest: AtomicU64,
    clock: Arc<dyn Clock>,
}

#[derive(Debug)]
struct Queue {
    waiting: VecDeque<Job>,
    running: usize,
    closed: bool,
}

/// How busy the lane is, and how many it has refused so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    pub waiting: usize,
    pub running: usize,
    pub refused: u64,
}

#[derive(Debug)]
struct Job {
    work: Work,
    place: Place,
    reply: oneshot::Sender<[u8; OUTPUT]>,
}

/// Room for one hash. Given back when it is computed, or when nobody wants it any more.
#[derive(Debug)]
pub(super) struct Place {
    shared: Arc<Shared>,
    refused_after: OffsetDateTime,
}

impl Lane {
    /// Memory is taken by the first hashes, not here: a process that nobody logs in to stays small.
    pub(super) fn start(permits: usize, deadline: Duration, clock: Arc<dyn Clock>) -> std::io::Result<Self> {
        let lane = Self::idle(permits, deadline, clock);
        for _ in 0..permits {
            let shared = lane.shared.clone();
            std::thread::Builder::new()
                .name("password".to_owned())
                .spawn(move || hash_until_closed(&shared))?;
        }
        Ok(lane)
    }

    /// A lane on which nobody works yet.
    fn idle(permits: usize, deadline: Duration, clock: Arc<dyn Clock>) -> Self {
        let queue = Mutex::new(Queue { waiting: VecDeque::new(), running: 0, closed: false });
        let (taken, refused) = (AtomicUsize::new(0), AtomicU64::new(0));
        let (usual, longest) = (AtomicU64::new(micros(FIRST_GUESS)), AtomicU64::new(0));
        let shared = Arc::new(Shared { queue, wake: Condvar::new(), taken, refused, usual, longest, clock });
        Self { shared, permits, deadline }
    }

    pub(super) fn load(&self) -> Load {
        let queue = self.shared.lock();
        let refused = self.shared.refused.load(Ordering::Relaxed);
        Load { waiting: queue.waiting.len(), running: queue.running, refused }
    }

    /// When a failure is answered, counted from its beginning: the same for all, and seldom too early for any of them.
    pub(super) fn fixed_time(&self) -> Duration {
        let longest = self.shared.longest.load(Ordering::Relaxed);
        Duration::from_micros(rounded(longest.saturating_add(longest / 4))).min(self.deadline)
    }

    /// Taken before anything slow is done for a login, so that whoever has no chance hears so at once.
    pub(super) fn enter(&self) -> Result<Place, Overloaded> {
        let ahead = self.shared.taken.fetch_add(1, Ordering::Relaxed);
        let place =
            Place { shared: self.shared.clone(), refused_after: self.shared.clock.now() + self.deadline };
        let rounds = u32::try_from(ahead / self.permits + 1).unwrap_or(u32::MAX);
        let usual = Duration::from_micros(self.shared.usual.load(Ordering::Relaxed));
        // The first round is always tried: an idle lane must not refuse because the machine is slow.
        if rounds > 1 && usual.saturating_mul(rounds) > self.deadline.mul_f64(ESTIMATED) {
            self.shared.refused.fetch_add(1, Ordering::Relaxed);
            return Err(Overloaded);
        }
        Ok(place)
    }
}

impl Place {
    pub(super) async fn hash(self, work: Work) -> Result<[u8; OUTPUT], Overloaded> {
        let (reply, answer) = oneshot::channel();
        let shared = self.shared.clone();
        shared.lock().waiting.push_back(Job { work, place: self, reply });
        shared.wake.notify_one();
        answer.await.map_err(|_| Overloaded)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        let mut queue = self.shared.lock();
        queue.closed = true;
        // They hold on to what holds them.
        queue.waiting.clear();
        drop(queue);
        self.shared.wake.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next job worth doing. `None`: the lane is closed.
    fn next(&self) -> Option<Job> {
        let mut queue = self.lock();
        loop {
            if queue.closed {
                return None;
            }
            match queue.waiting.pop_front() {
                // Whoever has gone, or waited too long, needs no hash any more.
                Some(job) if job.reply.is_closed() => drop(job),
                Some(job) if job.place.refused_after < self.clock.now() => {
                    self.refused.fetch_add(1, Ordering::Relaxed);
                }
                Some(job) => {
                    queue.running += 1;
                    return Some(job);
                }
                None => queue = self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    fn done(&self, took: Duration) {
        let mut queue = self.lock();
        queue.running = queue.running.saturating_sub(1);
        // Believed at once when it gets slower: people who are let in must not wait in vain.
        let (took, usual) = (micros(took), self.usual.load(Ordering::Relaxed));
        self.usual.store(took.max(usual.saturating_mul(7).saturating_add(took) / 8), Ordering::Relaxed);
        let longest = self.longest.load(Ordering::Relaxed);
        self.longest.store(took.max(longest.saturating_sub(longest / 64)), Ordering::Relaxed);
    }
}

/// Up to a step of an eighth or less, so that it stays the same while hashes take about the same.
fn rounded(micros: u64) -> u64 {
    let step = (micros.checked_next_power_of_two().unwrap_or(micros) / 8).max(1);
    micros.div_ceil(step).saturating_mul(step)
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn hash_until_closed(shared: &Shared) {
    step_back();
    let mut blocks = Vec::new();
    while let Some(Job { work, place, reply }) = shared.next() {
        let begun = shared.clock.now();
        let output = compute(&work, &mut blocks);
        shared.done((shared.clock.now() - begun).try_into().unwrap_or_default());
        drop(place);
        if let Some(output) = output {
            // Nobody may be left to hear it.
            let _ = reply.send(output);
        }
    }
}

fn compute(work: &Work, blocks: &mut Vec<Block>) -> Option<[u8; OUTPUT]> {
    let output = hash(work, work.cost, blocks)?;
    if let Some(cost) = work.filler {
        std::hint::black_box(hash(work, cost, blocks));
    }
    Some(output)
}

fn hash(work: &Work, cost: Cost, blocks: &mut Vec<Block>) -> Option<[u8; OUTPUT]> {
    let argon2 = cost.argon2()?;
    let needed = argon2.params().block_count();
    if blocks.len() < needed {
        blocks.resize(needed, Block::new());
    }
    let mut output = [0; OUTPUT];
    let password = work.password.expose().as_bytes();
    argon2.hash_password_into_with_memory(password, &work.salt, &mut output, blocks.as_mut_slice()).ok()?;
    Some(output)
}

/// Token requests go first: measured, twice as many of them are answered during a flood of logins. A distance, not a
/// place, because the whole process may have been started with less priority.
fn step_back() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICE) {
        // On Linux this concerns the calling thread only.
        tracing::debug!(%error, "lowering the priority of the password hash pool failed");
    }
}

#[cfg(target_os = "linux")]
const NICE: i32 = 10;
/// The part of the deadline that is given away; the rest is for hashes that take longer than the last ones did.
const ESTIMATED: f64 = 0.75;
/// Until hashes were measured.
const FIRST_GUESS: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Waker};

    use super::*;
    use crate::clock::testing::world;

    const COST: Cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };

    fn work(password: &str, cost: Cost) -> Work {
        Work { password: Secret::new(password), salt: vec![1; 16], cost, filler: None }
    }

    #[test]
    fn failures_take_longer_than_a_hash_and_change_in_steps() {
        for (took, expected) in [(0, 0), (1, 1), (88_000, 114_688), (91_000, 114_688), (100_000, 131_072)] {
            let lane = Lane::idle(1, Duration::from_secs(2), world().0.clock);
            lane.shared.done(Duration::from_micros(took));
            assert_eq!(lane.fixed_time(), Duration::from_micros(expected), "{took}");
        }
        let lane = Lane::idle(1, Duration::from_secs(2), world().0.clock);
        lane.shared.done(Duration::from_secs(3_600));
        assert_eq!(lane.fixed_time(), Duration::from_secs(2));
        // A machine that was busy for a while, or a clock that was set forward.
        (0..1000).for_each(|_| lane.shared.done(Duration::from_millis(88)));
        assert_eq!(lane.fixed_time(), Duration::from_micros(114_688));
    }

    async fn hash(lane: &Lane, work: Work) -> Result<[u8; OUTPUT], Overloaded> {
        lane.enter()?.hash(work).await
    }

    /// As far as it comes without waiting.
    fn begun<F: Future>(future: F) -> Pin<Box<F>> {
        let mut future = Box::pin(future);
        assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        future
    }

    #[tokio::test]
    async fn memory_used_before_changes_no_hash() {
        let lane = Lane::start(1, Duration::from_secs(1), world().0.clock).unwrap();
        let larger = Cost { memory_kib: 64, ..COST };

        let first = hash(&lane, work("one", COST)).await.unwrap();
        let other = hash(&lane, work("two", larger)).await.unwrap();

        assert_ne!(first, other);
        assert_eq!(hash(&lane, work("one", COST)).await, Ok(first));
    }

    #[tokio::test]
    async fn hashes_are_those_of_the_library() {
        let lane = Lane::start(2, Duration::from_secs(1), world().0.clock).unwrap();
        let mut expected = [0; OUTPUT];
        COST.argon2().unwrap().hash_password_into(b"one", &[1; 16], &mut expected).unwrap();

        assert_eq!(hash(&lane, work("one", COST)).await, Ok(expected));
    }

    /// L-12
    #[tokio::test]
    async fn who_has_no_chance_is_refused_before_anything_is_done_for_them() {
        let lane = Lane::idle(2, Duration::from_millis(300), world().0.clock);

        let mut places: Vec<_> = (0..4).map(|_| lane.enter().unwrap()).collect();
        assert_eq!(lane.enter().err(), Some(Overloaded));

        // Whoever gives up makes room.
        places.pop();
        assert!(lane.enter().is_ok());
    }

    #[tokio::test]
    async fn whoever_waited_too_long_or_left_needs_no_hash() {
        let (world, clock) = world();
        let lane = Lane::idle(1, Duration::from_secs(1), world.clock);

        let late = begun(hash(&lane, work("late", COST)));
        clock.advance(Duration::from_secs(2));
        drop(begun(hash(&lane, work("gone", COST))));
        let _waiting = begun(hash(&lane, work("waiting", COST)));

        assert_eq!(lane.shared.next().unwrap().work.password.expose(), "waiting");
        assert_eq!(late.await, Err(Overloaded));
    }

    #[tokio::test]
    async fn a_cost_that_argon2_does_not_know_is_no_panic() {
        let lane = Lane::start(1, Duration::from_secs(1), world().0.clock).unwrap();

        assert_eq!(hash(&lane, work("one", Cost { memory_kib: 1, ..COST })).await, Err(Overloaded));
        assert!(hash(&lane, work("one", COST)).await.is_ok());
    }
}
