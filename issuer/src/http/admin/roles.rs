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
use super::super::error::Problem;
use super::super::guard::Caller;
use super::super::openapi::{IfMatch, IfMatchOrNot, Paged};
use super::super::query::{Query, next};
use super::name::{Name, located};
use crate::administration::{self, AdminError, authority, described, role_name, settled};
use crate::grammar::{Description, NameInPath, RoleName, ScopeName};
use crate::store::DeclaredRole;
use crate::store::administration::{Refused, RoleChange};

pub(in crate::http) const READ: &str = "keystone:roles:read";
pub(in crate::http) const WRITE: &str = "keystone:roles:write";

/// The roles, by name
#[utoipa::path(
    get,
    path = "/admin/roles",
    params(Paged),
    responses((status = 200, body = Roles)),
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

/// One role
#[utoipa::path(
    get,
    path = "/admin/roles/{name}",
    params(("name" = inline(NameInPath), Path)),
    responses((status = 200, body = Role, headers(("ETag" = String))), (status = 404)),
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

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewRole {
    #[schema(value_type = RoleName)]
    name: String,
    #[serde(default)]
    #[schema(value_type = Description)]
    description: String,
    #[schema(value_type = Vec<ScopeName>)]
    scopes: BTreeSet<String>,
}

/// Makes a role, of scopes that the caller holds
#[utoipa::path(
    post,
    path = "/admin/roles",
    request_body = NewRole,
    responses((status = 201, body = Role, headers(("ETag" = String), ("Location" = String))), (status = 409), (status = 422)),
)]
pub(in crate::http) async fn create(
    State(app): State<App>,
    Caller(caller): Caller,
    request: Request,
) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let NewRole { name, description, scopes } = json(&head.headers, body).await?;
    let role = DeclaredRole { name: role_name(name)?, description: described(description)?, scopes };
    let outcome = app.issuer.store.create_role(&authority(&app.issuer, &caller, WRITE), &role).await;
    let made = created(shown(settled(outcome.map_err(AdminError::from)?)?));
    Ok(located(&app, "/admin/roles", &role.name, made))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RolePatch {
    #[schema(value_type = Option<Description>)]
    description: Option<String>,
    #[schema(value_type = Option<Vec<ScopeName>>)]
    scopes: Option<BTreeSet<String>>,
}

/// Changes a role
///
/// Whoever has the role loses what it loses at once: their tokens are revoked.
#[utoipa::path(
    patch,
    path = "/admin/roles/{name}",
    params(("name" = inline(NameInPath), Path), IfMatch),
    request_body = RolePatch,
    responses((status = 200, body = Role, headers(("ETag" = String))), (status = 404), (status = 409), (status = 422)),
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
    let outcome = app.issuer.store.change_role(&authority(&app.issuer, &caller, WRITE), &change).await;
    Ok(shown(settled(outcome.map_err(AdminError::from)?)?))
}

/// Deletes a role
#[utoipa::path(
    delete,
    path = "/admin/roles/{name}",
    params(("name" = inline(NameInPath), Path), IfMatchOrNot),
    responses((status = 204), (status = 404), (status = 409)),
)]
pub(in crate::http) async fn remove(
    State(app): State<App>,
    Caller(caller): Caller,
    Name(name): Name,
    NoBody(headers): NoBody,
) -> Result<StatusCode, Problem> {
    let by = authority(&app.issuer, &caller, WRITE);
    let gone = app.issuer.store.delete_role(&by, &name, &honoured(&headers)).await;
    settled(gone.map_err(AdminError::from)?)?;
    Ok(StatusCode::NO_CONTENT)
}

fn shown(role: DeclaredRole) -> Response {
    versioned(&role.version(), Role::from(role))
}

#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Roles {
    roles: Vec<Role>,
    /// The cursor of the next page, if there may be one
    next: Option<String>,
}

/// A bundle of scopes, given to users
#[derive(Serialize, ToSchema)]
struct Role {
    name: String,
    description: String,
    scopes: BTreeSet<String>,
}

impl From<DeclaredRole> for Role {
    fn from(DeclaredRole { name, description, scopes }: DeclaredRole) -> Self {
        Self { name, description, scopes }
    }
}
