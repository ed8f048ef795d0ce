//! Time and randomness are handed in from here; the ambient ones are banned by `clippy.toml`. Counters come along.

use std::fmt;
use std::sync::Arc;

use time::OffsetDateTime;

use crate::metrics::Metrics;

/// The wall clock.
pub trait Clock: Send + Sync + fmt::Debug {
    fn now(&self) -> OffsetDateTime;
}

/// A source of unpredictable bytes.
pub trait Entropy: Send + Sync + fmt::Debug {
    fn fill(&self, bytes: &mut [u8]);
}

/// What surrounds a program: the two things that it cannot compute, and whoever watches it.
#[derive(Clone, Debug)]
pub struct World {
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub metrics: Arc<Metrics>,
}

impl World {
    pub fn system() -> Self {
        Self::new(Arc::new(SystemClock), Arc::new(SystemEntropy))
    }

    pub fn new(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { clock, entropy, metrics: Arc::default() }
    }

    pub fn now(&self) -> OffsetDateTime {
        self.clock.now()
    }

    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.entropy.fill(&mut bytes);
        bytes
    }
}

#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where the ambient clock is read")]
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc()
    }
}

#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        if aws_lc_rs::rand::fill(bytes).is_err() {
            // A token made of predictable bytes is worse than no process.
            std::process::abort();
        }
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use std::sync::Mutex;

    use super::*;

    /// A clock that stands still until it is told to move.
    #[derive(Debug)]
    pub(crate) struct TestClock(Mutex<OffsetDateTime>);

    impl TestClock {
        pub(crate) fn advance(&self, by: std::time::Duration) {
            *self.0.lock().unwrap() += by;
        }

        pub(crate) fn set_back(&self, by: std::time::Duration) {
            *self.0.lock().unwrap() -= by;
        }
    }

    impl Clock for TestClock {
        fn now(&self) -> OffsetDateTime {
            *self.0.lock().unwrap()
        }
    }

    /// The same bytes in every run, never twice the same block.
    #[derive(Debug, Default)]
    pub(crate) struct TestEntropy(Mutex<u64>);

    impl Entropy for TestEntropy {
        fn fill(&self, bytes: &mut [u8]) {
            for chunk in bytes.chunks_mut(32) {
                let mut counter = self.0.lock().unwrap();
                *counter += 1;
                let block = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &counter.to_be_bytes());
                chunk.copy_from_slice(&block.as_ref()[..chunk.len()]);
            }
        }
    }

    pub(crate) fn world() -> (World, Arc<TestClock>) {
        let clock =
            Arc::new(TestClock(Mutex::new(OffsetDateTime::UNIX_EPOCH + time::Duration::days(20_000))));
        (World::new(clock.clone(), Arc::new(TestEntropy::default())), clock)
    }
}
