//! `/openapi.json`: the description of every route, put together from what stands at the handlers.
//!
//! A handler names what is its own. What its access, its body and its conditions bring along is added here, once.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::{Value, json};
use utoipa::openapi::header::Header;
use utoipa::openapi::path::{Operation, Parameter, PathItem, Paths};
use utoipa::openapi::schema::{Object, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::tag::Tag;
use utoipa::openapi::{
    Components, Content, InfoBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, Required, ResponseBuilder, Server,
};
use utoipa::{IntoParams, PartialSchema as _, ToSchema};

use super::App;
use super::error::{ProblemBody, TokenErrorBody};
use super::published::{CACHE, document};
use super::routes::{Access, Route};
use crate::grammar::{EntityTags, NotEmpty, Words};

/// This description (OpenAPI 3.1)
#[utoipa::path(
    get,
    path = "/openapi.json",
    params(IfNoneMatch),
    responses((status = 200, body = Object, headers(("ETag" = String))), (status = 304), (status = 404)),
)]
pub(super) async fn description(State(app): State<App>, headers: HeaderMap) -> Response {
    document(&app.description.openapi, ("application/json", CACHE), &headers)
}

pub(super) fn describe(issuer: &str, routes: Vec<Route>) -> Value {
    let mut components = Components::new();
    components.schemas.insert(ProblemBody::name().into(), ProblemBody::schema());
    components.schemas.insert(TokenErrorBody::name().into(), TokenErrorBody::schema());
    components.add_security_scheme(BEARER, scheme(HttpAuthScheme::Bearer, "An access token of this issuer"));
    components.add_security_scheme(BASIC, scheme(HttpAuthScheme::Basic, "A client's `client_id` and secret"));
    let mut api = OpenApi::new(information(), Paths::new());
    for Route { tag, access, described: (schemas, paths, _) } in routes {
        components.schemas.extend(schemas);
        for (path, mut item) in paths.paths {
            each(&mut item).for_each(|(_, operation)| complete(operation, (tag, access), &mut components));
            api.paths.paths.entry(path).or_default().merge_operations(item);
        }
    }
    let tags =
        TAGS.map(|(name, description)| Tag::builder().name(name).description(Some(description)).build());
    let api = OpenApiBuilder::from(api).servers(Some([Server::new(issuer)])).tags(Some(tags));
    json!(api.components(Some(components)).build())
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

fn complete(operation: &mut Operation, (tag, access): (&str, Access), components: &mut Components) {
    operation.tags = Some(vec![tag.to_owned()]);
    // Handlers have the short names of their files.
    operation.operation_id = operation.operation_id.as_ref().map(|name| format!("{tag}_{name}"));
    operation.security = security(access);
    for status in implied(operation, access) {
        operation.responses.responses.entry(status.to_string()).or_insert_with(|| described(status).into());
    }
    for (status, response) in &mut operation.responses.responses {
        match status.parse() {
            Ok(status) if status >= 400 => *response = shared(status, access, components),
            Ok(status) => told(status, response),
            Err(_) => {}
        }
    }
}

fn security(access: Access) -> Option<Vec<SecurityRequirement>> {
    match access {
        Access::Anyone => None,
        // Or in the body, or not at all: a public client, or the default one.
        Access::Client => {
            Some(vec![SecurityRequirement::new(BASIC, [""; 0]), SecurityRequirement::default()])
        }
        Access::Token => Some(vec![SecurityRequirement::new(BEARER, [""; 0])]),
        Access::Scope(scope) => Some(vec![SecurityRequirement::new(BEARER, [scope])]),
    }
}

/// The statuses that come before a handler, or from what it takes.
fn implied(operation: &Operation, access: Access) -> BTreeSet<u16> {
    let mut statuses = BTreeSet::from([BAD_HOST, WITHOUT_TLS]);
    statuses.extend(match access {
        Access::Anyone => &[][..],
        Access::Client => &[401, 429, 500, 503],
        Access::Token | Access::Scope(_) => &[401, 403, 500, 503],
    });
    if operation.request_body.is_some() {
        statuses.extend([400, 408, 413, 415]);
    }
    let parameters = operation.parameters.iter().flatten();
    for parameter in parameters.filter_map(plain).filter(|parameter| parameter.name == IF_MATCH) {
        statuses.insert(412);
        statuses.extend((parameter.required == Required::True).then_some(428));
    }
    statuses
}

fn plain(parameter: &RefOr<Parameter>) -> Option<&Parameter> {
    match parameter {
        RefOr::T(parameter) => Some(parameter),
        RefOr::Ref(_) => None,
    }
}

/// One component for each status: an error looks the same wherever it happens.
fn shared(status: u16, access: Access, components: &mut Components) -> RefOr<utoipa::openapi::Response> {
    let (kind, schema, content) = match access {
        Access::Client if status != WITHOUT_TLS => ("TokenError", TokenErrorBody::name(), "application/json"),
        _ => ("Problem", ProblemBody::name(), "application/problem+json"),
    };
    let name = format!("{kind}{status}");
    components.responses.entry(name.clone()).or_insert_with(|| {
        let body = Content::new(Some(Ref::from_schema_name(schema)));
        let header = match status {
            401 => Some("WWW-Authenticate"),
            429 | 503 => Some("Retry-After"),
            _ => None,
        };
        let mut response = described(status);
        response.content.insert(content.to_owned(), body.into());
        response.headers.extend(
            header.map(|name| (name.to_owned(), Header::new(Object::with_type(Type::String)).into())),
        );
        response.into()
    });
    Ref::from_response_name(name).into()
}

fn described(status: u16) -> utoipa::openapi::Response {
    ResponseBuilder::new().description(meaning(status)).build()
}

fn told(status: u16, response: &mut RefOr<utoipa::openapi::Response>) {
    if let RefOr::T(response) = response
        && response.description.is_empty()
    {
        response.description = meaning(status).to_owned();
    }
}

const fn meaning(status: u16) -> &'static str {
    match status {
        200 => "Done",
        201 => "Made",
        204 => "Done; there is nothing to say",
        304 => "The copy that the caller has is current",
        400 => "The request cannot be read, or has too much or too little of something",
        401 => "There are no credentials, or not good ones",
        403 => "The credentials do not allow this",
        404 => "There is no such thing",
        408 => "The body did not arrive in time",
        409 => "It does not go together with what is there",
        412 => "It was changed since it was read",
        413 => "The body is too large",
        415 => "The body is of another type than the route reads",
        WITHOUT_TLS => "The issuer answers over TLS only",
        422 => "What the body says cannot be",
        428 => "`If-Match` is missing",
        429 => "Too many attempts; `Retry-After` says when the next may succeed",
        503 => "Not possible at the moment; `Retry-After` says when to try again",
        _ => "The server failed",
    }
}

fn scheme(kind: HttpAuthScheme, description: &str) -> SecurityScheme {
    SecurityScheme::Http(HttpBuilder::new().scheme(kind).description(Some(description)).build())
}

fn information() -> utoipa::openapi::Info {
    let builder = InfoBuilder::new().title("Keystone").version(env!("CARGO_PKG_VERSION"));
    builder.description(Some(INTRODUCTION)).build()
}

/// A listing by name.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "a description of what `Query::page` reads")]
pub(super) struct Paged {
    /// `next` of the page before
    #[param(value_type = Option<Words>, inline)]
    cursor: Option<String>,
    /// How many at most; 50 if not said
    #[param(minimum = 1, maximum = 100)]
    limit: Option<i64>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "a description of what `Query::limit` reads")]
pub(super) struct Limited {
    /// How many at most; 50 if not said
    #[param(minimum = 1, maximum = 100)]
    limit: Option<i64>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "a description of what `conditional::required` reads")]
pub(super) struct IfMatch {
    /// The `ETag` of what was read
    #[param(rename = "If-Match", value_type = EntityTags, inline)]
    if_match: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "a description of what `conditional::honoured` reads")]
pub(super) struct IfMatchOrNot {
    /// The `ETag` of what was read
    #[param(rename = "If-Match", value_type = Option<EntityTags>, inline)]
    if_match: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "a description of what `published::document` reads")]
pub(super) struct IfNoneMatch {
    /// The `ETag` of a copy
    #[param(rename = "If-None-Match")]
    if_none_match: Option<String>,
}

/// A token to revoke or to look at
#[derive(ToSchema)]
#[expect(dead_code, reason = "a description: `Parameters` reads forms and JSON alike")]
pub(super) struct TokenBody {
    #[schema(value_type = NotEmpty)]
    token: String,
    #[schema(nullable = false)]
    token_type_hint: Option<String>,
    /// Where no `Authorization` header names the client
    #[schema(nullable = false)]
    client_id: Option<String>,
    #[schema(nullable = false)]
    client_secret: Option<String>,
    /// Are ignored, each once
    #[serde(flatten)]
    others: BTreeMap<String, String>,
}

const IF_MATCH: &str = "If-Match";
const BEARER: &str = "access_token";
/// Both are said before anybody knows what the request is.
const BAD_HOST: u16 = 400;
const WITHOUT_TLS: u16 = 421;
const BASIC: &str = "client_secret_basic";
const INTRODUCTION: &str = "Users, clients, roles, scopes, sessions and keys, and the tokens that follow from them. \
    Routes under `/users` and `/admin` take an access token with the scope that stands at them. \
    An error has a stable code for programs and a sentence for people.";
const TAGS: [(&str, &str); 10] = [
    ("tokens", "Get, give up and ask about tokens"),
    ("account", "What people do with their own account"),
    ("users", "Who there is, and what they may do"),
    ("roles", "Bundles of scopes, given to users"),
    ("scopes", "What a token can allow, and the resource that understands it"),
    ("clients", "The programs that ask for tokens, and their secrets"),
    ("keys", "The keys that sign, and their lives"),
    ("sessions", "Who is logged in where"),
    ("audit", "Who changed what"),
    ("published", "What everybody may read"),
];
