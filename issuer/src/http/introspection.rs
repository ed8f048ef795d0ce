//! `POST /auth/introspect` (RFC 7662).

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use super::address::ClientAddress;
use super::client_authentication::presented;
use super::decode::Parameters;
use super::error::TokenError;
use super::openapi::TokenBody;
use crate::grant::GrantError;
use crate::introspection::{self, Introspection, IntrospectionRequest};
use crate::secret::Secret;

/// Introspect a token
///
/// The introspection endpoint of RFC 7662, for confidential clients. A token is shown to the client that received it and to
/// clients that hold a scope of a resource in its `aud`; for all others it is inactive.
#[utoipa::path(
    post,
    path = "/auth/introspect",
    request_body(content((TokenBody = "application/x-www-form-urlencoded"), (TokenBody = "application/json"))),
    responses((status = 200, body = Answer)),
)]
pub(super) async fn introspect(
    State(app): State<App>,
    ClientAddress(address): ClientAddress,
    request: Request,
) -> Result<Response, TokenError> {
    let (head, body) = request.into_parts();
    let mut parameters = Parameters::read(&head.headers, body).await?;
    let client = presented(&head.headers, &mut parameters)?;
    let token = Secret::new(parameters.take("token").ok_or(GrantError::MissingParameter("token"))?);
    let about =
        introspection::introspect(&app.issuer, IntrospectionRequest { client, token, address }).await?;
    Ok(Json(Answer { active: about.is_some(), about }).into_response())
}

/// The state of a token (RFC 7662 §2.2)
#[derive(Serialize, ToSchema)]
#[schema(as = Introspection)]
struct Answer {
    /// Whether the token is valid now. If not, the response has no other member
    active: bool,
    #[serde(flatten)]
    about: Option<Introspection>,
}
