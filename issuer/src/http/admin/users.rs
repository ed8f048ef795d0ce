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
use super::super::error::Problem;
use super::super::guard::Caller;
use super::super::openapi::{IfMatch, IfMatchOrNot, Limited};
use super::super::query::{Query, next};
use crate::administration::{self, AdminError, Wishes, authority, settled};
use crate::grammar::{EmailAddress, RoleName, Search, Username};
use crate::identifier;
use crate::store::administration::{Profile, Refused, UserSearch};

pub(in crate::http) const READ: &str = "keystone:users:read";
pub(in crate::http) const WRITE: &str = "keystone:users:write";

/// The users, by name
#[utoipa::path(
    get,
    path = "/admin/users",
    params(
        ("search" = inline(Option<Search>), Query, description = "What the name or the e-mail address begins with"),
        ("enabled" = Option<bool>, Query, description = "Only these"),
        ("cursor" = inline(Option<Search>), Query, description = "`next` of the page before"),
        Limited,
    ),
    responses((status = 200, body = Users)),
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

/// One user
#[utoipa::path(
    get,
    path = "/admin/users/{id}",
    params(("id" = Uuid, Path)),
    responses((status = 200, body = User, headers(("ETag" = String))), (status = 404)),
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

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct UserPatch {
    #[schema(value_type = Option<Username>)]
    username: Option<String>,
    /// `null`: none any more.
    #[schema(value_type = Option<EmailAddress>)]
    #[serde(default, deserialize_with = "present")]
    email: Option<Option<String>>,
    enabled: Option<bool>,
}

/// Renames, enables or disables a user
///
/// Whoever is disabled loses all sessions and tokens.
#[utoipa::path(
    patch,
    path = "/admin/users/{id}",
    params(("id" = Uuid, Path), IfMatch),
    request_body = UserPatch,
    responses((status = 200, body = User, headers(("ETag" = String))), (status = 404), (status = 409), (status = 422)),
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

/// Deletes a user
#[utoipa::path(
    delete,
    path = "/admin/users/{id}",
    params(("id" = Uuid, Path), IfMatchOrNot),
    responses((status = 204), (status = 404), (status = 409)),
)]
pub(in crate::http) async fn remove(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
    NoBody(headers): NoBody,
) -> Result<StatusCode, Problem> {
    let by = authority(&app.issuer, &caller, WRITE);
    let gone = app.issuer.store.delete_user(&by, user_id(&id)?, &honoured(&headers)).await;
    settled(gone.map_err(AdminError::from)?)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Replaces the password by one for one login, and ends every session
#[utoipa::path(
    post,
    path = "/admin/users/{id}/reset",
    params(("id" = Uuid, Path), IfMatchOrNot),
    responses((status = 200, body = OneTimePassword), (status = 404)),
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

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RolesOfUser {
    #[schema(value_type = Vec<RoleName>)]
    roles: BTreeSet<String>,
}

/// Says which roles a user has from now on
///
/// What is lost is revoked. Giving and taking both need all that the roles hold.
#[utoipa::path(
    put,
    path = "/admin/users/{id}/roles",
    params(("id" = Uuid, Path), IfMatch),
    request_body = RolesOfUser,
    responses((status = 200, body = User, headers(("ETag" = String))), (status = 404), (status = 409), (status = 422)),
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

#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Users {
    users: Vec<User>,
    /// The cursor of the next page, if there may be one
    next: Option<String>,
}

/// Nothing of the password, not even whether there is one.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct User {
    id: Uuid,
    username: String,
    email: Option<String>,
    enabled: bool,
    roles: BTreeSet<String>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    updated_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    last_login: Option<OffsetDateTime>,
}

#[derive(Serialize, ToSchema)]
pub(in crate::http) struct OneTimePassword {
    /// Good for one login. Shown this once.
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
