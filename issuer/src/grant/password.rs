//! The password grant (RFC 6749 §4.3), for the clients whose row allows it.
//!
//! Everyone who fails gets the same answer after the same work and the same time: unknown, disabled, wrong (CWE-208).
//!
//! A password that somebody else knows, because an administrator chose it or it is for one login, brings only what is
//! needed to set another one, and only where that can be done.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;
use tracing::Instrument as _;

use super::{Authorised, GrantError, Granted, ScopeFault, issue, wanted};
use crate::identifier;
use crate::issuer::Issuer;
use crate::password::{Checked, Turn};
use crate::rbac::ACCOUNT;
use crate::secret::Secret;
use crate::store::{Client, Credential, GrantType, NewSession, Session, SessionId};

pub(super) async fn grant(
    request: Authorised<'_>,
    username: String,
    password: Secret,
) -> Result<Granted, GrantError> {
    let (begun, issuer, source) = (Instant::now(), request.issuer, request.source.clone());
    let granted = log_in(request, username, password).await;
    if let Err(GrantError::WrongPassword) = granted {
        issuer.attempts.wrong_password(&issuer.secrets, &source).await;
        issuer.passwords.even_out(begun).await;
    }
    granted
}

async fn log_in(request: Authorised<'_>, username: String, password: Secret) -> Result<Granted, GrantError> {
    let Authorised { issuer, client, asked, source, context } = request;
    let asked = asked?;
    // First of all: a login that cannot be answered in time must not wait for anything to hear so.
    let mut turn = Some(issuer.passwords.enter()?);
    let key = identifier::username_key(&username);
    // Counted before anything is looked at, and for names nobody has as well.
    let counted = key.as_deref().unwrap_or(&username);
    issuer.attempts.login(&issuer.secrets, &source, counted).await?;

    let mut new = NewSession {
        id: SessionId(issuer.world.bytes()),
        salt: issuer.world.bytes(),
        user_id: uuid::Uuid::nil(),
        client_id: client.client_id.clone(),
        scope: wanted(&client, asked.clone()),
        checked_hash: String::new(),
        lifetimes: issuer.config.sessions.lifetimes(),
        most_live: issuer.config.sessions.max_per_user,
        context,
    };
    // A hash can be replaced by a better one between check and use; then the new one is checked, once.
    for _ in 0..2 {
        let turn = match turn.take() {
            Some(turn) => turn,
            None => issuer.passwords.enter()?,
        };
        let Some((credential, hash, checked)) = check(issuer, turn, key.as_deref(), &password).await? else {
            return Err(GrantError::WrongPassword);
        };
        new.user_id = credential.user_id;
        new.checked_hash = hash;
        if credential.must_change {
            new.scope = scopes_to_change_password(&client, asked.as_ref())?;
            // There is no refresh token: the session ends with its one access token.
            new.lifetimes.absolute = Duration::from_secs(issuer.config.tokens.access_token_lifetime);
        }
        let Some(mut session) = open(issuer, &new).await? else { continue };
        if credential.must_change {
            // A service that goes by roles must not take the login for an ordinary one.
            session.roles.clear();
        }
        issuer.attempts.succeeded(&issuer.secrets, &source, counted).await;
        if checked == Checked::RightButOld && !credential.one_time {
            rehash(issuer.clone(), password, new);
        }
        let is_refreshable = client.grants.contains(&GrantType::RefreshToken) && !credential.must_change;
        return issue(issuer, is_refreshable, &session, &session.scopes);
    }
    Err(GrantError::WrongPassword)
}

/// `None`: nobody may log in with this. Always exactly one hash.
async fn check(
    issuer: &Issuer,
    turn: Turn<'_>,
    key: Option<&str>,
    password: &Secret,
) -> Result<Option<(Credential, String, Checked)>, GrantError> {
    let credential = match key {
        Some(key) => issuer.store.credential(key).await?,
        None => None,
    };
    let usable = credential.filter(|credential| credential.enabled && !credential.expired);
    let usable = usable.and_then(|credential| Some((credential.password_hash.clone()?, credential)));
    let hash = usable.as_ref().map(|(hash, _)| hash.as_str());
    let checked = turn.check(password, hash).await?;
    Ok(usable.filter(|_| checked != Checked::Wrong).map(|(hash, credential)| (credential, hash, checked)))
}

/// The scopes of a login with a password that must be changed. An error before anything is used up.
fn scopes_to_change_password(
    client: &Client,
    asked: Option<&BTreeSet<String>>,
) -> Result<BTreeSet<String>, ScopeFault> {
    let may_ask = client.scopes.iter().any(|scope| scope.name == ACCOUNT);
    if may_ask && asked.is_none_or(|asked| asked.contains(ACCOUNT)) {
        Ok(BTreeSet::from([ACCOUNT.to_owned()]))
    } else {
        Err(ScopeFault::PasswordMustChange)
    }
}

/// `None`: the credential is not what was checked any more.
async fn open(issuer: &Issuer, new: &NewSession) -> Result<Option<Session>, GrantError> {
    // Looked at first, so that a one-time password is not used up by a login that ends with nothing.
    let held = issuer.store.held_scopes(&crate::store::Actor::User(new.user_id)).await?;
    if held.is_disjoint(&new.scope) {
        return Err(ScopeFault::NothingHeld(new.scope.iter().cloned().collect()).into());
    }
    match issuer.store.open_session(new).await? {
        Some(session) if session.scopes.is_empty() => Err(ScopeFault::NothingLeft.into()),
        session => Ok(session),
    }
}

/// After the answer: the time of a login tells nothing about the age of a hash.
fn rehash(issuer: std::sync::Arc<Issuer>, password: Secret, session: NewSession) {
    let rehash = async move {
        let Ok(new) = issuer.passwords.hash(&password).await else { return };
        if let Err(error) = issuer.store.rehash_password(session.user_id, &session.checked_hash, &new).await {
            tracing::warn!(%error, "rehashing a password failed; the next login retries");
        }
    };
    tokio::spawn(rehash.in_current_span());
}
