//! `/openapi.json`: the description of every route, assembled from the annotations of the handlers.
//!
//! A handler lists its own error codes (`x-errors`). This module adds those that follow from its access, its body and its
//! conditions, and an example of everything that has a schema.

mod errors;
mod example;

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::{Value, json};
use utoipa::openapi::path::{Operation, PathItem, Paths};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::tag::Tag;
use utoipa::openapi::{Components, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, RefOr, Server};
use utoipa::{IntoParams, PartialSchema as _, ToSchema};

use self::errors::Errors;
use super::App;
use super::error::ErrorCode::NotFound;
use super::error::{ProblemBody, TokenErrorBody};
use super::published::{CACHE, document};
use super::routes::{Access, Route};
use crate::grammar::{EntityTags, NotEmpty, Words};

/// Get the OpenAPI description
///
/// Returns this description (OpenAPI 3.1). Not found if `documentation` is off in the configuration.
#[utoipa::path(
    get,
    path = "/openapi.json",
    params(IfNoneMatch),
    responses(
        (status = 200, body = Object, headers(("ETag" = String)), example = json!({ "openapi": "3.1.0" })),
        (status = 304),
    ),
    extensions(("x-errors" = json!([NotFound]))),
)]
pub(super) async fn description(State(app): State<App>, headers: HeaderMap) -> Response {
    document(&app.description().openapi, ("application/json", CACHE), &headers)
}

pub(super) fn describe(issuer: &str, routes: Vec<Route>) -> Value {
    let mut components = Components::new();
    components.schemas.insert(ProblemBody::name().into(), ProblemBody::schema());
    components.schemas.insert(TokenErrorBody::name().into(), TokenErrorBody::schema());
    components.add_security_scheme(
        BEARER,
        scheme(HttpAuthScheme::Bearer, "An access token from this issuer, for the resource `keystone`"),
    );
    components.add_security_scheme(BASIC, scheme(HttpAuthScheme::Basic, "`client_id` and `client_secret` of a confidential client (RFC 6749 §2.3.1). Clients may also send them in the body"));
    let mut api = OpenApi::new(information(), Paths::new());
    for Route { tag, access, described: (schemas, paths, _) } in routes {
        components.schemas.extend(schemas);
        for (path, mut item) in paths.paths {
            for (_, operation) in each(&mut item) {
                complete((&path, operation), (tag, access), &mut components);
            }
            api.paths.paths.entry(path).or_default().merge_operations(item);
        }
    }
    let tags =
        TAGS.map(|(name, description)| Tag::builder().name(name).description(Some(description)).build());
    let api = OpenApiBuilder::from(api).servers(Some([Server::new(issuer)])).tags(Some(tags));
    let mut api = json!(api.components(Some(components)).build());
    lift_descriptions(&mut api);
    example::added(api)
}

/// Moves the description of a member that may be `null` from its schema to the member, where readers look for it.
fn lift_descriptions(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(lift_descriptions),
        Value::Object(members) => {
            members.values_mut().for_each(lift_descriptions);
            let choices = members.get_mut("oneOf").and_then(Value::as_array_mut);
            let described = choices.into_iter().flatten().filter(|choice| choice.get("$ref").is_some());
            let lifted = described.filter_map(|choice| choice.as_object_mut()?.remove("description")).last();
            members.extend(lifted.map(|text| ("description".to_owned(), text)));
        }
        _ => {}
    }
}

/// Method and path of each operation.
pub(super) fn operations(paths: Paths) -> Vec<(String, String)> {
    let named = |(path, mut item): (String, PathItem)| {
        let methods: Vec<_> = each(&mut item).map(|(method, _)| method).collect();
        methods.into_iter().map(move |method| (method.to_owned(), path.clone()))
    };
    paths.paths.into_iter().flat_map(named).collect()
}

fn each(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let all = [
        ("GET", &mut item.get),
        ("POST", &mut item.post),
        ("PUT", &mut item.put),
        ("PATCH", &mut item.patch),
        ("DELETE", &mut item.delete),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

fn complete(
    (path, operation): (&str, &mut Operation),
    (tag, access): (&str, Access),
    components: &mut Components,
) {
    operation.tags = Some(vec![tag.to_owned()]);
    // Handlers have the short names of their files.
    operation.operation_id = operation.operation_id.as_ref().map(|name| format!("{tag}_{name}"));
    operation.security = security(access);
    for (status, response) in &mut operation.responses.responses {
        describe_success(status, response);
    }
    for (status, response) in Errors::of(path, operation, access).responses(components) {
        operation.responses.responses.insert(status.to_string(), response);
    }
}

fn security(access: Access) -> Option<Vec<SecurityRequirement>> {
    match access {
        Access::Anyone => Some(vec![]),
        // Client credentials may also be in the body, or missing for a public or the default client.
        Access::Client => {
            Some(vec![SecurityRequirement::new(BASIC, [""; 0]), SecurityRequirement::default()])
        }
        Access::Token => Some(vec![SecurityRequirement::new(BEARER, [""; 0])]),
        Access::Scope(scope) => Some(vec![SecurityRequirement::new(BEARER, [scope])]),
    }
}

fn describe_success(status: &str, response: &mut RefOr<utoipa::openapi::Response>) {
    let RefOr::T(response) = response else { return };
    if response.description.is_empty() {
        response.description = success(status).to_owned();
    }
    for (name, header) in &mut response.headers {
        let about = match name.as_str() {
            "ETag" => "The version of the representation, for `If-Match` and `If-None-Match`",
            _ => "The URL of the created object",
        };
        if let RefOr::T(header) = header {
            header.description = Some(about.to_owned());
        }
    }
}

fn success(status: &str) -> &'static str {
    match status {
        "201" => "Created",
        "204" => "No content",
        "304" => "Not modified: the copy with this `ETag` is current",
        _ => "OK",
    }
}

fn scheme(kind: HttpAuthScheme, description: &str) -> SecurityScheme {
    SecurityScheme::Http(HttpBuilder::new().scheme(kind).description(Some(description)).build())
}

fn information() -> utoipa::openapi::Info {
    let license = LicenseBuilder::new().name(LICENSE).identifier(Some(LICENSE)).build();
    let builder = InfoBuilder::new().title("Keystone").version(env!("CARGO_PKG_VERSION"));
    builder.description(Some(INTRODUCTION)).license(Some(license)).build()
}

/// The parameters of a listing by name.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "a description of what `Query::page` reads")]
pub(super) struct Paged {
    /// `next` of the previous page
    #[param(value_type = Option<Words>, inline)]
    cursor: Option<String>,
    /// Maximum number of items; 50 by default
    #[param(minimum = 1, maximum = 100)]
    limit: Option<i64>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "a description of what `Query::limit` reads")]
pub(super) struct Limited {
    /// Maximum number of items; 50 by default
    #[param(minimum = 1, maximum = 100)]
    limit: Option<i64>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "a description of what `conditional::required` reads")]
pub(super) struct IfMatch {
    /// The `ETag` of the object as it was read, or `*` for any version
    #[param(rename = "If-Match", value_type = EntityTags, inline)]
    if_match: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "a description of what `conditional::honoured` reads")]
pub(super) struct IfMatchOrNot {
    /// The `ETag` of the object as it was read, or `*` for any version
    #[param(rename = "If-Match", value_type = Option<EntityTags>, inline)]
    if_match: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "a description of what `published::document` reads")]
pub(super) struct IfNoneMatch {
    /// The `ETag` of a stored copy
    #[param(rename = "If-None-Match", example = "\"9f86d081884c7d659a2feaa0c55ad015\"")]
    if_none_match: Option<String>,
}

/// The token to revoke or to introspect
#[derive(ToSchema)]
#[expect(dead_code, reason = "a description: `Parameters` reads forms and JSON alike")]
pub(super) struct TokenBody {
    /// The access token or refresh token
    #[schema(value_type = NotEmpty)]
    token: String,
    /// Accepted and ignored: the issuer recognizes its tokens without it
    #[schema(nullable = false, example = "refresh_token")]
    token_type_hint: Option<String>,
    /// The client, if the request has no `Authorization` header
    #[schema(nullable = false, example = "orders-app")]
    client_id: Option<String>,
    /// The secret of a confidential client, if the request has no `Authorization` header
    #[schema(nullable = false, example = "kscs_…")]
    client_secret: Option<String>,
    /// Unknown parameters are ignored; a repeated one is an error
    #[serde(flatten)]
    others: BTreeMap<String, String>,
}

const LICENSE: &str = "Apache-2.0 OR MIT";
const BEARER: &str = "access_token";
const BASIC: &str = "client_secret_basic";
const INTRODUCTION: &str = "Keystone issues OAuth 2.0 access tokens and administers the users, clients, roles and scopes behind \
    them.\n\nOperations under `/users` and `/admin` need an access token with the scope named at each. Every error has a stable \
    code for programs and a sentence for people. A change sends the `ETag` of the object as it was read in `If-Match`.";
const TAGS: [(&str, &str); 10] = [
    ("tokens", "Issue, revoke and introspect tokens"),
    ("account", "Users' own account and sessions"),
    ("users", "User accounts and their roles"),
    ("roles", "Named sets of scopes, assigned to users"),
    ("scopes", "Permissions that a token can hold, and the resource that checks them"),
    ("clients", "OAuth clients and their secrets"),
    ("keys", "Signing keys and their lifecycle"),
    ("sessions", "Users' sessions"),
    ("audit", "The audit log"),
    ("published", "Public documents: keys, metadata, revocations, this description"),
];
