//! What people and administrators do with users, without HTTP.

use std::net::IpAddr;
use std::time::Duration;

use keystone_verifier::Verified;
use uuid::Uuid;

use crate::access::Caller;
use crate::attempts::{Source, TooMany};
use crate::identity::{Authority, ChangeError, Refused};
use crate::issuer::Issuer;
use crate::password::{Checked, Overloaded, Passwords, Weakness};
use crate::secret::Secret;
use crate::store::{Actor, NewUser, PasswordChange, Profile, SessionId, StoreError};
use crate::{hex, identifier, identity, tagged};

/// A user as an administrator wants it.
#[derive(Debug)]
pub struct Account {
    pub username: String,
    pub email: Option<String>,
    /// The user must change it. `None`: one is generated, good for one login.
    pub password: Option<Secret>,
    pub roles: Vec<String>,
}

#[derive(Debug)]
pub struct Created {
    pub user: Profile,
    /// Shown once.
    pub one_time_password: Option<Secret>,
}

#[derive(Debug)]
pub struct NewPassword {
    /// Needed wherever there is one.
    pub old: Option<Secret>,
    pub new: Secret,
}

#[derive(Debug, thiserror::Error)]
pub enum UserError {
    #[error(
        "not a valid username: use 1 to 64 letters, digits or . _ - + @ ', starting with a letter or digit, all visible and of one alphabet"
    )]
    Username,
    #[error("not a valid e-mail address")]
    Email,
    #[error("the password does not satisfy the password policy: {}", explain(.0))]
    Weak(Vec<Weakness>),
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error("the token belongs to a client; only users have a password")]
    NotAUser,
    #[error("old_password is missing or wrong")]
    OldPassword,
    #[error("the password was changed by another request at the same time")]
    Conflict,
    #[error("too many attempts; try again after the seconds in Retry-After")]
    TooMany(TooMany),
    #[error("too many logins in progress; try again shortly")]
    Overloaded,
    #[error("the server is temporarily unavailable; try again shortly")]
    Store(#[from] StoreError),
}

impl From<ChangeError> for UserError {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Refused(refused) => Self::Refused(refused),
            ChangeError::Store(error) => Self::Store(error),
        }
    }
}

pub async fn create(issuer: &Issuer, by: &Authority, account: Account) -> Result<Created, UserError> {
    let username_key = identifier::new_username_key(&account.username).ok_or(UserError::Username)?;
    let email_key = match &account.email {
        Some(email) => Some(identifier::new_email_key(email).ok_or(UserError::Email)?),
        None => None,
    };
    let (password, one_time_password) = match account.password {
        Some(chosen) => {
            let about = [account.username.as_str(), account.email.as_deref().unwrap_or_default()];
            acceptable(issuer, &chosen, &about)?;
            (chosen, None)
        }
        None => {
            let generated = one_time_password(issuer.world.bytes());
            (generated.clone(), Some(generated))
        }
    };
    let user = NewUser {
        id: user_id(issuer.world.bytes()),
        username: account.username.trim().to_owned(),
        username_key,
        email: account.email.map(|email| email.trim().to_owned()),
        email_key,
        password_hash: issuer.passwords.hash(&password).await?,
        one_time_for: one_time_password.as_ref().map(|_| ONE_TIME_LIFETIME),
        // Whoever made the user knows it.
        password_must_change: true,
        roles: account.roles,
    };
    let user = identity::users::create(&issuer.store, by, &user).await?;
    Ok(Created { user, one_time_password })
}

/// The caller sets their own password; every other session of theirs ends (ASVS 6.2.3, 7.4.3). Where the password had to
/// be changed, the session that was good for that alone ends too.
pub async fn change_password(
    issuer: &Issuer,
    caller: &Caller,
    address: IpAddr,
    passwords: NewPassword,
) -> Result<(), UserError> {
    let Actor::User(user_id) = actor(caller) else { return Err(UserError::NotAUser) };
    let credential = issuer.store.credential_by_id(user_id).await?.filter(|credential| credential.enabled);
    let credential = credential.ok_or(UserError::OldPassword)?;
    if let Some(stored) = &credential.password_hash {
        // The same counters as at login: no side door for guessing (CVE-2026-9798).
        let key = identifier::username_key(&credential.username).unwrap_or_default();
        let source = source(issuer, caller, address).await;
        issuer.attempts.login(&issuer.secrets, &source, &key).await?;
        let old = passwords.old.as_ref().ok_or(UserError::OldPassword)?;
        if issuer.passwords.enter()?.check(old, Some(stored)).await? == Checked::Wrong {
            return Err(UserError::OldPassword);
        }
        issuer.attempts.succeeded(&issuer.secrets, &source, &key).await;
    }
    let is_old = |old: &Secret| Passwords::is_same(old, &passwords.new);
    if credential.must_change && passwords.old.as_ref().is_some_and(is_old) {
        return Err(UserError::Weak(vec![Weakness::Unchanged]));
    }
    acceptable(issuer, &passwords.new, &[&credential.username])?;
    let change = PasswordChange {
        user_id,
        expected: credential.password_hash,
        new_hash: issuer.passwords.hash(&passwords.new).await?,
        keep: caller.session().filter(|_| !credential.must_change).and_then(hex::decode).map(SessionId),
        context: caller.context.clone(),
    };
    if issuer.store.change_password(&change).await? { Ok(()) } else { Err(UserError::Conflict) }
}

/// The same as at the login that brought the token, as far as it can be known.
async fn source(issuer: &Issuer, caller: &Verified, address: IpAddr) -> Source {
    match issuer.clients.find(caller.client_id()).await {
        Ok(Some(client)) => Source::of(&client, address, None),
        _ => Source::Address(address),
    }
}

fn acceptable(issuer: &Issuer, password: &Secret, about: &[&str]) -> Result<(), UserError> {
    let weaknesses = issuer.passwords.weaknesses(password, about);
    if weaknesses.is_empty() { Ok(()) } else { Err(UserError::Weak(weaknesses)) }
}

pub(crate) fn actor(caller: &Verified) -> Actor {
    match caller.subject().parse() {
        Ok(user_id) => Actor::User(user_id),
        Err(_) => Actor::Client(caller.client_id().to_owned()),
    }
}

/// A random UUID (version 4).
pub fn user_id(random: [u8; 16]) -> Uuid {
    uuid::Builder::from_random_bytes(random).into_uuid()
}

/// 160 random bits: what RFC 6749 §10.10 recommends of what nobody has to remember.
pub fn one_time_password(random: [u8; 20]) -> Secret {
    tagged::encode(tagged::ONE_TIME_PASSWORD, &random)
}

fn explain(weaknesses: &[Weakness]) -> String {
    weaknesses.iter().map(|weakness| weakness.explain()).collect::<Vec<_>>().join("; ")
}

impl From<TooMany> for UserError {
    fn from(too_many: TooMany) -> Self {
        Self::TooMany(too_many)
    }
}

impl From<Overloaded> for UserError {
    fn from(_: Overloaded) -> Self {
        Self::Overloaded
    }
}

/// How long a one-time password waits for its one login.
pub const ONE_TIME_LIFETIME: Duration = Duration::from_secs(86_400);
