//! `/admin/scopes`: what a token can allow, and the resource that understands it.

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
};
use super::super::error::Problem;
use super::super::guard::Caller;
use super::super::openapi::{IfMatch, IfMatchOrNot, Paged};
use super::super::query::{Query, next};
use super::name::{Name, located};
use crate::administration::{self, AdminError, authority, described, scope_name};
use crate::grammar::{Description, NameInPath, ScopeName};
use crate::identity::Refused;
use crate::store::DeclaredScope;
use crate::store::ScopeChange;

pub(in crate::http) const READ: &str = "keystone:scopes:read";
pub(in crate::http) const WRITE: &str = "keystone:scopes:write";

/// List scopes
///
/// Returns the scopes in order of their name.
#[utoipa::path(
    get,
    path = "/admin/scopes",
    params(Paged),
    responses((status = 200, body = Scopes)),
    extensions(("x-errors" = json!([BeyondCaller]))),
)]
pub(in crate::http) async fn list(
    State(app): State<App>,
    Caller(caller): Caller,
    uri: Uri,
) -> Result<Json<Scopes>, Problem> {
    let page = Query::page(&uri)?;
    administration::may_read(&app.issuer, &authority(&app.issuer, &caller, READ)).await?;
    let scopes = app.issuer.store.scopes(&page).await.map_err(AdminError::from)?;
    let next = next(&scopes, page.limit, |scope| &scope.name);
    Ok(Json(Scopes { scopes: scopes.into_iter().map(Scope::from).collect(), next }))
}

/// Get a scope
#[utoipa::path(
    get,
    path = "/admin/scopes/{name}",
    params(("name" = inline(NameInPath), Path, description = "The name of the scope")),
    responses((status = 200, body = Scope, headers(("ETag" = String)))),
    extensions(("x-errors" = json!([BeyondCaller, NotFound]))),
)]
pub(in crate::http) async fn read(
    State(app): State<App>,
    Caller(caller): Caller,
    Name(name): Name,
) -> Result<Response, Problem> {
    administration::may_read(&app.issuer, &authority(&app.issuer, &caller, READ)).await?;
    let scope = app.issuer.store.scope(&name).await.map_err(AdminError::from)?;
    Ok(shown(scope.ok_or(AdminError::Refused(Refused::Missing))?))
}

/// The scope to create
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewScope {
    /// The name
    #[schema(value_type = ScopeName)]
    name: String,
    /// A description for people
    #[serde(default)]
    #[schema(value_type = Description)]
    description: String,
    /// The resource that checks the scope; `aud` of tokens that hold it
    #[schema(value_type = ScopeName, example = "orders")]
    resource: String,
}

/// Create a scope
///
/// The role `administrator` holds the new scope.
#[utoipa::path(
    post,
    path = "/admin/scopes",
    request_body = NewScope,
    responses((status = 201, body = Scope, headers(("ETag" = String), ("Location" = String)))),
    extensions(("x-errors" = json!([BeyondCaller, Exists, BuiltIn, InvalidName, InvalidText]))),
)]
pub(in crate::http) async fn create(
    State(app): State<App>,
    Caller(caller): Caller,
    request: Request,
) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let NewScope { name, description, resource } = json(&head.headers, body).await?;
    let (name, resource) = (scope_name(name)?, scope_name(resource)?);
    let scope = DeclaredScope { name, description: described(description)?, resource };
    let by = authority(&app.issuer, &caller, WRITE);
    let scope = administration::create_scope(&app.issuer, &by, &scope).await?;
    let name = scope.name.clone();
    Ok(located(&app, "/admin/scopes", &name, created(shown(scope))))
}

/// The changes to a scope
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ScopePatch {
    /// The new description
    #[schema(value_type = Option<Description>)]
    description: Option<String>,
    /// The new resource
    #[schema(value_type = Option<ScopeName>, example = "orders")]
    resource: Option<String>,
}

/// Update a scope
///
/// A member that is left out stays as it is. A change of the resource revokes the tokens that may hold the scope.
#[utoipa::path(
    patch,
    path = "/admin/scopes/{name}",
    params(("name" = inline(NameInPath), Path, description = "The name of the scope"), IfMatch),
    request_body = ScopePatch,
    responses((status = 200, body = Scope, headers(("ETag" = String)))),
    extensions(("x-errors" = json!([InsufficientUserAuthentication, BeyondCaller, NotFound, BuiltIn, InvalidName, InvalidText]))),
)]
pub(in crate::http) async fn change(
    State(app): State<App>,
    Caller(caller): Caller,
    Name(name): Name,
    request: Request,
) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let expected = required(&head.headers)?;
    let ScopePatch { description, resource } = json(&head.headers, body).await?;
    let description = description.map(described).transpose()?;
    let change = ScopeChange { name, description, resource: resource.map(scope_name).transpose()? };
    let scope =
        administration::change_scope(&app.issuer, &authority(&app.issuer, &caller, WRITE), expected, change)
            .await?;
    Ok(shown(scope))
}

/// Delete a scope
///
/// Users and clients lose the scope immediately; their tokens are revoked.
#[utoipa::path(
    delete,
    path = "/admin/scopes/{name}",
    params(("name" = inline(NameInPath), Path, description = "The name of the scope"), IfMatchOrNot),
    responses((status = 204)),
    extensions(("x-errors" = json!([InsufficientUserAuthentication, BeyondCaller, NotFound, BuiltIn]))),
)]
pub(in crate::http) async fn remove(
    State(app): State<App>,
    Caller(caller): Caller,
    Name(name): Name,
    NoBody(headers): NoBody,
) -> Result<StatusCode, Problem> {
    let target = (name.as_str(), &honoured(&headers));
    administration::delete_scope(&app.issuer, &authority(&app.issuer, &caller, WRITE), target).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn shown(scope: DeclaredScope) -> Response {
    versioned(&scope.version(), Scope::from(scope))
}

/// A page of scopes
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Scopes {
    /// The scopes of this page
    scopes: Vec<Scope>,
    /// The cursor of the next page; `null` on the last page
    #[schema(example = "orders:read")]
    next: Option<String>,
}

/// A permission that a token can hold
#[derive(Serialize, ToSchema)]
struct Scope {
    /// The name
    #[schema(example = "orders:read")]
    name: String,
    /// A description for people
    #[schema(example = "Read orders")]
    description: String,
    /// The resource that checks the scope; `aud` of tokens that hold it
    #[schema(example = "orders")]
    resource: String,
}

impl From<DeclaredScope> for Scope {
    fn from(DeclaredScope { name, description, resource }: DeclaredScope) -> Self {
        Self { name, description, resource }
    }
}
