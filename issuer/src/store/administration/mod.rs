//! What administrators change, decided once for both databases: who may, what stands in the way, what it revokes.
//!
//! A change runs alone (no other change of rights beside it), so that what is judged is what is changed. The databases
//! only carry out: see [`desk`].

mod clients;
mod declaration;
pub(super) mod desk;
mod differences;
mod roles;
mod rules;
mod sessions;
mod types;
mod users;

use async_trait::async_trait;
use uuid::Uuid;

use self::desk::{
    AuditDesk as _, ClientDesk as _, Desk, Open, RoleDesk as _, SessionDesk as _, UserDesk as _,
};
use self::rules::Stop;
pub use self::rules::{ADMINISTRATOR, CONSOLE};
pub use self::types::{
    AuditEntry, AuditSearch, Authority, ClientChange, ClientProfile, Expected, Identifier, NewSecret,
    Outcome, Page, Profile, Refused, Reset, RoleChange, RoleSet, ScopeChange, SecretSlot, SessionSearch,
    UserChange, UserSearch, UserSession, Version,
};
use super::{
    Actor, Applied, ApplyError, Declaration, DeclaredClient, DeclaredRole, DeclaredScope, NewUser, Result,
    SessionId,
};

/// Users, roles, scopes and clients as administrators see and change them.
///
/// Each change writes its audit row, and what it revokes, in its own transaction.
#[async_trait]
pub trait Administration: Send + Sync {
    /// How many enabled users are administrators.
    async fn administrators(&self) -> Result<i64>;
    /// By canonical username, after the cursor.
    async fn users(&self, search: &UserSearch) -> Result<Vec<Profile>>;
    /// `None`: there is no such user.
    async fn user(&self, id: Uuid) -> Result<Option<Profile>>;
    async fn create_user(&self, by: &Authority, user: &NewUser) -> Result<Outcome<Profile>>;
    /// Renames, enables or disables. Whoever is disabled loses all sessions and tokens.
    async fn change_user(&self, by: &Authority, change: &UserChange) -> Result<Outcome<Profile>>;
    /// The roles are these from now on. What is lost is revoked.
    async fn set_roles(&self, by: &Authority, roles: &RoleSet) -> Result<Outcome<Profile>>;
    /// Replaces the password by one that is good for one login; ends every session.
    async fn reset_user(&self, by: &Authority, reset: &Reset) -> Result<Outcome<()>>;
    async fn delete_user(&self, by: &Authority, id: Uuid, expected: &Expected) -> Result<Outcome<()>>;

    /// By name, after the cursor.
    async fn roles(&self, page: &Page) -> Result<Vec<DeclaredRole>>;
    async fn role(&self, name: &str) -> Result<Option<DeclaredRole>>;
    async fn create_role(&self, by: &Authority, role: &DeclaredRole) -> Result<Outcome<DeclaredRole>>;
    async fn change_role(&self, by: &Authority, change: &RoleChange) -> Result<Outcome<DeclaredRole>>;
    async fn delete_role(&self, by: &Authority, name: &str, expected: &Expected) -> Result<Outcome<()>>;

    /// By name, after the cursor.
    async fn scopes(&self, page: &Page) -> Result<Vec<DeclaredScope>>;
    async fn scope(&self, name: &str) -> Result<Option<DeclaredScope>>;
    async fn create_scope(&self, by: &Authority, scope: &DeclaredScope) -> Result<Outcome<DeclaredScope>>;
    async fn change_scope(&self, by: &Authority, change: &ScopeChange) -> Result<Outcome<DeclaredScope>>;
    async fn delete_scope(&self, by: &Authority, name: &str, expected: &Expected) -> Result<Outcome<()>>;

    /// By client_id, after the cursor.
    async fn clients(&self, page: &Page) -> Result<Vec<ClientProfile>>;
    async fn client_profile(&self, client_id: &str) -> Result<Option<ClientProfile>>;
    /// The live ones.
    async fn client_secrets(&self, client_id: &str) -> Result<Vec<SecretSlot>>;
    /// A confidential client takes its `secret_if_new`.
    async fn create_client(&self, by: &Authority, client: &DeclaredClient) -> Result<Outcome<ClientProfile>>;
    /// A client that loses a scope or is disabled loses its tokens.
    async fn change_client(&self, by: &Authority, change: &ClientChange) -> Result<Outcome<ClientProfile>>;
    async fn delete_client(
        &self,
        by: &Authority,
        client_id: &str,
        expected: &Expected,
    ) -> Result<Outcome<()>>;
    /// The slot it is in.
    async fn add_secret(&self, by: &Authority, secret: &NewSecret) -> Result<Outcome<i64>>;
    async fn remove_secret(&self, by: &Authority, client_id: &str, slot: i64) -> Result<Outcome<()>>;

    /// The live ones, by id, which is random: whoever turns pages misses none that stays.
    async fn sessions(&self, search: &SessionSearch) -> Result<Vec<UserSession>>;
    async fn end_any_session(&self, by: &Authority, id: SessionId) -> Result<Outcome<()>>;
    /// All of a user, with every token of theirs.
    async fn end_sessions(&self, by: &Authority, user: Uuid) -> Result<Outcome<()>>;

    /// Brings scopes, roles and clients to what the declaration says, in one transaction.
    async fn apply(
        &self,
        by: &Actor,
        declaration: &Declaration,
    ) -> Result<std::result::Result<Applied, ApplyError>>;
    /// What `apply` would do: it is done, and taken back.
    async fn rehearse(
        &self,
        by: &Actor,
        declaration: &Declaration,
    ) -> Result<std::result::Result<Applied, ApplyError>>;

    /// Newest first.
    async fn audit(&self, search: &AuditSearch) -> Result<Vec<AuditEntry>>;
}

/// One change: alone, and all or nothing.
macro_rules! change {
    ($store:expr, $desk:ident => $change:expr) => {
        change!($store, $desk in $store.alone() => $change)
    };
    ($store:expr, $desk:ident in $transaction:expr => $change:expr) => {
        bounded($store, async {
            let mut $desk = $transaction.await?;
            let outcome = $change.await;
            settle($desk, outcome).await
        })
        .await
    };
}

/// One answer from one snapshot.
macro_rules! read {
    ($store:expr, $desk:ident => $question:expr) => {
        bounded($store, async {
            let mut $desk = $store.snapshot().await?;
            $question.await
        })
        .await
    };
}

#[async_trait]
impl<S: Open> Administration for S {
    async fn administrators(&self) -> Result<i64> {
        // Nobody has this id.
        read!(self, desk => desk.other_administrators(Uuid::nil()))
    }

    async fn users(&self, search: &UserSearch) -> Result<Vec<Profile>> {
        read!(self, desk => desk.users(search))
    }

    async fn user(&self, id: Uuid) -> Result<Option<Profile>> {
        read!(self, desk => desk.user(id))
    }

    async fn create_user(&self, by: &Authority, user: &NewUser) -> Result<Outcome<Profile>> {
        change!(self, desk => users::create(&mut desk, by, user))
    }

    async fn change_user(&self, by: &Authority, change: &UserChange) -> Result<Outcome<Profile>> {
        if users::is_own(by, change) {
            return change!(self, desk in self.one_user(change.id) => users::change(&mut desk, by, change));
        }
        change!(self, desk => users::change(&mut desk, by, change))
    }

    async fn set_roles(&self, by: &Authority, roles: &RoleSet) -> Result<Outcome<Profile>> {
        change!(self, desk => users::set_roles(&mut desk, by, roles))
    }

    async fn reset_user(&self, by: &Authority, reset: &Reset) -> Result<Outcome<()>> {
        change!(self, desk => users::reset(&mut desk, by, reset))
    }

    async fn delete_user(&self, by: &Authority, id: Uuid, expected: &Expected) -> Result<Outcome<()>> {
        change!(self, desk => users::delete(&mut desk, by, (id, expected)))
    }

    async fn roles(&self, page: &Page) -> Result<Vec<DeclaredRole>> {
        read!(self, desk => desk.roles(page))
    }

    async fn role(&self, name: &str) -> Result<Option<DeclaredRole>> {
        read!(self, desk => desk.role(name))
    }

    async fn create_role(&self, by: &Authority, role: &DeclaredRole) -> Result<Outcome<DeclaredRole>> {
        change!(self, desk => roles::create_role(&mut desk, by, role))
    }

    async fn change_role(&self, by: &Authority, change: &RoleChange) -> Result<Outcome<DeclaredRole>> {
        change!(self, desk => roles::change_role(&mut desk, by, change))
    }

    async fn delete_role(&self, by: &Authority, name: &str, expected: &Expected) -> Result<Outcome<()>> {
        change!(self, desk => roles::delete_role(&mut desk, by, (name, expected)))
    }

    async fn scopes(&self, page: &Page) -> Result<Vec<DeclaredScope>> {
        read!(self, desk => desk.scopes(page))
    }

    async fn scope(&self, name: &str) -> Result<Option<DeclaredScope>> {
        read!(self, desk => desk.scope(name))
    }

    async fn create_scope(&self, by: &Authority, scope: &DeclaredScope) -> Result<Outcome<DeclaredScope>> {
        change!(self, desk => roles::create_scope(&mut desk, by, scope))
    }

    async fn change_scope(&self, by: &Authority, change: &ScopeChange) -> Result<Outcome<DeclaredScope>> {
        change!(self, desk => roles::change_scope(&mut desk, by, change))
    }

    async fn delete_scope(&self, by: &Authority, name: &str, expected: &Expected) -> Result<Outcome<()>> {
        change!(self, desk => roles::delete_scope(&mut desk, by, (name, expected)))
    }

    async fn clients(&self, page: &Page) -> Result<Vec<ClientProfile>> {
        read!(self, desk => desk.clients(page))
    }

    async fn client_profile(&self, client_id: &str) -> Result<Option<ClientProfile>> {
        read!(self, desk => desk.client_profile(client_id))
    }

    async fn client_secrets(&self, client_id: &str) -> Result<Vec<SecretSlot>> {
        read!(self, desk => desk.secrets(client_id))
    }

    async fn create_client(&self, by: &Authority, client: &DeclaredClient) -> Result<Outcome<ClientProfile>> {
        change!(self, desk => clients::create(&mut desk, by, client))
    }

    async fn change_client(&self, by: &Authority, change: &ClientChange) -> Result<Outcome<ClientProfile>> {
        change!(self, desk => clients::change(&mut desk, by, change))
    }

    async fn delete_client(
        &self,
        by: &Authority,
        client_id: &str,
        expected: &Expected,
    ) -> Result<Outcome<()>> {
        change!(self, desk => clients::delete(&mut desk, by, (client_id, expected)))
    }

    async fn add_secret(&self, by: &Authority, secret: &NewSecret) -> Result<Outcome<i64>> {
        change!(self, desk => clients::add_secret(&mut desk, by, secret))
    }

    async fn remove_secret(&self, by: &Authority, client_id: &str, slot: i64) -> Result<Outcome<()>> {
        change!(self, desk => clients::remove_secret(&mut desk, by, (client_id, slot)))
    }

    async fn sessions(&self, search: &SessionSearch) -> Result<Vec<UserSession>> {
        read!(self, desk => desk.sessions(search))
    }

    async fn end_any_session(&self, by: &Authority, id: SessionId) -> Result<Outcome<()>> {
        change!(self, desk => sessions::end(&mut desk, by, id))
    }

    async fn end_sessions(&self, by: &Authority, user: Uuid) -> Result<Outcome<()>> {
        change!(self, desk => sessions::end_all(&mut desk, by, user))
    }

    // Not bounded: a large file may take its time, and nobody waits for an answer but the person who applies it.
    async fn apply(
        &self,
        by: &Actor,
        declaration: &Declaration,
    ) -> Result<std::result::Result<Applied, ApplyError>> {
        let mut desk = self.alone_patiently().await?;
        let outcome = declaration::carry_out(&mut desk, by, declaration).await?;
        if outcome.is_ok() {
            desk.commit().await?;
        }
        Ok(outcome)
    }

    async fn rehearse(
        &self,
        by: &Actor,
        declaration: &Declaration,
    ) -> Result<std::result::Result<Applied, ApplyError>> {
        declaration::carry_out(&mut self.alone_patiently().await?, by, declaration).await
    }

    async fn audit(&self, search: &AuditSearch) -> Result<Vec<AuditEntry>> {
        read!(self, desk => desk.audit(search))
    }
}

async fn bounded<S: Open, T: Send>(store: &S, answer: impl Future<Output = Result<T>> + Send) -> Result<T> {
    store.bounded(Box::pin(answer)).await
}

/// A refused change leaves nothing behind: the transaction ends here without a commit.
async fn settle<T>(desk: impl Desk, outcome: Result<T, Stop>) -> Result<Outcome<T>> {
    match outcome {
        Ok(value) => {
            desk.commit().await?;
            Ok(Ok(value))
        }
        Err(Stop::Refused(refused)) => Ok(Err(refused)),
        Err(Stop::Failed(error)) => Err(error),
    }
}
