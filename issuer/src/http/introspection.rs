//! `POST /auth/introspect` (RFC 7662).

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::App;
use super::address::ClientAddress;
use super::client_authentication::presented;
use super::decode::Parameters;
use super::error::TokenError;
use crate::grant::GrantError;
use crate::introspection::{self, Introspection, IntrospectionRequest};
use crate::secret::Secret;

/// A token tells its kind by its form, so `token_type_hint` has nothing to add (§2.1).
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

/// RFC 7662 §2.2. Of an inactive token nothing else is said.
#[derive(Serialize)]
struct Answer {
    active: bool,
    #[serde(flatten)]
    about: Option<Introspection>,
}
