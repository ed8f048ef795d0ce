//! How a client names itself in a request: HTTP Basic or body parameters, exactly one of them (RFC 6749 §2.3.1).

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::decode::{Parameters, form_text};
use crate::grant::{GrantError, PresentedClient};
use crate::secret::Secret;

pub(super) fn presented(headers: &HeaderMap, body: &mut Parameters) -> Result<PresentedClient, GrantError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (header, second) = (values.next(), values.next());
    let (client_id, secret) = (body.take("client_id"), body.take("client_secret"));
    if second.is_some() || (header.is_some() && secret.is_some()) {
        return Err(GrantError::SeveralAuthentications);
    }
    match (header, client_id, secret) {
        (Some(header), named, None) => match basic(header) {
            None => Ok(PresentedClient::Unreadable),
            Some((client_id, _)) if named.as_ref().is_some_and(|named| *named != client_id) => {
                Err(GrantError::ClientMismatch)
            }
            Some((client_id, secret)) => Ok(PresentedClient::Secret { client_id, secret }),
        },
        (_, Some(client_id), Some(secret)) => {
            Ok(PresentedClient::Secret { client_id, secret: Secret::new(secret) })
        }
        (_, None, Some(_)) => Err(GrantError::MissingParameter("client_id")),
        (_, Some(client_id), None) => Ok(PresentedClient::Named(client_id)),
        (_, None, None) => Ok(PresentedClient::Unnamed),
    }
}

/// Both halves are form-encoded before they are joined (RFC 6749 §2.3.1). Our own names and secrets have no character
/// that the encoding would change, so clients that forget it work as well.
fn basic(header: &HeaderValue) -> Option<(String, Secret)> {
    let (scheme, credentials) = header.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = zeroize::Zeroizing::new(STANDARD.decode(credentials.trim_start_matches(' ')).ok()?);
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    let (client_id, secret) = decoded.split_at_checked(colon)?;
    Some((form_text(client_id)?, Secret::new(form_text(secret.get(1..)?)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(String, String)> {
        let value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(text))).unwrap();
        basic(&value).map(|(client_id, secret)| (client_id, secret.expose().to_owned()))
    }

    /// P-08
    #[test]
    fn both_halves_are_form_encoded() {
        assert_eq!(read("a%3Ab:c%3A%2B%25+d:e"), Some(("a:b".to_owned(), "c:+% d:e".to_owned())));
    }

    #[test]
    fn other_schemes_and_broken_credentials_are_unreadable() {
        for text in [
            "Basic",
            "Basic ",
            "Basic !",
            "Basic YQ==",
            "Bearer YTpi",
            "Basic YTolenpa",
            "BasicYTpi",
            "Basic YTpi YTpi",
        ] {
            assert!(basic(&HeaderValue::from_static(text)).is_none(), "{text}");
        }
        assert_eq!(read("a:%ff"), None);
    }
}
