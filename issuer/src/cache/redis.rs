//! Counters that replicas share, in Redis; this process's own while Redis is away.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use prometheus_client::metrics::counter::Counter;
use redis::{Cmd, ErrorKind, FromRedisValue, RedisError, RedisResult};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::Instrument as _;

use super::target::{Connection, Target};
use super::{Cache, CacheError, Hits, MemoryCache};
use crate::telemetry::STEP;

/// Callers never connect: one task keeps the connection, and callers take what it has or count for themselves.
pub struct RedisCache {
    fallback: MemoryCache,
    link: watch::Sender<Link>,
    /// Holds the task, which ends with the cache.
    _keeper: JoinSet<()>,
    fallbacks: Counter,
}

impl RedisCache {
    /// Reads the URL; the connection is made beside. Needs a running tokio.
    pub fn connect(url: &str, fallback: MemoryCache, fallbacks: Counter) -> Result<Self, CacheError> {
        let target = Target::parse(url)?;
        let link = watch::Sender::new(Link::Starting);
        let mut keeper = JoinSet::new();
        keeper.spawn(Keeper { target, link: link.clone(), serial: 0, missed: false }.run());
        Ok(Self { fallback, link, _keeper: keeper, fallbacks })
    }

    /// Waits for an answer, at first also for the connection, but never long.
    async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> RedisResult<T> {
        let mut asked = None;
        let question = async {
            let (serial, mut connection) = self.connection().await?;
            asked = Some(serial);
            Ok(redis::from_redis_value(connection.ask(command).await?)?)
        };
        let step = tracing::info_span!(target: STEP, "redis");
        let answer = tokio::time::timeout(ANSWER, question).instrument(step).await;
        let answer = answer.unwrap_or_else(|_| Err(silent()));

        if let Err(error) = &answer {
            // At once: the next question is not put to the same silence.
            self.link.send_if_modified(|link| link.failed(asked, error));
        }
        answer
    }

    async fn connection(&self) -> RedisResult<(u64, Connection)> {
        let mut link = self.link.subscribe();
        let link = link.wait_for(|link| !matches!(link, Link::Starting)).await.map_err(|_| silent())?;
        match &*link {
            Link::Up { serial, connection } => Ok((*serial, connection.clone())),
            Link::Down(error) => Err(error.clone()),
            Link::Starting => Err(silent()),
        }
    }
}

impl fmt::Debug for RedisCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisCache").field("link", &*self.link.borrow()).finish_non_exhaustive()
    }
}

/// One step for Redis, so two replicas cannot both start the window. A counter without an end gets one, and so does a
/// counter that would outlive its window, whoever wrote it: it would lock an address out for that long.
const HIT: &str = "
local count = redis.call('INCR', KEYS[1])
local window = tonumber(ARGV[1])
local remaining = redis.call('PTTL', KEYS[1])
if remaining < 0 or remaining > window then
    remaining = window
    redis.call('PEXPIRE', KEYS[1], remaining)
end
return {count, remaining}";

#[async_trait]
impl Cache for RedisCache {
    async fn hit(&self, bucket: &str, window: Duration) -> Hits {
        match self.ask::<(u64, u64)>(&hit(bucket, window)).await {
            Ok((count, remaining)) => Hits { count, step: 1, remaining: Duration::from_millis(remaining) },
            Err(_) => {
                self.fallbacks.inc();
                self.fallback.hit(bucket, window).await
            }
        }
    }

    async fn has(&self, bucket: &str) -> bool {
        match self.ask(redis::cmd("EXISTS").arg(key(bucket))).await {
            Ok(has) => has,
            Err(_) => self.fallback.has(bucket).await,
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

impl Link {
    /// `asked`: the connection that failed, `None` while there was none. Whether this is news.
    fn failed(&mut self, asked: Option<u64>, error: &RedisError) -> bool {
        let is_news = match self {
            Self::Starting => true,
            Self::Up { serial, .. } => Some(*serial) == asked,
            Self::Down(_) => false,
        };
        if is_news {
            *self = Self::Down(error.clone());
        }
        is_news
    }
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

/// Owns the connection: makes it, replaces it when a caller finds it broken, says once when it is gone and once when it is back.
struct Keeper {
    target: Target,
    link: watch::Sender<Link>,
    serial: u64,
    /// Whether the log says that it is gone.
    missed: bool,
}

impl Keeper {
    async fn run(mut self) {
        let mut link = self.link.subscribe();
        loop {
            let opened = match tokio::time::timeout(CONNECT, self.open()).await {
                Ok(opened) => opened,
                Err(_) => Err(silent()),
            };
            let error = match opened {
                Ok(connection) => {
                    self.up(connection);
                    match link.wait_for(|link| matches!(link, Link::Down(_))).await.as_deref() {
                        Ok(Link::Down(error)) => error.clone(),
                        _ => return,
                    }
                }
                Err(error) => error,
            };
            self.down(error);
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// A server that answers and does not count is of no use: a replica, one that is full, one that still loads.
    async fn open(&mut self) -> RedisResult<Connection> {
        let mut connection = self.target.connect(ANSWER).await?;
        connection.ask(&hit("probe", PAUSE)).await?;
        Ok(connection)
    }

    fn up(&mut self, connection: Connection) {
        self.serial = self.serial.wrapping_add(1);
        self.link.send_replace(Link::Up { serial: self.serial, connection });
        if std::mem::replace(&mut self.missed, false) {
            tracing::info!("redis available again; rate limits are shared");
        }
    }

    fn down(&mut self, error: RedisError) {
        if !std::mem::replace(&mut self.missed, true) {
            tracing::warn!(%error, "redis unavailable; each process counts its share of the rate limits");
        }
        self.link.send_replace(Link::Down(error));
    }
}

/// By text, not by digest: a server that was just promoted or emptied knows no scripts.
fn hit(bucket: &str, window: Duration) -> Cmd {
    let mut command = redis::cmd("EVAL");
    command.arg(HIT).arg(1).arg(key(bucket)).arg(millis(window));
    command
}

fn key(bucket: &str) -> String {
    format!("keystone:hits:{bucket}")
}

/// Redis takes no window of nothing.
fn millis(window: Duration) -> u64 {
    u64::try_from(window.as_millis()).unwrap_or(u64::MAX).clamp(1, LONGEST)
}

fn silent() -> RedisError {
    RedisError::from((ErrorKind::Io, "no response in time"))
}

/// A limit is asked for on every login: better an own count than a late one.
pub(super) const ANSWER: Duration = Duration::from_millis(250);
pub(super) const CONNECT: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_secs(1);
/// A year.
const LONGEST: u64 = 365 * 24 * 60 * 60 * 1000;
