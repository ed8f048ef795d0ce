//! What administrators do, without HTTP: their words brought into canonical form, one change in the store.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tracing::Instrument as _;
use uuid::Uuid;

use crate::access::{self, Caller};
use crate::attempts::TooMany;
use crate::declaration::{Client, origin_mistakes};
use crate::identity::{Authority, ChangeError, ClientChange, Expected, NewSecret, Refused, RoleSet};
use crate::issuer::Issuer;
use crate::keys::{KeyView, KeysError};
use crate::password::Overloaded;
use crate::secret::Secret;
use crate::store::{Actor, DeclaredScope, KeyRefusal, StoreError};
use crate::store::{ClientProfile, Identifier, Profile, Reset, ScopeChange, UserChange};
use crate::{identifier, identity, rbac, users};

/// Why an administrator does not get what they asked for.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    #[error("{0}")]
    Invalid(Invalid),
    #[error("{}", .0.join("; "))]
    Client(Vec<String>),
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error(transparent)]
    Key(#[from] KeyRefusal),
    #[error("internal error; the log has the cause under the x-request-id")]
    Keys(KeysError),
    #[error("the token belongs to a client; this operation is for users")]
    NotAUser,
    #[error("too many attempts; try again after the seconds in Retry-After")]
    TooMany(TooMany),
    #[error("too many logins in progress; try again shortly")]
    Overloaded,
    #[error("the server is temporarily unavailable; try again shortly")]
    Store(#[from] StoreError),
}

/// What no thing of its kind can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    #[error(
        "not a valid username: use 1 to 64 letters, digits or . _ - + @ ', starting with a letter or digit, all visible and of one alphabet"
    )]
    Username,
    #[error("not a valid e-mail address")]
    Email,
    #[error(
        "not a valid name: use 1 to 128 printable ASCII characters except space, double quote and backslash; in the name of a role, no comma either"
    )]
    Name,
    #[error("a text must be one line of at most 256 visible characters")]
    Text,
}

/// What an administrator wants of a user. `None`: as it was.
#[derive(Debug, Default)]
pub struct Wishes {
    pub username: Option<String>,
    /// `Some(None)`: none any more.
    pub email: Option<Option<String>>,
    pub enabled: Option<bool>,
}

/// A caller whose token allows `scope`; whether they hold it still is asked with each change.
pub fn authority(issuer: &Issuer, caller: &Caller, scope: &'static str) -> Authority {
    let token = Some(rbac::parse_scope(caller.scope()).unwrap_or_default());
    let login_older_than = access::login_older_than(issuer, caller);
    Authority { actor: users::actor(caller), scope, token, login_older_than, context: caller.context.clone() }
}

/// Reading takes the right as it is now, too.
pub async fn may_read(issuer: &Issuer, by: &Authority) -> Result<(), AdminError> {
    if issuer.store.held_scopes(&by.actor).await?.contains(by.scope) {
        Ok(())
    } else {
        Err(Refused::BeyondCaller(vec![by.scope.to_owned()]).into())
    }
}

/// Every signing key, as it is after this: the standby signs as soon as every verifier knows it.
pub async fn rotate_keys(issuer: &Arc<Issuer>, by: &Authority) -> Result<Vec<KeyView>, AdminError> {
    may_change_keys(issuer, by).await?;
    let (its, by) = (Arc::clone(issuer), by.initiator());
    to_its_end(async move { its.keys.rotate(&its.store, &by).await }).await?;
    keys(issuer).await
}

/// Gives up a key that somebody else may have. `anyway`: even where verifiers do not know its successor yet.
pub async fn compromise_key(
    issuer: &Arc<Issuer>,
    by: &Authority,
    (kid, anyway): (&str, bool),
) -> Result<Vec<KeyView>, AdminError> {
    may_change_keys(issuer, by).await?;
    let (its, by, kid) = (Arc::clone(issuer), by.initiator(), kid.to_owned());
    to_its_end(async move { its.keys.compromise(&its.store, &by, (&kid, anyway)).await }).await?;
    keys(issuer).await
}

/// Runs a change of the keys in a task, so that this process signs by it even if the caller hangs up.
async fn to_its_end<T: Send + 'static>(
    change: impl Future<Output = Result<T, KeysError>> + Send + 'static,
) -> Result<T, AdminError> {
    let ended = |_| StoreError::Inconsistent("the change ended without an answer".to_owned());
    Ok(tokio::spawn(change.in_current_span()).await.map_err(ended)??)
}

pub async fn keys(issuer: &Issuer) -> Result<Vec<KeyView>, AdminError> {
    Ok(KeyView::all(&issuer.store.key_history().await?))
}

async fn may_change_keys(issuer: &Issuer, by: &Authority) -> Result<(), AdminError> {
    may_read(issuer, by).await?;
    by.login_older_than.map_or(Ok(()), |most| Err(Refused::LoginTooOld(most).into()))
}

/// The user behind the token.
pub fn own_id(by: &Authority) -> Result<Uuid, AdminError> {
    match by.actor {
        Actor::User(id) => Ok(id),
        _ => Err(AdminError::NotAUser),
    }
}

pub async fn change_user(
    issuer: &Issuer,
    by: &Authority,
    (id, expected): (Uuid, Expected),
    wishes: Wishes,
) -> Result<Profile, AdminError> {
    let username =
        wishes.username.map(|text| canonical(&text, identifier::new_username_key, Invalid::Username));
    let email = wishes.email.map(|email| {
        email.map(|text| canonical(&text, identifier::new_email_key, Invalid::Email)).transpose()
    });
    let change = UserChange {
        id,
        username: username.transpose()?,
        email: email.transpose()?,
        enabled: wishes.enabled,
    };
    Ok(identity::users::change(&issuer.store, by, &expected, &change).await?)
}

pub async fn set_roles(
    issuer: &Issuer,
    by: &Authority,
    (id, expected): (Uuid, Expected),
    roles: BTreeSet<String>,
) -> Result<Profile, AdminError> {
    Ok(identity::users::set_roles(&issuer.store, by, &RoleSet { id, expected, roles }).await?)
}

/// The password for one login, shown once. Nobody but its reader ever knows it.
pub async fn reset_user(
    issuer: &Issuer,
    by: &Authority,
    (id, expected): (Uuid, Expected),
) -> Result<Secret, AdminError> {
    let secret = users::one_time_password(issuer.world.bytes());
    let password_hash = issuer.passwords.hash(&secret).await?;
    let reset = Reset { id, password_hash, good_for: users::ONE_TIME_LIFETIME };
    identity::users::reset(&issuer.store, by, &expected, &reset).await?;
    Ok(secret)
}

/// The client and, of a confidential one, its first secret, shown once.
pub async fn create_client(
    issuer: &Issuer,
    by: &Authority,
    wanted: Client,
) -> Result<(ClientProfile, Option<Secret>), AdminError> {
    let mistakes = wanted.mistakes();
    if !mistakes.is_empty() {
        return Err(AdminError::Client(mistakes));
    }
    described(wanted.name.clone())?;
    let (secret, hash) = issuer.secrets.new_client_secret(&issuer.world);
    let client = identity::clients::create(&issuer.store, by, &wanted.declare(hash)).await?;
    let secret = (!client.public).then_some(secret);
    Ok((client, secret))
}

/// This process acts on it at once, the others within a second.
pub async fn change_client(
    issuer: &Issuer,
    by: &Authority,
    change: ClientChange,
) -> Result<ClientProfile, AdminError> {
    let mistakes: Vec<String> = change.origins.iter().flat_map(origin_mistakes).collect();
    if !mistakes.is_empty() {
        return Err(AdminError::Client(mistakes));
    }
    Ok(identity::clients::update(&issuer.store, by, &change).await?)
}

pub async fn delete_client(
    issuer: &Issuer,
    by: &Authority,
    (client_id, expected): (&str, &Expected),
) -> Result<(), AdminError> {
    Ok(identity::clients::delete(&issuer.store, by, client_id, expected).await?)
}

/// A new secret and its slot; shown once.
pub async fn add_secret(
    issuer: &Issuer,
    by: &Authority,
    (client_id, old_valid_for): (&str, Option<u32>),
) -> Result<(i64, Secret), AdminError> {
    let (secret, hash) = issuer.secrets.new_client_secret(&issuer.world);
    let old_valid_for = old_valid_for.map(|seconds| Duration::from_secs(seconds.into()));
    let new = NewSecret { client_id: client_id.to_owned(), hash, old_valid_for };
    Ok((identity::clients::add_secret(&issuer.store, by, &new).await?, secret))
}

pub async fn remove_secret(
    issuer: &Issuer,
    by: &Authority,
    (client_id, slot): (&str, i64),
) -> Result<(), AdminError> {
    Ok(identity::clients::remove_secret(&issuer.store, by, client_id, slot).await?)
}

/// The console may ask for it from now on.
pub async fn create_scope(
    issuer: &Issuer,
    by: &Authority,
    scope: &DeclaredScope,
) -> Result<DeclaredScope, AdminError> {
    Ok(identity::scopes::create(&issuer.store, by, scope).await?)
}

/// Clients hold scopes by name and resource: what is remembered of them ends with a scope's change.
pub async fn change_scope(
    issuer: &Issuer,
    by: &Authority,
    expected: Expected,
    change: ScopeChange,
) -> Result<DeclaredScope, AdminError> {
    Ok(identity::scopes::update(&issuer.store, by, &expected, &change).await?)
}

pub async fn delete_scope(
    issuer: &Issuer,
    by: &Authority,
    (name, expected): (&str, &Expected),
) -> Result<(), AdminError> {
    Ok(identity::scopes::delete(&issuer.store, by, name, expected).await?)
}

/// Whether a role, a scope, a client or a resource may be called so.
pub fn is_name(text: &str) -> bool {
    rbac::is_scope_token(text) && text.len() <= MOST_NAME
}

pub fn scope_name(name: String) -> Result<String, AdminError> {
    if is_name(&name) { Ok(name) } else { Err(AdminError::Invalid(Invalid::Name)) }
}

/// Roles travel in a header, separated by commas.
pub fn role_name(name: String) -> Result<String, AdminError> {
    if name.contains(',') { Err(AdminError::Invalid(Invalid::Name)) } else { scope_name(name) }
}

/// Words for people: one line, safe to show and to store.
pub fn described(text: String) -> Result<String, AdminError> {
    let fits = text.chars().count() <= MOST_TEXT && identifier::is_line_of_text(&text);
    if fits { Ok(text) } else { Err(AdminError::Invalid(Invalid::Text)) }
}

fn canonical(
    text: &str,
    key: fn(&str) -> Option<String>,
    invalid: Invalid,
) -> Result<Identifier, AdminError> {
    let key = key(text).ok_or(AdminError::Invalid(invalid))?;
    Ok(Identifier { text: text.trim().to_owned(), key })
}

impl From<ChangeError> for AdminError {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Refused(refused) => Self::Refused(refused),
            ChangeError::Store(error) => Self::Store(error),
        }
    }
}

impl From<KeysError> for AdminError {
    fn from(error: KeysError) -> Self {
        match error {
            KeysError::Refused(refused) => Self::Key(refused),
            KeysError::Store(error) => Self::Store(error),
            error => Self::Keys(error),
        }
    }
}

impl From<TooMany> for AdminError {
    fn from(too_many: TooMany) -> Self {
        Self::TooMany(too_many)
    }
}

impl From<Overloaded> for AdminError {
    fn from(_: Overloaded) -> Self {
        Self::Overloaded
    }
}

const MOST_NAME: usize = 128;
const MOST_TEXT: usize = 256;
