//! Access tokens of our own that come back: genuine, in time, and not revoked.

use std::ops::Deref;

use keystone_verifier::danger::verify_for_any_audience;
use keystone_verifier::{Refusal, Rules, Verified};
use serde::Deserialize;

use crate::hex;
use crate::issuer::Issuer;
use crate::keys::WrongClock;
use crate::store::{Holder, IssuedToken, RequestContext, SessionId, Standing, Store, StoreError};
use crate::token::CLIENT_SUBJECT;

/// Who asks, by a token of ours that stands, and how.
#[derive(Clone, Debug)]
pub struct Caller {
    token: Verified,
    pub context: RequestContext,
}

impl Caller {
    pub fn new(token: Verified, context: RequestContext) -> Self {
        let context = RequestContext { client_id: Some(token.client_id().to_owned()), ..context };
        Self { token, context }
    }
}

impl Deref for Caller {
    type Target = Verified;

    fn deref(&self) -> &Verified {
        &self.token
    }
}

/// Whomever the token is for: the issuer is asked about all of them. Whether it was revoked is `standing`'s question.
///
/// Fails where the clock is wrong: what has expired is not known then, and neither answer would be right.
pub fn verify(issuer: &Issuer, text: &[u8]) -> Result<Result<Verified, Refusal>, WrongClock> {
    let rules = Rules::new(issuer.config.issuer.clone(), Vec::new());
    let now = issuer.world.now();
    let keys = issuer.keys.judging(now)?;
    let now = now.unix_timestamp().try_into().unwrap_or_default();
    Ok(verify_for_any_audience(text, &rules, &keys.public, now))
}

/// One question to the store. `None`: the session ended, the token or an epoch was revoked, or someone is disabled.
pub async fn standing(store: &Store, token: &Verified) -> Result<Option<Standing>, StoreError> {
    let (Some(holder), Some(more)) = (holder(token), More::of(token)) else { return Ok(None) };
    let token = IssuedToken {
        token_id: token.token_id().to_owned(),
        holder,
        client_id: token.client_id().to_owned(),
        subject_epoch: more.sv,
        client_epoch: more.cv,
    };
    store.standing(&token).await
}

/// `None`: we make no such tokens.
pub fn holder(token: &Verified) -> Option<Holder> {
    if token.subject().strip_prefix(CLIENT_SUBJECT) == Some(token.client_id()) {
        return Some(Holder::Client);
    }
    let id = token.subject().parse().ok()?;
    let session = token.session().and_then(hex::decode).map(SessionId)?;
    Some(Holder::User { id, session })
}

/// The greatest age that the login behind this token may have for changes to Keystone itself, if it is older (RFC 9470,
/// ASVS 7.5.3). A client has no login: what it may do was decided when it got its scopes, and there is nobody to ask again.
pub fn login_older_than(issuer: &Issuer, token: &Verified) -> Option<u64> {
    if holder(token) == Some(Holder::Client) {
        return None;
    }
    let most = issuer.config.sessions.step_up;
    let login = More::of(token).and_then(|more| more.auth_time).unwrap_or_default();
    let age = issuer.world.now().unix_timestamp().saturating_sub(login);
    u64::try_from(age).is_ok_and(|age| age > most).then_some(most)
}

/// The claims that only the issuer reads. A token without an epoch is from before the first revocation.
#[derive(Debug, Deserialize)]
pub(crate) struct More {
    #[serde(default)]
    sv: i64,
    #[serde(default)]
    cv: i64,
    pub(crate) nbf: Option<u64>,
    /// When the user logged in (RFC 9068 §2.2.1). A client on its own has none.
    auth_time: Option<i64>,
}

impl More {
    pub(crate) fn of(token: &Verified) -> Option<Self> {
        serde_json::from_str(token.claims_json()).ok()
    }
}
