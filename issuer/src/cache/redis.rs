//! Counters that replicas share, in Redis; this process's own while Redis is away.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use prometheus_client::metrics::counter::Counter;
use redis::{Cmd, ErrorKind, FromRedisValue, RedisError, RedisResult};
use tokio::sync::{mpsc, watch};

use super::target::{Connection, Target};
use super::{Cache, CacheError, Hits, MemoryCache};

/// Callers never connect: one task keeps the connection, and callers take what it has or count for themselves.
pub struct RedisCache {
    fallback: MemoryCache,
    link: watch::Receiver<Link>,
    broken: mpsc::Sender<Broken>,
    fallbacks: Counter,
}

impl RedisCache {
    /// Reads the URL; the connection is made beside. Needs a running tokio.
    pub fn connect(url: &str, fallback: MemoryCache, fallbacks: Counter) -> Result<Self, CacheError> {
        let target = Target::parse(url)?;
        let (publish, link) = watch::channel(Link::Starting);
        let (broken, reports) = mpsc::channel(1);
        tokio::spawn(Keeper { target, publish, reports, serial: 0 }.run());
        Ok(Self { fallback, link, broken, fallbacks })
    }

    /// Waits for an answer, at first also for the connection, but never long.
    async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> RedisResult<T> {
        let mut asked = None;
        let question = async {
            let (serial, mut connection) = self.connection().await?;
            asked = Some(serial);
            Ok(redis::from_redis_value(connection.ask(command).await?)?)
        };
        let answer = tokio::time::timeout(ANSWER, question).await.unwrap_or_else(|_| Err(silent()));

        if let (Err(error), Some(serial)) = (&answer, asked) {
            // A full queue holds the same complaint already.
            let _ = self.broken.try_send(Broken { serial, error: error.clone() });
        }
        answer
    }

    async fn connection(&self) -> RedisResult<(u64, Connection)> {
        let mut link = self.link.clone();
        let link = link.wait_for(|link| !matches!(link, Link::Starting)).await.map_err(|_| gone())?;
        match &*link {
            Link::Up { serial, connection } => Ok((*serial, connection.clone())),
            Link::Down(error) => Err(error.clone()),
            Link::Starting => Err(gone()),
        }
    }
}

impl fmt::Debug for RedisCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisCache").field("link", &*self.link.borrow()).finish_non_exhaustive()
    }
}

/// One step for Redis, so two replicas cannot both start the window; a counter without an end gets one.
const HIT: &str = "
local count = redis.call('INCR', KEYS[1])
local remaining = redis.call('PTTL', KEYS[1])
if remaining < 0 then
    remaining = tonumber(ARGV[1])
    redis.call('PEXPIRE', KEYS[1], remaining)
end
return {count, remaining}";

#[async_trait]
impl Cache for RedisCache {
    async fn hit(&self, bucket: &str, window: Duration) -> Hits {
        let mut command = redis::cmd("EVAL");
        // By text, not by digest: a server that was just promoted or emptied knows no scripts.
        command.arg(HIT).arg(1).arg(key(bucket)).arg(millis(window));
        match self.ask::<(u64, u64)>(&command).await {
            Ok((count, remaining)) => Hits { count, remaining: Duration::from_millis(remaining) },
            Err(_) => {
                self.fallbacks.inc();
                self.fallback.hit(bucket, window).await
            }
        }
    }

    /// Where Redis cannot be told, the window ends by itself.
    async fn forget(&self, bucket: &str) {
        self.fallback.forget(bucket).await;
        let _: RedisResult<u64> = self.ask(redis::cmd("DEL").arg(key(bucket))).await;
    }

    async fn ping(&self) -> Result<(), CacheError> {
        let _: String = self.ask(&redis::cmd("PING")).await?;
        Ok(())
    }
}

/// What callers see of the connection.
enum Link {
    Starting,
    Up { serial: u64, connection: Connection },
    Down(RedisError),
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Starting => "starting",
            Self::Up { .. } => "up",
            Self::Down(_) => "down",
        })
    }
}

/// A caller's complaint about a connection.
struct Broken {
    serial: u64,
    error: RedisError,
}

/// Owns the connection: makes it, replaces it when a caller complains, says once when it is gone and once when it is back.
struct Keeper {
    target: Target,
    publish: watch::Sender<Link>,
    reports: mpsc::Receiver<Broken>,
    serial: u64,
}

impl Keeper {
    /// Ends when the cache is dropped.
    async fn run(mut self) {
        loop {
            let opened = match tokio::time::timeout(CONNECT, self.target.connect(ANSWER)).await {
                Ok(opened) => opened,
                Err(_) => Err(silent()),
            };
            let error = match opened {
                Ok(connection) => {
                    self.up(connection);
                    match self.complaint().await {
                        Some(error) => error,
                        None => return,
                    }
                }
                Err(error) => error,
            };
            self.down(error);
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                () = self.publish.closed() => return,
            }
        }
    }

    fn up(&mut self, connection: Connection) {
        self.serial = self.serial.wrapping_add(1);
        let before = self.publish.send_replace(Link::Up { serial: self.serial, connection });
        if matches!(before, Link::Down(_)) {
            tracing::info!("redis is back; limits are shared again");
        }
    }

    fn down(&mut self, error: RedisError) {
        if !matches!(*self.publish.borrow(), Link::Down(_)) {
            tracing::warn!(%error, "redis is unavailable; until it is back, every process counts for itself");
        }
        self.publish.send_replace(Link::Down(error));
    }

    /// `None`: nobody is left to complain.
    async fn complaint(&mut self) -> Option<RedisError> {
        loop {
            let report = self.reports.recv().await?;
            if report.serial == self.serial {
                return Some(report.error);
            }
        }
    }
}

fn key(bucket: &str) -> String {
    format!("keystone:hits:{bucket}")
}

/// Redis takes no window of nothing.
fn millis(window: Duration) -> u64 {
    u64::try_from(window.as_millis()).unwrap_or(u64::MAX).clamp(1, LONGEST)
}

fn silent() -> RedisError {
    RedisError::from((ErrorKind::Io, "no answer in time"))
}

fn gone() -> RedisError {
    RedisError::from((ErrorKind::Io, "the connection's task has ended"))
}

/// A limit is asked for on every login: better an own count than a late one.
pub(super) const ANSWER: Duration = Duration::from_millis(250);
pub(super) const CONNECT: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_secs(1);
/// A year.
const LONGEST: u64 = 365 * 24 * 60 * 60 * 1000;
