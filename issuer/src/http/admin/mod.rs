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
use super::error::Problem;
use super::guard::Caller;
use crate::administration::authority;
use crate::grammar::{EmailAddress, NewPasswordText, RoleName, Username};
use crate::secret::Secret;
use crate::users::{Account, Created, create};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewUser {
    #[schema(value_type = Username)]
    username: String,
    #[schema(value_type = Option<EmailAddress>)]
    email: Option<String>,
    #[schema(value_type = Option<NewPasswordText>)]
    password: Option<String>,
    #[serde(default)]
    #[schema(value_type = Vec<RoleName>)]
    roles: Vec<String>,
}

/// Makes a user; without `password`, with one for one login
#[utoipa::path(
    post,
    path = "/admin/users",
    request_body = NewUser,
    responses((status = 201, body = CreatedUser), (status = 409), (status = 422)),
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

#[derive(Serialize, ToSchema)]
struct CreatedUser<'a> {
    id: Uuid,
    username: &'a str,
    email: Option<&'a str>,
    enabled: bool,
    roles: &'a BTreeSet<String>,
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
