//! Keeps the tables as small as what they are for: sessions that are over and revocations of tokens that have expired go.

use uuid::Uuid;

use crate::clock::World;
use crate::store::{Result, Skeletons, Store, Swept};

/// A little at a time, so that nobody waits for it, until nothing is due; or, where that is too much for one go, almost.
pub async fn sweep(store: &Store, world: &World) -> Result<Swept> {
    let mut total = Swept::default();
    for _ in 0..MOST_STEPS {
        let Swept { sessions, events, behind } = store.sweep(STEP).await?;
        total = Swept { sessions: total.sessions + sessions, events: total.events + events, behind };
        if !behind {
            world.metrics.swept_at.set(world.now().unix_timestamp());
            break;
        }
        tokio::task::yield_now().await;
    }
    Ok(total)
}

/// Gives users from before that rule what their names look like, so that nobody new looks like them.
pub async fn complete_names(store: &Store) -> Result<()> {
    let mut after = Uuid::nil();
    loop {
        let Skeletons { last, alike } = store.write_skeletons(after, NAMES).await?;
        for id in alike {
            tracing::warn!(user = %id, "the username or e-mail address looks like another user's; rename one of them");
        }
        let Some(last) = last else { return Ok(()) };
        after = last;
        tokio::task::yield_now().await;
    }
}

const NAMES: u32 = 50;
const STEP: u32 = 500;
const MOST_STEPS: u32 = 200;
