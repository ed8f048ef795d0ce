//! `POST /auth/revoke` (RFC 7009).

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::App;
use super::address::ClientAddress;
use super::client_authentication::presented;
use super::context::Context;
use super::cors;
use super::decode::Parameters;
use super::error::TokenError;
use super::openapi::TokenBody;
use crate::grant::{self, GrantError};
use crate::revocation;
use crate::secret::Secret;

/// Revoke a token
///
/// The revocation endpoint of RFC 7009. A client revokes its own tokens; a refresh token ends its session. The response is the
/// same for unknown, expired and other clients' tokens.
#[utoipa::path(
    post,
    path = "/auth/revoke",
    request_body(content((TokenBody = "application/x-www-form-urlencoded"), (TokenBody = "application/json"))),
    responses((status = 200)),
)]
pub(super) async fn revoke(
    State(app): State<App>,
    ClientAddress(address): ClientAddress,
    Context(context): Context,
    request: Request,
) -> Result<Response, TokenError> {
    let (head, body) = request.into_parts();
    let mut parameters = Parameters::read(&head.headers, body).await?;
    let client = presented(&head.headers, &mut parameters)?;
    let token = Secret::new(parameters.take("token").ok_or(GrantError::MissingParameter("token"))?);
    let client = grant::authenticate(&app.issuer, client, address).await?;
    let revoked = revocation::revoke(&app.issuer, &client, context, &token).await;
    let answer = revoked.map(|()| StatusCode::OK).map_err(TokenError::from).into_response();
    Ok(cors::readable_by(&client, &head.headers, answer))
}
