//! The grants, one file each, without HTTP. A client proves itself, a grant is judged, tokens come out.

mod client;
mod client_credentials;
mod error;
mod password;
mod refresh_token;

use std::collections::BTreeSet;
use std::sync::Arc;

pub use self::client::{PresentedClient, authenticate};
pub use self::error::{GrantError, ScopeFault};
use crate::attempts::Source;
use crate::issuer::Issuer;
use crate::rbac;
use crate::secret::Secret;
use crate::session;
use crate::store::{Client, GrantType, RequestContext, Scope, Session};
use crate::token::{self, MintError, Subject, UserSession};

/// A token request, decoded.
#[derive(Debug)]
pub struct TokenRequest {
    /// Who asks, authenticated.
    pub client: Arc<Client>,
    pub grant: GrantRequest,
    /// `None`: the client's default scopes (RFC 6749 §3.3). What cannot be granted is refused by the grant: a refresh token
    /// is judged first, so that no scope hides its reuse.
    pub scope: Result<Option<BTreeSet<String>>, ScopeFault>,
    /// For the limits.
    pub source: Source,
    /// For the audit log.
    pub context: RequestContext,
}

#[derive(Debug)]
pub enum GrantRequest {
    /// RFC 6749 §4.3.
    Password { username: String, password: Secret },
    /// RFC 6749 §4.4.
    ClientCredentials,
    /// RFC 6749 §6.
    RefreshToken(Secret),
}

/// A successful answer (RFC 6749 §5.1).
#[derive(Debug)]
pub struct Granted {
    pub access_token: Secret,
    pub expires_in: i64,
    pub scope: String,
    pub refresh_token: Option<Secret>,
}

/// A request whose client is known and may use the grant.
struct Authorised<'a> {
    issuer: &'a Arc<Issuer>,
    client: Arc<Client>,
    asked: Result<Option<BTreeSet<String>>, ScopeFault>,
    source: Source,
    context: RequestContext,
}

/// Answers a token request. The order matters: whether the client may use this grant and ask these scopes, and only then
/// anything that costs (CVE-2026-9792: a client's allow-list comes before password work).
pub async fn answer(issuer: &Arc<Issuer>, request: TokenRequest) -> Result<Granted, GrantError> {
    let TokenRequest { client, grant, scope: asked, source, context } = request;
    // Before anything is spent: no refresh token is rotated for an answer that cannot come.
    issuer.keys.signing(issuer.world.now())?;
    let client =
        match beyond(&client, asked.as_ref().ok()).is_empty() && client.grants.contains(&grant.kind()) {
            true => client,
            // It may have been given that just now.
            false => issuer.clients.renewed(&client).await?,
        };
    if !client.grants.contains(&grant.kind()) {
        return Err(GrantError::UnauthorizedClient(grant.kind()));
    }
    let beyond = beyond(&client, asked.as_ref().ok());
    let asked = if beyond.is_empty() { asked } else { Err(ScopeFault::BeyondClient(beyond)) };
    let request = Authorised { issuer, client, asked, source, context };
    // What a login keeps at hand is large: boxed, so that the grant that is asked for most need not carry it along.
    match grant {
        GrantRequest::Password { username, password } => {
            Box::pin(password::grant(request, username, password)).await
        }
        GrantRequest::ClientCredentials => client_credentials::grant(request),
        GrantRequest::RefreshToken(token) => Box::pin(refresh_token::grant(request, token)).await,
    }
}

/// The scopes that were asked for and the client may not ask for.
fn beyond(client: &Client, asked: Option<&Option<BTreeSet<String>>>) -> Vec<String> {
    let unknown = |name: &&String| client.scopes.iter().all(|scope| scope.name != **name);
    asked.and_then(Option::as_ref).into_iter().flatten().filter(unknown).cloned().collect()
}

impl GrantRequest {
    const fn kind(&self) -> GrantType {
        match self {
            Self::Password { .. } => GrantType::Password,
            Self::ClientCredentials => GrantType::ClientCredentials,
            Self::RefreshToken(_) => GrantType::RefreshToken,
        }
    }
}

/// The scopes asked for, or the client's default ones where it did not say.
fn wanted(client: &Client, asked: Option<BTreeSet<String>>) -> BTreeSet<String> {
    asked.unwrap_or_else(|| client.default_scopes.clone())
}

/// Tokens for a user's session, holding `scopes` of it.
fn issue(
    issuer: &Issuer,
    is_refreshable: bool,
    session: &Session,
    scopes: &[Scope],
) -> Result<Granted, GrantError> {
    let subject = Subject {
        sub: session.user_id.to_string(),
        client_id: &session.client_id,
        scopes,
        session: Some(UserSession {
            sid: session.id.to_string(),
            roles: &session.roles,
            auth_time: session.auth_time,
            expires_at: session.expires_at,
        }),
        epochs: (session.user_epoch, session.client_epoch),
    };
    let refresh_token = is_refreshable
        .then(|| session::refresh_token(&issuer.secrets, session.id, session.generation, session.salt));
    let granted = Granted { refresh_token, ..minted(issuer, &subject)? };
    if granted.refresh_token.is_some() {
        issuer.world.metrics.tokens.count("refresh");
    }
    Ok(granted)
}

fn minted(issuer: &Issuer, subject: &Subject<'_>) -> Result<Granted, GrantError> {
    match token::mint(issuer, subject) {
        Ok(token) => {
            issuer.world.metrics.tokens.count("access");
            Ok(Granted {
                access_token: Secret::new(token.text),
                expires_in: token.expires_in,
                scope: rbac::join(subject.scopes),
                refresh_token: None,
            })
        }
        Err(MintError::TooLarge { bytes, budget }) => {
            Err(GrantError::InvalidScope(ScopeFault::TooLarge { bytes, budget }))
        }
        Err(MintError::CannotSign(error)) => Err(error.into()),
        Err(error) => Err(GrantError::Mint(error)),
    }
}
