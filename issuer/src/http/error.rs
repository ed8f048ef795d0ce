//! The one place where errors become answers: status, headers, body; and where they are logged, once.

use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use keystone_verifier::{Code, Refusal};
use serde::Serialize;
use utoipa::ToSchema;

use super::decode::DecodeError;
use crate::administration::{AdminError, Invalid};
use crate::feed::FeedError;
use crate::grant::GrantError;
use crate::keys::WrongClock;
use crate::own_sessions::SessionError;
use crate::store::administration::Refused;
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
    /// The login was for setting a password.
    PasswordMustChange,
    /// No token can be judged here: the fault is not the caller's.
    WrongClock(WrongClock),
    /// RFC 6585 §3.
    NoPrecondition,
    NotFound,
    MethodNotAllowed,
    /// RFC 9112 §3.2.
    Hosts,
    /// The fault is ours, and the log has it.
    Internal,
    /// RFC 9110 §7.4.
    NoTls {
        issuer: String,
    },
}

/// RFC 6749 §5.2
#[derive(Serialize, ToSchema)]
#[schema(as = TokenError)]
pub(super) struct TokenErrorBody {
    error: &'static str,
    error_description: String,
}

/// The `code` of a problem, with its response, for the log.
#[derive(Clone, Copy, Debug)]
pub(super) struct ProblemCode(pub(super) &'static str);

/// RFC 9457
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct ProblemBody<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    /// For programs
    code: &'a str,
    /// For people
    detail: &'a str,
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
                (decode_status(error), HeaderMap::new(), "invalid_request", error.to_string())
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
            Self::Decode(error) => problem(decode_status(&error), "invalid_request", &error.to_string()),
            Self::NotFound => problem(StatusCode::NOT_FOUND, "not_found", "there is nothing at this path"),
            Self::MethodNotAllowed => problem(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "the methods of this path are in the header Allow",
            ),
            Self::Hosts => problem(
                StatusCode::BAD_REQUEST,
                "invalid_request",
                "send one Host header, and over HTTP/2 the same as :authority",
            ),
            Self::Internal => problem(StatusCode::INTERNAL_SERVER_ERROR, "server_error", "the server failed"),
            // Never a redirect: whoever was on the way has read the request, and would read the next one.
            Self::NoTls { issuer } => {
                let detail = format!("this is plain HTTP; ask {issuer} over TLS");
                problem(StatusCode::MISDIRECTED_REQUEST, "tls_required", &detail)
            }
            Self::Refused(refusal) => refused(&refusal),
            Self::WrongClock(cause) => {
                tracing::error!(error = %cause, "no token may be judged here");
                unavailable("the server cannot judge tokens at the moment; try again shortly")
            }
            Self::PasswordMustChange => problem(
                StatusCode::FORBIDDEN,
                "password_must_change",
                "set a password of your own first, with POST /users/me/password, and log in with it",
            ),
            Self::NoPrecondition => problem(
                StatusCode::PRECONDITION_REQUIRED,
                "precondition_required",
                "send the ETag of what you read as If-Match",
            ),
            Self::Admin(error) => admin(&error),
            Self::Session(error @ SessionError::NoSession) => {
                problem(StatusCode::FORBIDDEN, "no_session", &error.to_string())
            }
            Self::Session(error @ SessionError::Unknown) => {
                problem(StatusCode::NOT_FOUND, "unknown_session", &error.to_string())
            }
            Self::Feed(error @ FeedError::UnknownCursor) => {
                problem(StatusCode::CONFLICT, "unknown_cursor", &error.to_string())
            }
            Self::Feed(FeedError::CannotSign(cause)) => {
                tracing::error!(error = %cause, "no page of the feed may be signed here");
                unavailable("the server cannot sign at the moment; try again shortly")
            }
            Self::Feed(error @ (FeedError::Key(_) | FeedError::Claims(_))) => {
                tracing::error!(%error, "no page of the feed could be signed");
                Self::Internal.into_response()
            }
            Self::Session(SessionError::Store(error))
            | Self::Feed(FeedError::Store(error))
            | Self::Store(error) => Self::User(error.into()).into_response(),
            Self::User(error) => {
                if let UserError::Store(error) = &error {
                    tracing::warn!(%error, "the store did not answer");
                }
                let (status, code) = user_status(&error);
                let mut response = problem(status, code, &error.to_string());
                if let Some(seconds) = user_retry(&error) {
                    response.headers_mut().insert(RETRY_AFTER, seconds.into());
                }
                if let UserError::Refused(Refused::LoginTooOld(most)) = error {
                    step_up(&mut response, most);
                }
                response
            }
        }
    }
}

fn decode_status(error: &DecodeError) -> StatusCode {
    match error {
        DecodeError::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        DecodeError::TooSlow => StatusCode::REQUEST_TIMEOUT,
        DecodeError::ContentType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        _ => StatusCode::BAD_REQUEST,
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
        // The fault is ours: never a 400 or 401, after which clients throw their tokens away.
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
        GrantError::Store(cause) => tracing::warn!(error = %cause, "the store did not answer"),
        GrantError::CannotSign(cause) => tracing::error!(error = %cause, "no token may be signed here"),
        GrantError::WrongClock(cause) => tracing::error!(error = %cause, "no token may be judged here"),
        GrantError::Mint(cause) => tracing::error!(error = %cause, "no token could be issued"),
        GrantError::Internal(cause) => tracing::error!(error = %cause, "a token request failed"),
        // In a flood its lines would cost more than it does. It is counted, and the line of the request says 503.
        GrantError::Overloaded => tracing::debug!(reason = %error, "token refused"),
        refused => tracing::info!(code = refused.code(), reason = %refused, "token refused"),
    }
}

fn user_status(error: &UserError) -> (StatusCode, &'static str) {
    match error {
        UserError::Username => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_username"),
        UserError::Email => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_email"),
        UserError::Weak(_) => (StatusCode::UNPROCESSABLE_ENTITY, "weak_password"),
        UserError::Conflict => (StatusCode::CONFLICT, "conflict"),
        UserError::Refused(refused) => refused_status(refused),
        UserError::NotAUser => (StatusCode::FORBIDDEN, "not_a_user"),
        UserError::OldPassword => (StatusCode::FORBIDDEN, "old_password"),
        UserError::TooMany(_) => (StatusCode::TOO_MANY_REQUESTS, "too_many_attempts"),
        UserError::Overloaded | UserError::Store(StoreError::Unavailable(_) | StoreError::Migration(_)) => {
            (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable")
        }
        UserError::Store(_) => (StatusCode::INTERNAL_SERVER_ERROR, "server_error"),
    }
}

fn admin(error: &AdminError) -> Response {
    match error {
        AdminError::Store(error) => tracing::warn!(%error, "the store did not answer"),
        AdminError::Keys(error) => tracing::error!(%error, "the keys could not be changed"),
        _ => {}
    }
    let (status, code) = admin_status(error);
    let mut response = problem(status, code, &error.to_string());
    if status == StatusCode::SERVICE_UNAVAILABLE {
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
        "Bearer realm=\"keystone\", error=\"{STEP_UP}\", error_description=\"log in again\", max_age=\"{max_age}\""
    );
    if let Ok(challenge) = HeaderValue::try_from(challenge) {
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
}

fn admin_status(error: &AdminError) -> (StatusCode, &'static str) {
    match error {
        AdminError::Invalid(Invalid::Username) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_username"),
        AdminError::Invalid(Invalid::Email) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_email"),
        AdminError::Invalid(Invalid::Name) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_name"),
        AdminError::Invalid(Invalid::Text) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_text"),
        AdminError::Client(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_client_settings"),
        AdminError::Refused(refused) => refused_status(refused),
        AdminError::Key(KeyRefusal::Unknown(_)) => (StatusCode::NOT_FOUND, "not_found"),
        AdminError::Key(KeyRefusal::Compromised(_)) => (StatusCode::CONFLICT, "compromised"),
        AdminError::Key(KeyRefusal::NoStandby | KeyRefusal::NotSeen | KeyRefusal::Window { .. }) => {
            (StatusCode::CONFLICT, "no_standby")
        }
        AdminError::Key(KeyRefusal::TooMany(_)) => (StatusCode::CONFLICT, "too_many_keys"),
        AdminError::NotAUser => (StatusCode::FORBIDDEN, "not_a_user"),
        AdminError::TooMany(_) => (StatusCode::TOO_MANY_REQUESTS, "too_many_attempts"),
        AdminError::Overloaded | AdminError::Store(StoreError::Unavailable(_) | StoreError::Migration(_)) => {
            (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable")
        }
        AdminError::Store(_) | AdminError::Keys(_) => (StatusCode::INTERNAL_SERVER_ERROR, "server_error"),
    }
}

fn refused_status(refused: &Refused) -> (StatusCode, &'static str) {
    match refused {
        Refused::Missing => (StatusCode::NOT_FOUND, "not_found"),
        Refused::Stale => (StatusCode::PRECONDITION_FAILED, "stale"),
        Refused::BeyondCaller(_) | Refused::ThroughGrant => (StatusCode::FORBIDDEN, "beyond_caller"),
        Refused::LoginTooOld(_) => (StatusCode::UNAUTHORIZED, STEP_UP),
        Refused::LastAdministrator => (StatusCode::CONFLICT, "last_administrator"),
        Refused::UsernameTaken => (StatusCode::CONFLICT, "username_taken"),
        Refused::EmailTaken => (StatusCode::CONFLICT, "email_taken"),
        Refused::DefaultScope | Refused::GrantByDefault => {
            (StatusCode::UNPROCESSABLE_ENTITY, "default_scope")
        }
        Refused::PublicClient => (StatusCode::CONFLICT, "public_client"),
        Refused::TwoSecrets => (StatusCode::CONFLICT, "two_secrets"),
        Refused::Exists => (StatusCode::CONFLICT, "exists"),
        Refused::BuiltIn => (StatusCode::CONFLICT, "built_in"),
        Refused::UnknownScope(_) => (StatusCode::UNPROCESSABLE_ENTITY, "unknown_scope"),
        Refused::UnknownRole(_) => (StatusCode::UNPROCESSABLE_ENTITY, "unknown_role"),
    }
}

fn user_retry(error: &UserError) -> Option<u64> {
    match error {
        UserError::TooMany(too_many) => Some(too_many.retry_after.as_secs().max(1)),
        UserError::Overloaded | UserError::Store(_) => Some(SHORTLY),
        _ => None,
    }
}

/// The verifier's refusal, as Envoy and Node would answer it.
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
    let mut response = problem(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", detail);
    response.headers_mut().insert(RETRY_AFTER, SHORTLY.into());
    response
}

fn problem(status: StatusCode, code: &'static str, detail: &str) -> Response {
    let title = status.canonical_reason().unwrap_or_default();
    let body = ProblemBody { r#type: "about:blank", title, status: status.as_u16(), code, detail };
    (status, [PROBLEM], Extension(ProblemCode(code)), Json(body)).into_response()
}

/// `error_description` holds %x20-21 / %x23-5B / %x5D-7E only (RFC 6749 §5.2).
fn printable(text: &str) -> String {
    text.chars().map(|c| if matches!(c, ' '..='~') && !matches!(c, '"' | '\\') { c } else { '?' }).collect()
}

const BASIC: &str = r#"Basic realm="keystone", charset="UTF-8""#;
const PROBLEM: (&str, &str) = ("content-type", "application/problem+json");
const STEP_UP: &str = "insufficient_user_authentication";
/// Seconds after which to try again what failed on our side.
const SHORTLY: u64 = 2;

#[cfg(test)]
mod tests;
