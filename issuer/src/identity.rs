//! Users, clients, roles, scopes and sessions as administrators change them: who may, what stands in the way, what it revokes.
//!
//! Each change is one transaction beside which no other change of rights is made, so that what is judged is what is
//! changed. It writes its audit row, and what it revokes, in that transaction.

pub mod clients;
mod differences;
pub mod manifest;
pub mod roles;
mod rules;
pub mod scopes;
pub mod sessions;
mod types;
pub mod users;

use std::pin::Pin;

pub use self::rules::{ADMINISTRATOR, CONSOLE, ChangeError};
pub use self::types::{Authority, ClientChange, Expected, NewSecret, Refused, RoleChange, RoleSet, Version};

use crate::store::{Store, Transaction};

type Work<'t, T> = Pin<Box<dyn Future<Output = Result<T, ChangeError>> + Send + 't>>;

/// Makes one change of rights: no other beside it, and all or nothing.
async fn change<T: Send + 'static>(
    store: &Store,
    work: impl for<'t> FnOnce(&'t mut Transaction) -> Work<'t, T> + Send + 'static,
) -> Result<T, ChangeError> {
    let change = async move |mut transaction: Transaction| {
        transaction.lock_rights().await?;
        let value = work(&mut transaction).await?;
        transaction.commit().await?;
        Ok(value)
    };
    store.administration().write(change).await
}
