//! `keystone migrate`: brings the schema up to date and says what it did.

use super::{Failure, open};
use crate::config::Config;

pub(super) async fn run(config: &Config) -> Result<String, Failure> {
    let store = open::to_change(config).await?;
    let pending = open::answered(store.pending_migrations().await, config).await?;
    open::answered(store.migrate().await, config).await?;
    open::close(&store).await;
    Ok(match pending.as_slice() {
        [] => "the schema is up to date".to_owned(),
        applied => format!("applied {} migrations: {}", applied.len(), applied.join(", ")),
    })
}
