//! The revocation feed and its keys, for every verifier.

use axum::extract::State;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, CACHE_CONTROL, CONTENT_TYPE,
};
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use utoipa::IntoParams;

use super::App;
use super::error::ErrorCode::{TemporarilyUnavailable, UnknownCursor};
use super::error::Problem;
use super::layers::never_stored;
use super::openapi::IfNoneMatch;
use super::published::key_set;
use super::query::Query;
use crate::feed;
use crate::grammar::FeedCursor;
use crate::keys::Jwks;
use crate::store::Position;

/// Get the keys of the revocation feed
///
/// The JSON Web Key Set (RFC 7517) that verifies pages of the revocation feed. These keys sign nothing else.
#[utoipa::path(
    get,
    path = KEYS,
    params(IfNoneMatch),
    responses((status = 200, body = Jwks, content_type = "application/jwk-set+json", headers(("ETag" = String))),
        (status = 304)),
)]
pub(super) async fn keys(State(app): State<App>, headers: HeaderMap) -> Response {
    key_set(&app, &app.issuer.keys.feed.jwks, &headers)
}

/// Read the revocation feed
///
/// Returns the revocations after a cursor as a compact JWS (RFC 7515) of type `keystone-revocations+jwt`. A page is valid for
/// ten seconds; a page without events proves that there is nothing newer. `to` of one page is `after` of the next, which can
/// be fetched immediately if `more` is true. After a 409, start again without `after`.
#[utoipa::path(
    get,
    path = REVOCATIONS,
    params(After),
    responses((status = 200, body = String, content_type = FEED, example = "eyJhbGciOiJFZERTQSIsImtpZCI6Ii4uLiIsInR5cCI6ImtleXN0b25lLXJldm9jYXRpb25zK2p3dCJ9.eyJpc3MiOiIuLi4ifQ.c2lnbmF0dXJl")),
    extensions(("x-errors" = json!([UnknownCursor, TemporarilyUnavailable]))),
)]
pub(super) async fn revocations(State(app): State<App>, uri: Uri) -> Response {
    let answer = match page(&app, &uri).await {
        Ok(page) => ([(CONTENT_TYPE, FEED), (CACHE_CONTROL, CACHE)], page).into_response(),
        Err(problem) => never_stored(problem.into_response()),
    };
    // As the keys are; a page must also be able to see that it has to start again, or when to come back.
    ([(ACCESS_CONTROL_ALLOW_ORIGIN, "*"), (ACCESS_CONTROL_EXPOSE_HEADERS, "retry-after")], answer)
        .into_response()
}

async fn page(app: &App, uri: &Uri) -> Result<String, Problem> {
    Ok(feed::page(&app.issuer, after(uri)?).await?)
}

fn after(uri: &Uri) -> Result<Option<Position>, Problem> {
    let mut query = Query::of(uri)?;
    let after = query.parsed("after", |text| match text {
        "" => Some(None),
        text => feed::read_cursor(text).map(Some),
    })?;
    query.end()?;
    Ok(after.flatten())
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "a description of what `after` reads")]
struct After {
    /// `to` of the previous page; without it, the feed starts at the beginning
    #[param(value_type = Option<FeedCursor>, inline)]
    after: Option<String>,
}

pub(super) const KEYS: &str = "/.well-known/keystone/feed-jwks.json";
pub(super) const REVOCATIONS: &str = "/.well-known/keystone/revocations";
const FEED: &str = "application/keystone-revocations+jwt";
/// Any number of verifiers behind a cache cost one page a second.
const CACHE: &str = "public, max-age=1";
