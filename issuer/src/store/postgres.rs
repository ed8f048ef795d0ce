//! PostgreSQL, for any number of replicas.

pub(super) mod pool;
pub(super) mod schema;
pub(super) mod url;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use moka::future::Cache;
use sqlx::PgPool;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use self::pool::Distrust;
use super::{Result, SessionId, StoreError};

/// The connections to a server.
#[derive(Clone, Debug)]
pub struct Postgres {
    pub(super) pool: PgPool,
    /// The connections that administration and self-service may hold at the same time.
    share: Arc<Semaphore>,
    is_in_share: bool,
    distrust: Arc<Distrust>,
    pub(super) client_revision: Arc<AtomicU64>,
    /// The salts of recent sessions. A salt never changes, so a refresh need not read it first.
    pub(super) salts: Cache<SessionId, [u8; 16]>,
}

impl Postgres {
    pub(super) fn new(url: &str, max_connections: u32) -> Result<Self> {
        let distrust = Distrust::new();
        let pool = pool::lazy(url, max_connections, distrust.clone())?;
        let share = Arc::new(Semaphore::new(pool::administration_share(max_connections)));
        Ok(Self {
            pool,
            share,
            is_in_share: false,
            distrust,
            client_revision: Arc::default(),
            salts: Cache::new(MAX_SALTS),
        })
    }

    pub(super) fn in_share(&self) -> Self {
        Self { is_in_share: true, ..self.clone() }
    }

    /// Returns a place in the share of administration and self-service, if this is of that share.
    pub(super) async fn permit(&self) -> Result<Option<OwnedSemaphorePermit>> {
        if !self.is_in_share {
            return Ok(None);
        }
        let permit =
            tokio::time::timeout(pool::ACQUIRE_TIMEOUT, Arc::clone(&self.share).acquire_owned()).await;
        let permit = permit.ok().and_then(std::result::Result::ok);
        permit.map(Some).ok_or(StoreError::Unavailable(sqlx::Error::PoolTimedOut))
    }

    /// A server that refuses to write may have been replaced: connections to it go on reading for as long as they are kept.
    pub(super) fn learn_from(&self, error: &StoreError) {
        if error.is_read_only() {
            self.distrust.begin();
        }
    }

    /// Every statement has ended before, unless the server or the network is away. A change whose answer is lost this way may
    /// still happen; each operation can be repeated.
    pub(super) async fn give_up_late<T, E: From<StoreError>>(
        &self,
        answer: impl Future<Output = Result<T, E>> + Send,
    ) -> Result<T, E> {
        let answer = pool::watched(self.distrust.clone(), GIVE_UP_TIMEOUT, answer).await;
        answer.unwrap_or_else(|| Err(StoreError::late(GIVE_UP_TIMEOUT).into()))
    }
}

/// Some ten megabytes.
const MAX_SALTS: u64 = 50_000;
/// One whole transaction: longer than its statements may take, and soon enough to have its connection replaced.
const GIVE_UP_TIMEOUT: Duration = Duration::from_secs(5);
