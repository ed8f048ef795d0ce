//! The only room that speaks to Redis. Everything here may be lost at any moment without a wrong answer.

mod memory;
mod redis;
mod target;

#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

pub use self::memory::MemoryCache;
pub use self::redis::RedisCache;

/// Counters that replicas share. Redis where configured, this process otherwise.
#[async_trait]
pub trait Cache: Send + Sync + fmt::Debug {
    /// Counts one more hit in `bucket` and returns the count within the running window.
    ///
    /// Never fails: with Redis down, this process counts for itself, and as if all others saw as many.
    async fn hit(&self, bucket: &str, window: Duration) -> Hits;
    /// Whether the running window of `bucket` has a hit. With Redis down, only what this process counted itself is known.
    async fn has(&self, bucket: &str) -> bool;
    /// Forgets `bucket`, after a success.
    async fn forget(&self, bucket: &str);
    /// Answers when the shared store does; an in-process one always does.
    async fn ping(&self) -> Result<(), CacheError>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hits {
    pub count: u64,
    /// What the last one added: 1, or more where it stands for those of other processes too.
    pub step: u64,
    /// Until the window ends.
    pub remaining: Duration,
}

impl Hits {
    /// Whether this is the hit that went beyond `most`.
    pub fn just_passed(self, most: u64) -> bool {
        self.count > most && self.count.saturating_sub(self.step) <= most
    }
}

#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    #[error("redis is unavailable: {0}")]
    Unavailable(#[from] ::redis::RedisError),
    /// The text never holds a password.
    #[error("the Redis URL {0}")]
    Url(String),
}

impl CacheError {
    /// Whether the server's certificate is signed by a CA that this process does not trust.
    pub fn is_unknown_ca(&self) -> bool {
        // The error of TLS comes through as text.
        matches!(self, Self::Unavailable(error) if error.to_string().contains("UnknownIssuer"))
    }
}
