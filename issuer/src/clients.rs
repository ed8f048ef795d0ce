//! Clients, remembered for a second, so that client credentials cost no database read.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use moka::future::Cache;
use time::OffsetDateTime;

use crate::clock::World;
use crate::store::{Client, Store, StoreError};

#[derive(Clone, Debug)]
pub struct Clients {
    store: Store,
    remembered: Cache<String, Arc<Remembered>>,
    /// By the store's revision of clients.
    origins: Cache<u64, Arc<BTreeSet<String>>>,
    world: World,
}

/// A client as the database had it.
#[derive(Debug)]
struct Remembered {
    client: Arc<Client>,
    read: Reading,
    /// Whether a task reads it again already.
    renewed: AtomicBool,
}

/// The moment before a client was read, and the store's revision of clients then.
#[derive(Clone, Copy, Debug)]
struct Reading {
    at: OffsetDateTime,
    revision: u64,
}

/// Why there is nothing to remember.
enum Miss {
    Absent,
    Failed(Arc<StoreError>),
}

impl Clients {
    pub fn new(store: Store, world: World) -> Self {
        let remembered = Cache::builder().max_capacity(CAPACITY).time_to_live(KEPT).build();
        let origins = Cache::builder().max_capacity(ORIGIN_SETS).time_to_live(ORIGINS_LIFETIME).build();
        Self { store, remembered, origins, world }
    }

    /// Returns `None` if there is no such client. That is never remembered: a client made now works now.
    pub async fn find(&self, client_id: &str) -> Result<Option<Arc<Client>>, Arc<StoreError>> {
        if !is_client_id(client_id) {
            return Ok(None);
        }
        let now = self.reading();
        if let Some(remembered) = self.current(client_id, now).await {
            self.world.metrics.client_cache.count("hit");
            if remembered.is_due(now) {
                // Outside the request's span: it is no part of the request, whose answer does not depend on it.
                tokio::spawn(self.clone().renew(client_id.to_owned()));
            }
            return Ok(Some(remembered.client.clone()));
        }
        // Elsewhere, so that a hit takes no room for it: every request would, while it is answered.
        Box::pin(self.load(client_id, now)).await
    }

    fn reading(&self) -> Reading {
        Reading { at: self.world.now(), revision: self.store.client_revision() }
    }

    /// Returns what is remembered, unless it may have changed since it was read.
    async fn current(&self, client_id: &str, now: Reading) -> Option<Arc<Remembered>> {
        let remembered = self.remembered.get(client_id).await?;
        if remembered.holds(now) {
            return Some(remembered);
        }
        self.remembered.invalidate(client_id).await;
        None
    }

    async fn load(&self, client_id: &str, now: Reading) -> Result<Option<Arc<Client>>, Arc<StoreError>> {
        self.world.metrics.client_cache.count("miss");
        // Of many requests that miss at once, one asks the database and the others wait for it.
        let load = async {
            match self.store.client(client_id).await {
                Ok(Some(client)) => Ok(Remembered::new(client, now)),
                Ok(None) => Err(Miss::Absent),
                Err(error) => Err(Miss::Failed(Arc::new(error))),
            }
        };
        match self.remembered.try_get_with_by_ref(client_id, load).await {
            Ok(remembered) if remembered.holds(now) => Ok(Some(remembered.client.clone())),
            // Another request began to read it before a change that this one must see.
            Ok(_) => Ok(self.store.client(client_id).await?.map(Arc::new)),
            Err(miss) => match &*miss {
                Miss::Absent => Ok(None),
                Miss::Failed(error) => Err(error.clone()),
            },
        }
    }

    /// Reads a client before its time ends, so that no request of a client that is busy waits for the database. Where that
    /// cannot be asked, its time ends as it would have.
    async fn renew(self, client_id: String) {
        let now = self.reading();
        match self.store.client(&client_id).await {
            Ok(Some(client)) => self.remembered.insert(client_id, Remembered::new(client, now)).await,
            Ok(None) => self.remembered.invalidate(&client_id).await,
            Err(error) => tracing::warn!(%error, client_id, "refreshing a cached client failed"),
        }
    }

    /// The client as the database has it now, where what is remembered of it refuses something: what was given to it a moment
    /// ago is not refused. A copy that is newer than a tenth of a second is not read again: strangers may ask for anything.
    pub async fn renewed(&self, client: &Arc<Client>) -> Result<Arc<Client>, Arc<StoreError>> {
        let remembered = self.remembered.get(&client.client_id).await;
        let now = self.world.now();
        if remembered.is_some_and(|remembered| now - remembered.read.at < RENEWED_AT_MOST) {
            return Ok(client.clone());
        }
        self.remembered.invalidate(&client.client_id).await;
        Ok(self.find(&client.client_id).await?.filter(|now| now.enabled).unwrap_or_else(|| client.clone()))
    }

    /// Whether a page of this origin belongs to any enabled client.
    ///
    /// While the database is away, none does: an origin must not outlive its client, and a stranger's question must not
    /// wait for the database each time.
    pub async fn know_origin(&self, origin: &str) -> bool {
        let load = async {
            let origins = self.store.browser_origins().await;
            Arc::new(origins.unwrap_or_else(|error| {
                tracing::warn!(%error, "reading the origins of clients failed; browsers are refused until the next attempt");
                BTreeSet::new()
            }))
        };
        self.origins.get_with(self.store.client_revision(), load).await.contains(origin)
    }
}

impl Remembered {
    fn new(client: Client, read: Reading) -> Arc<Self> {
        Arc::new(Self { client: Arc::new(client), read, renewed: AtomicBool::new(false) })
    }

    /// Whether it is new enough, this process has changed no client since, and no secret has ended.
    fn holds(&self, now: Reading) -> bool {
        let age = now.at - self.read.at;
        age < LIFETIME
            && self.read.revision == now.revision
            && self.client.secrets_change_in.is_none_or(|left| age < left)
    }

    /// True once, towards its end.
    fn is_due(&self, now: Reading) -> bool {
        now.at - self.read.at >= RENEWAL && !self.renewed.swap(true, Ordering::Relaxed)
    }
}

/// Names that look like a user's: a token's `sub` must never be taken for someone else (RFC 9700 §4.15).
pub fn resembles_a_subject(text: &str) -> bool {
    text.parse::<uuid::Uuid>().is_ok() || text.to_ascii_lowercase().starts_with("client:")
}

/// The syntax that `apply` takes; nothing else is worth a question to the database (a NUL makes PostgreSQL fail).
pub fn is_client_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// `scheme://host[:port]` in the one spelling that browsers send (RFC 6454 §6.2), so that bytes can be compared. Not
/// `null`, which every sandboxed page has (RFC 6454 §7.3), and nothing that stands for more than one.
pub fn is_origin(text: &str) -> bool {
    let is_exact = |url: url::Url| {
        matches!(url.scheme(), "https" | "http") && url.origin().ascii_serialization() == text
    };
    text.len() <= 256 && !text.contains('*') && url::Url::parse(text).is_ok_and(is_exact)
}

const CAPACITY: u64 = 10_000;
/// How long a disabled client may go on at a replica that did not disable it itself. A second is the shortest deadline that a
/// secret can be given, so every deadline is kept by every replica.
const LIFETIME: Duration = Duration::from_secs(1);
/// How long a copy is kept in memory, whatever the clock says.
const KEPT: Duration = Duration::from_secs(5);
const RENEWED_AT_MOST: Duration = Duration::from_millis(100);
const RENEWAL: Duration = Duration::from_millis(600);
const ORIGINS_LIFETIME: Duration = Duration::from_secs(5);
/// One for each revision of the last seconds; one that is not kept is read again.
const ORIGIN_SETS: u64 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_has_one_spelling() {
        for good in [
            "https://app.example.com",
            "http://localhost:3000",
            "https://app.example.com:8443",
            "http://[::1]:8080",
            "https://xn--bcher-kva.example",
        ] {
            assert!(is_origin(good), "{good}");
        }
        for wrong in [
            "",
            "null",
            "*",
            "https://*.example.com",
            "https://",
            "https://App.example.com",
            "HTTPS://app.example.com",
            "https://app.example.com/",
            "https://app.example.com/path",
            "https://app.example.com?x",
            "https://app.example.com#x",
            "https://app.example.com:443",
            "http://app.example.com:80",
            "https://user@app.example.com",
            "https://b\u{fc}cher.example",
            " https://app.example.com",
            "app.example.com",
            "//app.example.com",
            "file:///x",
            "chrome-extension://abc",
            "https://a.example https://b.example",
        ] {
            assert!(!is_origin(wrong), "{wrong}");
        }
    }
}
