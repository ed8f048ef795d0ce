//! The codes of HTTP errors. One table gives each its status and its meaning: for the answers, the OpenAPI description and
//! the documents.

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($name:ident $text:literal $status:ident $meaning:literal;)+) => {
        /// A code of a problem (RFC 9457) or of an OAuth error (RFC 6749 §5.2), with the status that it is sent with. Where
        /// one code goes with several statuses, it has a variant for each. Extended, never renamed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub(in crate::http) enum ErrorCode {
            $(#[doc = $meaning] $name,)+
        }

        impl ErrorCode {
            #[cfg(test)]
            pub(in crate::http) const ALL: &'static [Self] = &[$(Self::$name),+];

            pub(in crate::http) const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            pub(in crate::http) const fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)+ }
            }

            /// One sentence, of characters that `error_description` may hold.
            pub(in crate::http) const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning,)+ }
            }
        }
    };
}

codes! {
    InvalidRequest "invalid_request" BAD_REQUEST "a header, a parameter or the body is missing, malformed or repeated";
    InvalidGrant "invalid_grant" BAD_REQUEST "the username, the password or the refresh token is wrong, expired or revoked";
    UnauthorizedClient "unauthorized_client" BAD_REQUEST "the client may not use this grant type";
    UnsupportedGrantType "unsupported_grant_type" BAD_REQUEST "the grant type must be password, client_credentials or refresh_token";
    InvalidScope "invalid_scope" BAD_REQUEST "the client, the user or the session does not hold the requested scope";
    InvalidClient "invalid_client" UNAUTHORIZED "the client is unknown or its authentication failed";
    InsufficientUserAuthentication "insufficient_user_authentication" UNAUTHORIZED "the login behind the token is too old for this change; log in again";
    BeyondCaller "beyond_caller" FORBIDDEN "the caller or the token does not hold a scope that this request needs";
    NotAUser "not_a_user" FORBIDDEN "the token belongs to a client; this operation is for users";
    NoSession "no_session" FORBIDDEN "the token belongs to a client; only users have sessions";
    OldPassword "old_password" FORBIDDEN "old_password is missing or wrong";
    PasswordMustChange "password_must_change" FORBIDDEN "the password must be changed first, with POST /users/me/password";
    NotFound "not_found" NOT_FOUND "not found";
    UnknownSession "unknown_session" NOT_FOUND "the user has no session with this id";
    MethodNotAllowed "method_not_allowed" METHOD_NOT_ALLOWED "the path does not support this method; the Allow header lists those it does";
    BodyTimeout "invalid_request" REQUEST_TIMEOUT "the body did not arrive in time";
    Exists "exists" CONFLICT "the name is already in use";
    BuiltIn "built_in" CONFLICT "built-in objects cannot be changed or deleted";
    Conflict "conflict" CONFLICT "the password was changed by another request at the same time";
    Compromised "compromised" CONFLICT "the signing key is already marked as compromised";
    UsernameTaken "username_taken" CONFLICT "the username, or one that looks the same, is already in use";
    EmailTaken "email_taken" CONFLICT "the e-mail address is already in use";
    LastAdministrator "last_administrator" CONFLICT "the last enabled administrator cannot be disabled, deleted or demoted";
    NoStandby "no_standby" CONFLICT "no standby key is known to every verifier yet";
    PublicClient "public_client" CONFLICT "a public client cannot have this setting";
    TooManyKeys "too_many_keys" CONFLICT "the key set is full; wait until retired keys are removed";
    TwoSecrets "two_secrets" CONFLICT "the client already has two active secrets; delete one first";
    UnknownCursor "unknown_cursor" CONFLICT "the cursor is unknown or has expired; start again without after";
    Stale "stale" PRECONDITION_FAILED "the object has changed since it was read; read it again";
    BodyTooLarge "invalid_request" PAYLOAD_TOO_LARGE "the body is larger than 32768 bytes";
    UnsupportedMediaType "invalid_request" UNSUPPORTED_MEDIA_TYPE "the Content-Type is not one that this operation reads, in UTF-8";
    TlsRequired "tls_required" MISDIRECTED_REQUEST "the issuer answers over TLS only";
    InvalidUsername "invalid_username" UNPROCESSABLE_ENTITY "not a valid username";
    InvalidEmail "invalid_email" UNPROCESSABLE_ENTITY "not a valid e-mail address";
    InvalidName "invalid_name" UNPROCESSABLE_ENTITY "not a valid name";
    InvalidText "invalid_text" UNPROCESSABLE_ENTITY "a text must be one line of at most 256 visible characters";
    InvalidClientSettings "invalid_client_settings" UNPROCESSABLE_ENTITY "the settings of the client contradict each other or are malformed";
    DefaultScope "default_scope" UNPROCESSABLE_ENTITY "a default scope must be one of the client's scopes, and never keystone:grant";
    UnknownRole "unknown_role" UNPROCESSABLE_ENTITY "a role in the body does not exist";
    UnknownScope "unknown_scope" UNPROCESSABLE_ENTITY "a scope in the body does not exist";
    WeakPassword "weak_password" UNPROCESSABLE_ENTITY "the password does not satisfy the password policy";
    PreconditionRequired "precondition_required" PRECONDITION_REQUIRED "the If-Match header is missing; send the ETag of the object as it was read";
    TooManyAttempts "too_many_attempts" TOO_MANY_REQUESTS "too many attempts; try again after the seconds in Retry-After";
    TooManyTokenRequests "temporarily_unavailable" TOO_MANY_REQUESTS "too many attempts; try again after the seconds in Retry-After";
    ServerError "server_error" INTERNAL_SERVER_ERROR "internal error; the log has the cause under the x-request-id";
    TemporarilyUnavailable "temporarily_unavailable" SERVICE_UNAVAILABLE "not possible at the moment; try again after the seconds in Retry-After";
}
