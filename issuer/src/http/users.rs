//! `/users/me`: what people do with their own account.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::App;
use super::address::ClientAddress;
use super::admin::users::{User, shown};
use super::conditional::required;
use super::decode::{json, present};
use super::error::ErrorCode::{
    BeyondCaller, Conflict, EmailTaken, InvalidEmail, NotAUser, NotFound, OldPassword, TooManyAttempts,
    WeakPassword,
};
use super::error::Problem;
use super::guard::Caller;
use super::openapi::IfMatch;
use crate::administration::{self, AdminError, Wishes, authority};
use crate::grammar::{EmailAddress, NewPasswordText};
use crate::identity::Refused;
use crate::rbac::ACCOUNT;
use crate::secret::Secret;
use crate::users::{self, NewPassword};

/// Get your account
#[utoipa::path(
    get,
    path = "/users/me",
    responses((status = 200, body = User, headers(("ETag" = String)))),
    extensions(("x-errors" = json!([NotAUser, BeyondCaller, NotFound]))),
)]
pub(super) async fn read(State(app): State<App>, Caller(caller): Caller) -> Result<Response, Problem> {
    let by = authority(&app.issuer, &caller, ACCOUNT);
    let id = administration::own_id(&by)?;
    administration::may_read(&app.issuer, &by).await?;
    let user = app.issuer.store.user(id).await.map_err(AdminError::from)?;
    Ok(shown(user.ok_or(AdminError::Refused(Refused::Missing))?))
}

/// The changes to your account
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AccountPatch {
    /// The new e-mail address; `null` removes it
    #[schema(value_type = Option<EmailAddress>)]
    #[serde(default, deserialize_with = "present")]
    email: Option<Option<String>>,
}

/// Update your account
///
/// Changes or removes your e-mail address.
#[utoipa::path(
    patch,
    path = "/users/me",
    params(IfMatch),
    request_body = AccountPatch,
    responses((status = 200, body = User, headers(("ETag" = String)))),
    extensions(("x-errors" = json!([NotAUser, BeyondCaller, NotFound, EmailTaken, InvalidEmail, TooManyAttempts]))),
)]
pub(super) async fn change(
    State(app): State<App>,
    Caller(caller): Caller,
    request: Request,
) -> Result<Response, Problem> {
    let by = authority(&app.issuer, &caller, ACCOUNT);
    let (head, body) = request.into_parts();
    let target = (administration::own_id(&by)?, required(&head.headers)?);
    let AccountPatch { email } = json(&head.headers, body).await?;
    if matches!(email, Some(Some(_))) {
        let attempts = &app.issuer.attempts;
        attempts.change_of_account(&app.issuer.secrets, target.0).await.map_err(AdminError::from)?;
    }
    let wishes = Wishes { email, ..Wishes::default() };
    Ok(shown(administration::change_user(&app.issuer, &by, target, wishes).await?))
}

/// The old and the new password
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct OwnPassword {
    /// The current password; required unless the account has none
    #[schema(example = "nine purple hats")]
    old_password: Option<String>,
    /// The new password
    #[schema(value_type = NewPasswordText, example = "seven green umbrellas")]
    new_password: String,
}

/// Change your password
///
/// Ends your other sessions. If the password had to be changed, it ends this session too: log in with the new one.
#[utoipa::path(
    post,
    path = "/users/me/password",
    request_body = OwnPassword,
    responses((status = 204)),
    extensions(("x-errors" = json!([NotAUser, OldPassword, Conflict, WeakPassword, TooManyAttempts]))),
)]
pub(super) async fn change_password(
    State(app): State<App>,
    ClientAddress(address): ClientAddress,
    Caller(caller): Caller,
    request: Request,
) -> Result<StatusCode, Problem> {
    let (head, body) = request.into_parts();
    let body: OwnPassword = json(&head.headers, body).await?;
    let passwords =
        NewPassword { old: body.old_password.map(Secret::new), new: Secret::new(body.new_password) };
    users::change_password(&app.issuer, &caller, address, passwords).await?;
    Ok(StatusCode::NO_CONTENT)
}
