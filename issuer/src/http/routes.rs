//! The guarded routes, each with the scope it takes: one table for the router, the guard and the tests.

use axum::Router;
use axum::routing::{MethodRouter, delete, get, patch, post, put};
use serde_json::{Value, json};

use super::users::ACCOUNT;
use super::{App, admin, sessions, users};

struct Route {
    method: &'static str,
    path: &'static str,
    scope: &'static str,
    handler: MethodRouter<App>,
}

#[rustfmt::skip]
fn table() -> Vec<Route> {
    vec![
        route("GET", "/users/me", ACCOUNT, get(users::read)),
        route("PATCH", "/users/me", ACCOUNT, patch(users::change)),
        route("POST", "/users/me/password", ACCOUNT, post(users::change_password)),
        route("GET", "/users/me/sessions", ACCOUNT, get(sessions::list)),
        route("DELETE", "/users/me/sessions/{id}", ACCOUNT, delete(sessions::end)),

        route("GET", "/admin/users", admin::users::READ, get(admin::users::list)),
        route("POST", "/admin/users", admin::users::WRITE, post(admin::create_user)),
        route("GET", "/admin/users/{id}", admin::users::READ, get(admin::users::read)),
        route("PATCH", "/admin/users/{id}", admin::users::WRITE, patch(admin::users::change)),
        route("DELETE", "/admin/users/{id}", admin::users::WRITE, delete(admin::users::remove)),
        route("POST", "/admin/users/{id}/reset", admin::users::WRITE, post(admin::users::reset)),
        route("PUT", "/admin/users/{id}/roles", admin::users::WRITE, put(admin::users::set_roles)),

        route("GET", "/admin/roles", admin::roles::READ, get(admin::roles::list)),
        route("POST", "/admin/roles", admin::roles::WRITE, post(admin::roles::create)),
        route("GET", "/admin/roles/{name}", admin::roles::READ, get(admin::roles::read)),
        route("PATCH", "/admin/roles/{name}", admin::roles::WRITE, patch(admin::roles::change)),
        route("DELETE", "/admin/roles/{name}", admin::roles::WRITE, delete(admin::roles::remove)),

        route("GET", "/admin/scopes", admin::scopes::READ, get(admin::scopes::list)),
        route("POST", "/admin/scopes", admin::scopes::WRITE, post(admin::scopes::create)),
        route("GET", "/admin/scopes/{name}", admin::scopes::READ, get(admin::scopes::read)),
        route("PATCH", "/admin/scopes/{name}", admin::scopes::WRITE, patch(admin::scopes::change)),
        route("DELETE", "/admin/scopes/{name}", admin::scopes::WRITE, delete(admin::scopes::remove)),

        route("GET", "/admin/clients", admin::clients::READ, get(admin::clients::list)),
        route("POST", "/admin/clients", admin::clients::WRITE, post(admin::clients::create)),
        route("GET", "/admin/clients/{client_id}", admin::clients::READ, get(admin::clients::read)),
        route("PATCH", "/admin/clients/{client_id}", admin::clients::WRITE, patch(admin::clients::change)),
        route("DELETE", "/admin/clients/{client_id}", admin::clients::WRITE, delete(admin::clients::remove)),
        route("POST", "/admin/clients/{client_id}/secrets", admin::clients::WRITE, post(admin::clients::add_secret)),
        route("DELETE", "/admin/clients/{client_id}/secrets/{slot}", admin::clients::WRITE, delete(admin::clients::remove_secret)),

        route("GET", "/admin/audit", admin::audit::READ, get(admin::audit::list)),
    ]
}

/// What is guarded: method, path and scope. The authorisation table of the tests is compared with this.
pub fn guarded_routes() -> Vec<(&'static str, &'static str, &'static str)> {
    table().into_iter().map(|route| (route.method, route.path, route.scope)).collect()
}

pub(super) fn router() -> Router<App> {
    table().into_iter().fold(Router::new(), |router, route| router.route(route.path, route.handler))
}

/// As in a policy file; what is not listed is refused.
pub(super) fn policy() -> Value {
    let rule =
        |(method, path, scope)| json!({ "methods": [method], "path": path, "require": { "all": [scope] } });
    guarded_routes().into_iter().map(rule).collect()
}

fn route(method: &'static str, path: &'static str, scope: &'static str, handler: MethodRouter<App>) -> Route {
    Route { method, path, scope, handler }
}
