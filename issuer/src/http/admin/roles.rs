//! `/admin/roles`: bundles of scopes, given to users.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::App;
use super::super::conditional::{created, honoured, required, versioned};
use super::super::decode::{NoBody, json};
use super::super::error::ErrorCode::{
    BeyondCaller, BuiltIn, Exists, InsufficientUserAuthentication, InvalidName, InvalidText, NotFound,
    UnknownScope,
};
use super::super::error::Problem;
use super::super::guard::Caller;
use super::super::openapi::{IfMatch, IfMatchOrNot, Paged};
use super::super::query::{Query, next};
use super::name::{Name, located};
use crate::administration::{self, AdminError, authority, described, role_name};
use crate::grammar::{Description, NameInPath, RoleName, ScopeName};
use crate::identity::{Refused, RoleChange, roles};
use crate::store::DeclaredRole;

pub(in crate::http) const READ: &str = "keystone:roles:read";
pub(in crate::http) const WRITE: &str = "keystone:roles:write";

/// List roles
///
/// Returns the roles in order of their name.
#[utoipa::path(
    get,
    path = "/admin/roles",
    params(Paged),
    responses((status = 200, body = Roles)),
    extensions(("x-errors" = json!([BeyondCaller]))),
)]
pub(in crate::http) async fn list(
    State(app): State<App>,
    Caller(caller): Caller,
    uri: Uri,
) -> Result<Json<Roles>, Problem> {
    let page = Query::page(&uri)?;
    administration::may_read(&app.issuer, &authority(&app.issuer, &caller, READ)).await?;
    let roles = app.issuer.store.roles(&page).await.map_err(AdminError::from)?;
    let next = next(&roles, page.limit, |role| &role.name);
    Ok(Json(Roles { roles: roles.into_iter().map(Role::from).collect(), next }))
}

/// Get a role
#[utoipa::path(
    get,
    path = "/admin/roles/{name}",
    params(("name" = inline(NameInPath), Path, description = "The name of the role")),
    responses((status = 200, body = Role, headers(("ETag" = String)))),
    extensions(("x-errors" = json!([BeyondCaller, NotFound]))),
)]
pub(in crate::http) async fn read(
    State(app): State<App>,
    Caller(caller): Caller,
    Name(name): Name,
) -> Result<Response, Problem> {
    administration::may_read(&app.issuer, &authority(&app.issuer, &caller, READ)).await?;
    let role = app.issuer.store.role(&name).await.map_err(AdminError::from)?;
    Ok(shown(role.ok_or(AdminError::Refused(Refused::Missing))?))
}

/// The role to create
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewRole {
    /// The name
    #[schema(value_type = RoleName)]
    name: String,
    /// A description for people
    #[serde(default)]
    #[schema(value_type = Description)]
    description: String,
    /// The names of the scopes
    #[schema(value_type = Vec<ScopeName>)]
    scopes: BTreeSet<String>,
}

/// Create a role
///
/// The caller must hold every scope of the role.
#[utoipa::path(
    post,
    path = "/admin/roles",
    request_body = NewRole,
    responses((status = 201, body = Role, headers(("ETag" = String), ("Location" = String)))),
    extensions(("x-errors" = json!([InsufficientUserAuthentication, BeyondCaller, Exists, InvalidName, InvalidText, UnknownScope]))),
)]
pub(in crate::http) async fn create(
    State(app): State<App>,
    Caller(caller): Caller,
    request: Request,
) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let NewRole { name, description, scopes } = json(&head.headers, body).await?;
    let role = DeclaredRole { name: role_name(name)?, description: described(description)?, scopes };
    let outcome = roles::create(&app.issuer.store, &authority(&app.issuer, &caller, WRITE), &role).await;
    let made = created(shown(outcome.map_err(AdminError::from)?));
    Ok(located(&app, "/admin/roles", &role.name, made))
}

/// The changes to a role
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RolePatch {
    /// The new description
    #[schema(value_type = Option<Description>)]
    description: Option<String>,
    /// The names of all scopes that the role has from now on
    #[schema(value_type = Option<Vec<ScopeName>>)]
    scopes: Option<BTreeSet<String>>,
}

/// Update a role
///
/// A member that is left out stays as it is. Users with this role lose the removed scopes immediately; their tokens are
/// revoked.
#[utoipa::path(
    patch,
    path = "/admin/roles/{name}",
    params(("name" = inline(NameInPath), Path, description = "The name of the role"), IfMatch),
    request_body = RolePatch,
    responses((status = 200, body = Role, headers(("ETag" = String)))),
    extensions(("x-errors" = json!([InsufficientUserAuthentication, BeyondCaller, NotFound, BuiltIn, InvalidText, UnknownScope]))),
)]
pub(in crate::http) async fn change(
    State(app): State<App>,
    Caller(caller): Caller,
    Name(name): Name,
    request: Request,
) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let expected = required(&head.headers)?;
    let RolePatch { description, scopes } = json(&head.headers, body).await?;
    let change = RoleChange { name, expected, description: description.map(described).transpose()?, scopes };
    let outcome = roles::update(&app.issuer.store, &authority(&app.issuer, &caller, WRITE), &change).await;
    Ok(shown(outcome.map_err(AdminError::from)?))
}

/// Delete a role
///
/// Users with this role lose its scopes immediately; their tokens are revoked.
#[utoipa::path(
    delete,
    path = "/admin/roles/{name}",
    params(("name" = inline(NameInPath), Path, description = "The name of the role"), IfMatchOrNot),
    responses((status = 204)),
    extensions(("x-errors" = json!([InsufficientUserAuthentication, BeyondCaller, NotFound, BuiltIn]))),
)]
pub(in crate::http) async fn remove(
    State(app): State<App>,
    Caller(caller): Caller,
    Name(name): Name,
    NoBody(headers): NoBody,
) -> Result<StatusCode, Problem> {
    let by = authority(&app.issuer, &caller, WRITE);
    let gone = roles::delete(&app.issuer.store, &by, &name, &honoured(&headers)).await;
    gone.map_err(AdminError::from)?;
    Ok(StatusCode::NO_CONTENT)
}

fn shown(role: DeclaredRole) -> Response {
    versioned(&role.version(), Role::from(role))
}

/// A page of roles
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Roles {
    /// The roles of this page
    roles: Vec<Role>,
    /// The cursor of the next page; `null` on the last page
    #[schema(example = "customer")]
    next: Option<String>,
}

/// A named set of scopes, assigned to users
#[derive(Serialize, ToSchema)]
struct Role {
    /// The name
    #[schema(example = "customer")]
    name: String,
    /// A description for people
    #[schema(example = "Buys things")]
    description: String,
    /// The names of the scopes
    #[schema(example = json!(["orders:read"]))]
    scopes: BTreeSet<String>,
}

impl From<DeclaredRole> for Role {
    fn from(DeclaredRole { name, description, scopes }: DeclaredRole) -> Self {
        Self { name, description, scopes }
    }
}
