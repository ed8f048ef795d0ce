//! The errors that an operation can answer: the codes that its handler lists, and those of everything before the handler.

use std::collections::{BTreeMap, BTreeSet};

use keystone_verifier::Code;
use serde_json::{Value, json};
use utoipa::ToSchema as _;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::header::Header;
use utoipa::openapi::path::{Operation, Parameter};
use utoipa::openapi::schema::{AllOfBuilder, Object, ObjectBuilder, Type};
use utoipa::openapi::{Components, Content, ContentBuilder, Ref, RefOr, Required, ResponseBuilder};

use super::super::error::{ErrorCode, ProblemBody, TokenErrorBody};
use super::super::guard::CHANGE_PASSWORD;
use super::super::routes::Access;

/// The errors of one operation.
pub(super) struct Errors {
    access: Access,
    own: BTreeSet<ErrorCode>,
    implied: BTreeSet<ErrorCode>,
}

/// A code and a sentence that may come with it.
type Coded = (&'static str, &'static str);

impl Errors {
    /// Takes `x-errors` out of the operation.
    pub(super) fn of(path: &str, operation: &mut Operation, access: Access) -> Self {
        let extensions = operation.extensions.as_mut();
        let own = extensions.and_then(|extensions| extensions.remove(EXTENSION)).unwrap_or_default();
        operation.extensions = operation.extensions.take().filter(|extensions| !extensions.is_empty());
        let own: BTreeSet<ErrorCode> = serde_json::from_value(own).unwrap_or_default();
        Self { access, own, implied: implied(path, operation, access) }
    }

    /// One response for each status, kept among the components and shared by all operations with the same codes.
    pub(super) fn responses(
        &self,
        components: &mut Components,
    ) -> BTreeMap<u16, RefOr<utoipa::openapi::Response>> {
        let codes = self.own.iter().chain(&self.implied).map(|code| code.status().as_u16());
        let statuses: BTreeSet<u16> = codes.chain(self.refusals().map(Code::status)).collect();
        let named = statuses.into_iter().map(|status| {
            let name = self.name(status);
            components.responses.entry(name.clone()).or_insert_with(|| self.response(status).into());
            (status, Ref::from_response_name(name).into())
        });
        named.collect()
    }

    /// The refusals of the verifier. The keys are the issuer's own, and a guarded route needs scopes only.
    fn refusals(&self) -> impl Iterator<Item = Code> {
        const NEVER: [Code; 4] =
            [Code::NoRoute, Code::InsufficientRole, Code::KeysUnavailable, Code::RevocationsStale];
        let (takes_token, takes_scope) = match self.access {
            Access::Anyone | Access::Client => (false, false),
            Access::Token => (true, false),
            Access::Scope(_) => (true, true),
        };
        let can_happen = move |code: &Code| {
            let is_of_route = matches!(code, Code::BadPath | Code::InsufficientScope);
            takes_token && !NEVER.contains(code) && (takes_scope || !is_of_route)
        };
        Code::ALL.iter().copied().filter(can_happen)
    }

    fn name(&self, status: u16) -> String {
        let kind = match self.access {
            _ if status == ErrorCode::TlsRequired.status().as_u16() => "Problem",
            Access::Anyone => "Problem",
            Access::Client => "TokenError",
            Access::Token => "BearerProblem",
            Access::Scope(_) => "GuardedProblem",
        };
        let own = self.own.iter().filter(|code| code.status().as_u16() == status);
        own.fold(format!("{kind}{status}"), |name, code| format!("{name}_{}", code.as_str()))
    }

    fn response(&self, status: u16) -> utoipa::openapi::Response {
        let codes = self.own.union(&self.implied).filter(|code| code.status().as_u16() == status);
        let codes = codes.map(|code| (code.as_str(), code.meaning()));
        let refusals = self.refusals().filter(|code| code.status() == status);
        let codes: Vec<Coded> = codes.chain(refusals.map(|code| (code.as_str(), code.sentence()))).collect();
        let listed: Vec<String> = codes.iter().map(|(code, _)| format!("`{code}`")).collect();
        let mut response =
            ResponseBuilder::new().description(format!("{}: {}", meaning(status), listed.join(", "))).build();
        if self.access == Access::Client && status != ErrorCode::TlsRequired.status().as_u16() {
            response.content.insert("application/json".to_owned(), token_error(&codes).into());
        } else {
            response.content.insert(PROBLEM.to_owned(), problem(status, &codes).into());
        }
        // The Host header is checked before the route is known.
        if self.access == Access::Client && status == 400 {
            let host = [(ErrorCode::InvalidRequest.as_str(), ErrorCode::InvalidRequest.meaning())];
            response.content.insert(PROBLEM.to_owned(), problem(status, &host).into());
        }
        response.headers.extend(header(status));
        response
    }
}

/// The codes that follow from how a request reaches the handler.
fn implied(path: &str, operation: &Operation, access: Access) -> BTreeSet<ErrorCode> {
    use ErrorCode::{
        BodyTimeout, BodyTooLarge, InvalidClient, InvalidRequest, PasswordMustChange, PreconditionRequired,
        ServerError, Stale, TemporarilyUnavailable, TlsRequired, TooManyTokenRequests, UnsupportedMediaType,
    };
    let mut codes = BTreeSet::from([InvalidRequest, TlsRequired, ServerError]);
    codes.extend(match access {
        Access::Anyone => &[][..],
        Access::Client => &[InvalidClient, TooManyTokenRequests, TemporarilyUnavailable],
        Access::Token | Access::Scope(_) => &[TemporarilyUnavailable],
    });
    if matches!(access, Access::Scope(_)) && path != CHANGE_PASSWORD {
        codes.insert(PasswordMustChange);
    }
    if operation.request_body.is_some() {
        codes.extend([BodyTimeout, BodyTooLarge, UnsupportedMediaType]);
    }
    let parameters = operation.parameters.iter().flatten();
    for parameter in parameters.filter_map(plain).filter(|parameter| parameter.name == IF_MATCH) {
        codes.insert(Stale);
        codes.extend((parameter.required == Required::True).then_some(PreconditionRequired));
    }
    codes
}

fn plain(parameter: &RefOr<Parameter>) -> Option<&Parameter> {
    match parameter {
        RefOr::T(parameter) => Some(parameter),
        RefOr::Ref(_) => None,
    }
}

fn problem(status: u16, codes: &[Coded]) -> Content {
    let title = axum::http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    let body = |(code, detail): Coded| json!({ "type": "about:blank", "title": title, "status": status, "code": code, "detail": detail });
    content((&ProblemBody::name(), "code"), codes, body)
}

fn token_error(codes: &[Coded]) -> Content {
    let body = |(code, sentence): Coded| json!({ "error": code, "error_description": sentence });
    content((&TokenErrorBody::name(), "error"), codes, body)
}

/// The shared shape with its `member` limited to these codes, and an example of each.
fn content((schema, member): (&str, &str), codes: &[Coded], body: impl Fn(Coded) -> Value) -> Content {
    let listed = ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some("A code of this response"))
        .enum_values(Some(codes.iter().map(|(code, _)| *code)));
    let limited = ObjectBuilder::new().property(member, listed).required(member);
    let schema = AllOfBuilder::new().item(Ref::from_schema_name(schema)).item(limited);
    let example = |coded: &Coded| (coded.0, ExampleBuilder::new().value(Some(body(*coded))).build());
    ContentBuilder::new().schema(Some(schema)).examples_from_iter(codes.iter().map(example)).build()
}

fn header(status: u16) -> Option<(String, RefOr<Header>)> {
    let (name, about) = match status {
        401 => ("WWW-Authenticate", "The challenge (RFC 9110 §11.6.1)"),
        429 | 503 => ("Retry-After", "Seconds after which the request may be repeated"),
        _ => return None,
    };
    let mut header = Header::new(Object::with_type(Type::String));
    header.description = Some(about.to_owned());
    Some((name.to_owned(), header.into()))
}

const fn meaning(status: u16) -> &'static str {
    match status {
        400 => "The request is malformed or cannot be granted",
        401 => "Authentication is missing, invalid or too old",
        403 => "The caller may not do this",
        404 => "Not found",
        408 => "The body did not arrive in time",
        409 => "Conflicts with the current state",
        412 => "The object has changed since it was read",
        413 => "The body is too large",
        415 => "The body has a media type that this operation does not read",
        421 => "The request did not come over TLS",
        422 => "The body is well-formed but not acceptable",
        428 => "`If-Match` is missing",
        429 => "Too many attempts; `Retry-After` says when to try again",
        503 => "Not possible at the moment; `Retry-After` says when to try again",
        _ => "Internal error",
    }
}

const EXTENSION: &str = "x-errors";
const IF_MATCH: &str = "If-Match";
const PROBLEM: &str = "application/problem+json";
