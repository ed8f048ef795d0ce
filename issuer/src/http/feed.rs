//! The revocation feed and its keys, for every verifier.

use axum::extract::State;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, CACHE_CONTROL, CONTENT_TYPE,
};
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use utoipa::IntoParams;

use super::App;
use super::error::Problem;
use super::layers::never_stored;
use super::openapi::IfNoneMatch;
use super::published::key_set;
use super::query::Query;
use crate::feed;
use crate::grammar::FeedCursor;
use crate::keys::Jwks;
use crate::store::Position;

/// The keys that sign the revocation feed, and nothing else (RFC 7517)
#[utoipa::path(
    get,
    path = KEYS,
    params(IfNoneMatch),
    responses(
        (status = 200, body = Jwks, content_type = "application/jwk-set+json", headers(("ETag" = String))),
        (status = 304),
    ),
)]
pub(super) async fn keys(State(app): State<App>, headers: HeaderMap) -> Response {
    key_set(&app, &app.issuer.keys.feed.jwks, &headers)
}

/// What was revoked after a place in the feed, as a signed page
///
/// A compact JWS (RFC 7515) of the type `keystone-revocations+jwt`. A page is good for ten seconds; one without events is the
/// proof that there is nothing newer. `to` of one page is `after` of the next, which is due at once where `more` is true.
/// A place that is not there any more is answered with 409: start again without `after`.
#[utoipa::path(
    get,
    path = REVOCATIONS,
    params(After),
    responses(
        (status = 200, body = String, content_type = FEED),
        (status = 400),
        (status = 409),
        (status = 500),
        (status = 503),
    ),
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
    /// `to` of the page before; from the beginning if not said
    #[param(value_type = Option<FeedCursor>, inline)]
    after: Option<String>,
}

pub(super) const KEYS: &str = "/.well-known/keystone/feed-jwks.json";
pub(super) const REVOCATIONS: &str = "/.well-known/keystone/revocations";
const FEED: &str = "application/keystone-revocations+jwt";
/// Any number of verifiers behind a cache cost one page a second.
const CACHE: &str = "public, max-age=1";
