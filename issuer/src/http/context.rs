//! What the audit log says of a request: its number and where it came from.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::App;
use super::address::ClientAddress;
use crate::store::RequestContext;

/// The number of a request, which its answer and its lines in the log have too.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestId(pub(super) [u8; 8]);

/// The context of a request, without the client, which is known when its credentials are.
#[derive(Clone, Debug)]
pub(super) struct Context(pub(super) RequestContext);

impl FromRequestParts<App> for Context {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        let ClientAddress(address) = ClientAddress::from_request_parts(parts, app).await?;
        let request_id = parts.extensions.get().map(|RequestId(id)| *id);
        Ok(Self(RequestContext { client_id: None, request_id, address: Some(address) }))
    }
}
