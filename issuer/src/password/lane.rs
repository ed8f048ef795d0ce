//! The lane in which passwords are hashed: its own few threads, so that nothing else ever queues behind a hash.
//!
//! As many threads as permits, each with its memory blocks kept between hashes (page faults cost a third of a hash),
//! at a lower priority than the threads that serve tokens. Work that could not end in time is refused at once.

use std::collections::VecDeque;
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
}

/// More logins than the lane can answer in time, or one that it cannot compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overloaded;

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
    clock: Arc<dyn Clock>,
}

#[derive(Debug)]
struct Queue {
    waiting: VecDeque<Job>,
    running: usize,
    /// Who asked for a hash and got none.
    refused: u64,
    /// What a hash took lately.
    usual: Duration,
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
    refused_after: OffsetDateTime,
    reply: oneshot::Sender<[u8; OUTPUT]>,
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
        let queue =
            Queue { waiting: VecDeque::new(), running: 0, refused: 0, usual: FIRST_GUESS, closed: false };
        let shared = Arc::new(Shared { queue: Mutex::new(queue), wake: Condvar::new(), clock });
        Self { shared, permits, deadline }
    }

    pub(super) async fn hash(&self, work: Work) -> Result<[u8; OUTPUT], Overloaded> {
        let (reply, answer) = oneshot::channel();
        self.enqueue(Job { work, refused_after: self.shared.clock.now() + self.deadline, reply })?;
        answer.await.map_err(|_| Overloaded)
    }

    pub(super) fn load(&self) -> Load {
        let queue = self.shared.lock();
        Load { waiting: queue.waiting.len(), running: queue.running, refused: queue.refused }
    }

    fn enqueue(&self, job: Job) -> Result<(), Overloaded> {
        let mut queue = self.shared.lock();
        let ahead = queue.waiting.len() + queue.running;
        let rounds = u32::try_from(ahead / self.permits + 1).unwrap_or(u32::MAX);
        // The first round is always tried: an idle lane must not refuse because the machine is slow.
        if rounds > 1 && queue.usual.saturating_mul(rounds) > self.deadline {
            queue.refused += 1;
            return Err(Overloaded);
        }
        queue.waiting.push_back(job);
        drop(queue);
        self.shared.wake.notify_one();
        Ok(())
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
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
                Some(job) if job.refused_after < self.clock.now() => queue.refused += 1,
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
        queue.usual = (queue.usual * 7 + took) / 8;
    }
}

fn hash_until_closed(shared: &Shared) {
    step_back();
    let mut blocks = Vec::new();
    while let Some(job) = shared.next() {
        let begun = shared.clock.now();
        let output = compute(&job.work, &mut blocks);
        shared.done((shared.clock.now() - begun).try_into().unwrap_or_default());
        if let Some(output) = output {
            // Nobody may be left to hear it.
            let _ = job.reply.send(output);
        }
    }
}

fn compute(work: &Work, blocks: &mut Vec<Block>) -> Option<[u8; OUTPUT]> {
    let argon2 = work.cost.argon2()?;
    let needed = argon2.params().block_count();
    if blocks.len() < needed {
        blocks.resize(needed, Block::new());
    }
    let mut output = [0; OUTPUT];
    let password = work.password.expose().as_bytes();
    argon2.hash_password_into_with_memory(password, &work.salt, &mut output, blocks.as_mut_slice()).ok()?;
    Some(output)
}

/// Token requests go first: measured, twice as many of them are answered during a flood of logins.
fn step_back() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        // On Linux this concerns the calling thread only.
        tracing::debug!(%error, "the password threads keep their priority");
    }
}

#[cfg(target_os = "linux")]
const NICE: i32 = 10;
/// Until hashes were measured.
const FIRST_GUESS: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::testing::world;

    const COST: Cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };

    fn work(password: &str, cost: Cost) -> Work {
        Work { password: Secret::new(password), salt: vec![1; 16], cost }
    }

    #[tokio::test]
    async fn memory_used_before_changes_no_hash() {
        let lane = Lane::start(1, Duration::from_secs(1), world().0.clock).unwrap();
        let larger = Cost { memory_kib: 64, ..COST };

        let first = lane.hash(work("one", COST)).await.unwrap();
        let other = lane.hash(work("two", larger)).await.unwrap();

        assert_ne!(first, other);
        assert_eq!(lane.hash(work("one", COST)).await, Ok(first));
    }

    #[tokio::test]
    async fn hashes_are_those_of_the_library() {
        let lane = Lane::start(2, Duration::from_secs(1), world().0.clock).unwrap();
        let mut expected = [0; OUTPUT];
        COST.argon2().unwrap().hash_password_into(b"one", &[1; 16], &mut expected).unwrap();

        assert_eq!(lane.hash(work("one", COST)).await, Ok(expected));
    }

    fn job(password: &str, refused_after: OffsetDateTime) -> (Job, oneshot::Receiver<[u8; OUTPUT]>) {
        let (reply, answer) = oneshot::channel();
        (Job { work: work(password, COST), refused_after, reply }, answer)
    }

    #[tokio::test]
    async fn what_cannot_end_in_time_is_refused_at_once() {
        let lane = Lane::idle(2, Duration::from_millis(250), world().0.clock);
        let mut waiting = Vec::new();
        for _ in 0..4 {
            let (job, answer) = job("one", lane.shared.clock.now());
            lane.enqueue(job).unwrap();
            waiting.push(answer);
        }

        assert_eq!(lane.hash(work("one", COST)).await, Err(Overloaded));
    }

    #[tokio::test]
    async fn whoever_waited_too_long_or_left_needs_no_hash() {
        let (world, clock) = world();
        let lane = Lane::idle(1, Duration::from_secs(10), world.clock);
        let (late, answer) = job("late", clock.now());
        let (gone, _) = job("gone", clock.now() + Duration::from_secs(9));
        let (waiting, _answer) = job("waiting", clock.now() + Duration::from_secs(9));
        for job in [late, gone, waiting] {
            lane.enqueue(job).unwrap();
        }

        clock.advance(Duration::from_secs(2));

        assert_eq!(lane.shared.next().unwrap().work.password.expose(), "waiting");
        assert!(answer.await.is_err());
    }

    #[tokio::test]
    async fn a_cost_that_argon2_does_not_know_is_no_panic() {
        let lane = Lane::start(1, Duration::from_secs(1), world().0.clock).unwrap();

        assert_eq!(lane.hash(work("one", Cost { memory_kib: 1, ..COST })).await, Err(Overloaded));
        assert!(lane.hash(work("one", COST)).await.is_ok());
    }
}
