//! `POST /auth/revoke` (RFC 7009).

use axum::extract::{Request, State};
use axum::http::StatusCode;

use super::App;
use super::address::ClientAddress;
use super::client_authentication::presented;
use super::decode::Parameters;
use super::error::TokenError;
use crate::grant::GrantError;
use crate::revocation::{self, RevocationRequest};
use crate::secret::Secret;

/// A token tells its kind by its form, so `token_type_hint` has nothing to add, and a wrong one harms nobody (§2.1).
pub(super) async fn revoke(
    State(app): State<App>,
    ClientAddress(address): ClientAddress,
    request: Request,
) -> Result<StatusCode, TokenError> {
    let (head, body) = request.into_parts();
    let mut parameters = Parameters::read(&head.headers, body).await?;
    let client = presented(&head.headers, &mut parameters)?;
    let token = Secret::new(parameters.take("token").ok_or(GrantError::MissingParameter("token"))?);
    revocation::revoke(&app.issuer, RevocationRequest { client, token, address }).await?;
    Ok(StatusCode::OK)
}
