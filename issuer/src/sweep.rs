//! Keeps the tables as small as what they are for: sessions that are over and revocations of tokens that have expired go.

use crate::clock::World;
use crate::store::{Result, Store, Swept};

/// A little at a time, so that nobody waits for it, until nothing is due; or, where that is too much for one go, almost.
pub async fn sweep(store: &dyn Store, world: &World) -> Result<Swept> {
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

const STEP: u32 = 500;
const MOST_STEPS: u32 = 200;
