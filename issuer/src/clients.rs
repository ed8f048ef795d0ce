//! Clients, remembered for a few seconds, so that client credentials cost no database read.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;

use crate::store::{Client, Store, StoreError};

#[derive(Clone, Debug)]
pub struct Clients {
    store: Arc<dyn Store>,
    remembered: Cache<String, Arc<Client>>,
}

/// Why there is nothing to remember.
enum Miss {
    Absent,
    Failed(Arc<StoreError>),
}

impl Clients {
    pub fn new(store: Arc<dyn Store>) -> Self {
        let remembered = Cache::builder().max_capacity(CAPACITY).time_to_live(LIFETIME).build();
        Self { store, remembered }
    }

    /// `None`: there is no such client. That is never remembered: a client made now works now.
    pub async fn find(&self, client_id: &str) -> Result<Option<Arc<Client>>, Arc<StoreError>> {
        if !is_client_id(client_id) {
            return Ok(None);
        }
        if let Some(client) = self.remembered.get(client_id).await {
            return Ok(Some(client));
        }
        // Of many requests that miss at once, one asks the database and the others wait for it.
        let load = async {
            match self.store.client(client_id).await {
                Ok(Some(client)) => Ok(Arc::new(client)),
                Ok(None) => Err(Miss::Absent),
                Err(error) => Err(Miss::Failed(Arc::new(error))),
            }
        };
        match self.remembered.try_get_with_by_ref(client_id, load).await {
            Ok(client) => Ok(Some(client)),
            Err(miss) => match &*miss {
                Miss::Absent => Ok(None),
                Miss::Failed(error) => Err(error.clone()),
            },
        }
    }

    /// After a change that may touch any client.
    pub fn forget_all(&self) {
        self.remembered.invalidate_all();
    }

    /// After a change made by this process. Other replicas see it when their copy ends.
    pub async fn forget(&self, client_id: &str) {
        self.remembered.invalidate(client_id).await;
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

const CAPACITY: u64 = 10_000;
/// How long a disabled client may go on at a replica that did not disable it itself.
const LIFETIME: Duration = Duration::from_secs(5);
