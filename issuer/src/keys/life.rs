//! What happens to the keys in the database: what is due, and what a person asks for.

use std::sync::Arc;

use super::{Keys, KeysError, Lookout, schedule, signer};
use crate::store::{Actor, Decide, Initiator, KeyChange, KeyHistory, Store};

impl Keys {
    /// Does what is due in the keys' lives, and looks at the outcome. Of many replicas that ask at once, one does it.
    pub async fn tend(&self, store: &Store) -> Result<Vec<KeyChange>, KeysError> {
        let times = self.times.clone();
        self.change(
            store,
            &Actor::Schedule.into(),
            Arc::new(move |history| Ok(schedule::due(history, &times))),
        )
        .await
    }

    /// Looks at the published key set for the keys that wait, unless somebody did so lately.
    pub async fn look(&self, store: &Store, lookout: &Lookout) -> Result<Vec<KeyChange>, KeysError> {
        if !schedule::wants_look(&store.key_history().await?) {
            return Ok(Vec::new());
        }
        let seen = lookout.look().await?;
        let times = self.times.clone();
        let decide = Arc::new(move |history: &KeyHistory| Ok(schedule::sighting(history, &times, &seen)));
        Ok(store.change_keys(&Actor::Schedule.into(), &[], decide).await??)
    }

    /// Lets the standby sign as soon as every verifier knows it. Empty: that is planned already.
    pub async fn rotate(&self, store: &Store, by: &Initiator) -> Result<Vec<KeyChange>, KeysError> {
        let times = self.times.clone();
        self.change(store, by, Arc::new(move |history| schedule::rotation(history, &times))).await
    }

    /// Gives up a key that somebody else may have. `anyway`: even where verifiers do not know its successor yet.
    pub async fn compromise(
        &self,
        store: &Store,
        by: &Initiator,
        (kid, anyway): (&str, bool),
    ) -> Result<Vec<KeyChange>, KeysError> {
        let (times, kid) = (self.times.clone(), kid.to_owned());
        let decide = Arc::new(move |history: &KeyHistory| schedule::emergency(history, &times, &kid, anyway));
        self.change(store, by, decide).await
    }

    async fn change(
        &self,
        store: &Store,
        by: &Initiator,
        decide: Arc<Decide>,
    ) -> Result<Vec<KeyChange>, KeysError> {
        // Asked before, without a lock and without keys, which may take a second to make. Most of the time that is all.
        if decide(&store.key_history().await?)?.is_empty() {
            return Ok(Vec::new());
        }
        let candidates = signer::generate_two(&self.kek, &self.world, self.times.algorithm).await?;
        let changes = store.change_keys(by, &candidates, decide).await??;
        self.refresh(store).await?;
        Ok(changes)
    }
}
