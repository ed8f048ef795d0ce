//! Optimistic concurrency (RFC 9110 §13): a version goes out as `ETag` and comes back as `If-Match`.

use axum::Json;
use axum::http::header::{ETAG, IF_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::error::Problem;
use crate::identity::{Expected, Version};

/// A representation under its version.
pub(super) fn versioned(version: &Version, body: impl Serialize) -> Response {
    let mut response = Json(body).into_response();
    if let Ok(tag) = HeaderValue::try_from(format!("\"{}\"", version.as_str())) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

/// The same for what is new.
pub(super) fn created(mut response: Response) -> Response {
    *response.status_mut() = StatusCode::CREATED;
    response
}

/// Of a change that replaces what was read: without the version two administrators would undo each other (CWE-362).
pub(super) fn required(headers: &HeaderMap) -> Result<Expected, Problem> {
    if headers.contains_key(IF_MATCH) { Ok(honoured(headers)) } else { Err(Problem::NoPrecondition) }
}

/// Of a change that stands for itself.
pub(super) fn honoured(headers: &HeaderMap) -> Expected {
    let mut values = headers.get_all(IF_MATCH).iter().peekable();
    if values.peek().is_none() {
        return Expected::Any;
    }
    // What is not a list of strong tags matches nothing.
    let texts: Vec<&str> = values.filter_map(|value| value.to_str().ok()).collect();
    if texts == ["*"] {
        return Expected::Any;
    }
    let tags = texts.iter().flat_map(|text| text.split(',')).map(str::trim);
    let strong = tags.filter_map(|tag| tag.strip_prefix('"')?.strip_suffix('"'));
    Expected::OneOf(strong.map(str::to_owned).collect())
}
