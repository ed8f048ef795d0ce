//! `/admin`: what administrators do, each route behind a scope of the resource `keystone`.

pub(super) mod audit;
pub(super) mod clients;
pub(super) mod keys;
mod name;
pub(super) mod roles;
pub(super) mod scopes;
pub(super) mod sessions;
pub(super) mod users;

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::App;
use super::decode::json;
use super::error::ErrorCode::{
    BeyondCaller, EmailTaken, InsufficientUserAuthentication, InvalidEmail, InvalidUsername, UnknownRole,
    UsernameTaken, WeakPassword,
};
use super::error::Problem;
use super::guard::Caller;
use crate::administration::authority;
use crate::grammar::{EmailAddress, NewPasswordText, RoleName, Username};
use crate::secret::Secret;
use crate::users::{Account, Created, create};

/// The user to create
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewUser {
    /// The username
    #[schema(value_type = Username)]
    username: String,
    /// The e-mail address
    #[schema(value_type = Option<EmailAddress>)]
    email: Option<String>,
    /// The initial password; without it, a one-time password is generated
    #[schema(value_type = Option<NewPasswordText>)]
    password: Option<String>,
    /// The names of the roles
    #[serde(default)]
    #[schema(value_type = Vec<RoleName>)]
    roles: Vec<String>,
}

/// Create a user
///
/// Without `password`, the response contains a one-time password, which is valid for one login within 24 hours. In both
/// cases the user must set a new password at the first login.
#[utoipa::path(
    post,
    path = "/admin/users",
    request_body = NewUser,
    responses((status = 201, body = CreatedUser)),
    extensions(("x-errors" = json!([
        InsufficientUserAuthentication, BeyondCaller, UsernameTaken, EmailTaken, InvalidUsername, InvalidEmail,
        UnknownRole, WeakPassword
    ]))),
)]
pub(super) async fn create_user(
    State(app): State<App>,
    Caller(caller): Caller,
    request: Request,
) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let body: NewUser = json(&head.headers, body).await?;
    let account = Account {
        username: body.username,
        email: body.email,
        password: body.password.map(Secret::new),
        roles: body.roles,
    };
    let created = create(&app.issuer, &authority(&app.issuer, &caller, users::WRITE), account).await?;
    Ok((StatusCode::CREATED, Json(CreatedUser::from(&created))).into_response())
}

/// A new user
#[derive(Serialize, ToSchema)]
struct CreatedUser<'a> {
    /// The id, which is `sub` in the tokens of the user
    id: Uuid,
    /// The username
    #[schema(example = "alice")]
    username: &'a str,
    /// The e-mail address, or `null`
    #[schema(example = "alice@example.com")]
    email: Option<&'a str>,
    /// Whether the user can log in
    enabled: bool,
    /// The names of the roles
    #[schema(example = json!(["customer"]))]
    roles: &'a BTreeSet<String>,
    /// The generated one-time password, if the request had no `password`. It is shown only here
    #[schema(example = "ksop_…")]
    #[serde(skip_serializing_if = "Option::is_none")]
    one_time_password: Option<&'a str>,
}

impl<'a> From<&'a Created> for CreatedUser<'a> {
    fn from(Created { user, one_time_password }: &'a Created) -> Self {
        Self {
            id: user.id,
            username: &user.username,
            email: user.email.as_deref(),
            enabled: user.enabled,
            roles: &user.roles,
            one_time_password: one_time_password.as_ref().map(Secret::expose),
        }
    }
}
