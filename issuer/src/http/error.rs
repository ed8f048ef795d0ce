//! Turns errors into responses (status, headers, body), and logs each of them once.

mod code;

use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use keystone_verifier::{Code, Refusal};
use serde::Serialize;
use utoipa::ToSchema;

pub(super) use self::code::ErrorCode;
use super::decode::DecodeError;
use crate::administration::{AdminError, Invalid};
use crate::feed::FeedError;
use crate::grant::GrantError;
use crate::identity::Refused;
use crate::keys::WrongClock;
use crate::own_sessions::SessionError;
use crate::store::{KeyRefusal, StoreError};
use crate::users::UserError;

/// RFC 6749 §5.2.
pub(super) enum TokenError {
    Decode(DecodeError),
    Grant(GrantError),
}

/// RFC 9457.
pub(super) enum Problem {
    Decode(DecodeError),
    User(UserError),
    Admin(AdminError),
    Session(SessionError),
    Feed(FeedError),
    Store(StoreError),
    Refused(Refusal),
    /// The session exists only to set a password.
    PasswordMustChange,
    /// This replica cannot verify tokens; the caller is not at fault.
    WrongClock(WrongClock),
    /// RFC 6585 §3.
    NoPrecondition,
    NotFound,
    MethodNotAllowed,
    /// RFC 9112 §3.2.
    Hosts,
    /// An internal error, which the log has.
    Internal,
    /// RFC 9110 §7.4.
    NoTls {
        issuer: String,
    },
}

/// An OAuth error response (RFC 6749 §5.2)
#[derive(Serialize, ToSchema)]
#[schema(as = TokenError)]
pub(super) struct TokenErrorBody {
    /// Stable error code, for programs
    error: &'static str,
    /// A sentence for people: what is wrong and what would be right. It may change between versions
    error_description: String,
}

/// The `code` of a problem, kept with its response for the log.
#[derive(Clone, Copy, Debug)]
pub(super) struct ProblemCode(pub(super) &'static str);

/// A problem document (RFC 9457)
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct ProblemBody<'a> {
    /// Always `about:blank`: `code` identifies the problem
    r#type: &'static str,
    /// The reason phrase of the status
    title: &'static str,
    /// The HTTP status
    status: u16,
    /// Stable error code, for programs
    code: &'a str,
    /// A sentence for people: what is wrong and what would be right. It may change between versions
    detail: &'a str,
    /// The claim at fault, if the code is `missing_claim` or `claim_type`
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    claim: Option<&'a str>,
    /// The scopes that the request needs, if the code is `insufficient_scope`
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    scope: Option<&'a str>,
}

impl From<DecodeError> for TokenError {
    fn from(error: DecodeError) -> Self {
        Self::Decode(error)
    }
}

impl From<GrantError> for TokenError {
    fn from(error: GrantError) -> Self {
        Self::Grant(error)
    }
}

impl From<DecodeError> for Problem {
    fn from(error: DecodeError) -> Self {
        Self::Decode(error)
    }
}

impl From<UserError> for Problem {
    fn from(error: UserError) -> Self {
        Self::User(error)
    }
}

impl From<AdminError> for Problem {
    fn from(error: AdminError) -> Self {
        Self::Admin(error)
    }
}

impl From<SessionError> for Problem {
    fn from(error: SessionError) -> Self {
        Self::Session(error)
    }
}

impl From<FeedError> for Problem {
    fn from(error: FeedError) -> Self {
        Self::Feed(error)
    }
}

impl From<WrongClock> for Problem {
    fn from(error: WrongClock) -> Self {
        Self::WrongClock(error)
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Code> for Problem {
    fn from(code: Code) -> Self {
        Self::Refused(code.into())
    }
}

impl IntoResponse for TokenError {
    fn into_response(self) -> Response {
        let (status, headers, code, description) = match &self {
            Self::Decode(error) => {
                let code = decode_code(error);
                (code.status(), HeaderMap::new(), code.as_str(), error.to_string())
            }
            Self::Grant(error) => {
                log_grant(error);
                let (status, headers) = grant_status(error);
                (status, headers, error.code(), error.to_string())
            }
        };
        let body = TokenErrorBody { error: code, error_description: printable(&description) };
        (status, headers, Json(body)).into_response()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        match self {
            Self::Decode(error) => problem(decode_code(&error), &error.to_string()),
            Self::NotFound => problem(ErrorCode::NotFound, "no route has this path"),
            Self::MethodNotAllowed => {
                problem(ErrorCode::MethodNotAllowed, ErrorCode::MethodNotAllowed.meaning())
            }
            Self::Hosts => problem(
                ErrorCode::InvalidRequest,
                "the request must have exactly one Host header, equal to :authority over HTTP/2",
            ),
            Self::Internal => problem(ErrorCode::ServerError, ErrorCode::ServerError.meaning()),
            // Never a redirect: an eavesdropper has read this request and would read the next one.
            Self::NoTls { issuer } => {
                let detail = format!("this request came over plain HTTP; send it to {issuer} over TLS");
                problem(ErrorCode::TlsRequired, &detail)
            }
            Self::Refused(refusal) => refused(&refusal),
            Self::WrongClock(cause) => {
                tracing::error!(error = %cause, "cannot verify tokens");
                unavailable("the server cannot verify tokens at the moment; try again shortly")
            }
            Self::PasswordMustChange => problem(
                ErrorCode::PasswordMustChange,
                "the password must be changed first: set one with POST /users/me/password, then log in with it",
            ),
            Self::NoPrecondition => {
                problem(ErrorCode::PreconditionRequired, ErrorCode::PreconditionRequired.meaning())
            }
            Self::Admin(error) => admin(&error),
            Self::Session(error @ SessionError::NoSession) => {
                problem(ErrorCode::NoSession, &error.to_string())
            }
            Self::Session(error @ SessionError::Unknown) => {
                problem(ErrorCode::UnknownSession, &error.to_string())
            }
            Self::Feed(error @ FeedError::UnknownCursor) => {
                problem(ErrorCode::UnknownCursor, &error.to_string())
            }
            Self::Feed(FeedError::CannotSign(cause)) => {
                tracing::error!(error = %cause, "cannot sign the revocation feed");
                unavailable("the server cannot sign at the moment; try again shortly")
            }
            Self::Feed(error @ (FeedError::Key(_) | FeedError::Claims(_))) => {
                tracing::error!(%error, "signing a page of the revocation feed failed");
                Self::Internal.into_response()
            }
            Self::Session(SessionError::Store(error))
            | Self::Feed(FeedError::Store(error))
            | Self::Store(error) => Self::User(error.into()).into_response(),
            Self::User(error) => user(&error),
        }
    }
}

fn user(error: &UserError) -> Response {
    if let UserError::Store(error) = error {
        tracing::warn!(%error, "store request failed");
    }
    let mut response = problem(user_code(error), &error.to_string());
    if let Some(seconds) = user_retry(error) {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    if let UserError::Refused(Refused::LoginTooOld(most)) = error {
        step_up(&mut response, *most);
    }
    response
}

fn decode_code(error: &DecodeError) -> ErrorCode {
    match error {
        DecodeError::TooLarge => ErrorCode::BodyTooLarge,
        DecodeError::TooSlow => ErrorCode::BodyTimeout,
        DecodeError::ContentType(_) => ErrorCode::UnsupportedMediaType,
        _ => ErrorCode::InvalidRequest,
    }
}

fn grant_status(error: &GrantError) -> (StatusCode, HeaderMap) {
    let mut headers = HeaderMap::new();
    let status = match error {
        GrantError::InvalidClient | GrantError::NoClient => {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(BASIC));
            StatusCode::UNAUTHORIZED
        }
        GrantError::TooManyAttempts { retry_after } => {
            headers.insert(RETRY_AFTER, retry_after.as_secs().max(1).into());
            StatusCode::TOO_MANY_REQUESTS
        }
        // The client is not at fault: after a 400 or 401 it would throw its tokens away.
        temporary if temporary.is_temporary() => {
            headers.insert(RETRY_AFTER, SHORTLY.into());
            StatusCode::SERVICE_UNAVAILABLE
        }
        GrantError::Store(_) | GrantError::Mint(_) | GrantError::Internal(_) => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
        _ => StatusCode::BAD_REQUEST,
    };
    (status, headers)
}

fn log_grant(error: &GrantError) {
    match error {
        GrantError::Store(cause) => tracing::warn!(error = %cause, "store request failed"),
        GrantError::CannotSign(cause) => tracing::error!(error = %cause, "cannot sign tokens"),
        GrantError::WrongClock(cause) => tracing::error!(error = %cause, "cannot verify tokens"),
        GrantError::Mint(cause) => tracing::error!(error = %cause, "issuing a token failed"),
        GrantError::Internal(cause) => tracing::error!(error = %cause, "token request failed"),
        // In a flood this line would cost more than the refusal. It is counted, and the line of the request has the 503.
        GrantError::Overloaded => tracing::debug!(reason = %error, "token request refused"),
        refused => tracing::info!(code = refused.code(), reason = %refused, "token request refused"),
    }
}

fn user_code(error: &UserError) -> ErrorCode {
    match error {
        UserError::Username => ErrorCode::InvalidUsername,
        UserError::Email => ErrorCode::InvalidEmail,
        UserError::Weak(_) => ErrorCode::WeakPassword,
        UserError::Conflict => ErrorCode::Conflict,
        UserError::Refused(refused) => refused_code(refused),
        UserError::NotAUser => ErrorCode::NotAUser,
        UserError::OldPassword => ErrorCode::OldPassword,
        UserError::TooMany(_) => ErrorCode::TooManyAttempts,
        UserError::Overloaded => ErrorCode::TemporarilyUnavailable,
        UserError::Store(error) => store_code(error),
    }
}

fn admin(error: &AdminError) -> Response {
    match error {
        AdminError::Store(error) => tracing::warn!(%error, "store request failed"),
        AdminError::Keys(error) => tracing::error!(%error, "changing the signing keys failed"),
        _ => {}
    }
    let code = admin_code(error);
    let mut response = problem(code, &error.to_string());
    if code == ErrorCode::TemporarilyUnavailable {
        response.headers_mut().insert(RETRY_AFTER, SHORTLY.into());
    }
    if let AdminError::TooMany(too_many) = error {
        response.headers_mut().insert(RETRY_AFTER, too_many.retry_after.as_secs().max(1).into());
    }
    if let AdminError::Refused(Refused::LoginTooOld(most)) = error {
        step_up(&mut response, *most);
    }
    response
}

/// RFC 9470 §3.
fn step_up(response: &mut Response, max_age: u64) {
    let challenge = format!(
        "Bearer realm=\"keystone\", error=\"{}\", error_description=\"log in again\", max_age=\"{max_age}\"",
        ErrorCode::InsufficientUserAuthentication.as_str()
    );
    if let Ok(challenge) = HeaderValue::try_from(challenge) {
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
}

fn admin_code(error: &AdminError) -> ErrorCode {
    match error {
        AdminError::Invalid(Invalid::Username) => ErrorCode::InvalidUsername,
        AdminError::Invalid(Invalid::Email) => ErrorCode::InvalidEmail,
        AdminError::Invalid(Invalid::Name) => ErrorCode::InvalidName,
        AdminError::Invalid(Invalid::Text) => ErrorCode::InvalidText,
        AdminError::Client(_) => ErrorCode::InvalidClientSettings,
        AdminError::Refused(refused) => refused_code(refused),
        AdminError::Key(KeyRefusal::Unknown(_)) => ErrorCode::NotFound,
        AdminError::Key(KeyRefusal::Compromised(_)) => ErrorCode::Compromised,
        AdminError::Key(KeyRefusal::NoStandby | KeyRefusal::NotSeen | KeyRefusal::Window { .. }) => {
            ErrorCode::NoStandby
        }
        AdminError::Key(KeyRefusal::TooMany(_)) => ErrorCode::TooManyKeys,
        AdminError::NotAUser => ErrorCode::NotAUser,
        AdminError::TooMany(_) => ErrorCode::TooManyAttempts,
        AdminError::Overloaded => ErrorCode::TemporarilyUnavailable,
        AdminError::Store(error) => store_code(error),
        AdminError::Keys(_) => ErrorCode::ServerError,
    }
}

fn store_code(error: &StoreError) -> ErrorCode {
    match error {
        StoreError::Unavailable(_) | StoreError::Migration(_) => ErrorCode::TemporarilyUnavailable,
        _ => ErrorCode::ServerError,
    }
}

fn refused_code(refused: &Refused) -> ErrorCode {
    match refused {
        Refused::Missing => ErrorCode::NotFound,
        Refused::Stale => ErrorCode::Stale,
        Refused::BeyondCaller(_) | Refused::ThroughGrant => ErrorCode::BeyondCaller,
        Refused::LoginTooOld(_) => ErrorCode::InsufficientUserAuthentication,
        Refused::LastAdministrator => ErrorCode::LastAdministrator,
        Refused::UsernameTaken => ErrorCode::UsernameTaken,
        Refused::EmailTaken => ErrorCode::EmailTaken,
        Refused::DefaultScope | Refused::GrantByDefault => ErrorCode::DefaultScope,
        Refused::PublicClient => ErrorCode::PublicClient,
        Refused::TwoSecrets => ErrorCode::TwoSecrets,
        Refused::Exists => ErrorCode::Exists,
        Refused::BuiltIn => ErrorCode::BuiltIn,
        Refused::UnknownScope(_) => ErrorCode::UnknownScope,
        Refused::UnknownRole(_) => ErrorCode::UnknownRole,
    }
}

fn user_retry(error: &UserError) -> Option<u64> {
    match error {
        UserError::TooMany(too_many) => Some(too_many.retry_after.as_secs().max(1)),
        UserError::Overloaded | UserError::Store(_) => Some(SHORTLY),
        _ => None,
    }
}

/// Answers a refusal of the verifier as Envoy and Node do.
fn refused(refusal: &Refusal) -> Response {
    log_refusal(refusal);
    let mut response = keystone_verifier::layer::answer(refusal);
    // Logged once.
    response.extensions_mut().remove::<Refusal>();
    response
}

pub(super) fn log_refusal(refusal: &Refusal) {
    tracing::info!(code = refusal.code().as_str(), "request refused");
}

fn unavailable(detail: &str) -> Response {
    let mut response = problem(ErrorCode::TemporarilyUnavailable, detail);
    response.headers_mut().insert(RETRY_AFTER, SHORTLY.into());
    response
}

fn problem(code: ErrorCode, detail: &str) -> Response {
    let (status, code) = (code.status(), code.as_str());
    let title = status.canonical_reason().unwrap_or_default();
    let body = ProblemBody {
        r#type: "about:blank",
        title,
        status: status.as_u16(),
        code,
        detail,
        claim: None,
        scope: None,
    };
    (status, [PROBLEM], Extension(ProblemCode(code)), Json(body)).into_response()
}

/// `error_description` holds %x20-21 / %x23-5B / %x5D-7E only (RFC 6749 §5.2).
fn printable(text: &str) -> String {
    text.chars().map(|c| if matches!(c, ' '..='~') && !matches!(c, '"' | '\\') { c } else { '?' }).collect()
}

const BASIC: &str = r#"Basic realm="keystone", charset="UTF-8""#;
const PROBLEM: (&str, &str) = ("content-type", "application/problem+json");
/// Seconds after which a request that failed here may be repeated.
const SHORTLY: u64 = 2;

#[cfg(test)]
mod tests;
