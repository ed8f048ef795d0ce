//! Runs every call of a store in a task of its own.
//!
//! A future of sqlx must not be dropped between a statement and its answer: a `BEGIN` that was sent and never waited for
//! leaves its connection in a transaction, and the next caller's changes are lost with it. HTTP drops a request's future
//! when its client hangs up. The tasks here run to their end; only the caller's wait for the answer is dropped.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use time::OffsetDateTime;
use tracing::Instrument as _;
use uuid::Uuid;

use super::administration::{
    AuditEntry, AuditSearch, Authority, ClientChange, ClientProfile, Expected, NewSecret, Outcome, Page,
    Profile, Reset, RoleChange, RoleSet, ScopeChange, SecretSlot, SessionSearch, UserChange, UserSearch,
    UserSession,
};
use super::{
    Actor, Administration, Applied, ApplyError, Bootstrap, Client, Credential, Decide, Declaration,
    DeclaredClient, DeclaredRole, DeclaredScope, EndSession, Evidence, FeedPage, Initiator, IssuedToken,
    KeyChange, KeyHistory, KeyLife, KeyRefusal, LiveSession, NewSession, NewSigningKey, NewUser,
    PasswordChange, PoolUse, Position, Reseal, Result, Revocations, Rotate, Rotation, RotationRefusal,
    SealedName, Session, SessionId, SessionRecord, SigningKey, Skeletons, Standing, Store, StoreError, Swept,
};

/// A store whose calls run to their end, even when the caller's future is dropped.
pub struct Spawned<S> {
    store: Arc<S>,
    /// Counts the changes of clients and scopes that have ended, whatever came of them.
    client_revision: Arc<AtomicU64>,
}

impl<S: Store + 'static> Spawned<S> {
    pub(super) fn new(store: S) -> Self {
        Self { store: Arc::new(store), client_revision: Arc::default() }
    }

    /// Waits for the answer until [`ANSWER`] has passed; the call goes on after that.
    async fn soon<T: Send + 'static>(
        &self,
        call: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        tokio::time::timeout(ANSWER, self.whole(call)).await.unwrap_or_else(|_| Err(StoreError::late(ANSWER)))
    }

    /// Waits as `soon` does for a change of clients or scopes. It counts when it has ended, even if no caller waits any more.
    async fn revise<T: Send + 'static>(
        &self,
        call: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let revision = Arc::clone(&self.client_revision);
        let revise = async move {
            let answer = call.await;
            revision.fetch_add(1, Ordering::SeqCst);
            answer
        };
        self.soon(revise).await
    }

    /// Waits for the answer, however long it takes.
    async fn whole<T: Send + 'static>(
        &self,
        call: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let store = Arc::clone(&self.store);
        self.unchecked(async move {
            store.check_file()?;
            let answer = call.await.inspect_err(|error| store.learn_from(error))?;
            store.check_file()?;
            Ok(answer)
        })
        .await
    }

    /// The same wherever the file is.
    async fn unchecked<T: Send + 'static>(
        &self,
        call: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let ended = |_| Err(StoreError::Inconsistent("the call ended without an answer".to_owned()));
        tokio::spawn(call.in_current_span()).await.unwrap_or_else(ended)
    }
}

impl<S: fmt::Debug> fmt::Debug for Spawned<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.store.fmt(f)
    }
}

/// Implements a trait by spawning each call. An argument is a `ref(…)`, of which the task gets a copy, or a `val(…)`. The word
/// before `fn` is the method of [`Spawned`] that waits for the answer.
macro_rules! spawn_calls {
    ($trait:ident {
        $($wait:ident fn $name:ident($(
            $(ref($lent:ident: $lent_type:ty))? $(val($value:ident: $value_type:ty))?,
        )*) -> $answer:ty;)+
    } $($as_is:item)*) => {
        #[async_trait]
        impl<S: Store + 'static> $trait for Spawned<S> {
            $(async fn $name(
                &self,
                $($($lent: &$lent_type)? $($value: $value_type)?),*
            ) -> Result<$answer> {
                let store = Arc::clone(&self.store);
                $($(let $lent = $lent.to_owned();)?)*
                self.$wait(async move { store.$name($($(&$lent)? $($value)?),*).await }).await
            })+
            $($as_is)*
        }
    };
}

spawn_calls!(Store {
    soon fn probe_write() -> ();
    unchecked fn close() -> ();
    soon fn pending_migrations() -> Vec<String>;
    soon fn has_schema() -> bool;
    whole fn migrate() -> ();
    soon fn now() -> OffsetDateTime;
    soon fn server_secret(ref(name: str), ref(candidate: [u8]),) -> Vec<u8>;
    soon fn signing_keys() -> Vec<SigningKey>;
    soon fn first_signing_keys(ref(candidates: [NewSigningKey]),) -> Vec<SigningKey>;
    soon fn client(ref(client_id: str),) -> Option<Client>;
    soon fn browser_origins() -> BTreeSet<String>;
    soon fn credential(ref(username_key: str),) -> Option<Credential>;
    soon fn credential_by_id(val(user_id: Uuid),) -> Option<Credential>;
    soon fn open_session(ref(session: NewSession),) -> Option<Session>;
    soon fn session_salt(val(id: SessionId),) -> Option<[u8; 16]>;
    soon fn report_alive(val(due: Duration),) -> Option<Duration>;
    soon fn rotate(ref(rotate: Rotate),) -> Rotation;
    soon fn rehash_password(val(user_id: Uuid), ref(old: str), ref(new: str),) -> ();
    whole fn password_schemes() -> Vec<String>;
    soon fn change_password(ref(change: PasswordChange),) -> bool;
    soon fn write_skeletons(val(after: Uuid), val(most: u32),) -> Skeletons;
    soon fn sweep(val(most: u32),) -> Swept;
    soon fn held_scopes(ref(actor: Actor),) -> BTreeSet<String>;
    whole fn bootstrap(ref(bootstrap: Bootstrap),) -> bool;
}
fn pools(&self) -> Vec<PoolUse> {
    self.store.pools()
}
fn client_revision(&self) -> u64 {
    self.client_revision.load(Ordering::SeqCst)
});

spawn_calls!(Administration {
    soon fn administrators() -> i64;
    soon fn users(ref(search: UserSearch),) -> Vec<Profile>;
    soon fn user(val(id: Uuid),) -> Option<Profile>;
    soon fn create_user(ref(by: Authority), ref(user: NewUser),) -> Outcome<Profile>;
    soon fn change_user(ref(by: Authority), ref(change: UserChange),) -> Outcome<Profile>;
    soon fn set_roles(ref(by: Authority), ref(roles: RoleSet),) -> Outcome<Profile>;
    soon fn reset_user(ref(by: Authority), ref(reset: Reset),) -> Outcome<()>;
    soon fn delete_user(ref(by: Authority), val(id: Uuid), ref(expected: Expected),) -> Outcome<()>;
    soon fn roles(ref(page: Page),) -> Vec<DeclaredRole>;
    soon fn role(ref(name: str),) -> Option<DeclaredRole>;
    soon fn create_role(ref(by: Authority), ref(role: DeclaredRole),) -> Outcome<DeclaredRole>;
    soon fn change_role(ref(by: Authority), ref(change: RoleChange),) -> Outcome<DeclaredRole>;
    soon fn delete_role(ref(by: Authority), ref(name: str), ref(expected: Expected),) -> Outcome<()>;
    soon fn scopes(ref(page: Page),) -> Vec<DeclaredScope>;
    soon fn scope(ref(name: str),) -> Option<DeclaredScope>;
    revise fn create_scope(ref(by: Authority), ref(scope: DeclaredScope),) -> Outcome<DeclaredScope>;
    revise fn change_scope(ref(by: Authority), ref(change: ScopeChange),) -> Outcome<DeclaredScope>;
    revise fn delete_scope(ref(by: Authority), ref(name: str), ref(expected: Expected),) -> Outcome<()>;
    soon fn clients(ref(page: Page),) -> Vec<ClientProfile>;
    soon fn client_profile(ref(client_id: str),) -> Option<ClientProfile>;
    soon fn client_secrets(ref(client_id: str),) -> Vec<SecretSlot>;
    revise fn create_client(ref(by: Authority), ref(client: DeclaredClient),) -> Outcome<ClientProfile>;
    revise fn change_client(ref(by: Authority), ref(change: ClientChange),) -> Outcome<ClientProfile>;
    revise fn delete_client(ref(by: Authority), ref(client_id: str), ref(expected: Expected),) -> Outcome<()>;
    revise fn add_secret(ref(by: Authority), ref(secret: NewSecret),) -> Outcome<i64>;
    revise fn remove_secret(ref(by: Authority), ref(client_id: str), val(slot: i64),) -> Outcome<()>;
    soon fn sessions(ref(search: SessionSearch),) -> Vec<UserSession>;
    soon fn end_any_session(ref(by: Authority), val(id: SessionId),) -> Outcome<()>;
    soon fn end_sessions(ref(by: Authority), val(user: Uuid),) -> Outcome<()>;
    whole fn apply(ref(by: Actor), ref(declaration: Declaration),) -> std::result::Result<Applied, ApplyError>;
    whole fn rehearse(ref(by: Actor), ref(declaration: Declaration),) -> std::result::Result<Applied, ApplyError>;
    soon fn audit(ref(search: AuditSearch),) -> Vec<AuditEntry>;
});

spawn_calls!(Evidence {
    soon fn version() -> String;
    soon fn unknown_migrations() -> Vec<i64>;
    soon fn sealed() -> Vec<(SealedName, Vec<u8>)>;
    soon fn user_epoch(val(id: Uuid),) -> Option<i64>;
    soon fn is_token_revoked(ref(token_id: str),) -> bool;
    soon fn session_record(val(id: SessionId),) -> Option<SessionRecord>;
    soon fn rotation_refusal(ref(rotate: Rotate),) -> Option<RotationRefusal>;
});

spawn_calls!(KeyLife {
    soon fn key_history() -> KeyHistory;
    soon fn change_keys(
        ref(by: Initiator), ref(candidates: [NewSigningKey]), val(decide: Arc<Decide>),
    ) -> std::result::Result<Vec<KeyChange>, KeyRefusal>;
    soon fn reseal(ref(actor: Actor), val(reseal: Arc<Reseal>),) -> std::result::Result<usize, SealedName>;
});

spawn_calls!(Revocations {
    soon fn end_session(ref(end: EndSession),) -> bool;
    soon fn revoke_token(ref(by: Initiator), ref(token_id: str),) -> ();
    soon fn standing(ref(token: IssuedToken),) -> Option<Standing>;
    soon fn live_session(val(id: SessionId), val(inactivity: Duration),) -> Option<Session>;
    soon fn live_sessions(val(user_id: Uuid), val(inactivity: Duration),) -> Vec<LiveSession>;
    soon fn revoked_after(val(position: Option<Position>), val(most: u32),) -> Option<FeedPage>;
});

/// The whole of one call, waiting for a connection included. A client would rather get 503 and retry than wait longer.
const ANSWER: Duration = Duration::from_secs(2);
