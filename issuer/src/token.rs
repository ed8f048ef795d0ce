//! Access tokens (RFC 9068): the claims, by hand, because they are made more often than anything else here.

use serde::Serialize;
use time::OffsetDateTime;

use crate::hex;
use crate::issuer::Issuer;
use crate::keys::{CannotSign, KeyError};
use crate::rbac;
use crate::store::Scope;

/// About whom and for whom a token speaks.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    pub sub: String,
    pub client_id: &'a str,
    pub scopes: &'a [Scope],
    /// `None`: a client on its own; its token is its own session.
    pub session: Option<UserSession<'a>>,
    /// The epoch of the subject and of the client: raising one revokes what was issued before.
    pub epochs: (i64, i64),
}

#[derive(Clone, Debug)]
pub struct UserSession<'a> {
    pub sid: String,
    pub roles: &'a [String],
    pub auth_time: OffsetDateTime,
    pub expires_at: OffsetDateTime,
}

#[derive(Clone, Debug)]
pub struct AccessToken {
    pub text: String,
    pub expires_in: i64,
}

#[derive(Debug, thiserror::Error)]
pub enum MintError {
    /// Would be refused by proxies on the way; issuing it would only move the failure.
    #[error("the token would have {bytes} bytes, more than the maximum of {budget}")]
    TooLarge { bytes: usize, budget: usize },
    #[error("no signing key is active")]
    NoKey,
    #[error(transparent)]
    CannotSign(#[from] CannotSign),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("the claims cannot be serialized: {0}")]
    Claims(#[from] serde_json::Error),
}

pub fn mint(issuer: &Issuer, subject: &Subject<'_>) -> Result<AccessToken, MintError> {
    let settings = &issuer.config.tokens;
    let now = issuer.world.now();
    let iat = now.unix_timestamp();
    // In one go: each draw has a price of its own.
    let (jti, jitter) = drawn(issuer);
    let lifetime = lifetime(issuer, subject, (iat, jitter));
    let scope = rbac::join(subject.scopes);
    let audiences = rbac::audiences(subject.scopes);
    let session = subject.session.as_ref();
    let claims = Claims {
        iss: &issuer.config.issuer,
        sub: &subject.sub,
        aud: Audience::new(&audiences),
        exp: iat.saturating_add(lifetime),
        iat,
        nbf: iat,
        jti: &jti,
        client_id: subject.client_id,
        sid: session.map_or(&jti, |session| &session.sid),
        sv: subject.epochs.0,
        cv: subject.epochs.1,
        kind: "access",
        scopes: settings.scopes_array.then(|| scope.split(' ').collect()),
        scope: &scope,
        roles: session.map(|session| session.roles),
        auth_time: session.map(|session| session.auth_time.unix_timestamp()),
    };
    let ring = issuer.keys.signing(now)?;
    let text = ring.signer(now).ok_or(MintError::NoKey)?.sign(&serde_json::to_vec(&claims)?)?;
    if text.len() > settings.byte_budget {
        return Err(MintError::TooLarge { bytes: text.len(), budget: settings.byte_budget });
    }
    Ok(AccessToken { text, expires_in: lifetime })
}

/// The token's name, and a number for its lifetime.
fn drawn(issuer: &Issuer) -> (String, u64) {
    let random = issuer.world.bytes::<20>();
    let (name, number) = random.split_last_chunk::<4>().unwrap_or((&random, &[0; 4]));
    (hex::encode(name), u64::from(u32::from_be_bytes(*number)))
}

/// Up to 5 % below the setting, so that tokens issued together do not end together; never beyond the session.
fn lifetime(issuer: &Issuer, subject: &Subject<'_>, (iat, random): (i64, u64)) -> i64 {
    let longest = issuer.config.tokens.access_token_lifetime;
    let jittered = longest - random % (longest / 20 + 1);
    let lifetime = i64::try_from(jittered).unwrap_or(i64::MAX);
    let end = subject.session.as_ref().map_or(i64::MAX, |session| session.expires_at.unix_timestamp());
    // At least a second: a token must not be born dead because two clocks disagree.
    lifetime.min(end.saturating_sub(iat)).max(1)
}

/// Before the `client_id` in a client's own `sub`, which so lives apart from users' (RFC 9700 §4.15).
pub const CLIENT_SUBJECT: &str = "client:";

/// RFC 9068 §2.2, and what revocation needs: `sid`, `sv`, `cv`.
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: Audience<'a>,
    exp: i64,
    iat: i64,
    nbf: i64,
    jti: &'a str,
    client_id: &'a str,
    sid: &'a str,
    sv: i64,
    cv: i64,
    #[serde(rename = "type")]
    kind: &'static str,
    scope: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    scopes: Option<Vec<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    roles: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_time: Option<i64>,
}

/// One audience is written as a text, several as an array (RFC 7519 §4.1.3).
#[derive(Serialize)]
#[serde(untagged)]
enum Audience<'a> {
    One(&'a str),
    Several(&'a [&'a str]),
}

impl<'a> Audience<'a> {
    fn new(audiences: &'a [&'a str]) -> Self {
        match audiences {
            [one] => Self::One(one),
            several => Self::Several(several),
        }
    }
}
