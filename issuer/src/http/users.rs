//! `/users/me`: what people do with their own account.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use serde::Deserialize;

use super::App;
use super::address::ClientAddress;
use super::decode::json;
use super::error::Problem;
use super::guard::Caller;
use crate::secret::Secret;
use crate::users::{self, NewPassword};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PasswordBody {
    /// Needed wherever there is one.
    old_password: Option<String>,
    new_password: String,
}

/// `POST /users/me/password`
pub(super) async fn change_password(
    State(app): State<App>,
    ClientAddress(address): ClientAddress,
    Caller(caller): Caller,
    request: Request,
) -> Result<StatusCode, Problem> {
    let (head, body) = request.into_parts();
    let body: PasswordBody = json(&head.headers, body).await?;
    let passwords =
        NewPassword { old: body.old_password.map(Secret::new), new: Secret::new(body.new_password) };
    users::change_password(&app.issuer, &caller, address, passwords).await?;
    Ok(StatusCode::NO_CONTENT)
}
