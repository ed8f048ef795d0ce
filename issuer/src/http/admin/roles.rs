//! `/admin/roles`: bundles of scopes, given to users.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::super::App;
use super::super::conditional::{created, honoured, required, versioned};
use super::super::decode::json;
use super::super::error::Problem;
use super::super::guard::Caller;
use super::super::query::{Query, next};
use crate::administration::{self, AdminError, authority, described, role_name, settled};
use crate::store::DeclaredRole;
use crate::store::administration::{Refused, RoleChange};

pub(in crate::http) const READ: &str = "keystone:roles:read";
pub(in crate::http) const WRITE: &str = "keystone:roles:write";

/// `GET /admin/roles?cursor=&limit=`
pub(in crate::http) async fn list(
    State(app): State<App>,
    Caller(caller): Caller,
    uri: Uri,
) -> Result<Json<Roles>, Problem> {
    let page = Query::page(&uri)?;
    administration::may_read(&app.issuer, &authority(&caller, READ)).await?;
    let roles = app.issuer.store.roles(&page).await.map_err(AdminError::from)?;
    let next = next(&roles, page.limit, |role| &role.name);
    Ok(Json(Roles { roles: roles.into_iter().map(Role::from).collect(), next }))
}

/// `GET /admin/roles/{name}`
pub(in crate::http) async fn read(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    administration::may_read(&app.issuer, &authority(&caller, READ)).await?;
    let role = app.issuer.store.role(&name).await.map_err(AdminError::from)?;
    Ok(shown(role.ok_or(AdminError::Refused(Refused::Missing))?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewRole {
    name: String,
    #[serde(default)]
    description: String,
    scopes: BTreeSet<String>,
}

/// `POST /admin/roles`
pub(in crate::http) async fn create(
    State(app): State<App>,
    Caller(caller): Caller,
    request: Request,
) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let NewRole { name, description, scopes } = json(&head.headers, body).await?;
    let role = DeclaredRole { name: role_name(name)?, description: described(description)?, scopes };
    let outcome = app.issuer.store.create_role(&authority(&caller, WRITE), &role).await;
    Ok(created(shown(settled(outcome.map_err(AdminError::from)?)?)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RolePatch {
    description: Option<String>,
    scopes: Option<BTreeSet<String>>,
}

/// `PATCH /admin/roles/{name}`
pub(in crate::http) async fn change(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let expected = required(&head.headers)?;
    let RolePatch { description, scopes } = json(&head.headers, body).await?;
    let change = RoleChange { name, expected, description: description.map(described).transpose()?, scopes };
    let outcome = app.issuer.store.change_role(&authority(&caller, WRITE), &change).await;
    Ok(shown(settled(outcome.map_err(AdminError::from)?)?))
}

/// `DELETE /admin/roles/{name}`
pub(in crate::http) async fn remove(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let by = authority(&caller, WRITE);
    let gone = app.issuer.store.delete_role(&by, &name, &honoured(&headers)).await;
    settled(gone.map_err(AdminError::from)?)?;
    Ok(StatusCode::NO_CONTENT)
}

fn shown(role: DeclaredRole) -> Response {
    versioned(&role.version(), Role::from(role))
}

#[derive(Serialize)]
pub(in crate::http) struct Roles {
    roles: Vec<Role>,
    next: Option<String>,
}

#[derive(Serialize)]
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
