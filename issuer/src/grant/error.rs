//! Why a token request fails: one catalogue, with the codes of RFC 6749 §5.2. What is said is fit for `error_description`.

use std::sync::Arc;
use std::time::Duration;

use crate::attempts::TooMany;
use crate::keys::{CannotSign, WrongClock};
use crate::password::Overloaded;
use crate::store::{GrantType, StoreError};
use crate::token::MintError;

#[derive(Debug, thiserror::Error)]
pub enum GrantError {
    #[error("the parameter `{0}` is missing")]
    MissingParameter(&'static str),
    /// RFC 6749 §2.3: "The client MUST NOT use more than one authentication method in each request."
    #[error("the client uses more than one authentication method; use one")]
    SeveralAuthentications,
    /// RFC 6749 §2.3: two names for one client, one of them perhaps someone else's.
    #[error("client_id in the body differs from the client in the Authorization header")]
    ClientMismatch,
    /// RFC 6749 §5.2, `invalid_client`: unknown, disabled and wrong secret are one answer.
    #[error("the client is unknown or its authentication failed")]
    InvalidClient,
    #[error("client_id is missing, and this server has no default client")]
    NoClient,
    /// Unknown, disabled and wrong password are one answer (ASVS 6.3.8).
    #[error("the username or the password is wrong")]
    WrongPassword,
    #[error("the refresh token is not valid")]
    RefreshToken,
    /// RFC 6749 §5.2, `unauthorized_client`.
    #[error("the client may not use the grant type `{}`", .0.as_str())]
    UnauthorizedClient(GrantType),
    /// RFC 6749 §5.2, `unsupported_grant_type`.
    #[error("grant_type must be password, client_credentials or refresh_token")]
    UnsupportedGrantType,
    /// RFC 6749 §5.2, `invalid_scope`.
    #[error(transparent)]
    InvalidScope(#[from] ScopeFault),
    #[error("too many attempts; try again after the seconds in Retry-After")]
    TooManyAttempts { retry_after: Duration },
    #[error("too many logins in progress; try again shortly")]
    Overloaded,
    #[error("the server is temporarily unavailable; try again shortly")]
    Store(Arc<StoreError>),
    /// This replica, at the moment; another one may.
    #[error("the server cannot sign at the moment; try again shortly")]
    CannotSign(CannotSign),
    /// This replica, at the moment; another one may.
    #[error("the server cannot verify tokens at the moment; try again shortly")]
    WrongClock(WrongClock),
    #[error("internal error; no token was issued")]
    Mint(MintError),
    #[error("internal error; the log has the cause under the x-request-id")]
    Internal(&'static str),
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScopeFault {
    /// RFC 6749 appendix A.4.
    #[error("scope must be a list of names separated by single spaces")]
    Malformed,
    #[error("the client may not request the scopes {}", names(.0))]
    BeyondClient(Vec<String>),
    /// RFC 6749 §6: "MUST NOT include any scope not originally granted by the resource owner".
    #[error("a requested scope was not granted to the session")]
    BeyondSession,
    #[error("the scope keystone:grant is for users only")]
    ForUsers,
    #[error("no requested scope remains")]
    NothingLeft,
    #[error("the user holds none of the scopes {}", names(.0))]
    NothingHeld(Vec<String>),
    #[error(
        "the password must be changed first: log in with the scope keystone:account, at a client that may request it, and set one with POST /users/me/password"
    )]
    PasswordMustChange,
    #[error("the token would have {bytes} bytes, more than the maximum of {budget}; request fewer scopes")]
    TooLarge { bytes: usize, budget: usize },
}

/// Names of scopes, for one line.
fn names(scopes: &[String]) -> String {
    let (shown, more) = scopes.split_at(scopes.len().min(MOST_NAMED));
    let shown = shown.join(" ");
    if more.is_empty() { shown } else { format!("{shown} and {} more", more.len()) }
}

const MOST_NAMED: usize = 8;

impl GrantError {
    /// The `error` of RFC 6749 §5.2. The two last ones are of RFC 6749 §4.1.2.1, where servers have nothing better to say.
    pub fn code(&self) -> &'static str {
        match self {
            Self::MissingParameter(_) | Self::SeveralAuthentications | Self::ClientMismatch => {
                "invalid_request"
            }
            Self::InvalidClient | Self::NoClient => "invalid_client",
            Self::WrongPassword | Self::RefreshToken => "invalid_grant",
            Self::UnauthorizedClient(_) => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope(_) => "invalid_scope",
            _ if self.is_temporary() => "temporarily_unavailable",
            _ => "server_error",
        }
    }

    /// What came of an attempt, for the counters: the code, told apart where one code stands for several things to look into.
    pub fn result(&self) -> &'static str {
        match self {
            Self::WrongPassword => "wrong_password",
            Self::RefreshToken => "wrong_refresh_token",
            Self::TooManyAttempts { .. } => "too_many_attempts",
            Self::Overloaded => "overloaded",
            other => other.code(),
        }
    }

    /// Whether the same request may succeed later.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::TooManyAttempts { .. } | Self::Overloaded | Self::CannotSign(_) | Self::WrongClock(_) => {
                true
            }
            Self::Store(error) => !matches!(**error, StoreError::Inconsistent(_)),
            _ => false,
        }
    }
}

impl From<Arc<StoreError>> for GrantError {
    fn from(error: Arc<StoreError>) -> Self {
        Self::Store(error)
    }
}

impl From<StoreError> for GrantError {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}

impl From<CannotSign> for GrantError {
    fn from(error: CannotSign) -> Self {
        Self::CannotSign(error)
    }
}

impl From<WrongClock> for GrantError {
    fn from(error: WrongClock) -> Self {
        Self::WrongClock(error)
    }
}

impl From<TooMany> for GrantError {
    fn from(TooMany { retry_after }: TooMany) -> Self {
        Self::TooManyAttempts { retry_after }
    }
}

impl From<Overloaded> for GrantError {
    fn from(_: Overloaded) -> Self {
        Self::Overloaded
    }
}
