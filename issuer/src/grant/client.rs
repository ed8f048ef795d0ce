//! Who asks: client authentication (RFC 6749 §2.3).

use std::net::IpAddr;
use std::sync::Arc;

use super::GrantError;
use crate::clients::is_client_id;
use crate::issuer::Issuer;
use crate::secret::Secret;
use crate::store::Client;

/// How the client of a request says who it is. At most one way (RFC 6749 §2.3).
#[derive(Debug)]
pub enum PresentedClient {
    /// It does not: the configured default client, if there is one.
    Unnamed,
    /// A public client.
    Named(String),
    /// `client_secret_basic` or `client_secret_post`.
    Secret { client_id: String, secret: Secret },
    /// An `Authorization` header from which no client can be read.
    Unreadable,
}

impl PresentedClient {
    fn claimed(&self) -> Option<&str> {
        match self {
            Self::Named(client_id) | Self::Secret { client_id, .. } => Some(client_id),
            Self::Unnamed | Self::Unreadable => None,
        }
    }
}

/// The client, if it is one, is enabled and proved what its kind must prove.
pub async fn authenticate(
    issuer: &Issuer,
    presented: PresentedClient,
    address: IpAddr,
) -> Result<Arc<Client>, GrantError> {
    let claimed = presented.claimed().map(str::to_owned);
    let client = match presented {
        PresentedClient::Unnamed => match &issuer.config.default_client {
            Some(client_id) => public(issuer, client_id).await?,
            None => return Err(GrantError::NoClient),
        },
        PresentedClient::Named(client_id) => public(issuer, &client_id).await?,
        PresentedClient::Secret { client_id, secret } => confidential(issuer, &client_id, &secret).await?,
        PresentedClient::Unreadable => None,
    };
    match client.filter(|client| client.enabled) {
        Some(client) => Ok(client),
        None => {
            let claimed = claimed.as_deref().filter(|claimed| is_client_id(claimed));
            issuer.attempts.no_client(&issuer.secrets, address, claimed).await?;
            Err(GrantError::InvalidClient)
        }
    }
}

/// A confidential client that shows no secret is nobody (CVE-2026-53512).
async fn public(issuer: &Issuer, client_id: &str) -> Result<Option<Arc<Client>>, GrantError> {
    Ok(issuer.clients.find(client_id).await?.filter(|client| client.public))
}

async fn confidential(
    issuer: &Issuer,
    client_id: &str,
    secret: &Secret,
) -> Result<Option<Arc<Client>>, GrantError> {
    let client = issuer.clients.find(client_id).await?.filter(|client| !client.public);
    // An unknown client costs a comparison too.
    let hashes = client.as_ref().map_or(NOBODY.as_slice(), |client| &client.secrets);
    let genuine = issuer.secrets.is_client_secret(secret, hashes);
    Ok(client.filter(|_| genuine))
}

const NOBODY: [[u8; 32]; 1] = [[0; 32]];
