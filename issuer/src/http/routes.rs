//! Every route of the public listener: one table for the router, the guard, the tests and the description.
//!
//! `routes!` takes a handler's method, path and description together; a handler without them does not compile.

use std::future::ready;

use axum::Router;
use axum::middleware::map_response;
use serde_json::{Value, json};
use utoipa_axum::router::{UtoipaMethodRouter, UtoipaMethodRouterExt as _};
use utoipa_axum::routes;

use super::{
    App, admin, cors, documentation, feed, introspection, openapi, published, revocation, sessions, token,
    users,
};
use crate::rbac::ACCOUNT;

pub(super) struct Route {
    /// What the description groups it with.
    pub(super) tag: &'static str,
    pub(super) access: Access,
    pub(super) described: UtoipaMethodRouter<App>,
}

/// What it takes to be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Anyone,
    /// Client authentication (RFC 6749 §2.3).
    Client,
    /// Any access token of ours.
    Token,
    /// An access token with this scope of the resource `keystone`.
    Scope(&'static str),
}

/// What is asked with credentials, or gives some.
pub(super) fn tokens() -> Vec<Route> {
    let for_pages =
        |described: UtoipaMethodRouter<App>| described.map(|route| route.options(cors::before_post));
    vec![
        route("tokens", Access::Client, for_pages(routes!(token::issue))),
        route("tokens", Access::Client, for_pages(routes!(revocation::revoke))),
        route("tokens", Access::Client, routes!(introspection::introspect)),
        route("tokens", Access::Token, routes!(sessions::log_out)),
    ]
}

#[rustfmt::skip]
pub(super) fn guarded() -> Vec<Route> {
    let scope = |tag, scope, described| route(tag, Access::Scope(scope), described);
    vec![
        scope("account", ACCOUNT, routes!(users::read)),
        scope("account", ACCOUNT, routes!(users::change)),
        scope("account", ACCOUNT, routes!(users::change_password)),
        scope("account", ACCOUNT, routes!(sessions::list)),
        scope("account", ACCOUNT, routes!(sessions::end)),

        scope("users", admin::users::READ, routes!(admin::users::list)),
        scope("users", admin::users::WRITE, routes!(admin::create_user)),
        scope("users", admin::users::READ, routes!(admin::users::read)),
        scope("users", admin::users::WRITE, routes!(admin::users::change)),
        scope("users", admin::users::WRITE, routes!(admin::users::remove)),
        scope("users", admin::users::WRITE, routes!(admin::users::reset)),
        scope("users", admin::users::WRITE, routes!(admin::users::set_roles)),

        scope("roles", admin::roles::READ, routes!(admin::roles::list)),
        scope("roles", admin::roles::WRITE, routes!(admin::roles::create)),
        scope("roles", admin::roles::READ, routes!(admin::roles::read)),
        scope("roles", admin::roles::WRITE, routes!(admin::roles::change)),
        scope("roles", admin::roles::WRITE, routes!(admin::roles::remove)),

        scope("scopes", admin::scopes::READ, routes!(admin::scopes::list)),
        scope("scopes", admin::scopes::WRITE, routes!(admin::scopes::create)),
        scope("scopes", admin::scopes::READ, routes!(admin::scopes::read)),
        scope("scopes", admin::scopes::WRITE, routes!(admin::scopes::change)),
        scope("scopes", admin::scopes::WRITE, routes!(admin::scopes::remove)),

        scope("clients", admin::clients::READ, routes!(admin::clients::list)),
        scope("clients", admin::clients::WRITE, routes!(admin::clients::create)),
        scope("clients", admin::clients::READ, routes!(admin::clients::read)),
        scope("clients", admin::clients::WRITE, routes!(admin::clients::change)),
        scope("clients", admin::clients::WRITE, routes!(admin::clients::remove)),
        scope("clients", admin::clients::WRITE, routes!(admin::clients::add_secret)),
        scope("clients", admin::clients::WRITE, routes!(admin::clients::remove_secret)),

        scope("keys", admin::keys::READ, routes!(admin::keys::list)),
        scope("keys", admin::keys::WRITE, routes!(admin::keys::rotate)),
        scope("keys", admin::keys::WRITE, routes!(admin::keys::compromise)),

        scope("sessions", admin::sessions::READ, routes!(admin::sessions::list)),
        scope("sessions", admin::sessions::WRITE, routes!(admin::sessions::end)),
        scope("sessions", admin::sessions::WRITE, routes!(admin::sessions::end_all)),

        scope("audit", admin::audit::READ, routes!(admin::audit::list)),
    ]
}

/// What everybody may read.
pub(super) fn published() -> Vec<Route> {
    let metadata = routes!(published::metadata).map(|route| route.options(cors::before_get));
    let metadata = metadata.layer(map_response(|answer| ready(cors::varied(answer))));
    let for_verifiers =
        |described: UtoipaMethodRouter<App>| described.map(|route| route.options(published::preflight));
    let keys = for_verifiers(routes!(published::jwks));
    let feed = [routes!(feed::revocations), routes!(feed::keys)].map(for_verifiers);
    [keys, metadata]
        .into_iter()
        .chain(feed)
        .map(|described| route("published", Access::Anyone, described))
        .collect()
}

/// The description itself, for programs and for people.
pub(super) fn documentation() -> Vec<Route> {
    [routes!(openapi::description), routes!(documentation::page)]
        .map(|described| route("published", Access::Anyone, described))
        .into()
}

pub(super) fn all() -> Vec<Route> {
    [tokens(), guarded(), published(), documentation()].into_iter().flatten().collect()
}

/// What is guarded: method, path and scope. The authorisation table of the tests is compared with this.
pub fn guarded_routes() -> Vec<(String, String, &'static str)> {
    let rows = |route: Route| match route.access {
        Access::Scope(scope) => {
            let (_, paths, _) = route.described;
            openapi::operations(paths).into_iter().map(|(method, path)| (method, path, scope)).collect()
        }
        _ => Vec::new(),
    };
    guarded().into_iter().flat_map(rows).collect()
}

pub(super) fn router(routes: Vec<Route>) -> Router<App> {
    routes.into_iter().fold(Router::new(), |router, Route { described: (_, paths, handler), .. }| {
        paths.paths.keys().fold(router, |router, path| router.route(path, handler.clone()))
    })
}

/// As in a policy file; what is not listed is refused.
pub(super) fn policy() -> Value {
    let rule =
        |(method, path, scope)| json!({ "methods": [method], "path": path, "require": { "all": [scope] } });
    guarded_routes().into_iter().map(rule).collect()
}

fn route(tag: &'static str, access: Access, described: UtoipaMethodRouter<App>) -> Route {
    Route { tag, access, described }
}
