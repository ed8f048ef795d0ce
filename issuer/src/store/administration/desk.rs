//! What a database does for an administrator's change: one statement each, inside one transaction. It decides nothing.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use super::{
    AuditEntry, AuditSearch, ClientProfile, Page, Profile, Reset, ScopeChange, SecretSlot, SessionSearch,
    UserChange, UserSearch, UserSession,
};
use crate::store::ledger::{Entry, Event};
use crate::store::{
    Actor, DeclaredClient, DeclaredRole, DeclaredScope, NewUser, Result, SessionId, UserConflict,
};

pub(in crate::store) type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// A database that can be administered.
#[async_trait]
pub(in crate::store) trait Open: Send + Sync {
    type Desk: Desk;

    /// A transaction beside which nobody changes who may do what; logins and refreshes go on.
    async fn alone(&self) -> Result<Self::Desk>;
    /// The same for a change that may wait and take longer than a request may.
    async fn alone_patiently(&self) -> Result<Self::Desk>;
    /// A transaction beside which nobody changes this one user, for a change that touches no rights.
    async fn one_user(&self, id: Uuid) -> Result<Self::Desk>;
    /// A transaction that only reads.
    async fn snapshot(&self) -> Result<Self::Desk>;
    /// Gives up a database that is silent.
    fn bounded<'a, T: Send + 'a>(&self, answer: Answer<'a, T>) -> Answer<'a, T>;
}

/// The transaction and its books. Dropped without `commit`, nothing happened.
#[async_trait]
pub(in crate::store) trait Desk:
    UserDesk + RoleDesk + ClientDesk + SessionDesk + AuditDesk + Sized
{
    async fn held(&mut self, actor: &Actor) -> Result<BTreeSet<String>>;
    async fn record(&mut self, entries: &[Entry]) -> Result<()>;
    /// The last statement of its transaction: other writers of events wait from here on.
    async fn publish(&mut self, events: &[Event]) -> Result<()>;
    async fn commit(self) -> Result<()>;
}

#[async_trait]
pub(in crate::store) trait UserDesk: Send {
    async fn users(&mut self, search: &UserSearch) -> Result<Vec<Profile>>;
    async fn user(&mut self, id: Uuid) -> Result<Option<Profile>>;
    /// With its roles. Someone else may have the name or the address.
    async fn insert_user(&mut self, user: &NewUser) -> Result<Option<UserConflict>>;
    /// Someone else has the name or the address.
    async fn user_conflict(&mut self, change: &UserChange) -> Result<Option<UserConflict>>;
    /// Someone else has taken the name or the address meanwhile.
    async fn put_user(&mut self, change: &UserChange) -> Result<Option<UserConflict>>;
    async fn put_one_time_password(&mut self, reset: &Reset) -> Result<()>;
    /// `None`: there is no such role.
    async fn scopes_of_role(&mut self, role: &str) -> Result<Option<BTreeSet<String>>>;
    async fn add_role(&mut self, id: Uuid, role: &str) -> Result<()>;
    async fn drop_role(&mut self, id: Uuid, role: &str) -> Result<()>;
    /// Revokes the user's tokens; the new epoch.
    async fn move_user(&mut self, id: Uuid) -> Result<i64>;
    async fn end_sessions(&mut self, id: Uuid, reason: &str) -> Result<()>;
    async fn delete_user(&mut self, id: Uuid) -> Result<()>;
    /// How many enabled users but this one are administrators.
    async fn other_administrators(&mut self, id: Uuid) -> Result<i64>;
}

#[async_trait]
pub(in crate::store) trait RoleDesk: Send {
    async fn roles(&mut self, page: &Page) -> Result<Vec<DeclaredRole>>;
    async fn role(&mut self, name: &str) -> Result<Option<DeclaredRole>>;
    /// Without its scopes.
    async fn insert_role(&mut self, role: &DeclaredRole) -> Result<()>;
    async fn describe_role(&mut self, name: &str, description: &str) -> Result<()>;
    async fn add_role_scope(&mut self, role: &str, scope: &str) -> Result<()>;
    /// Whoever administers can only hand out what they hold, with a token that has it: a new scope is the administrator's,
    /// and the console may ask for it.
    async fn entrust(&mut self, scope: &str) -> Result<()>;
    async fn drop_role_scope(&mut self, role: &str, scope: &str) -> Result<()>;
    async fn delete_role(&mut self, name: &str) -> Result<()>;
    /// All that anyone with the role holds, through whatever roles.
    async fn scopes_of_holders(&mut self, role: &str) -> Result<BTreeSet<String>>;
    /// Revokes the tokens of everyone with the role; their new epochs.
    async fn move_users_of_role(&mut self, role: &str) -> Result<Vec<(Uuid, i64)>>;

    async fn scopes(&mut self, page: &Page) -> Result<Vec<DeclaredScope>>;
    async fn scope(&mut self, name: &str) -> Result<Option<DeclaredScope>>;
    async fn insert_scope(&mut self, scope: &DeclaredScope) -> Result<()>;
    async fn put_scope(&mut self, change: &ScopeChange) -> Result<()>;
    async fn delete_scope(&mut self, name: &str) -> Result<()>;
    async fn move_users_of_scope(&mut self, scope: &str) -> Result<Vec<(Uuid, i64)>>;
    async fn move_clients_of_scope(&mut self, scope: &str) -> Result<Vec<(String, i64)>>;
}

#[async_trait]
pub(in crate::store) trait ClientDesk: Send {
    async fn clients(&mut self, page: &Page) -> Result<Vec<ClientProfile>>;
    async fn client_profile(&mut self, client_id: &str) -> Result<Option<ClientProfile>>;
    /// With its grants and scopes, without its secrets.
    async fn put_client(&mut self, client: &DeclaredClient) -> Result<()>;
    /// The epoch goes on where a client that had this name before was revoked.
    async fn continue_epoch(&mut self, client_id: &str) -> Result<()>;
    /// Revokes the client's tokens; the new epoch.
    async fn move_client(&mut self, client_id: &str) -> Result<i64>;
    async fn delete_client(&mut self, client_id: &str) -> Result<()>;
    /// The live ones.
    async fn secrets(&mut self, client_id: &str) -> Result<Vec<SecretSlot>>;
    async fn insert_secret(&mut self, client_id: &str, slot: i64, hash: [u8; 32]) -> Result<()>;
    async fn drop_dead_secrets(&mut self, client_id: &str) -> Result<()>;
    /// No secret of now lives longer than `still`.
    async fn expire_secrets(&mut self, client_id: &str, still: Duration) -> Result<()>;
    /// `false`: there is none in this slot.
    async fn delete_secret(&mut self, client_id: &str, slot: i64) -> Result<bool>;
}

#[async_trait]
pub(in crate::store) trait SessionDesk: Send {
    async fn sessions(&mut self, search: &SessionSearch) -> Result<Vec<UserSession>>;
    /// `false`: there is no such session, or it ended before.
    async fn end_session(&mut self, id: SessionId, reason: &str) -> Result<bool>;
}

#[async_trait]
pub(in crate::store) trait AuditDesk: Send {
    async fn audit(&mut self, search: &AuditSearch) -> Result<Vec<AuditEntry>>;
}
