//! `/admin/users`: who there is, and what they may do.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::App;
use super::super::conditional::{honoured, required, versioned};
use super::super::decode::{DecodeError, NoBody, json, present};
use super::super::error::ErrorCode::{
    BeyondCaller, EmailTaken, InsufficientUserAuthentication, InvalidEmail, InvalidUsername,
    LastAdministrator, NotFound, UnknownRole, UsernameTaken,
};
use super::super::error::Problem;
use super::super::guard::Caller;
use super::super::openapi::{IfMatch, IfMatchOrNot, Limited};
use super::super::query::{Query, next};
use crate::administration::{self, AdminError, Wishes, authority};
use crate::grammar::{EmailAddress, RoleName, Search, Username};
use crate::identifier;
use crate::identity::{Refused, users};
use crate::store::{Profile, UserSearch};

pub(in crate::http) const READ: &str = "keystone:users:read";
pub(in crate::http) const WRITE: &str = "keystone:users:write";

/// List users
///
/// Returns the users in order of their canonical username.
#[utoipa::path(
    get,
    path = "/admin/users",
    params(
        ("search" = inline(Option<Search>), Query, description = "Prefix of the username or the e-mail address"),
        ("enabled" = Option<bool>, Query, description = "Only enabled users, or only disabled ones"),
        ("cursor" = inline(Option<Search>), Query, description = "`next` of the previous page"),
        Limited,
    ),
    responses((status = 200, body = Users)),
    extensions(("x-errors" = json!([BeyondCaller]))),
)]
pub(in crate::http) async fn list(
    State(app): State<App>,
    Caller(caller): Caller,
    uri: Uri,
) -> Result<Json<Users>, Problem> {
    let search = search(&uri)?;
    administration::may_read(&app.issuer, &authority(&app.issuer, &caller, READ)).await?;
    let users = app.issuer.store.users(&search).await.map_err(AdminError::from)?;
    let next = next(&users, search.limit, |user| &user.username);
    Ok(Json(Users { users: users.into_iter().map(User::from).collect(), next }))
}

/// Get a user
#[utoipa::path(
    get,
    path = "/admin/users/{id}",
    params(("id" = Uuid, Path, description = "The id of the user")),
    responses((status = 200, body = User, headers(("ETag" = String)))),
    extensions(("x-errors" = json!([BeyondCaller, NotFound]))),
)]
pub(in crate::http) async fn read(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    administration::may_read(&app.issuer, &authority(&app.issuer, &caller, READ)).await?;
    let user = app.issuer.store.user(user_id(&id)?).await.map_err(AdminError::from)?;
    Ok(shown(user.ok_or(AdminError::Refused(Refused::Missing))?))
}

/// The changes to a user
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct UserPatch {
    /// The new username
    #[schema(value_type = Option<Username>)]
    username: Option<String>,
    /// The new e-mail address; `null` removes it
    #[schema(value_type = Option<EmailAddress>)]
    #[serde(default, deserialize_with = "present")]
    email: Option<Option<String>>,
    /// Whether the user can log in
    enabled: Option<bool>,
}

/// Update a user
///
/// Changes the username, the e-mail address or whether the user is enabled; a member that is left out stays as it is.
/// Disabling a user ends their sessions and revokes their tokens.
#[utoipa::path(
    patch,
    path = "/admin/users/{id}",
    params(("id" = Uuid, Path, description = "The id of the user"), IfMatch),
    request_body = UserPatch,
    responses((status = 200, body = User, headers(("ETag" = String)))),
    extensions(("x-errors" = json!([
        InsufficientUserAuthentication, BeyondCaller, NotFound, UsernameTaken, EmailTaken, LastAdministrator,
        InvalidUsername, InvalidEmail
    ]))),
)]
pub(in crate::http) async fn change(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let target = (user_id(&id)?, required(&head.headers)?);
    let UserPatch { username, email, enabled } = json(&head.headers, body).await?;
    let wishes = Wishes { username, email, enabled };
    let user =
        administration::change_user(&app.issuer, &authority(&app.issuer, &caller, WRITE), target, wishes)
            .await?;
    Ok(shown(user))
}

/// Delete a user
///
/// Deletes the account with its sessions and revokes its tokens.
#[utoipa::path(
    delete,
    path = "/admin/users/{id}",
    params(("id" = Uuid, Path, description = "The id of the user"), IfMatchOrNot),
    responses((status = 204)),
    extensions(("x-errors" = json!([InsufficientUserAuthentication, BeyondCaller, NotFound, LastAdministrator]))),
)]
pub(in crate::http) async fn remove(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
    NoBody(headers): NoBody,
) -> Result<StatusCode, Problem> {
    let by = authority(&app.issuer, &caller, WRITE);
    let gone = users::delete(&app.issuer.store, &by, user_id(&id)?, &honoured(&headers)).await;
    gone.map_err(AdminError::from)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Reset a password
///
/// Replaces the password with a one-time password, which is valid for one login within 24 hours, ends the sessions of the
/// user and revokes their tokens. The response is the only place that shows the one-time password.
#[utoipa::path(
    post,
    path = "/admin/users/{id}/reset",
    params(("id" = Uuid, Path, description = "The id of the user"), IfMatchOrNot),
    responses((status = 200, body = OneTimePassword)),
    extensions(("x-errors" = json!([InsufficientUserAuthentication, BeyondCaller, NotFound]))),
)]
pub(in crate::http) async fn reset(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
    NoBody(headers): NoBody,
) -> Result<Json<OneTimePassword>, Problem> {
    let target = (user_id(&id)?, honoured(&headers));
    let secret =
        administration::reset_user(&app.issuer, &authority(&app.issuer, &caller, WRITE), target).await?;
    Ok(Json(OneTimePassword { one_time_password: secret.expose().to_owned() }))
}

/// The roles of a user
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RolesOfUser {
    /// The names of all roles that the user has from now on
    #[schema(value_type = Vec<RoleName>)]
    roles: BTreeSet<String>,
}

/// Set the roles of a user
///
/// Replaces all roles. Scopes that the user loses are revoked from their tokens immediately. The caller must hold every
/// scope of the roles that are added or removed.
#[utoipa::path(
    put,
    path = "/admin/users/{id}/roles",
    params(("id" = Uuid, Path, description = "The id of the user"), IfMatch),
    request_body = RolesOfUser,
    responses((status = 200, body = User, headers(("ETag" = String)))),
    extensions(("x-errors" = json!([InsufficientUserAuthentication, BeyondCaller, NotFound, LastAdministrator, UnknownRole]))),
)]
pub(in crate::http) async fn set_roles(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let target = (user_id(&id)?, required(&head.headers)?);
    let RolesOfUser { roles } = json(&head.headers, body).await?;
    let user = administration::set_roles(&app.issuer, &authority(&app.issuer, &caller, WRITE), target, roles)
        .await?;
    Ok(shown(user))
}

fn search(uri: &Uri) -> Result<UserSearch, DecodeError> {
    let mut query = Query::of(uri)?;
    let is_line = |text: &str| text.chars().count() <= MOST_SEARCH && !text.contains(char::is_control);
    let key = |text: Option<String>, name| match text {
        Some(text) if !is_line(&text) => Err(DecodeError::Parameter(name)),
        Some(text) if !text.trim().is_empty() => {
            identifier::prefix_key(&text).ok_or(DecodeError::Parameter(name))
        }
        _ => Ok(String::new()),
    };
    let search = UserSearch {
        prefix: key(query.text("search")?, "search")?,
        enabled: query.flag("enabled")?,
        after: key(query.text("cursor")?, "cursor")?,
        limit: query.limit()?,
    };
    query.end()?;
    Ok(search)
}

/// Characters, as a username has at most.
const MOST_SEARCH: usize = 64;

/// What is no id is nobody's.
pub(super) fn user_id(text: &str) -> Result<Uuid, AdminError> {
    text.parse().map_err(|_| Refused::Missing.into())
}

pub(in crate::http) fn shown(user: Profile) -> Response {
    versioned(&user.version(), User::from(user))
}

/// A page of users
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Users {
    /// The users of this page
    users: Vec<User>,
    /// The cursor of the next page; `null` on the last page
    #[schema(example = "erin")]
    next: Option<String>,
}

/// A user, without anything about the password
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct User {
    /// The id, which is `sub` in the tokens of the user
    id: Uuid,
    /// The username
    #[schema(example = "alice")]
    username: String,
    /// The e-mail address, or `null`
    #[schema(example = "alice@example.com")]
    email: Option<String>,
    /// Whether the user can log in
    enabled: bool,
    /// The names of the roles
    #[schema(example = json!(["customer"]))]
    roles: BTreeSet<String>,
    /// When the user was created
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// When the user was last changed
    #[serde(with = "time::serde::rfc3339")]
    updated_at: OffsetDateTime,
    /// When the user last logged in, or `null`
    #[serde(with = "time::serde::rfc3339::option")]
    last_login: Option<OffsetDateTime>,
}

/// A password for one login
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct OneTimePassword {
    /// The one-time password. It is shown only here
    #[schema(example = "ksop_…")]
    one_time_password: String,
}

impl From<Profile> for User {
    fn from(user: Profile) -> Self {
        Self {
            id: user.id,
            username: user.username,
            email: user.email,
            enabled: user.enabled,
            roles: user.roles,
            created_at: user.created_at,
            updated_at: user.updated_at,
            last_login: user.last_login,
        }
    }
}
